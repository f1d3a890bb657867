//! Why a worker ended, for the errors of what it was running. It must never find that out: `seats` does.

use procession_worker::handle::Worker;
use procession_worker::{PanicReport, TaskError, TaskErrorKind, WorkerDeath};

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

/// What becomes of a worker whose task overran.
pub(super) fn ended(worker: &Worker) -> String {
    let stopped = if worker.is_stopped() {
        "was stopped (T) and "
    } else {
        ""
    };
    format!(
        "worker {} ({:?}) {stopped}is ended",
        worker.pid(),
        worker.name()
    )
}
