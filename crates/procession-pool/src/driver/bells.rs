//! Bells: who is to be woken by a worker's reply, and from which call on; and when calls become visible.
//!
//! A link with work is never without a bell that somebody hears; this file must never publish a call before it
//! has asked.

use std::time::Duration;

use procession_worker::handle::Bell;

use super::parts::Parts;
use super::{Awaited, Driver};
use crate::core::Slot;

/// How long a worker that ran dry may spin for the next call while a CPU is free for it.
const WORKER_SPIN: Duration = Duration::from_micros(50);

/// Whether calls are to be seen by their workers at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flush {
    /// At once.
    Now,
    /// At once, and the calling thread is about to drain for this.
    For(Awaited),
    /// Short calls behind others may be published a few at a time: each publishing moves a cache line from the
    /// worker's CPU and back, which takes longer than such a call.
    MayHold,
}

/// Who is there to hear a bell.
///
/// What is left of an earlier request may have nobody behind it: the drainer has gone with a reply it found before the
/// worker rang for it, does not sleep on this link, or never came because what it waited for was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hearing {
    /// Nobody drains, or who does is away.
    Loop,
    /// The drainer looks at the links by itself.
    Poller,
    /// The drainer sleeps on some links.
    Waiter,
}

impl Hearing {
    /// Whether what was asked of a worker reaches somebody.
    pub(super) fn hears(self, asked: Bell, slept_on: bool) -> bool {
        match asked {
            Bell::Silent => false,
            Bell::Loop => true,
            Bell::Waiter => slept_on && self == Hearing::Waiter,
            Bell::Poller => self == Hearing::Poller,
        }
    }
}

impl Parts {
    /// Whether every link may go without publishing for now: who hears its bell publishes the rest.
    #[inline]
    fn may_hold_all(&self, hearing: Hearing) -> bool {
        self.dirty.iter().all(|at| {
            let seat = self.seats.get(*at as usize);
            seat.is_some_and(|seat| {
                let worker = seat.worker.as_ref().filter(|worker| worker.may_hold());
                worker.is_some_and(|worker| hearing.hears(worker.asked(), seat.slept_on))
            })
        })
    }
}

impl Driver {
    pub(super) fn hearing(&self) -> Hearing {
        match (self.drainer, self.sleeping) {
            (None, _) => Hearing::Loop,
            (Some(_), _) if self.away => Hearing::Loop,
            (Some(_), false) => Hearing::Poller,
            (Some(_), true) => Hearing::Waiter,
        }
    }

    /// Publishes what was written since the last flush. A link nobody watches gets a bell first, so that its
    /// replies are never left alone: the worker that sees the calls sees the bell.
    ///
    /// What is held back is published by the next flush, which comes with the next wait or submission, and at the
    /// latest when the worker runs dry and rings for it.
    pub(crate) fn flush(&mut self, how: Flush) {
        if self.parts.dirty.is_empty() {
            return;
        }
        let hearing = self.hearing();
        if how == Flush::MayHold && self.parts.may_hold_all(hearing) {
            return;
        }
        let spin = self.spin_allowed();
        let awaited = match how {
            Flush::Now | Flush::MayHold => Awaited::Nothing,
            Flush::For(awaited) => awaited,
        };
        let mut dirty = std::mem::take(&mut self.parts.dirty);
        dirty.retain(|at| {
            let slot = Slot(*at);
            let bell_at = self.bell_at(slot, awaited);
            let Some(seat) = self.parts.seat(slot) else {
                return false;
            };
            seat.dirty = false;
            let Some(worker) = &mut seat.worker else {
                return false;
            };
            let attended = hearing.hears(worker.asked(), seat.slept_on);
            match how {
                Flush::For(_) => worker.ask(Bell::Poller, bell_at),
                Flush::Now | Flush::MayHold if !attended => worker.ask(Bell::Loop, bell_at),
                Flush::Now | Flush::MayHold => {}
            }
            if how == Flush::MayHold && worker.may_hold() {
                seat.dirty = true;
                return true;
            }
            worker.allow_spin(if spin { WORKER_SPIN } else { Duration::ZERO });
            worker.flush();
            false
        });
        self.parts.dirty = dirty;
    }

    /// Whether there is a free CPU for one more spinning thread beside every worker that has work.
    fn spin_allowed(&self) -> bool {
        let busy = self
            .parts
            .seats
            .iter()
            .filter(|s| s.worker.as_ref().is_some_and(|w| w.frames() > 0));
        busy.count() < self.cpus
    }

    /// From which call on a bell is wanted: when what is awaited is done, or in time to hand out more, or else
    /// when the worker runs dry.
    pub(crate) fn bell_at(&self, slot: Slot, awaited: Awaited) -> u64 {
        let seat = self.parts.seats.get(slot.index());
        let Some(worker) = seat.and_then(|seat| seat.worker.as_ref()) else {
            return u64::MAX;
        };
        if self.prompt || !self.parked.is_empty() {
            return 0;
        }
        let middle = || worker.end_of(worker.frames() / 2).unwrap_or(0);
        let more = if self.core.has_queued() {
            middle()
        } else {
            u64::MAX
        };
        match awaited {
            Awaited::Anything => 0,
            Awaited::Job(job) => match self.core.frame_of(job, slot) {
                Some(frame) => worker.end_of(frame).unwrap_or(0).min(more),
                None => more,
            },
            Awaited::Nothing => more,
        }
    }
}
