//! Work that waits behind other work while a worker is idle is moved; must not touch a frame that has begun, nor give one to
//! another worker that belongs to this one.

use super::own::put_first;
use super::queue::Run;
use super::worker::{Feed, WorkerState};
use super::{Core, Effects, Nanos, Slot};

/// Waiting work that is worth moving at once; less is done sooner than a move pays.
const WORTH: Nanos = 50_000;
/// After this, waiting frames are moved however short they were thought to be: the estimate was wrong.
pub(super) const PATIENCE: Nanos = 1_000_000;

impl Core {
    /// While a worker is idle and nothing is queued: takes back what waits longest and hands it out again.
    #[inline]
    pub(super) fn steal(&mut self, now: Nanos, fx: &mut impl Effects) {
        // Each round robs a worker that is not fed again in this call, so there are at most as many as workers.
        while self.waiting > 0 && !self.idle.is_empty() && self.queue.is_empty() {
            let Some(slot) = self.victim(now) else {
                break;
            };
            self.take_back(slot, fx, |_| true);
            if let Some(worker) = self.workers.get_mut(slot) {
                worker.feed = Feed::Robbed;
                if worker.may_go() {
                    self.outgoing.push(slot as u32);
                } else if worker.state == WorkerState::Ready && worker.frames.is_empty() {
                    worker.feed = Feed::Open;
                    worker.listed = true;
                    self.idle.insert(0, slot as u32);
                }
            }
            self.pump(now, fx);
        }
    }

    /// The worker with most work waiting, if it is worth moving; else notes when it will be.
    fn victim(&mut self, now: Nanos) -> Option<usize> {
        let mut most: Option<(Nanos, usize)> = None;
        let mut due: Option<Nanos> = None;
        for (slot, worker) in self.workers.iter().enumerate() {
            if worker.feed == Feed::Robbed || worker.waiting() == 0 {
                continue;
            }
            let Some((work, sent)) = self.movable_work(slot) else {
                continue;
            };
            let movable_at = sent.saturating_add(PATIENCE);
            if worker.state == WorkerState::Booting || work > WORTH || movable_at <= now {
                if most.is_none_or(|(most, _)| work > most) {
                    most = Some((work, slot));
                }
            } else {
                due = Some(due.map_or(movable_at, |due| due.min(movable_at)));
            }
        }
        match (most, due) {
            (Some((_, slot)), _) => Some(slot),
            (None, Some(due)) => {
                self.look_again_at(due);
                None
            }
            (None, None) => None,
        }
    }

    /// Takes back what the worker has not begun. Frames go to the front of their queue in their order; those for which
    /// `requeue` says false are dropped, after it was shown them, the newest first.
    pub(super) fn take_back(
        &mut self,
        slot: usize,
        fx: &mut impl Effects,
        mut requeue: impl FnMut(Run) -> bool,
    ) -> Vec<Run> {
        let mut dropped = Vec::new();
        let taken = fx.take_back(Slot(slot as u32));
        let Some(worker) = self.workers.get_mut(slot) else {
            return dropped;
        };
        let before = worker.waiting();
        for _ in 0..taken {
            // A frame with replies has begun, whatever the link says.
            if worker.frames.back().is_none_or(|frame| frame.begun) {
                break;
            }
            let Some(frame) = worker.pop_newest() else {
                break;
            };
            self.counters.taken_back += 1;
            worker.spare_quota(frame.count);
            let run = frame.run();
            if requeue(run) {
                let sticky = self.jobs.sticky(run.job);
                if let Some(job) = self.jobs.get_mut(run.job) {
                    job.queued += run.count;
                    let queues = (&mut self.queue, &mut self.own);
                    put_first(queues, sticky, job.priority, run);
                }
            } else {
                dropped.push(run);
            }
        }
        self.waiting -= before - worker.waiting();
        // What came back left room on the link; no reply may ever come to say so.
        if taken > 0 && worker.feed == Feed::LinkFull {
            worker.feed = Feed::Open;
        }
        dropped
    }
}
