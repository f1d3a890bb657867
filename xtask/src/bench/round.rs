//! One round, in a process that does nothing else: runs a cell and prints one JSON line. Never samples or summarises.

use std::io::{self, BufRead, Write};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::cell::{Cell, Shape, System};
use super::usage::Usage;
use super::{command, workload};
use crate::project::Result;

/// What a round says about itself. `round.py` prints the same fields.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Report {
    /// From before the first process to after the last join, without the pause in which memory is read.
    pub(crate) wall_ms: f64,
    /// The round's process and all its children, over the same span.
    pub(crate) cpu_ms: f64,
    pub(crate) switches: u64,
    /// Tasks that returned.
    pub(crate) done: usize,
}

/// The line that says: every process is alive and waits. The observer answers with a line once it has read memory.
pub(crate) const HELD: &str = "held";

/// The command behind `bench-round`.
pub(crate) fn run(cell: &str) -> Result {
    let cell: Cell = serde_json::from_str(cell)?;
    let before = Usage::now()?;
    let mut watch = Stopwatch::start();
    let done = match (cell.system, cell.shape) {
        (System::Procession, Shape::Processes) => workload::processes(&cell, &mut watch)?,
        (System::Procession, Shape::Pool(workers)) => workload::pool(&cell, workers, &mut watch)?,
        (System::StdCommand, Shape::Processes) => command::processes(&cell, &mut watch)?,
        (System::StdCommand, Shape::Pool(_)) => return Err("a std Command has no pool".into()),
        (System::PythonFork | System::PythonForkserver | System::PythonSpawn, _) => {
            return Err("a Python cell is run by round.py".into());
        }
    };
    let wall = watch.stop();
    let used = Usage::now()?.since(&before);
    let report = Report {
        wall_ms: millis(wall),
        cpu_ms: millis(used.cpu),
        switches: used.switches,
        done,
    };
    println!("{}", serde_json::to_string(&report)?);
    Ok(())
}

/// Wall time without the pause of a held round.
pub(crate) struct Stopwatch {
    spent: Duration,
    since: Instant,
}

impl Stopwatch {
    fn start() -> Stopwatch {
        Stopwatch {
            spent: Duration::ZERO,
            since: Instant::now(),
        }
    }

    fn stop(self) -> Duration {
        self.spent + self.since.elapsed()
    }

    /// Stops the clock, lets the observer read memory, and starts it again.
    pub(crate) fn hold(&mut self) -> Result {
        self.spent += self.since.elapsed();
        println!("{HELD}");
        io::stdout().flush()?;
        let mut answer = String::new();
        if io::stdin().lock().read_line(&mut answer)? == 0 {
            return Err("the observer ended before it measured".into());
        }
        self.since = Instant::now();
        Ok(())
    }
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1_000.0
}
