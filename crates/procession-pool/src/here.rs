//! Calls in a pool of no workers: they run in the caller's thread. It must never run one of a pool that is over.

use procession_task::codec::Limits;
use procession_task::descriptor::TaskRef;
use procession_task::frame;
use procession_worker::{TaskError, TaskErrorKind};

use crate::cell::Raw;
use crate::pool::Phase;

/// Runs a call in this thread, by the same path of bytes as a worker would.
pub(crate) fn run_here(
    phase: &Phase,
    task: TaskRef,
    item: &[u8],
    limits: &Limits,
) -> Result<Raw, TaskError> {
    if !phase.is_open() {
        return Err(TaskError::new(TaskErrorKind::Closed, task.name()));
    }
    let mut output = Vec::new();
    let args = frame::Items::new(item).next().unwrap_or_default();
    match task.descriptor().call(args, &mut output, limits) {
        Ok(()) => Ok(Raw::new(&output)),
        Err(failure) => Err(TaskError::from_failure(task.name(), failure)),
    }
}
