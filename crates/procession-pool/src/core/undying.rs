//! Workers that were killed and do not end: another one takes their index. It must never have two serve under one.
//!
//! SIGKILL waits while a process is in the kernel's uninterruptible sleep, on a disk or a file server that does not answer.
//! What it ran is resolved and what it had not begun is elsewhere before it is killed, so all that is missing is a worker.
//!
//! 1. A second after SIGKILL the place leaves its index to a successor, as a place does whose worker finishes its last
//!    call. It keeps its process.
//! 2. When the process ends after all, the place is spare. Until then the pool is not finished.
//! 3. Places are bounded; where none is spare, the index waits for the end.

use super::place::Duty;
use super::worker::WorkerState;
use super::{Core, Effects, Nanos, PoolState};

impl Core {
    /// This worker was told to end at once: notes when that is overdue, if it will be missed.
    pub(super) fn expect_end(&mut self, slot: usize, now: Nanos) {
        if !self.misses_workers() {
            return;
        }
        let overdue = now.saturating_add(self.undying);
        let worker = self.workers.get_mut(slot);
        if let Some(worker) = worker.filter(|w| w.state == WorkerState::Killed) {
            worker.alarm = overdue;
            self.alarm = self.alarm.min(overdue);
        }
    }

    /// The end of this worker is overdue.
    pub(super) fn replace_undying(&mut self, slot: usize, now: Nanos, fx: &mut impl Effects) {
        if self.workers.get(slot).map(|worker| worker.duty) != Some(Duty::Serves)
            || !self.misses_workers()
        {
            return;
        }
        self.appoint(slot, now, fx);
        if self.successor(slot).is_some() {
            self.counters.restarts += 1;
            self.hand_over(slot, now, fx);
            if let Some(worker) = self.workers.get_mut(slot) {
                worker.undying = true;
            }
        }
    }

    /// Whether a worker that is gone has work to come: also while all of that is held, or not there yet. Its successor is
    /// started once there is some.
    fn misses_workers(&self) -> bool {
        match self.state {
            PoolState::Open => true,
            PoolState::Closing => self.jobs.len() > 0,
            PoolState::Terminating | PoolState::Broken => false,
        }
    }

    /// Workers that were killed, have not ended, and have been replaced.
    pub(super) fn undying_now(&self) -> u32 {
        self.workers.iter().filter(|worker| worker.undying).count() as u32
    }
}
