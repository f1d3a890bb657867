//! The project's own commands. Only picks the command: each one lives in a file of its own and nothing here does work.

mod bench;
mod ci;
mod project;
mod tidy;

use std::process::ExitCode;

const HELP: &str = "\
cargo xtask <command>

  bench [--quick | --smoke] [--save] [--seed <n>]
                       500 processes for 500 tasks against a pool: time, CPU and memory, with Python beside it
  bench --peers [--quick] [--save] [...]
                       the same work on other systems (Python, loky, joblib, pebble, rayon); passes its options on
  tidy                 the rules the compiler does not check: layers, unsafe, documents against code
  ci                   everything a change has to pass
";

fn main() -> ExitCode {
    bench::workload::enter();
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let outcome = match args.as_slice() {
        ["bench", options @ ..] => bench::run(options),
        ["tidy"] => tidy::run(),
        ["ci"] => ci::run(),
        // Not for people: what the bench re-executes this binary with.
        ["bench-round", cell] => bench::round::run(cell),
        ["bench-task", kind] => bench::command::child(kind, None),
        ["bench-task", kind, gate] => bench::command::child(kind, Some(gate)),
        [] | ["help" | "--help" | "-h"] => {
            print!("{HELP}");
            Ok(())
        }
        other => Err(format!("unknown command `{}`\n\n{HELP}", other.join(" ")).into()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error}");
            ExitCode::FAILURE
        }
    }
}
