//! Sleeping until another process has work, and waking it only when it sleeps; must never hold a value, only the sleep.

use crate::error::{Error, Result};
use crate::sync::{AtomicU32, Ordering, fence, futex_wait, futex_wake};
use crate::words::Words;
use core::fmt;
use core::time::Duration;

mod any;

pub use self::any::{WaitAny, wait_any};

const AWAKE: u32 = 0;
const ASLEEP: u32 = 1;

/// Sleeps while `word` holds `expected`, at most for `timeout`.
///
/// `Ok` when it was woken, when the word held something else to begin with, when a signal arrived and when the time was
/// over: the caller looks again in each case.
///
/// # Errors
/// Only when the kernel refuses futexes altogether.
///
/// ```
/// use procession_os::{doorbell::sleep_while, words::Words};
/// let words = Words::heap(1);
/// sleep_while(words.futex(0), 1, None).unwrap(); // holds 0: returns at once
/// ```
pub fn sleep_while(word: &AtomicU32, expected: u32, timeout: Option<Duration>) -> Result<()> {
    futex_wait(word, expected, timeout)
        .map_err(|errno| Error::new("cannot sleep on a doorbell (futex)", errno))
}

/// Wakes everyone who sleeps on `word`.
pub fn wake(word: &AtomicU32) {
    futex_wake(word);
}

/// The side of a doorbell that sleeps.
#[derive(Clone)]
pub struct Sleeper {
    words: Words,
}

impl Sleeper {
    /// The sleeper on word `i`, which this side and one [`Waker`] use for nothing else.
    pub fn new(words: &Words, i: usize) -> Sleeper {
        Sleeper {
            words: words.sub(i, 1),
        }
    }

    /// Sleeps unless `has_work`, at most for `timeout`.
    pub fn sleep_unless(
        &self,
        mut has_work: impl FnMut() -> bool,
        timeout: Option<Duration>,
    ) -> Result<()> {
        let word = self.words.futex(0);
        word.swap(ASLEEP, Ordering::Acquire);
        fence(Ordering::SeqCst);
        let slept = if has_work() {
            Ok(())
        } else {
            sleep_while(word, ASLEEP, timeout)
        };
        word.store(AWAKE, Ordering::Relaxed);
        slept
    }
}

/// The side of a doorbell that rings.
#[derive(Clone)]
pub struct Waker {
    words: Words,
}

impl Waker {
    /// The waker of the [`Sleeper`] on word `i`.
    pub fn new(words: &Words, i: usize) -> Waker {
        Waker {
            words: words.sub(i, 1),
        }
    }

    /// Wakes the sleeper if it sleeps or is about to; what it is to find must have been published before. Returns
    /// whether it was woken.
    #[inline]
    pub fn wake_if_asleep(&self) -> bool {
        let word = self.words.futex(0);
        fence(Ordering::SeqCst);
        let asleep =
            word.load(Ordering::Relaxed) == ASLEEP && word.swap(AWAKE, Ordering::Release) == ASLEEP;
        if asleep {
            futex_wake(word);
        }
        asleep
    }
}

impl fmt::Debug for Sleeper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sleeper").finish_non_exhaustive()
    }
}

impl fmt::Debug for Waker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Waker").finish_non_exhaustive()
    }
}

/// One step of a short spin: a pause, and every 64th round the processor is offered to others.
#[inline]
pub fn spin_hint(round: u32) {
    if round % 64 == 63 {
        std::thread::yield_now();
    } else {
        core::hint::spin_loop();
    }
}
