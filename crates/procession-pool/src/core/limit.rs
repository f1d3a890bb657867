//! How long items may run; must not touch an item whose reply has been counted.
//!
//! An item with a limit travels alone, so that its start is the start of its frame and nobody shares its end. The core does
//! not know when an item begins. It looks once the limit has passed since the item became its worker's oldest: that cannot
//! be too late by more than the look itself, for it began then or later. If it has begun, the next look is at its end; if
//! not, the limit from then on. So there are two or three looks at an item that overruns, and none at most others.

use super::alarm::NEVER;
use super::{Core, Effects, Fault, JobId, Nanos, Overrun, Slot};

impl Core {
    /// The worker's oldest frame may be another one than before: notes when to look at its limit, if it has one.
    pub(super) fn watch_oldest(&mut self, slot: usize, now: Nanos) {
        let Some(worker) = self.workers.get_mut(slot) else {
            return;
        };
        let Some(oldest) = worker.frames.front().filter(|_| worker.due == NEVER) else {
            return;
        };
        let limit = self.jobs.get(oldest.job).map_or(NEVER, |job| job.limit);
        if limit != NEVER {
            worker.due = now.saturating_add(limit);
            worker.began = None;
            worker.spared = false;
            self.alarm = self.alarm.min(worker.due);
        }
    }

    /// The limit has passed since the last look, and replies were counted.
    pub(super) fn check_limit(&mut self, slot: usize, now: Nanos, fx: &mut impl Effects) {
        let Some(worker) = self.workers.get_mut(slot) else {
            return;
        };
        worker.due = NEVER;
        let Some(oldest) = worker.frames.front().copied() else {
            return;
        };
        let Some(limit) = self.jobs.get(oldest.job).map(|job| job.limit) else {
            return;
        };
        if limit == NEVER {
            return;
        }
        // The first answer stands: a worker cannot put its end off.
        let place = Slot(slot as u32);
        let began = worker
            .began
            .or_else(|| fx.begun_at(place, oldest.job, oldest.first))
            .map(|at| at.clamp(oldest.sent, now));
        worker.began = began;
        let end = began.unwrap_or(now).saturating_add(limit);
        if end > now {
            worker.due = end;
        } else if self.is_past_its_oldest(slot, fx) {
            if let Some(worker) = self.workers.get_mut(slot) {
                worker.due = now;
            }
        } else {
            // Only a worker that breaks the protocol has begun more by now.
            let frames = self.workers.get(slot).map(|worker| worker.frames.len());
            let over = Overrun {
                ran: now - began.unwrap_or(now),
                limit,
                grace: if frames == Some(1) {
                    self.timeout_grace
                } else {
                    0
                },
            };
            self.overrun(slot, over, now, fx);
        }
    }

    /// Resolves the item the worker is at, or has it tried again. The worker is told, and ended for it unless it returns within
    /// the grace. The job may go on, so its frame is a ghost by being of no job at all.
    fn overrun(&mut self, slot: usize, over: Overrun, now: Nanos, fx: &mut impl Effects) {
        let worker = self.workers.get_mut(slot);
        let Some(frame) = worker.and_then(|worker| worker.frames.front_mut()) else {
            return;
        };
        // It travelled alone.
        let (id, item) = (std::mem::replace(&mut frame.job, JobId::NONE), frame.first);
        let place = Slot(slot as u32);
        fx.tell_unwanted(place, id);
        let fate = self.fail(id, item, Fault::Overrun, now);
        fx.timed_out(id, item, place, over, fate);
        if over.grace == 0 {
            self.end_worker(slot, now, fx);
        } else {
            self.wait_for_ghost(slot, now.saturating_add(over.grace));
        }
        self.after_fate(id, fate, fx);
    }
}
