//! The project's own two ways: a `Process` for each task, and a `Pool`. The only file here that calls `procession`.

use super::cell::Cell;
use super::round::Stopwatch;
use crate::project::Result;

/// A worker never returns from here.
pub(crate) fn enter() {}

/// Runs each task in a process of its own and returns how many returned.
pub(crate) fn processes(_cell: &Cell, _watch: &mut Stopwatch) -> Result<usize> {
    Err("`procession::Process` is not there".into())
}

/// Runs the tasks on a pool and returns how many returned.
pub(crate) fn pool(_cell: &Cell, _workers: usize, _watch: &mut Stopwatch) -> Result<usize> {
    Err("`procession::Pool` is not there".into())
}
