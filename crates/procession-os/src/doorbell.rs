//! Sleeping until another process has work, and waking it only when it sleeps; must never carry a value, only the sleep.
//!
//! A doorbell is one futex word, 0 (awake) or 1 (asleep, or about to be). Waking costs a system call and, on the other
//! processor, tens of microseconds, so it is rung only when the word says 1.
//!
//! # The protocol
//! | | [`Sleeper::sleep_unless`] | | [`Waker::wake_if_asleep`] |
//! |---|---|---|---|
//! | S1 | swap the word to 1 | W1 | (the caller) publish |
//! | S2 | `fence(SeqCst)` | W2 | `fence(SeqCst)` |
//! | S3 | is there work? then go to S5 | W3 | is the word 1? else done |
//! | S4 | sleep in the kernel while the word is 1 | W4 | swap it to 0; when it was 1, wake all in the kernel |
//! | S5 | set the word to 0 | | |
//!
//! # Why no wake-up is lost
//! The claim: when a waker's W1 comes, the sleeper finds that work in S3, or does not stay asleep in S4.
//! 1. The two fences are ordered. If W2 comes first, S3 sees what W1 published, and there is no sleep.
//! 2. If S2 comes first, W3 sees the 1 of S1, or a later value. A later value was written by S5 of the same sleep, so the
//!    sleeper is awake and looks again before it sleeps; or by another waker's W4, which wakes in this one's place.
//! 3. In W4 the word becomes 0 *before* the wake. The kernel compares and enqueues under the lock the wake takes, so S4
//!    either finds 0 and returns, or is enqueued before the wake and is woken.
//! 4. S1 is a swap, not a store. It follows, in the order of the word's values, the swap of a slow waker it reads from, so
//!    that waker's next look cannot miss it. (The model checker finds the loss when S1 is a store.)
//!
//! A late wake may meet a sleeper that sleeps again: it returns early and looks again. Every return may be early.
//!
//! # What a kill leaves
//! - The waker killed before W1: no work, no wake-up due. After W1, before or in W4: work and a sleeper. Whoever sees the
//!   death calls [`Waker::wake_if_asleep`] in its place, which is why several wakers may share a word. Killed between W4's
//!   swap and its wake, the word is 0 though the sleeper sleeps; who sees a death therefore also calls [`wake`], or the
//!   sleeper sleeps with a time-out.
//! - The sleeper killed anywhere: the word may stay 1. Wakers then make a needless system call once, and none after it.
//! - A hostile peer can leave the sleeper asleep, or wake it in vain. So a parent never sleeps on a bell without a time-out or
//!   another thread that watches for the death.
//!
//! There is one sleeper for a word: S5 of one would hide another's 1.

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

/// Wakes everyone who sleeps on `word`, whatever it holds.
///
/// ```
/// procession_os::doorbell::wake(procession_os::words::Words::heap(1).futex(0)); // nobody: no effect
/// ```
pub fn wake(word: &AtomicU32) {
    futex_wake(word);
}

/// The side of a doorbell that sleeps. There is one for each word.
#[derive(Clone)]
pub struct Sleeper {
    words: Words,
}

impl Sleeper {
    /// The sleeper on word `i`, which is used for nothing else.
    ///
    /// # Panics
    /// When there is no such word.
    ///
    /// ```
    /// let words = procession_os::words::Words::heap(1);
    /// let sleeper = procession_os::doorbell::Sleeper::new(&words, 0);
    /// ```
    pub fn new(words: &Words, i: usize) -> Sleeper {
        Sleeper {
            words: words.sub(i, 1),
        }
    }

    /// Sleeps unless `has_work`, until woken or `timeout` is over. It may return early: look for work again.
    ///
    /// # Errors
    /// As for [`sleep_while`].
    ///
    /// ```
    /// use procession_os::doorbell::{Sleeper, Waker};
    /// use std::time::Duration;
    /// let words = procession_os::words::Words::heap(1);
    /// let (sleeper, waker) = (Sleeper::new(&words, 0), Waker::new(&words, 0));
    /// sleeper.sleep_unless(|| true, None)?; // there is work: returns at once
    /// sleeper.sleep_unless(|| false, Some(Duration::from_millis(1)))?; // nobody rings: the time is over
    /// // Rung after the look for work and before the sleep: there is no sleep.
    /// sleeper.sleep_unless(|| !waker.wake_if_asleep(), None)?;
    /// # Ok::<(), procession_os::Error>(())
    /// ```
    pub fn sleep_unless(
        &self,
        mut has_work: impl FnMut() -> bool,
        timeout: Option<Duration>,
    ) -> Result<()> {
        let word = self.words.futex(0);
        // Acquire, with the waker's Release: what a waker did before it rung precedes this sleep.
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

/// The side of a doorbell that rings. Several may share a word.
#[derive(Clone)]
pub struct Waker {
    words: Words,
}

impl Waker {
    /// The waker of the [`Sleeper`] on word `i`.
    ///
    /// # Panics
    /// When there is no such word.
    ///
    /// ```
    /// let words = procession_os::words::Words::heap(1);
    /// let waker = procession_os::doorbell::Waker::new(&words, 0);
    /// ```
    pub fn new(words: &Words, i: usize) -> Waker {
        Waker {
            words: words.sub(i, 1),
        }
    }

    /// Wakes the sleeper if it sleeps or is about to; what it is to find must have been published before. Returns
    /// whether it was.
    ///
    /// ```
    /// let words = procession_os::words::Words::heap(1);
    /// assert!(!procession_os::doorbell::Waker::new(&words, 0).wake_if_asleep(), "nobody sleeps");
    /// ```
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
///
/// ```
/// for round in 0..100 {
///     procession_os::doorbell::spin_hint(round); // and look for work
/// }
/// ```
#[inline]
pub fn spin_hint(round: u32) {
    if round % 64 == 63 {
        std::thread::yield_now();
    } else {
        core::hint::spin_loop();
    }
}
