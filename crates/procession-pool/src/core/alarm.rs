//! Items that have to end: a grace that is over ends a worker; must never end one that is at anything else by then.
//!
//! A *ghost* is a frame whose items were resolved while its worker ran them. It keeps its place among the worker's frames
//! until the worker has replied to all of it, or is ended. Why the next item is never hit by an end meant for the one before:
//!
//! 1. What the worker has not begun is taken back first. From then on it can begin nothing.
//! 2. If one frame is left it is the ghost: the worker runs it, or has just finished it and runs nothing. It is ended.
//! 3. If more are left, the worker has begun a frame after another: the reply to the former is there, but not counted. It
//!    is spared until replies were counted (`decides_at`); if the ghost was over, it then is no ghost any more.
//!
//! A worker with a ghost was told that its job is not wanted, and is sent nothing until its next reply. Why nothing else of a
//! job that goes on is taken for unwanted, when one of its items overran (`limit.rs`):
//!
//! 1. What the worker has not begun was taken back before it was told, and the ghost is the only frame it has begun.
//! 2. So its next reply is the ghost's. When that is counted the word is taken back, before the worker is sent anything.

use super::worker::{Feed, WorkerState};
use super::{Cancelled, Core, Effects, JobId, Nanos, Slot};

/// No moment at all.
pub(crate) const NEVER: Nanos = Nanos::MAX;

impl Core {
    /// Resolves what has begun of a job as cancelled; its frames become ghosts. The caller settles the job.
    pub(super) fn abandon(&mut self, id: JobId, now: Nanos, fx: &mut impl Effects) {
        let until = now.saturating_add(self.cancel_grace);
        let mut cancelled = 0;
        let mut told = Vec::new();
        for (slot, worker) in self.workers.iter_mut().enumerate() {
            let mut found = false;
            for frame in worker.frames.iter().filter(|frame| frame.job == id) {
                found = true;
                cancelled += frame.count;
                fx.cancelled(id, frame.first, frame.count, Cancelled::ByOwner);
            }
            if found {
                fx.tell_unwanted(Slot(slot as u32), id);
                if worker.frames.front().is_some_and(|f| f.job == id) {
                    worker.due = NEVER;
                }
                told.push(slot);
            }
        }
        for slot in told {
            self.wait_for_ghost(slot, until);
        }
        self.counters.cancelled += u64::from(cancelled);
        if let Some(job) = self.jobs.get_mut(id) {
            job.unresolved -= cancelled;
        }
    }

    /// This worker was told of the ghost it is at, which has until then to return. Nothing is sent to it before that.
    pub(super) fn wait_for_ghost(&mut self, slot: usize, until: Nanos) {
        // It has begun something, so it is READY, whether that was heard or not.
        self.becomes_ready(slot);
        if let Some(worker) = self.workers.get_mut(slot) {
            worker.alarm = until;
            worker.spared = false;
            worker.feed = Feed::Robbed;
            self.alarm = self.alarm.min(until);
        }
    }

    /// Replies came for a ghost.
    pub(super) fn ghost_replied(&mut self, slot: usize, fx: &mut impl Effects) {
        let Some(worker) = self.workers.get_mut(slot) else {
            return;
        };
        if worker
            .frames
            .iter()
            .any(|frame| self.jobs.get(frame.job).is_none())
        {
            return;
        }
        worker.alarm = NEVER;
        fx.tell_wanted(Slot(slot as u32));
        self.stop_when_drained(fx);
    }

    /// Ends the workers whose time is over and the jobs that did not begin, puts back what is to be tried again, and notes
    /// when to look again.
    pub(super) fn sound_alarm(&mut self, now: Nanos, fx: &mut impl Effects) {
        for slot in 0..self.workers.len() {
            let Some(worker) = self.workers.get_mut(slot) else {
                continue;
            };
            if worker.alarm <= now && worker.state == WorkerState::Killed {
                worker.alarm = NEVER;
                self.replace_undying(slot, now, fx);
            } else if worker.alarm <= now {
                self.end_ghost(slot, now, fx);
            } else if worker.due <= now {
                self.check_limit(slot, now, fx);
            }
        }
        self.expire(now, fx);
        self.release(now);
        let workers = self.workers.iter();
        let earliest = workers.map(|worker| worker.alarm.min(worker.due)).min();
        let expiry = self.expiries.peek().map_or(NEVER, |next| next.0.0);
        let retry = self.delayed.peek().map_or(NEVER, |next| next.0.0);
        self.alarm = earliest.unwrap_or(NEVER).min(expiry).min(retry);
        self.pump(now, fx);
        self.steal(now, fx);
    }

    /// Ends a worker for the ghost it is at; everything behind it goes elsewhere.
    fn end_ghost(&mut self, slot: usize, now: Nanos, fx: &mut impl Effects) {
        if self.is_past_its_oldest(slot, fx) {
            if let Some(worker) = self.workers.get_mut(slot) {
                worker.alarm = now;
            }
        } else {
            self.end_worker(slot, now, fx);
        }
    }

    /// Leaves the worker nothing to begin. True, once: it has begun something after its oldest frame.
    pub(super) fn is_past_its_oldest(&mut self, slot: usize, fx: &mut impl Effects) -> bool {
        self.take_back(slot, fx, |_| true);
        match self.workers.get_mut(slot) {
            Some(worker) if worker.frames.len() > 1 && !worker.spared => {
                worker.spared = true;
                true
            }
            Some(_) | None => false,
        }
    }

    /// Ends a worker that can begin nothing and is at nothing that counts.
    pub(super) fn end_worker(&mut self, slot: usize, now: Nanos, fx: &mut impl Effects) {
        let Some(worker) = self.workers.get_mut(slot) else {
            return;
        };
        self.waiting -= worker.waiting();
        worker.queued = 0;
        let frames = std::mem::take(&mut worker.frames);
        self.dismiss(slot, WorkerState::Killed, fx);
        self.expect_end(slot, now);
        // Begun, not replied, and not what the worker is ended for: only a worker that breaks the protocol has such.
        for frame in frames {
            if self.jobs.get(frame.job).is_some() {
                self.lose(frame.run(), Slot(slot as u32), now, fx);
            }
        }
    }
}
