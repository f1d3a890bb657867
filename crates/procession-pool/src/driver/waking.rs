//! Which pool needs this thread to go on while it calls what is not the pool's: its own thread always, any other while it
//! wakes. It must never wait.
//!
//! Why it is known: wakers, and drops of predicates, are user code, and may end their pool or be its last owner. Whoever
//! waits there for the end of the workers waits for this very thread: the pool's own hears of their ends, and one that drains
//! collects the replies that others wait for.

use std::cell::Cell;
use std::ptr;
use std::time::Instant;

use super::Shared;
use crate::cell::Wakes;

thread_local! {
    /// The pool whose own thread this is.
    static OWN: Cell<*const Shared> = const { Cell::new(ptr::null()) };
    /// The pool for which this thread wakes.
    static WAKES: Cell<*const Shared> = const { Cell::new(ptr::null()) };
}

/// Wakes until it is dropped.
struct Waking(*const Shared);

impl Waking {
    fn of(shared: &Shared) -> Waking {
        Waking(WAKES.replace(shared))
    }
}

impl Drop for Waking {
    fn drop(&mut self) {
        WAKES.set(self.0);
    }
}

impl Shared {
    /// From here on this is the pool's own thread.
    pub(super) fn settle_on_this_thread(&self) {
        OWN.set(self);
    }

    /// Wakes everyone; the lock is not held.
    #[inline]
    pub(super) fn perform(&self, wakes: Wakes) {
        let _waking = wakes.have_code().then(|| Waking::of(self));
        wakes.perform();
    }

    /// This is the pool's own thread, called back by it.
    pub(crate) fn is_own_thread(&self) -> bool {
        ptr::eq(OWN.get(), self)
    }

    /// This thread calls the pool's callbacks, or judges its failures.
    pub(crate) fn calls_back_here(&self) -> bool {
        self.callbacks.is_here() || self.judges.is_here()
    }

    /// Waits until every callback and judge is over; false when the deadline came first.
    pub(crate) fn finish_callbacks(&self, deadline: Option<Instant>) -> bool {
        self.judges.finish(deadline) && self.callbacks.finish(deadline)
    }

    /// The pool is gone: what is left of them still runs.
    pub(crate) fn let_callbacks_go(&self) {
        self.judges.let_go();
        self.callbacks.let_go();
    }

    /// The pool needs this thread to go on.
    pub(crate) fn needs_this_thread(&self) -> bool {
        self.is_own_thread() || ptr::eq(WAKES.get(), self)
    }
}
