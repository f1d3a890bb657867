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
