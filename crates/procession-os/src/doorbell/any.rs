//! Sleeping on several doorbells at once; must not decide what a wake-up means.

use crate::error::{Error, Result};
use crate::sync::AtomicU32;
use core::time::Duration;

/// How [`wait_any`] ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WaitAny {
    /// Someone woke one of the words, or a signal arrived: look again.
    Woken,
    /// The time was over.
    TimedOut,
    /// One of the words did not hold what was expected, so there was no sleep.
    Changed,
    /// The kernel has no such call, or there are more words than it takes (128): wait in another way.
    Unsupported,
}

/// Sleeps while each word holds the value beside it, at most for `timeout`; [`WaitAny`] says how it ended.
///
/// # Errors
/// Only when the kernel refuses for a reason that is none of the ends above.
///
/// ```
/// use procession_os::doorbell::{WaitAny, wait_any};
/// use std::time::Duration;
/// let words = procession_os::words::Words::heap(2);
/// let bells = [(words.futex(0), 0), (words.futex(1), 0)];
/// let ended = wait_any(&bells, Some(Duration::from_millis(1)))?;
/// assert!(matches!(ended, WaitAny::TimedOut | WaitAny::Unsupported));
/// assert_eq!(wait_any(&[], None)?, WaitAny::Unsupported);
/// # Ok::<(), procession_os::Error>(())
/// ```
#[cfg(not(loom))]
pub fn wait_any(words: &[(&AtomicU32, u32)], timeout: Option<Duration>) -> Result<WaitAny> {
    use rustix::io::Errno;
    use rustix::thread::futex::{self, Wait, WaitFlags, WaitPtr, WaitvFlags};
    use rustix::time::{ClockId, Timespec, clock_gettime};

    const MOST: usize = 128;
    if words.is_empty() || words.len() > MOST {
        return Ok(WaitAny::Unsupported);
    }
    let mut waits = [Wait::new(); MOST];
    for (wait, (word, expected)) in waits.iter_mut().zip(words) {
        wait.val = u64::from(*expected);
        wait.uaddr = WaitPtr::new(word.as_ptr().cast());
        wait.flags = WaitFlags::SIZE_U32;
    }
    // A deadline the kernel cannot represent is later than anything that will happen.
    let deadline = timeout
        .and_then(|limit| Timespec::try_from(limit).ok())
        .and_then(|limit| clock_gettime(ClockId::Monotonic).checked_add(limit));
    match futex::waitv(
        &waits[..words.len()],
        WaitvFlags::empty(),
        deadline.as_ref(),
        ClockId::Monotonic,
    ) {
        Ok(_) | Err(Errno::INTR) => Ok(WaitAny::Woken),
        Err(Errno::AGAIN) => Ok(WaitAny::Changed),
        Err(Errno::TIMEDOUT) => Ok(WaitAny::TimedOut),
        // EPERM is how a seccomp filter refuses a call it does not know.
        Err(Errno::NOSYS | Errno::PERM) => Ok(WaitAny::Unsupported),
        Err(errno) => Err(Error::new(
            "cannot sleep on several doorbells (futex_waitv)",
            errno,
        )),
    }
}

/// Sleeps while each word holds the value beside it: not modelled.
#[cfg(loom)]
pub fn wait_any(_words: &[(&AtomicU32, u32)], _timeout: Option<Duration>) -> Result<WaitAny> {
    let _: fn(&'static str) -> Error = |what| Error::message(what);
    Ok(WaitAny::Unsupported)
}
