//! Why a worker ended, for the errors of what it was running. It must never find that out: `seats` does.

use std::time::Duration;

use procession_worker::handle::Worker;
use procession_worker::{PanicReport, TaskError, TaskErrorKind, WorkerDeath};

use super::parts::JobData;
use crate::core::Overrun;

/// The end of a worker.
#[derive(Clone, Debug)]
pub(crate) struct Story {
    pub(crate) death: WorkerDeath,
    pub(crate) panic: Option<PanicReport>,
    pub(crate) violation: Option<String>,
}

impl Story {
    /// What kind of error that is for an item that had begun.
    pub(super) fn kind(&self) -> TaskErrorKind {
        match (&self.panic, &self.violation) {
            (Some(_), _) => TaskErrorKind::Panicked,
            (None, Some(_)) => TaskErrorKind::Protocol,
            (None, None) => TaskErrorKind::WorkerDied,
        }
    }

    /// The error with all of it.
    pub(super) fn tell(self, error: TaskError) -> TaskError {
        let mut error = error.with_death(self.death);
        if let Some(panic) = self.panic {
            error = error.with_panic(panic);
        }
        match self.violation {
            Some(violation) => error.with_detail(violation),
            None => error,
        }
    }
}

impl JobData {
    /// The error of an item that overran, and what becomes of its worker.
    pub(super) fn overran(&self, item: u32, over: Overrun, by: Option<&Worker>) -> TaskError {
        let [ran, limit, grace] = [over.ran, over.limit, over.grace].map(Duration::from_nanos);
        let error = self.error(TaskErrorKind::TimedOut, item);
        let error = error.with_times(limit, ran);
        let Some(worker) = by else { return error };
        let stopped = if worker.is_stopped() {
            "was stopped (T) and "
        } else {
            ""
        };
        let until = if grace.is_zero() {
            String::new()
        } else {
            format!(" unless it returns within {grace:?}")
        };
        let (pid, name) = (worker.pid(), worker.name());
        error.with_detail(format!("worker {pid} ({name:?}) {stopped}is ended{until}"))
    }
}
