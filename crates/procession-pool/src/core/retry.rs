//! Items that failed and may be tried again; must not resolve an item, and must not know what an attempt said.
//!
//! An item that failed is *held* while it waits for its delay, or for somebody's judgement: it is in no queue and no
//! frame, and counts as unresolved. From there it goes to the front of the queue, or is resolved.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use super::alarm::NEVER;
use super::job::{Job, Stop};
use super::own::put_first;
use super::queue::Run;
use super::reactor::Counted;
use super::{Cancelled, Core, Effects, JobId, Nanos, Slot, WorkerRef};

/// Wake-ups of items that are not held any more are thrown away when there are more than so many.
const STALE: usize = 64;

/// How often, when and after what an item is tried again; never by default.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Retry {
    /// Attempts after the first; 0: it is not tried again, whatever else is said.
    pub(crate) times: u32,
    /// Which failures count.
    pub(crate) after: After,
    /// Who has the last word.
    pub(crate) asks: Asks,
    /// Time between a failure and the next attempt's place in the queue.
    pub(crate) delay: Nanos,
}

/// The failures after which an item is tried again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum After {
    #[default]
    AnyFault,
    Death,
}

/// Whether somebody judges each failure first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Asks {
    #[default]
    Nobody,
    Judge,
}

/// How an attempt failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Its worker died.
    Death,
    /// It ran longer than its limit.
    Overrun,
    /// It was answered with an error.
    Error,
    /// It was answered with a value that counts as a failure; nobody judges those.
    Value,
}

/// What becomes of an item whose attempt failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It is resolved: the failure is its outcome.
    Final,
    /// It is tried again.
    Again,
    /// Somebody is to judge; answered by [`Core::judged`].
    Judged,
}

/// What was judged of a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Again,
    GiveUp,
}

/// The items of one job that have failed.
#[derive(Debug)]
pub(super) struct Retries {
    terms: Retry,
    items: BTreeMap<u32, Tried>,
}

#[derive(Debug)]
struct Tried {
    failures: u32,
    place: Place,
    /// How it failed last.
    fault: Fault,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// In the queue, in a frame, or resolved.
    Elsewhere,
    Waits,
    Judged,
}

impl Retries {
    /// None when items are not tried again.
    pub(super) fn new(terms: Retry) -> Option<Box<Retries>> {
        let items = BTreeMap::new();
        (terms.times > 0).then(|| Box::new(Retries { terms, items }))
    }

    fn fate(&mut self, item: u32, fault: Fault) -> Fate {
        let tried = self.items.entry(item).or_insert(Tried {
            failures: 0,
            place: Place::Elsewhere,
            fault,
        });
        tried.failures = tried.failures.saturating_add(1);
        tried.fault = fault;
        let counts = match self.terms.after {
            After::AnyFault => true,
            After::Death => fault == Fault::Death,
        };
        match (counts && tried.failures <= self.terms.times, fault) {
            (false, _) => Fate::Final,
            (true, Fault::Value) => Fate::Again,
            (true, Fault::Death | Fault::Overrun | Fault::Error) => match self.terms.asks {
                Asks::Nobody => Fate::Again,
                Asks::Judge => {
                    tried.place = Place::Judged;
                    Fate::Judged
                }
            },
        }
    }

    /// Takes an item out of the place it is held in; false when it is not there.
    fn take(&mut self, item: u32, from: Place) -> bool {
        match self.items.get_mut(&item) {
            Some(tried) if tried.place == from => {
                tried.place = Place::Elsewhere;
                true
            }
            Some(_) | None => false,
        }
    }

    /// Items held, in order.
    #[cfg(test)]
    pub(super) fn held(&self) -> impl Iterator<Item = u32> {
        let held = |tried: &Tried| tried.place != Place::Elsewhere;
        self.items
            .iter()
            .filter(move |(_, tried)| held(tried))
            .map(|(item, _)| *item)
    }
}

impl Core {
    /// The worker replied with a failure to the next item of its oldest frame, of a job whose items may be tried again.
    pub(crate) fn failed(
        &mut self,
        who: WorkerRef,
        fault: Fault,
        now: Nanos,
        fx: &mut impl Effects,
    ) {
        let Some((_, item, _)) = self.front(who.slot) else {
            return;
        };
        let Some(counted) = self.count_replies(who, 1, now) else {
            return;
        };
        let Counted { slot, id, .. } = counted;
        if let Some(since) = self.jobs.get(id).map(|job| job.since) {
            let fate = self.fail(id, item, fault, now);
            fx.failed_item(id, item, fate);
            if (fault, fate) == (Fault::Value, Fate::Final) {
                // It is a value after all, and stops nothing.
                self.waits.record(counted.begun.saturating_sub(since), 1);
                self.settle(id, fx);
            } else {
                self.after_fate(id, fate, fx);
            }
        } else {
            self.ghost_replied(slot, fx);
        }
        self.after_reply(slot, now, fx);
    }

    /// Somebody has judged a failure: the item is tried again or given up. Of no interest when it was resolved meanwhile.
    pub(crate) fn judged(
        &mut self,
        id: JobId,
        item: u32,
        verdict: Verdict,
        now: Nanos,
        fx: &mut impl Effects,
    ) {
        let Some(job) = self.jobs.get_mut(id) else {
            return;
        };
        let retries = job.retries.as_deref_mut();
        if !retries.is_some_and(|retries| retries.take(item, Place::Judged)) {
            return;
        }
        self.held -= 1;
        match verdict {
            Verdict::Again => self.hold(id, item, now),
            Verdict::GiveUp => {
                self.resolve_failed(id, item);
                fx.give_up(id, item);
                self.after_fate(id, Fate::Final, fx);
            }
        }
        self.pump(now, fx);
        self.steal(now, fx);
        self.start_missing(now, fx);
    }

