//! How far something is, as five counts. It must never be a list: whoever looks seldom sees as much as who looks often.

pub(crate) mod later;
pub(crate) mod telling;

use procession_worker::handle::now_ns;

/// Nanoseconds between two tellings at least.
pub(crate) const INTERVAL: u64 = 50_000_000;

/// How far a pool or a map is. `done`, `failed`, `running` and `queued` together are `total`, always.
///
/// ```
/// # procession_worker::init();
/// use procession_pool::{Pool, Progress};
/// let pool = Pool::new(2)?;
/// pool.call(|ms: u64| std::thread::sleep(std::time::Duration::from_millis(ms)))
///     .on_progress(|p: Progress| {
///         assert_eq!(p.done + p.failed + p.running + p.queued, p.total);
///         println!("{} of {}", p.ended(), p.total);
///     })
///     .map([20; 12])?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Progress {
    /// Items that returned a value.
    pub done: u64,
    /// Items that ended in an error, cancelled ones too.
    pub failed: u64,
    /// Items running now.
    pub running: u64,
    /// Items that have not begun, or wait to be tried again.
    pub queued: u64,
    /// All items: of a pool those it has accepted so far, of a map those read from its input so far.
    pub total: u64,
}

impl Progress {
    /// Items that have an outcome.
    #[must_use]
    pub fn ended(&self) -> u64 {
        self.done + self.failed
    }
}

/// Who is told, and not before when.
pub(crate) struct Teller<P> {
    progress: P,
    next: u64,
}

impl<P: FnMut(Progress)> Teller<P> {
    pub(crate) fn new(progress: P) -> Teller<P> {
        Teller {
            progress,
            next: now_ns().saturating_add(INTERVAL),
        }
    }

    /// When it is time to look again.
    pub(crate) fn next(&self) -> u64 {
        self.next
    }

    /// Tells what `see` sees, if it is time to.
    pub(crate) fn look(&mut self, see: impl FnOnce() -> Progress) {
        let now = now_ns();
        if now >= self.next {
            // Also before, for when it panics.
            self.next = now.saturating_add(INTERVAL);
            (self.progress)(see());
            self.next = now_ns().saturating_add(INTERVAL);
        }
    }

    /// Tells of the end, where so many of all items have a value: whatever has none has failed.
    pub(crate) fn end(mut self, done: u64, total: u64) {
        (self.progress)(Progress {
            done,
            failed: total.saturating_sub(done),
            running: 0,
            queued: 0,
            total,
        });
    }
}
