//! How far something is, as five counts. It must never be a list: whoever looks seldom sees as much as who looks often.

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
    /// Items that have not begun.
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
