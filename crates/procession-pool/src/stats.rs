//! Counts and gauges of a pool, for people; nothing here influences the pool.

/// A picture of a pool at one moment: exact while nothing runs, and consistent in itself always.
///
/// ```
/// # procession_worker::init();
/// let pool = procession_pool::Pool::new(2)?;
/// pool.map(|x: u32| x, 0..10)?;
/// let stats = pool.stats();
/// assert_eq!((stats.done, stats.failed, stats.queued, stats.running), (10, 0, 0, 0));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PoolStats {
    /// Items that have not begun.
    pub queued: u64,
    /// Items running now: at most one for each worker.
    pub running: u64,
    /// Workers with nothing to do.
    pub idle: u64,
    /// Items that returned a value.
    pub done: u64,
    /// Items that ended in an error: panics, deaths, results that could not be sent, and cancelled ones.
    pub failed: u64,
    /// Workers started beyond the first of each place.
    pub restarts: u64,
    /// Callbacks that panicked; each was reported by the panic hook.
    pub callback_panics: u64,
    /// Every place for a worker, in order.
    pub workers: Vec<WorkerStats>,
}

/// One place of a pool.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct WorkerStats {
    /// The place, from 0; what `worker::index` says inside a task.
    pub index: usize,
    /// Process id, none while no worker sits there.
    pub pid: Option<u32>,
    /// Its name in errors.
    pub name: String,
    /// It runs a task now.
    pub busy: bool,
    /// Items it has run since it was started, by its own account.
    pub done: u64,
}
