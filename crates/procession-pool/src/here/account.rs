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

    /// An item begins.
    pub(crate) fn begin(&self) -> Running<'_> {
        let account = (!procession_worker::is_forked_copy()).then_some(self);
        if account.is_some() {
            self.lock().running += 1;
            self.changed.notify_all();
        }
        Running {
            account,
            begun: Instant::now(),
            ended: Ended::WithError,
            retries: 0,
        }
    }

    /// The pool takes nothing more: once nothing runs, that is the end.
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
        self.over && self.running == 0
    }
}

impl Running<'_> {
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
