//! The thread of the callbacks, or of the judges, could not be started: that is tried again, and at last failures stand that
//! nobody could judge.
//!
//! It must never call a judge: that is user code, and this runs on the pool's own thread. Without this an item that waits
//! for its judge would wait until the pool is joined, which waits for the item.

use procession_worker::handle::now_ns;

use super::{Driver, Shared};
use crate::core::{JobId, Verdict};

/// From one attempt to the next.
const PAUSE_NS: u64 = 100_000_000;
/// How long failures wait for a thread to be judged on.
const PATIENCE_NS: u64 = 2_000_000_000;

/// Since when the judges' thread has been missing.
#[derive(Debug, Default)]
pub(super) struct Mending {
    since: Option<u64>,
}

impl Mending {
    /// Mends what is to be mended; says when to look again, if not all is well.
    pub(super) fn look(&mut self, shared: &Shared) -> Option<u64> {
        let (called, judged) = (shared.callbacks.mend(), shared.judges.mend());
        if judged {
            self.since = None;
        }
        if called && judged {
            return None;
        }
        let now = now_ns();
        let again = Some(now.saturating_add(PAUSE_NS));
        if judged {
            return again;
        }
        let since = *self.since.get_or_insert(now);
        if now.saturating_sub(since) >= PATIENCE_NS {
            shared.let_failures_stand();
        }
        again
    }
}

impl Shared {
    /// Gives up every item that waits for its judge.
    fn let_failures_stand(&self) {
        let mut driver = self.lock();
        let jobs = driver.parts.jobs.iter().flatten();
        let judged: Vec<(JobId, u32)> = jobs
            .flat_map(|data| data.judged().map(|item| (data.job, item)))
            .collect();
        let Driver { core, parts, .. } = &mut *driver;
        for (job, item) in judged {
            core.judged(job, item, Verdict::GiveUp, now_ns(), parts);
        }
        self.unlock(driver);
    }
}