    /// Decides about an item in no queue and no frame whose attempt has failed. Final: it counts as resolved from here,
    /// and the caller tells, and looks after the job.
    pub(super) fn fail(&mut self, id: JobId, item: u32, fault: Fault, now: Nanos) -> Fate {
        let Some(job) = self.jobs.get_mut(id) else {
            return Fate::Final;
        };
        let fate = match (job.stop, &mut job.retries) {
            (_, None) => Fate::Final,
            (Stop::Never | Stop::OnFailure, Some(retries)) => retries.fate(item, fault),
            (Stop::Stopped(_), Some(_)) => Fate::Final,
        };
        match fate {
            Fate::Final => {
                job.unresolved -= 1;
                self.count_failed(fault);
            }
            Fate::Again => self.hold(id, item, now),
            Fate::Judged => self.held += 1,
        }
        fate
    }

    /// Items that had begun in a worker that ended.
    pub(super) fn lose(&mut self, run: Run, by: Slot, now: Nanos, fx: &mut impl Effects) {
        let mut last = Fate::Again;
        for item in run.first..run.first + run.count {
            let fate = self.fail(run.job, item, Fault::Death, now);
            fx.lost_item(run.job, item, by, fate);
            if fate == Fate::Final {
                last = fate;
            }
        }
        self.after_fate(run.job, last, fx);
    }

    /// A job after one of its items failed. What came back of a stopped job is not handed out again.
    pub(super) fn after_fate(&mut self, id: JobId, fate: Fate, fx: &mut impl Effects) {
        if fate == Fate::Final || self.jobs.get(id).is_some_and(Job::is_stopped) {
            self.after_loss(id, fx);
        }
    }

    /// Puts back what has waited long enough.
    pub(super) fn release(&mut self, now: Nanos) {
        while let Some(&Reverse((when, id, item))) = self.delayed.peek()
            && when <= now
        {
            self.delayed.pop();
            let Some(job) = self.jobs.get_mut(id) else {
                continue;
            };
            let retries = job.retries.as_deref_mut();
            if retries.is_some_and(|retries| retries.take(item, Place::Waits)) {
                self.held -= 1;
                self.put_first(id, item);
            }
        }
    }

    /// Resolves what is held of a stopped job; says how many items that was.
    pub(super) fn cancel_held(&mut self, id: JobId, why: Cancelled, fx: &mut impl Effects) -> u32 {
        let job = self.jobs.get_mut(id);
        let Some(retries) = job.and_then(|job| job.retries.as_deref_mut()) else {
            return 0;
        };
        let mut cancelled = 0;
        for (item, tried) in &mut retries.items {
            if tried.place != Place::Elsewhere {
                tried.place = Place::Elsewhere;
                cancelled += 1;
                fx.cancelled(id, *item, 1, why);
            }
        }
        self.held -= u64::from(cancelled);
        cancelled
    }

    /// The item waits for its next attempt, or is first in line for it.
    fn hold(&mut self, id: JobId, item: u32, now: Nanos) {
        let retries = self
            .jobs
            .get_mut(id)
            .and_then(|job| job.retries.as_deref_mut());
        let Some(retries) = retries else { return };
        if retries.terms.delay == 0 {
            return self.put_first(id, item);
        }
        let when = now.saturating_add(retries.terms.delay).min(NEVER - 1);
        if let Some(tried) = retries.items.get_mut(&item) {
            tried.place = Place::Waits;
        }
        self.held += 1;
        self.delayed.push(Reverse((when, id, item)));
        self.alarm = self.alarm.min(when);
        if self.delayed.len() > STALE.max(4 * self.held as usize) {
            let jobs = &self.jobs;
            self.delayed
                .retain(|next| jobs.get(next.0.1).is_some_and(|job| job.holds(next.0.2)));
        }
    }

    fn put_first(&mut self, id: JobId, item: u32) {
        let sticky = self.jobs.sticky(id);
        if let Some(job) = self.jobs.get_mut(id) {
            let (first, count) = (item, 1);
            let run = Run {
                job: id,
                first,
                count,
            };
            job.queued += 1;
            put_first((&mut self.queue, &mut self.own), sticky, job.priority, run);
        }
        self.counters.retried += 1;
    }

    fn resolve_failed(&mut self, id: JobId, item: u32) {
        let Some(job) = self.jobs.get_mut(id) else {
            return;
        };
        job.unresolved -= 1;
        let tried = job.retries.as_ref().and_then(|r| r.items.get(&item));
        if let Some(fault) = tried.map(|tried| tried.fault) {
            self.count_failed(fault);
        }
    }

    fn count_failed(&mut self, fault: Fault) {
        match fault {
            Fault::Death => self.counters.lost += 1,
            Fault::Overrun => self.counters.timed_out += 1,
            Fault::Error => self.counters.failed += 1,
            Fault::Value => self.counters.done += 1,
        }
    }
}

impl Job {
    fn holds(&self, item: u32) -> bool {
        let tried = self.retries.as_ref().and_then(|r| r.items.get(&item));
        tried.is_some_and(|tried| tried.place == Place::Waits)
    }

    /// Whether an attempt of this item has failed.
    pub(super) fn has_failed(&self, item: u32) -> bool {
        let retries = self.retries.as_ref();
        retries.is_some_and(|retries| retries.items.contains_key(&item))
    }
}
