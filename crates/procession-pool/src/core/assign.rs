//! Which worker gets the next frame; must not take anything away from a worker.
//!
//! Between events: while the queue has items no READY or booting worker is without a frame, unless its link took nothing.
//! So a new item behind others is queued without a look at the workers.
//!
//! While jobs are live that have a priority or chunks of indexes (`Jobs::special`), each entry here is that of `order.rs`, which
//! does the same with more looks. It is a call that is not taken otherwise, and nothing else: this path is measured.

use std::ops::Range;

use super::alarm::NEVER;
use super::chunk::Left;
use super::job::Job;
use super::queue::Run;
use super::steal::PATIENCE;
use super::worker::{Feed, Frame, WorkerState};
use super::{Core, Effects, JobId, Nanos, Slot, chunk};

/// Items shorter than this are queued behind others rather than wake an idle worker for them.
const SHORT: u32 = 10_000;
/// Work queued in one worker up to which that is better: about what waking another one costs.
const WAKE: Nanos = 30_000;
/// Pause before a worker whose empty link took nothing is offered something again.
const RETRY: Nanos = 1_000_000;

/// What became of an offer to one worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Offer {
    Sent,
    NoRoom,
    LinkFull,
}

impl Core {
    /// Queues items behind all others and hands out what fits.
    #[inline]
    pub(super) fn enqueue(
        &mut self,
        job: JobId,
        items: Range<u32>,
        now: Nanos,
        fx: &mut impl Effects,
    ) {
        if self.jobs.special > 0 {
            return self.enqueue_in_order(job, items.start, items.end, now, fx);
        }
        let first = self.queue.is_empty();
        // Made here, where nobody takes its address: what is stored in parts and loaded whole waits for the stores.
        let run = Run {
            job,
            first: items.start,
            count: items.end - items.start,
        };
        self.queue.push_back(run, 0);
        if first {
            self.pump(now, fx);
        } else if self.resting > 0 {
            self.meet_demand(now, fx);
        }
    }

