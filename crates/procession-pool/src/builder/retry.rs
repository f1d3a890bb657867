//! How often a pool's items are tried again when their call does not say. It must not say anything about one call.

use crate::builder::PoolBuilder;

/// Retries of every call that names none.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct RetryDefault {
    pub(crate) times: u32,
}

impl PoolBuilder {
    /// Tries every item that fails up to `times` times again, in calls that do not say otherwise with
    /// [`Call::retries`](crate::Call::retries), which has the rules. 0, the default, is never.
    ///
    /// A task that is tried again may have done part of its work before: ask for this only where that does no harm.
    ///
    /// ```
    /// # procession_worker::init();
    /// use procession_pool::Pool;
    /// let pool = Pool::builder().workers(1).retries(2).build()?;
    /// let error = pool.apply(|| -> () { std::process::abort() }, ()).unwrap_err();
    /// assert_eq!(error.attempts(), 3);
    /// let error = pool.call(|| -> () { panic!("no") }).retries(0).apply(()).unwrap_err();
    /// assert_eq!(error.attempts(), 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn retries(mut self, times: u32) -> Self {
        self.retry.times = times;
        self
    }
}
