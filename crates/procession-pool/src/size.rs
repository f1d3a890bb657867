//! How many workers a pool has while it runs: told by its owner, and asked for. It must not start or end any by itself.

use std::time::{Duration, Instant};

use procession_worker::Error;

use crate::builder::MAX_WORKERS;
use crate::driver::{NOT_OPEN, Shared};
use crate::pool::Pool;

impl Pool {
    /// Changes the number of workers while the pool runs.
    ///
    /// It returns at once. More: workers are started, as at the beginning, for the indexes that are new. Fewer: those with the
    /// highest indexes are given nothing more; what they have not begun goes to the others, what they have begun they
    /// finish, and then they are stopped. So nothing is lost and nothing is ended, but for a while more calls may run
    /// than the pool has workers.
    ///
    /// A pool with [`min_workers`](crate::PoolBuilder::min_workers) starts the new ones when there is something to do.
    ///
    /// The same number changes nothing.
    ///
    /// # Errors
    /// When `workers` is 0 or more than [`MAX_WORKERS`]; when descriptors do not suffice for so many; when the pool is
    /// inline, was closed or terminated ([`Error::is_closed`]), is broken, or is a copy made by `fork` ([`Error::is_forked`]).
    /// Nothing has changed then. The text says which it is.
    ///
    /// ```
    /// # procession_worker::init();
    /// let pool = procession_pool::Pool::new(1)?;
    /// let first = pool.worker_pids();
    /// pool.resize(3)?;
    /// assert!(pool.warm_up(std::time::Duration::from_secs(60))?);
    /// assert_eq!(pool.worker_pids().len(), 3);
    /// pool.resize(1)?;
    /// assert_eq!(pool.worker_pids(), first);
    /// assert!(pool.resize(0).is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn resize(&self, workers: usize) -> Result<(), Error> {
        let resized = self.try_resize(workers);
        resized.map_err(|why| why.why_not(&format!("cannot resize a pool to {workers} workers")))
    }

    fn try_resize(&self, workers: usize) -> Result<(), Error> {
        let Some(shared) = &self.shared else {
            return Err(Error::message("it is inline, which it stays"));
        };
        if workers == 0 {
            return Err(Error::message("the least is 1"));
        }
        if workers > MAX_WORKERS {
            return Err(Error::message(format!("the most is {MAX_WORKERS}")));
        }
        self.check_open(shared)?;
        let more = workers.saturating_sub(shared.size());
        let captured = shared.captured();
        if more > 0 {
            let successors = shared.successors(more);
            procession_worker::check_can_start("too few descriptors", more, successors, captured)?;
        }
        shared.resize(u32::try_from(workers).unwrap_or(u32::MAX))
    }

    /// Starts the workers that are missing and waits until all of them are ready, initializers included, for at most
    /// `timeout`; false when some are not by then.
    ///
    /// Calls do not have to wait for this: they go to workers that boot. It is for measurements, and for what is to be
    /// prompt from the first call on. A pool with [`idle_timeout`](crate::PoolBuilder::idle_timeout) may stop them again
    /// later. In an inline pool that is open there is nothing to wait for: true at once. Zero starts what is missing and says
    /// whether all are ready; a time beyond the clock is no limit.
    ///
    /// # Errors
    /// When the pool was closed or terminated ([`Error::is_closed`]), or is broken (the text has the cause), before or
    /// meanwhile; or is a copy made by `fork` ([`Error::is_forked`]). In a [`Waker`](std::task::Waker) that the pool wakes: it might wait for itself ([`Error::is_would_deadlock`]).
    ///
    /// ```
    /// # procession_worker::init();
    /// use std::time::Duration;
    /// let pool = procession_pool::Pool::builder().workers(3).min_workers(0).build()?;
    /// assert_eq!(pool.stats().idle, 0);
    /// assert!(pool.warm_up(Duration::from_secs(60))?);
    /// assert_eq!(pool.stats().idle, 3);
    /// pool.close();
    /// assert!(pool.warm_up(Duration::ZERO).unwrap_err().is_closed());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn warm_up(&self, timeout: Duration) -> Result<bool, Error> {
        self.warm_up_to(MAX_WORKERS, timeout)
    }

    /// As [`Pool::warm_up`] for so many workers, or all if there are fewer.
    ///
    /// # Errors
    /// As [`Pool::warm_up`].
    ///
    /// ```
    /// # procession_worker::init();
    /// use std::time::Duration;
    /// let pool = procession_pool::Pool::builder().workers(3).min_workers(0).build()?;
    /// assert!(pool.warm_up_to(1, Duration::from_secs(60))?);
    /// assert_eq!(pool.worker_pids().len(), 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn warm_up_to(&self, workers: usize, timeout: Duration) -> Result<bool, Error> {
        let ready = self.try_warm_up(workers, timeout);
        ready.map_err(|why| why.why_not("cannot warm up a pool's workers"))
    }

    fn try_warm_up(&self, workers: usize, timeout: Duration) -> Result<bool, Error> {
        let Some(shared) = &self.shared else {
            let open = self.is_open().then_some(true);
            return open.ok_or_else(|| Error::closed(NOT_OPEN));
        };
        self.check_open(shared)?;
        if shared.needs_this_thread() {
            return Err(Error::would_deadlock(
                "a waker that the pool wakes would wait for itself",
            ));
        }
        // A time-out beyond the clock is none.
        let deadline = Instant::now().checked_add(timeout);
        let workers = u32::try_from(workers).unwrap_or(u32::MAX);
        shared.warm_up(workers, deadline)
    }

    fn check_open(&self, shared: &Shared) -> Result<(), Error> {
        if !shared.is_ours() {
            return Err(Error::forked(shared.owner()));
        }
        if self.is_open() {
            Ok(())
        } else {
            Err(Error::closed(NOT_OPEN))
        }
    }
}
