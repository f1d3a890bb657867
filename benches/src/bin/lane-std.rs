//! The lane of the bounds that the standard library gives, and the child of its `Command` (`--nothing`, `--hold`). Must link no
//! other side.

use std::process::ExitCode;

use procession_benches::sides::{Standard, lane};
use procession_benches::tasks;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match args.as_slice() {
        [option] if option == "--nothing" => ExitCode::SUCCESS,
        [option, directory] if option == "--hold" => {
            tasks::hold(directory.clone());
            ExitCode::SUCCESS
        }
        _ => lane("std", Standard),
    }
}
