//! Workers that were killed and do not end: another one takes their index. It must never have two serve under one.
//!
//! SIGKILL waits while a process is in the kernel's uninterruptible sleep, on a disk or a file server that does not answer.
//! What it ran is resolved and what it had not begun is elsewhere before it is killed, so all that is missing is a worker.
//!
//! 1. A second after SIGKILL the place leaves its index to a successor, as a place does whose worker finishes its last
//!    call. It keeps its process.
//! 2. When the process ends after all, the place is spare. Until then the pool is not finished.
//! 3. Places are bounded; where none is spare, the index waits until one is, by whichever end or a larger size. So does that
//!    of a worker which was told to stop.

use super::alarm::NEVER;
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
        if self.pass_on(slot, now, fx) {
            self.counters.restarts += 1;
            if let Some(worker) = self.workers.get_mut(slot) {
                worker.undying = true;
            }
        }
    }

    /// Gives the index of a process that was told to end to another place, if there is room for one.
    fn pass_on(&mut self, slot: usize, now: Nanos, fx: &mut impl Effects) -> bool {
        self.appoint(slot, now, fx);
        let succeeds = self.successor(slot).is_some();
        if succeeds {
            self.hand_over(slot, now, fx);
        }
        succeeds
    }

    /// A place may have come free: an index that had to wait for the end of its process has it.
    pub(super) fn use_spare_places(&mut self, now: Nanos, fx: &mut impl Effects) {
        if !self.misses_workers() {
            return;
        }
        for slot in 0..self.workers.len() {
            let Some(worker) = self.workers.get(slot) else {
                continue;
            };
            match worker.state {
                // With an alarm it may yet end in time.
                WorkerState::Killed if worker.alarm == NEVER => {
                    self.replace_undying(slot, now, fx);
                }
                WorkerState::Stopping if worker.duty == Duty::Serves => {
                    self.pass_on(slot, now, fx);
                }
                WorkerState::Killed
                | WorkerState::Stopping
                | WorkerState::Down { .. }
                | WorkerState::Starting
                | WorkerState::Booting
                | WorkerState::Ready => {}
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
