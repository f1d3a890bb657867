//! Maps that are told of while they run, by functions on the callbacks' thread: when that is due.
//!
//! It must never call such a function, nor drop one: both are user code.

use std::sync::{Arc, Weak};

use super::{Driver, Shared};
use crate::progress::INTERVAL;
use crate::progress::later::Later;
use procession_worker::handle::now_ns;

/// Everyone who is to be told, and when the next time is.
#[derive(Debug, Default)]
pub(super) struct Tellings {
    all: Vec<Weak<Later>>,
    next: u64,
}

impl Tellings {
    /// When something is to be told, if anything is.
    pub(super) fn next(&self) -> Option<u64> {
        (!self.all.is_empty()).then_some(self.next)
    }
}

impl Shared {
    /// One more, from here on.
    pub(crate) fn tell_later(&self, later: &Arc<Later>) {
        let mut driver = self.lock();
        if driver.tellings.all.is_empty() {
            driver.tellings.next = now_ns().saturating_add(INTERVAL);
        }
        driver.tellings.all.push(Arc::downgrade(later));
        let at = driver.tellings.next;
        if at < driver.loop_looks_at {
            driver.loop_looks_at = at;
            driver.parts.call_loop = true;
        }
        self.unlock(driver);
    }
}

impl Driver {
    /// Has everyone told whose time has come. Replies have been collected.
    pub(super) fn tell_due(&mut self, now: u64) {
        if self.tellings.next().is_some_and(|at| at <= now) {
            self.tellings
                .all
                .retain(|later| later.upgrade().is_some_and(Later::post));
            self.tellings.next = now.saturating_add(INTERVAL);
        }
    }
}
