//! Handing out while priorities differ or chunks belong to indexes; must not be entered otherwise: it looks at every worker.

use super::alarm::NEVER;
use super::assign::Offer;
use super::own::Source;
use super::queue::Run;
use super::{Core, Effects, JobId, Nanos};

impl Core {
    /// As `enqueue`: each run where it belongs, behind all others of its priority.
    #[cold]
    #[inline(never)]
    pub(super) fn enqueue_in_order(
        &mut self,
        id: JobId,
        first: u32,
        end: u32,
        now: Nanos,
        fx: &mut impl Effects,
    ) {
        let Some(job) = self.jobs.get(id) else {
            return;
        };
        let run = Run {
            job: id,
            first,
            count: end - first,
        };
        if let Some(sticky) = self.jobs.sticky(run.job) {
            return self.enqueue_chunks(run, sticky, now, fx);
        }
        let is_first = self.queue.priority() < Some(job.priority);
        self.queue.push_back(run, job.priority);
        if is_first || self.resting > 0 {
            self.pump(now, fx);
        }
    }

    /// As `pump`: what is in the wrong place comes back first, and who has work of its own gets some.
    #[cold]
    #[inline(never)]
    pub(super) fn pump_in_order(&mut self, now: Nanos, fx: &mut impl Effects) {
        while self.has_work() {
            if self.make_way(fx) {
                // One that was to go with its last items may have none any more.
                self.see_off(now, fx);
                continue;
            }
            if self.feed_own(now, fx) {
                continue;
            }
            if self.queue.is_empty() {
                break;
            }
            if let Some(slot) = self.idle.pop() {
                self.offer_to_empty(slot as usize, now, fx);
            } else if let Some(slot) = self.vacant.pop_front() {
                self.offer_to_empty(slot as usize, now, fx);
            } else if !self.feed_anyone_ahead(now, fx) {
                break;
            }
        }
        if self.resting > 0 {
            self.meet_demand(now, fx);
        }
    }

    /// As `refill`, for a worker that has something left.
    #[cold]
    #[inline(never)]
    pub(super) fn refill_in_order(&mut self, slot: usize, now: Nanos, fx: &mut impl Effects) {
        while self.has_work()
            && !self.make_way(fx)
            && self.offer_in_order(slot, now, fx) == Offer::Sent
        {}
        self.pump(now, fx);
    }

    /// As `offer`: from whichever queue is next for this worker, and only what may follow what it has.
    #[cold]
    #[inline(never)]
    pub(super) fn offer_in_order(
        &mut self,
        slot: usize,
        now: Nanos,
        fx: &mut impl Effects,
    ) -> Offer {
        let Some((from, mut run)) = self.next_for(slot) else {
            return Offer::NoRoom;
        };
        if !self.may_follow(slot, run.job) {
            return Offer::NoRoom;
        }
        let in_turn = self.is_in_turn(slot, run.job);
        if let Some(sticky) = self.jobs.sticky(run.job) {
            run.count = run.count.min(sticky.rest_of_chunk(run.first));
        }
        let offer = self.give(slot, run, now, fx, |core, taken| match from {
            Source::Common if core.own.items == 0 => core.queue.take_front(taken),
            Source::Common | Source::Own => core.take_from(from, slot, taken),
        });
        let worker = self.workers.get_mut(slot);
        if in_turn
            && offer == Offer::Sent
            && let Some(newest) = worker.and_then(|worker| worker.frames.back_mut())
        {
            newest.in_turn = true;
        }
        offer
    }

    /// An offer to any worker, with or without frames; says whether it was given something.
    pub(super) fn feed_one(&mut self, slot: usize, now: Nanos, fx: &mut impl Effects) -> bool {
        let Some(worker) = self.workers.get_mut(slot) else {
            return false;
        };
        if !worker.listed {
            return self.offer_in_order(slot, now, fx) == Offer::Sent;
        }
        worker.idle_since = NEVER;
        self.unlist(slot);
        let before = self.counters.frames;
        self.offer_to_empty(slot, now, fx);
        if self.counters.frames == before {
            self.list_if_empty(slot);
        }
        self.counters.frames > before
    }
}
