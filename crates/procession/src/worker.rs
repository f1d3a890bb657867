//! What a task can ask about the worker it runs in.

/// The worker's place in its pool, from 0 and the same for its replacement; `None` outside a pool's worker.
///
/// ```
/// procession::init();
/// assert_eq!(procession::worker::index(), None);
/// let pool = procession::Pool::new(1)?;
/// assert_eq!(pool.apply(procession::worker::index, ())?, Some(0));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn index() -> Option<usize> {
    procession_worker::worker_index()
}

/// True inside a task that its owner has [cancelled](crate::AsyncResult::cancel), or that has overrun its
/// [time limit](crate::Call::timeout); false everywhere else.
///
/// A task that looks from time to time may return early, with anything: its worker is kept. One that does not return
/// within the pool's [`cancel_grace`](crate::PoolBuilder::cancel_grace), or, when it overran, its
/// [`timeout_grace`](crate::PoolBuilder::timeout_grace), is ended with its worker. That one is none unless it is set, so a task
/// that overran has then at most the time from SIGTERM to SIGKILL.
///
/// Of the items of a map that overrun it is true for each of these alone. An inline pool neither cancels nor limits.
///
/// ```
/// procession::init();
/// use std::time::Duration;
///
/// fn count() -> u64 {
///     let mut n = 0;
///     while !procession::worker::cancelled() {
///         n += 1;
///         std::thread::sleep(Duration::from_millis(1));
///     }
///     n
/// }
///
/// let pool = procession::Pool::new(1)?;
/// let counting = pool.apply_async(count, ());
/// assert!(counting.cancel());
/// assert_eq!(counting.get().unwrap_err().kind(), procession::TaskErrorKind::Cancelled);
/// assert_eq!(pool.apply(procession::worker::cancelled, ())?, false);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn cancelled() -> bool {
    procession_worker::cancelled()
}
