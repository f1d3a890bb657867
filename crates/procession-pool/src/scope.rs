//! A pool for the length of a function. It must not return while a worker of that pool lives.

use procession_worker::Error;

use crate::builder::PoolBuilder;
use crate::pool::Pool;

impl Pool {
    /// Makes a pool of `workers` for `body`, finishes everything that was handed in, and returns what `body` returned.
    ///
    /// The normal end is [`close`](Pool::close) and [`join`](Pool::join): also what nobody waited for has run, every callback
    /// has returned and every worker is gone, however long that takes. When `body` panics the pool is
    /// [terminated](Pool::terminate), bounded as its drop is, and the panic goes on. An early return with `?` is a normal end;
    /// call [`terminate`](Pool::terminate) before it if the rest is not wanted. Handles may leave the scope: they are resolved.
    /// With 0 workers everything has run before `body` returns.
    ///
    /// What goes wrong in calls is their own affair, and none of the scope's.
    ///
    /// # Errors
    /// As [`Pool::new`]; `body` was not called then. Or as [`Pool::join`], when `body` was called and forked this process: the
    /// copy has no workers to wait for ([`Error::is_forked`]).
    ///
    /// # Panics
    /// When `body` does.
    ///
    /// ```
    /// # procession_worker::init();
    /// use procession_pool::Pool;
    /// let (sum, later) = Pool::scope(2, |pool| {
    ///     let later = pool.apply_async(|x: u64| x + 1, (41,));
    ///     (pool.map(|x: u64| x * x, 1..=3).map(|squares| squares.iter().sum::<u64>()), later)
    /// })?;
    /// assert_eq!(sum?, 14);
    /// assert!(later.ready());
    /// assert_eq!(later.get()?, 42);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn scope<R>(workers: usize, body: impl FnOnce(&Pool) -> R) -> Result<R, Error> {
        Pool::builder().workers(workers).scope(body)
    }
}

impl PoolBuilder {
    /// As [`Pool::scope`], for a pool with options.
    ///
    /// # Errors
    /// As [`PoolBuilder::build`]; `body` was not called then. Or as there, in a copy.
    ///
    /// # Panics
    /// When `body` does.
    ///
    /// ```
    /// # procession_worker::init();
    /// use procession_pool::Pool;
    /// let name = Pool::builder().workers(1).env("GREETING", "hello").scope(|pool| {
    ///     pool.apply(|| std::env::var("GREETING").unwrap_or_default(), ())
    /// })?;
    /// assert_eq!(name?, "hello");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn scope<R>(self, body: impl FnOnce(&Pool) -> R) -> Result<R, Error> {
        // Dropped by unwinding it is terminated.
        let pool = self.build()?;
        let value = body(&pool);
        pool.close();
        pool.join()?;
        Ok(value)
    }
}
