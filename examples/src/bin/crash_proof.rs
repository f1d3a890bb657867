//! A fragile function behind a pool: whatever an input does to it, every other input still gets its result. No failure may go unnamed.
//!
//! ```text
//! cargo run -p procession-examples --bin crash_proof                      # the built-in inputs
//! cargo run -p procession-examples --bin crash_proof -- 1 abort 2 loop    # your own
//! cargo run -p procession-examples --bin crash_proof -- --patience 60 1 2 # for a busy machine: 60 s for each result
//! ```
//!
//! Think of a C library that decodes pictures: most files are fine, one frees a pointer twice, one never ends. Exit codes:
//! 0 every input has its result, 1 some have not (each is named on standard output), 2 the pool itself failed.

use std::{env, process::ExitCode, thread, time::Duration};

use procession::{AsyncResult, Pool, TaskError, TaskErrorKind};
use rustix::process::{Signal, getpid, kill_process};

/// The inputs when none are given: good ones between all the ways of failing.
const INPUTS: [&str; 12] = [
    "1", "abort", "2", "segfault", "3", "panic", "4", "exit", "5", "loop", "x", "6",
];

/// How many seconds to wait for one result, the ones before it being there. An input without a result by then is reported,
/// and ended with the pool.
const PATIENCE: u64 = 5;

/// The fragile function. An error it returns is an ordinary result; everything else it does here is what isolation is for.
fn fragile(input: String) -> Result<u64, String> {
    match input.as_str() {
        "abort" => std::process::abort(),
        "segfault" => segfault(),
        "panic" => panic!("an invariant does not hold"),
        "exit" => std::process::exit(7),
        "loop" => loop {
            thread::sleep(Duration::from_secs(1));
        },
        number => number
            .parse()
            .map(|number: u64| number * number)
            .map_err(|error| format!("{input:?}: {error}")),
    }
}

/// Ends this process as a wild pointer would, without writing one: by the same signal. It is sent until it is deadly,
/// because handlers that only take a note (Rust's own among them) return from the first ones.
fn segfault() -> ! {
    loop {
        if kill_process(getpid(), Signal::SEGV).is_err() {
            std::process::abort();
        }
    }
}

/// One line for one input that has no result.
fn explain(error: &TaskError) -> String {
    match error.kind() {
        // The worker is alive and took the next input.
        TaskErrorKind::Panicked => match error.panic() {
            Some(panic) => format!("panicked: {}", panic.message()),
            None => format!("panicked: {error}"),
        },
        // The worker is gone, and another has taken its place.
        TaskErrorKind::WorkerDied => match error.death() {
            Some(death) => format!("worker died: {}", death.exit_status()),
            None => format!("worker died: {error}"),
        },
        _ => error.to_string(),
    }
}

/// What became of one input: its value, or the reason why it has none.
fn outcome(result: AsyncResult<Result<u64, String>>, patience: u64) -> Result<u64, String> {
    // "Not ready yet" is not an error of the task: it hands the handle back, which could be asked again.
    match result.get_timeout(Duration::from_secs(patience)) {
        Ok(Ok(Ok(value))) => Ok(value),
        Ok(Ok(Err(refusal))) => Err(format!("refused: {refusal}")),
        Ok(Err(error)) => Err(explain(&error)),
        Err(_still_running) => Err(format!("no result within {patience} s")),
    }
}

fn run(inputs: &[String], patience: u64) -> Result<usize, procession::Error> {
    // Each endless input keeps one worker until the end, so there are more workers than endless inputs to be expected.
    let pool = Pool::new(4)?;
    let results: Vec<_> = inputs
        .iter()
        .map(|input| pool.apply_async(fragile, (input.clone(),)))
        .collect();

    let mut failures = 0;
    for (input, result) in inputs.iter().zip(results) {
        match outcome(result, patience) {
            Ok(value) => println!("{input:<10} ok     {value}"),
            Err(why) => {
                failures += 1;
                println!("{input:<10} error  {why}");
            }
        }
    }
    println!(
        "{} of {} inputs have their result",
        inputs.len() - failures,
        inputs.len()
    );

    // `close` would wait for the endless input. `terminate` ends it, and the worker it runs in.
    pool.terminate();
    pool.join()?;
    Ok(failures)
}

fn main() -> ExitCode {
    procession::init();

    let mut inputs: Vec<String> = env::args().skip(1).collect();
    let mut patience = PATIENCE;
    if inputs.first().is_some_and(|first| first == "--patience") {
        match inputs.get(1).map(|seconds| seconds.parse()) {
            Some(Ok(seconds)) => patience = seconds,
            _ => {
                eprintln!("crash_proof: --patience takes a number of seconds");
                return ExitCode::from(2);
            }
        }
        inputs.drain(..2);
    }
    if inputs.is_empty() {
        inputs = INPUTS.map(String::from).to_vec();
    }
    match run(&inputs, patience) {
        Ok(0) => ExitCode::SUCCESS,
        Ok(_) => ExitCode::from(1),
        Err(error) => {
            eprintln!("crash_proof: {error}");
            ExitCode::from(2)
        }
    }
}
