//! How far a pool is in its life, as whoever hands something in sees it. It must never go back.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use procession_worker::{TaskError, TaskErrorKind};

use crate::here::OwnWorker;

/// What a refusal says after [`Pool::terminate`](crate::Pool::terminate).
pub(crate) const WAS_TERMINATED: &str = "the pool was terminated";

const OPEN: u8 = 0;
const CLOSED: u8 = 1;
const TERMINATED: u8 = 2;

/// How far a pool is in its life; what outlives the pool keeps a copy.
#[derive(Clone, Debug, Default)]
pub(crate) struct Phase {
    at: Arc<AtomicU8>,
    /// The worker that the caller of an inline pool is.
    pub(crate) own: Option<Arc<OwnWorker>>,
}

impl Phase {
    pub(crate) fn is_open(&self) -> bool {
        self.at.load(Ordering::Acquire) == OPEN
    }

    /// True when it was open.
    pub(crate) fn close(&self) -> bool {
        self.at
            .compare_exchange(OPEN, CLOSED, Ordering::AcqRel, Ordering::Acquire)
            .is_ok()
    }

    pub(crate) fn terminate(&self) {
        self.at.store(TERMINATED, Ordering::Release);
    }

    pub(crate) fn is_terminated(&self) -> bool {
        self.at.load(Ordering::Acquire) == TERMINATED
    }

    /// Why a call is refused by a pool that is not open, as its outcome.
    pub(crate) fn refusal(&self, name: &'static str) -> TaskError {
        let closed = TaskError::new(TaskErrorKind::Closed, name);
        match self.at.load(Ordering::Acquire) {
            TERMINATED => closed.with_detail(WAS_TERMINATED),
            _ => closed,
        }
    }

    /// What tells this pool from every other one, by its address, while somebody keeps it.
    pub(crate) fn mark(&self) -> &Arc<AtomicU8> {
        &self.at
    }
}