    /// Hands out the queue breadth first: idle workers, booting workers, then ahead of what workers already have.
    #[inline]
    pub(super) fn pump(&mut self, now: Nanos, fx: &mut impl Effects) {
        if !self.outgoing.is_empty() {
            self.see_off(now, fx);
        }
        if self.jobs.special > 0 {
            return self.pump_in_order(now, fx);
        }
        while !self.queue.is_empty() {
            if self.feed_hot(now, fx) {
                continue;
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

    /// After a reply: the worker that made room is fed first.
    #[inline]
    pub(super) fn refill(&mut self, slot: usize, now: Nanos, fx: &mut impl Effects) {
        if self.list_if_empty(slot) || !self.outgoing.is_empty() {
            self.pump(now, fx);
            self.steal(now, fx);
            self.note_idle(slot, now);
        } else if self.jobs.special > 0 {
            self.refill_in_order(slot, now, fx);
        } else {
            while !self.queue.is_empty() && self.offer(slot, now, fx) == Offer::Sent {}
            if !self.idle.is_empty() || !self.vacant.is_empty() || self.resting > 0 {
                self.pump(now, fx);
            }
        }
    }

    /// Lists a worker without frames as idle or vacant; says whether it is.
    #[inline]
    pub(super) fn list_if_empty(&mut self, slot: usize) -> bool {
        let Some(worker) = self.workers.get_mut(slot) else {
            return false;
        };
        if !worker.frames.is_empty() || worker.listed {
            return worker.listed;
        }
        if worker.left == 0 {
            if worker.may_go() {
                self.outgoing.push(slot as u32);
            }
            return false;
        }
        if worker.feed != Feed::Open {
            return false;
        }
        match worker.state {
            WorkerState::Ready => self.idle.push(slot as u32),
            WorkerState::Booting => self.vacant.push_back(slot as u32),
            WorkerState::Down { .. }
            | WorkerState::Starting
            | WorkerState::Stopping
            | WorkerState::Killed => {
                return false;
            }
        }
        worker.listed = true;
        true
    }

    /// Takes a worker off the lists of those without frames.
    pub(super) fn unlist(&mut self, slot: usize) {
        if let Some(worker) = self.workers.get_mut(slot)
            && worker.listed
        {
            worker.listed = false;
            self.idle.retain(|&idle| idle as usize != slot);
            self.vacant.retain(|&vacant| vacant as usize != slot);
        }
    }

    /// READY, said or implied by a reply; does nothing in any other state than Booting.
    #[inline]
    pub(super) fn becomes_ready(&mut self, slot: usize) {
        let Some(worker) = self.workers.get_mut(slot) else {
            return;
        };
        match worker.state {
            WorkerState::Booting => {}
            WorkerState::Down { .. }
            | WorkerState::Starting
            | WorkerState::Ready
            | WorkerState::Stopping
            | WorkerState::Killed => return,
        }
        let before = worker.waiting();
        worker.state = WorkerState::Ready;
        worker.feed = Feed::Open;
        self.waiting = self.waiting + worker.waiting() - before;
        self.ready += 1;
        self.budget.succeeded();
        self.life.look_at(worker.retire_at);
        if worker.left == 0 {
            self.outgoing.push(slot as u32);
        }
        self.unlist(slot);
        self.list_if_empty(slot);
    }

    /// A link that takes nothing although it is empty gets another chance at the next look.
    pub(super) fn try_full_links_again(&mut self) {
        for slot in 0..self.workers.len() {
            if let Some(worker) = self.workers.get_mut(slot)
                && worker.frames.is_empty()
                && worker.feed == Feed::LinkFull
            {
                worker.feed = Feed::Open;
                self.list_if_empty(slot);
            }
        }
    }

    /// Offers to a worker just taken off its list.
    #[inline]
    pub(super) fn offer_to_empty(&mut self, slot: usize, now: Nanos, fx: &mut impl Effects) {
        if let Some(worker) = self.workers.get_mut(slot) {
            worker.listed = false;
            worker.idle_since = NEVER;
        }
        if self.offer(slot, now, fx) == Offer::LinkFull {
            self.look_again_at(now.saturating_add(RETRY));
        }
    }

    pub(super) fn look_again_at(&mut self, when: Nanos) {
        self.look_again = Some(self.look_again.map_or(when, |set| set.min(when)));
    }

    /// A plain call that is over before another worker would be awake goes behind those of the worker fed last.
    #[inline]
    fn feed_hot(&mut self, now: Nanos, fx: &mut impl Effects) -> bool {
        let slot = self.hot;
        let (Some(run), Some(worker)) = (self.queue.front(), self.workers.get(slot)) else {
            return false;
        };
        let awake = worker.state == WorkerState::Ready && !worker.frames.is_empty();
        if !awake || worker.queued >= WAKE {
            return false;
        }
        let short = |job: &Job| job.single && self.profiles.estimate(job.profile) < SHORT;
        if !self.jobs.get(run.job).is_some_and(short) || self.offer(slot, now, fx) != Offer::Sent {
            return false;
        }
        if !self.idle.is_empty() {
            // The estimate may be wrong: an idle worker is to notice.
            self.look_again_at(now.saturating_add(PATIENCE));
        }
        true
    }

    /// Offers the front of the queue to the workers in turn, to each at most once.
    pub(super) fn feed_anyone_ahead(&mut self, now: Nanos, fx: &mut impl Effects) -> bool {
        for _ in 0..self.workers.len() {
            self.cursor = if self.cursor + 1 < self.workers.len() {
                self.cursor + 1
            } else {
                0
            };
            if self.offer(self.cursor, now, fx) == Offer::Sent {
                return true;
            }
        }
        false
    }

    /// Cuts a frame off the front of the queue for this worker, if it has room for one.
    #[inline]
    fn offer(&mut self, slot: usize, now: Nanos, fx: &mut impl Effects) -> Offer {
        if self.jobs.special > 0 {
            return self.offer_in_order(slot, now, fx);
        }
        let Some(run) = self.queue.front() else {
            return Offer::NoRoom;
        };
        self.give(slot, run, now, fx, |core, taken| {
            core.queue.take_front(taken)
        })
    }

    /// Gives a worker that has room a frame from the beginning of this run, and takes it out of its queue.
    #[inline(always)]
    pub(super) fn give(
        &mut self,
        slot: usize,
        run: Run,
        now: Nanos,
        fx: &mut impl Effects,
        take: impl FnOnce(&mut Core, u32),
    ) -> Offer {
        let workers = self.size;
        let (Some(job), Some(worker)) = (self.jobs.get_mut(run.job), self.workers.get_mut(slot))
        else {
            return Offer::NoRoom;
        };
        let item = self.profiles.estimate(job.profile);
        if !worker.has_room(item, job.single) {
            return Offer::NoRoom;
        }
        let left = Left {
            queued: job.queued,
            open: job.open,
        };
        let limited = job.limit != NEVER;
        let size = if limited {
            1
        } else {
            chunk::size(job.chunk, job.growth, item, left, workers)
        };
        let left = u32::try_from(worker.left).unwrap_or(u32::MAX);
        let count = size.min(run.count).min(left);
        let before = worker.waiting();
        // Noted before it is sent: the copy of a frame would have to wait behind the stores into the link, which wait
        // for cache lines from the worker's CPU.
        worker.push(Frame {
            job: run.job,
            first: run.first,
            count,
            item,
            begun: false,
            in_turn: false,
            sent: now,
        });
        let taken = fx
            .send(Slot(slot as u32), run.job, run.first, count)
            .min(count);
        worker.cut_newest(taken);
        if taken == 0 {
            worker.feed = Feed::LinkFull;
            return Offer::LinkFull;
        }
        self.waiting += worker.waiting() - before;
        worker.left -= u64::from(taken);
        let done = worker.left == 0 && worker.state == WorkerState::Ready;
        job.growth.record(size);
        job.queued -= taken;
        take(self, taken);
        self.counters.frames += 1;
        self.hot = slot;
        if limited {
            self.watch_oldest(slot, now);
        }
        if done {
            self.appoint(slot, now, fx);
        }
        Offer::Sent
    }
}
