//! The project's own two ways: a `Process` for each task, and a `Pool`. The only file here that calls `procession`.

use procession::{Pool, Process};

use super::cell::{Cell, Kind, Mode};
use super::round::Stopwatch;
use super::work::{self, Gate};
use crate::project::Result;

/// A worker never returns from here.
pub(crate) fn enter() {
    procession::init();
}

fn task(kind: Kind, gate: Option<String>) {
    work::perform(kind);
    if let Some(gate) = gate {
        work::pass(&gate);
    }
}

/// Runs each task in a process of its own and returns how many ended well.
pub(crate) fn processes(cell: &Cell, watch: &mut Stopwatch) -> Result<usize> {
    let mut gate = match cell.mode {
        Mode::AsTheyCome => None,
        Mode::Held => Some(Gate::new()?),
    };
    let mut processes = Vec::with_capacity(cell.tasks);
    for _ in 0..cell.tasks {
        processes.push(Process::spawn(
            task,
            (cell.kind, gate.as_ref().map(Gate::address)),
        )?);
    }
    if let Some(gate) = &mut gate {
        gate.wait_for(cell.tasks)?;
        watch.hold()?;
        gate.release()?;
    }
    let mut done = 0;
    for process in processes {
        done += usize::from(process.join()?.success());
    }
    Ok(done)
}

/// Runs the tasks on a pool, start to stop, and returns how many returned. A held pool is measured when all have.
pub(crate) fn pool(cell: &Cell, workers: usize, watch: &mut Stopwatch) -> Result<usize> {
    let pool = Pool::new(workers)?;
    let results: Vec<_> = (0..cell.tasks)
        .map(|_| pool.apply_async(task, (cell.kind, None)))
        .collect();
    if cell.mode == Mode::Held {
        results.iter().for_each(|result| result.wait());
        watch.hold()?;
    }
    pool.close();
    pool.join()?;
    let mut done = 0;
    for result in results {
        result.get()?;
        done += 1;
    }
    Ok(done)
}
