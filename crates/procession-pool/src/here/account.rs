//! What is counted of a pool without workers. It must never be locked while a task runs: tasks may use their pool. Nor in
//! a copy made by `fork`, where whoever holds the lock may not be: nothing is counted there.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::histogram::Histogram;
use crate::progress::Progress;
use crate::stats::PoolStats;

/// Counts of items that ran in callers' threads, and who wants to hear of changes.
#[derive(Debug, Default)]
pub(crate) struct Account {
    counts: Mutex<Counts>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Counts {
    running: u64,
    done: u64,
    failed: u64,
    retries: u64,
    runs: Histogram,
    /// Calls and maps that were taken on and are not finished.
    taken: u64,
    /// The pool takes nothing more.
    over: bool,
}

/// An item that runs; whatever becomes of the caller, it runs no longer when this is gone.
pub(crate) struct Running<'a> {
    /// `None` in a forked copy.
    account: Option<&'a Account>,
    begun: Instant,
    ended: Ended,
    retries: u64,
}

/// How an item has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    WithValue,
    WithError,
}

impl Account {
    fn lock(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A call or a map is taken on, if the pool is `open` then: whoever closes it next finds this one counted.
    pub(super) fn enter(&self, open: impl FnOnce() -> bool) -> bool {
        let mut counts = self.lock();
        let entered = !counts.over && open();
        counts.taken += u64::from(entered);
        entered
    }

    /// What was taken on is finished.
    pub(super) fn leave(&self) {
        if !procession_worker::is_forked_copy() {
            let mut counts = self.lock();
            counts.taken -= 1;
            if counts.is_over() {
                drop(counts);
                self.changed.notify_all();
            }
        }
    }

    /// The pool takes nothing more: once everything is finished, that is the end.
    pub(crate) fn close(&self) {
        if !procession_worker::is_forked_copy() {
            self.lock().over = true;
            self.changed.notify_all();
        }
    }

    pub(crate) fn stats(&self) -> PoolStats {
        let counts = self.lock();
        PoolStats {
            running: counts.running,
            done: counts.done,
            failed: counts.failed,
            retries: counts.retries,
            runs: counts.runs.clone(),
            ..PoolStats::default()
        }
    }

    /// The counts, once the time is over or nothing will change any more; true for the latter.
    pub(crate) fn rest(&self, at_most: Duration) -> (Progress, bool) {
        let (counts, _) = self
            .changed
            .wait_timeout_while(self.lock(), at_most, |counts| !counts.is_over())
            .unwrap_or_else(PoisonError::into_inner);
        (counts.progress(), counts.is_over())
    }

    /// The counts, once they differ from `told` or nothing will change any more, else as they are when the time is over;
    /// true at the end.
    pub(crate) fn look(&self, told: Option<Progress>, at_most: Duration) -> (Progress, bool) {
        let same = |counts: &mut Counts| told == Some(counts.progress()) && !counts.is_over();
        let (counts, _) = self
            .changed
            .wait_timeout_while(self.lock(), at_most, same)
            .unwrap_or_else(PoisonError::into_inner);
        (counts.progress(), counts.is_over())
    }
}

impl Counts {
    fn progress(&self) -> Progress {
        Progress {
            done: self.done,
            failed: self.failed,
            running: self.running,
            queued: 0,
            total: self.done + self.failed + self.running,
        }
    }

    fn is_over(&self) -> bool {
        self.over && self.taken == 0
    }
}

impl<'a> Running<'a> {
    /// An item begins.
    pub(super) fn of(account: Option<&'a Account>) -> Running<'a> {
        let account = account.filter(|_| !procession_worker::is_forked_copy());
        if let Some(account) = account {
            account.lock().running += 1;
            account.changed.notify_all();
        }
        Running {
            account,
            begun: Instant::now(),
            ended: Ended::WithError,
            retries: 0,
        }
    }

    /// It is tried again.
    pub(crate) fn again(&mut self) {
        self.retries += 1;
    }

    pub(crate) fn end(mut self, how: Ended) {
        self.ended = how;
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        let took = u64::try_from(self.begun.elapsed().as_nanos()).unwrap_or(u64::MAX);
        let Some(account) = self
            .account
            .filter(|_| !procession_worker::is_forked_copy())
        else {
            return;
        };
        let mut counts = account.lock();
        counts.running -= 1;
        match self.ended {
            Ended::WithValue => counts.done += 1,
            Ended::WithError => counts.failed += 1,
        }
        counts.retries += self.retries;
        counts.runs.record(took, 1);
        drop(counts);
        account.changed.notify_all();
    }
}
