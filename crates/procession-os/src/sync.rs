//! The atomics, the fence and the futex the ring and the doorbells are written against; must not add behaviour of its own.
//!
//! In a normal build these are `core::sync::atomic` and the kernel's futex. Under `--cfg loom` they are loom's, so that
//! the very code that ships is what the models explore. Two differences are deliberate:
//!
//! - loom has no futex. There, [`AtomicU32`] carries a mutex and a condition variable beside its value, which is what a
//!   futex is: the comparison and the enqueueing are one step under the bucket's lock, and a wake takes the same lock.
//! - loom has no `SeqCst` accesses (it treats them as `AcqRel`), so the sleep handshake uses an explicit
//!   [`fence`]`(SeqCst)`, which loom models exactly.

#[cfg(not(loom))]
pub use core::sync::atomic::{AtomicU32, AtomicU64, Ordering, fence};

#[cfg(loom)]
pub use self::model::AtomicU32;
#[cfg(loom)]
pub use loom::sync::atomic::{AtomicU64, Ordering, fence};

#[cfg(not(loom))]
pub(crate) use self::kernel::{futex_wait, futex_wake};
#[cfg(loom)]
pub(crate) use self::model::{futex_wait, futex_wake};

/// The kernel's futex, never with the private flag: the two sides are different processes.
#[cfg(not(loom))]
mod kernel {
    use super::AtomicU32;
    use core::time::Duration;
    use rustix::io::{Errno, Result};
    use rustix::thread::futex::{self, Flags};
    use rustix::time::Timespec;

    /// `FUTEX_WAIT`: sleeps while `word` holds `expected`. A changed word, a signal and the time-out are all `Ok`.
    pub(crate) fn futex_wait(
        word: &AtomicU32,
        expected: u32,
        timeout: Option<Duration>,
    ) -> Result<()> {
        // A time-out the kernel cannot represent is later than anything that will happen.
        let timeout = timeout.and_then(|limit| Timespec::try_from(limit).ok());
        match futex::wait(word, Flags::empty(), expected, timeout.as_ref()) {
            Ok(()) | Err(Errno::AGAIN | Errno::INTR | Errno::TIMEDOUT) => Ok(()),
            Err(errno) => Err(errno),
        }
    }

    /// `FUTEX_WAKE` of every waiter.
    pub(crate) fn futex_wake(word: &AtomicU32) {
        // The one error, EFAULT, would need an unmapped word, and the reference rules that out.
        let _ = futex::wake(word, Flags::empty(), i32::MAX as u32);
    }
}

/// The futex as loom can explore it. Time-outs never fire: a model that needs one to end has lost a wake-up.
#[cfg(loom)]
mod model {
    use super::Ordering;
    use core::time::Duration;
    use loom::sync::{Condvar, Mutex};

    /// A futex word: the value, and the kernel's queue behind it.
    #[derive(Debug)]
    pub struct AtomicU32 {
        value: loom::sync::atomic::AtomicU32,
        bucket: Mutex<()>,
        queue: Condvar,
    }

    impl AtomicU32 {
        /// A word holding `value`.
        pub fn new(value: u32) -> AtomicU32 {
            AtomicU32 {
                value: loom::sync::atomic::AtomicU32::new(value),
                bucket: Mutex::new(()),
                queue: Condvar::new(),
            }
        }

        /// As `core`'s.
        pub fn load(&self, order: Ordering) -> u32 {
            self.value.load(order)
        }

        /// As `core`'s.
        pub fn store(&self, value: u32, order: Ordering) {
            self.value.store(value, order);
        }

        /// As `core`'s.
        pub fn swap(&self, value: u32, order: Ordering) -> u32 {
            self.value.swap(value, order)
        }

        /// As `core`'s.
        pub fn fetch_add(&self, value: u32, order: Ordering) -> u32 {
            self.value.fetch_add(value, order)
        }
    }

    /// Compares and enqueues in one step under the bucket's lock, as the kernel does.
    pub(crate) fn futex_wait(
        word: &AtomicU32,
        expected: u32,
        _timeout: Option<Duration>,
    ) -> rustix::io::Result<()> {
        if let Ok(held) = word.bucket.lock()
            && word.value.load(Ordering::Relaxed) == expected
        {
            drop(word.queue.wait(held));
        }
        Ok(())
    }

    /// Takes the bucket's lock before it looks for waiters, as the kernel does.
    pub(crate) fn futex_wake(word: &AtomicU32) {
        drop(word.bucket.lock());
        word.queue.notify_all();
    }
}
