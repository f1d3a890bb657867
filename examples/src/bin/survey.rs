//! The main job: surveys files and folders on a pool of worker processes. `survey --help` says what it does; this file says in which order.
//!
//! ```text
//! cargo run --release -p procession-examples --bin survey -- .
//! ```
//!
//! One thread walks the folders, collects small files into batches, and sends each batch to the pool with `apply_async`;
//! the answers are added up as they come. So the workers read while the walk goes on, and nothing waits for the whole list.

use std::{
    env,
    error::Error,
    io::{self, BufWriter, Write},
    process::ExitCode,
};

use procession::{Pool, TaskError, TaskErrorKind};
use procession_examples::survey::{
    batch::Batcher,
    json,
    names::shown,
    options::{self, Command, Form, Options},
    progress::{Progress, say},
    report,
    tally::{Summary, Tally},
    walk::{Found, Problem, walk},
    window::{Answer, Window},
};

/// Problems listed on standard error. JSON has them all.
const LISTED: usize = 100;

fn main() -> ExitCode {
    procession::init();

    match options::parse(env::args_os().skip(1)) {
        Ok(Command::Help) => print(|out| out.write_all(options::HELP.as_bytes())),
        Ok(Command::Version) => print(|out| writeln!(out, "survey {}", env!("CARGO_PKG_VERSION"))),
        Ok(Command::Survey(options)) => survey(&options),
        Err(mistake) => {
            say(format_args!("survey: {mistake}; try survey --help"));
            ExitCode::from(2)
        }
    }
}

/// Runs a survey and prints it. The exit codes are those of `--help`.
fn survey(options: &Options) -> ExitCode {
    let summary = match run(options) {
        Ok(summary) => summary,
        Err(error) => {
            say(format_args!("survey: {error}"));
            return ExitCode::from(3);
        }
    };
    let printed = print(|out| match options.form {
        Form::Text => report::write(&summary, out),
        Form::Json => json::write(&summary, out),
    });
    list(&summary.problems);
    if summary.problems.is_empty() || printed != ExitCode::SUCCESS {
        printed
    } else {
        ExitCode::from(1)
    }
}

fn run(options: &Options) -> Result<Summary, Box<dyn Error>> {
    let pool = match options.workers {
        Some(workers) => Pool::new(workers)?,
        None => Pool::per_cpu()?,
    };
    let workers = pool.worker_pids().len();
    let mut progress = Progress::start(workers);
    let mut window = Window::new(&pool, workers);
    let mut batcher = Batcher::default();
    let mut tally = Tally::default();

    for found in walk(options) {
        match found {
            Found::File(file) => {
                progress.found(file.bytes);
                if let Some(batch) = batcher.push(file) {
                    window.send(batch);
                }
            }
            other => tally.found(other),
        }
        while let Some(answer) = window.answer() {
            settle(answer, &mut window, &mut batcher, &mut tally, &mut progress)?;
        }
    }
    if let Some(batch) = batcher.rest() {
        window.send(batch);
    }
    while let Some(answer) = window.wait() {
        settle(answer, &mut window, &mut batcher, &mut tally, &mut progress)?;
    }

    pool.close();
    pool.join()?;
    progress.finish();
    Ok(tally.summary())
}

/// Adds an answer to the tally. A batch without an answer is sent again file by file, once: the files are only read, so
/// doing it twice changes nothing, and the one that took its worker with it is found. An error means that no worker can work.
fn settle(
    answer: Answer,
    window: &mut Window<'_>,
    batcher: &mut Batcher,
    tally: &mut Tally,
    progress: &mut Progress,
) -> Result<(), TaskError> {
    let Answer { files, outcome } = answer;
    match outcome {
        Ok(measured) => {
            batcher.learn(&files, measured.busy);
            for (file, facts) in files.into_iter().zip(measured.files) {
                progress.done(file.bytes);
                tally.read(file.path, facts);
            }
        }
        Err(error) if is_final(&error) => return Err(error),
        Err(_) if files.len() > 1 => files.into_iter().for_each(|file| window.send(vec![file])),
        Err(error) => {
            for file in files {
                progress.done(file.bytes);
                tally.read(file.path, Err(error.to_string()));
            }
        }
    }
    Ok(())
}

fn is_final(error: &TaskError) -> bool {
    use TaskErrorKind::{Broken, Closed, Spawn, Terminated};
    matches!(error.kind(), Broken | Closed | Spawn | Terminated)
}

/// Writes to standard output. A reader that went away has what it wanted; any other failure is exit code 3.
fn print(write: impl FnOnce(&mut BufWriter<io::StdoutLock<'_>>) -> io::Result<()>) -> ExitCode {
    let mut out = BufWriter::new(io::stdout().lock());
    let written = write(&mut out).and_then(|()| out.flush());
    // What could not be written must not be tried again when `out` is dropped.
    let _ = out.into_parts();
    match written {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            say(format_args!(
                "survey: cannot write to standard output: {error}"
            ));
            ExitCode::from(3)
        }
        _ => ExitCode::SUCCESS,
    }
}

fn list(problems: &[Problem]) {
    for Problem { path, reason } in problems.iter().take(LISTED) {
        say(format_args!("survey: {}: {reason}", shown(path)));
    }
    if problems.len() > LISTED {
        say(format_args!(
            "survey: and {} more, see --json",
            problems.len() - LISTED
        ));
    }
}
