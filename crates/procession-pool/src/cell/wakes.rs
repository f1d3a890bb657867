//! Who is to be woken, and what is to be dropped, once no lock is held: both are user code. It must not take a lock itself.

use std::task::Waker;
use std::thread::Thread;

use procession_task::bytes::Pieces;

use crate::retry::Predicate;

/// Wake-ups to perform once no lock is held.
#[derive(Debug, Default)]
pub(crate) struct Wakes {
    threads: Vec<Thread>,
    wakers: Vec<Waker>,
    /// What is to be dropped: that is user code too.
    spent: Vec<Predicate>,
    /// Memory to be given back, which takes its time.
    pieces: Vec<Pieces>,
}

impl Wakes {
    pub(crate) fn add(&mut self, mut threads: Vec<Thread>) {
        self.threads.append(&mut threads);
    }

    /// All of them, if there are any: there seldom are.
    #[inline]
    pub(crate) fn take(&mut self) -> Option<Wakes> {
        let none = self.threads.is_empty()
            && self.wakers.is_empty()
            && self.spent.is_empty()
            && self.pieces.is_empty();
        (!none).then(|| std::mem::take(self))
    }

    pub(super) fn add_waker(&mut self, waker: Option<Waker>) {
        self.wakers.extend(waker);
    }

    pub(crate) fn leave(&mut self, predicate: Predicate) {
        self.spent.push(predicate);
    }

    /// Drops these once no lock is held.
    pub(crate) fn free(&mut self, pieces: Pieces) {
        if pieces.bytes() > 0 {
            self.pieces.push(pieces);
        }
    }

    /// Whether user code is among it.
    #[inline]
    pub(crate) fn have_code(&self) -> bool {
        !self.wakers.is_empty() || !self.spent.is_empty()
    }

    /// Wakes everyone. A waker is user code: it may panic, call back into the pool, or drop it.
    pub(crate) fn perform(self) {
        for thread in self.threads {
            thread.unpark();
        }
        for waker in self.wakers {
            // Whose executor panics has its own bug; the others are to be woken all the same.
            let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| waker.wake()));
        }
        for predicate in self.spent {
            let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| drop(predicate)));
        }
    }
}
