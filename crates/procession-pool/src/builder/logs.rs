//! A pool's option for what its workers log. Logs nothing.

/// What was chosen.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct LogOptions {
    level: u8,
}

impl LogOptions {
    /// The finest level that is forwarded, as `log` counts; 0 for none.
    pub(crate) fn level(self) -> u8 {
        self.level
    }
}

#[cfg(feature = "log")]
impl super::PoolBuilder {
    /// Hands the workers' log records, up to `level`, to the logger of this program. Needs the feature `log`.
    ///
    /// In each worker a logger is installed before the initializer runs. Its records arrive here with their level, target
    /// and place, and before the text the worker's name and the [number](crate::AsyncResult::id) of the task that ran, if one
    /// did: `[pool/3, task 7] text`. A thread that a former task has left behind logs while another one runs. Whether records
    /// are then printed is decided as for this program's own: by `log::max_level` and its logger.
    ///
    /// * A logger that takes the keys and values of `log` finds `worker`, `task` and `item`, which one of a map. Those that a
    ///   record has of its own do not arrive.
    /// * They are logged on the pool's callback thread, in the order of each worker. A task's records are sent before its
    ///   result, and at once if they are warnings or errors or if none was sent for 10 ms; they may be logged a
    ///   moment after the result is there. [`join`](crate::Pool::join) returns after the last one.
    /// * They never hold anything up: when 256 KiB wait in a worker, or 4 MiB here, the rest is dropped, and a warning with
    ///   the target `procession` tells how many. A worker that crashes takes the last ones, 10 ms at the most, along.
    /// * A program that sets a logger *before* [`init`](procession_worker::init) sets it in its workers too. It stays there,
    ///   nothing is forwarded, and a warning tells so.
    ///
    /// To have them in one log with the spans and events of the feature `tracing`, `tracing-subscriber` with its feature
    /// `tracing-log` is all it takes: its `init` makes it this program's logger. It takes no keys and values.
    ///
    /// An inline pool has no workers: its tasks log here anyway.
    ///
    /// ```
    /// # procession_worker::init();
    /// use procession_pool::Pool;
    /// let pool = Pool::builder().workers(1).forward_logs(log::LevelFilter::Info).build()?;
    /// pool.apply(|page: u32| log::info!("page {page} is blank"), (7,))?;
    /// # pool.close();
    /// # pool.join()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn forward_logs(mut self, level: log::LevelFilter) -> Self {
        self.logs.level = level as u8;
        self
    }
}
