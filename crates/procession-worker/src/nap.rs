//! How a thread of the parent sleeps until one of several workers rings, or another thread of its own process does.
//!
//! It sleeps; it must never read the links, or decide whom to ask for a bell.

use std::fmt;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use procession_os::doorbell::{self, WaitAny};
use procession_os::words::Words;

use crate::handle::Worker;

pub use procession_os::doorbell::spin_hint;

/// Most links one nap can cover: the kernel takes 128 words, one is the process's own.
pub const MAX_LINKS: usize = 127;

/// A set of links to sleep on.
#[derive(Default)]
pub struct Nap {
    words: Vec<(Words, u32)>,
}

impl fmt::Debug for Nap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Nap")
            .field("links", &self.words.len())
            .finish()
    }
}

impl Nap {
    /// Adds a link; a ring after this call ends the sleep, or prevents it. Call it before the bell is asked for.
    pub fn watch(&mut self, worker: &Worker) {
        let words = worker.rung_words();
        let rung = words.futex(0).load(Ordering::Acquire);
        self.words.push((words, rung));
    }

    /// Sleeps until a watched link rings, `own` is no longer `expected`, or `timeout` passes.
    ///
    /// False when the kernel cannot wait on several words (before Linux 5.16): nothing was slept then.
    pub fn sleep(&self, own: &AtomicU32, expected: u32, timeout: Option<Duration>) -> bool {
        let mut words = Vec::with_capacity(self.words.len() + 1);
        words.push((own, expected));
        words.extend(
            self.words
                .iter()
                .map(|(words, rung)| (words.futex(0), *rung)),
        );
        !matches!(
            doorbell::wait_any(&words, timeout),
            Ok(WaitAny::Unsupported) | Err(_)
        )
    }
}

/// Sleeps on the process's own word alone.
pub fn sleep_on(own: &AtomicU32, expected: u32, timeout: Option<Duration>) {
    // Whatever ended the sleep, the caller looks at the facts again.
    let _ = doorbell::sleep_while(own, expected, timeout);
}

/// Wakes whoever sleeps on `own`.
pub fn rouse(own: &AtomicU32) {
    own.fetch_add(1, Ordering::AcqRel);
    doorbell::wake(own);
}
