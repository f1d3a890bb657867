//! Options for how long workers serve and how many there are. It checks what they mean together; it starts nothing.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::Duration;

use procession_worker::Error;

use super::PoolBuilder;
use crate::core::LifeConfig;
use crate::options::nanos;

/// How long workers serve and how many there are at least.
#[derive(Clone, Debug, Default)]
pub(crate) struct LifeOptions {
    max_tasks: Option<usize>,
    max_tasks_jitter: usize,
    max_lifetime: Option<Duration>,
    recycle_above: Option<u64>,
    idle_timeout: Option<Duration>,
    min_workers: Option<usize>,
}

impl PoolBuilder {
    /// Replaces each worker after so many items: calls, or items of maps. Without it workers serve as long as the pool
    /// does. 0 is an error of [`PoolBuilder::build`].
    ///
    /// For functions that leak, or libraries that grow slower with use. A worker that has been given its last item is given
    /// nothing more, and its successor is started beside it. When the last result is there, the worker is told to stop
    /// and the successor takes over, under the same name and [index](procession_worker::worker_index). No item is
    /// lost or repeated by this, and no more items run at a time than the pool has workers; but there may be twice as many
    /// processes for a while, and descriptors have to suffice for them. Chunks of a map are cut to what is left of the quota.
    ///
    /// An inline pool has no workers to replace.
    ///
    /// ```
    /// # procession_worker::init();
    /// use procession_pool::Pool;
    /// let pool = Pool::builder().workers(1).max_tasks_per_worker(2).build()?;
    /// let pids = pool.call(|_: u32| std::process::id()).chunk_size(3).map(0..6)?;
    /// assert!(pids[0] == pids[1] && pids[1] != pids[2] && pids[2] == pids[3] && pids[3] != pids[4]);
    /// assert_eq!(pool.stats().recycled, 3);
    /// assert!(Pool::builder().workers(1).max_tasks_per_worker(0).build().is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn max_tasks_per_worker(mut self, items: usize) -> Self {
        self.life.max_tasks = Some(items);
        self
    }

    /// Gives each worker up to so many items more than [`max_tasks_per_worker`](Self::max_tasks_per_worker) says, drawn
    /// anew for each, so that workers that began together are not replaced together. Nothing without that option; 0 adds none.
    ///
    /// ```
    /// # procession_worker::init();
    /// let builder = procession_pool::Pool::builder().workers(1);
    /// let pool = builder.max_tasks_per_worker(10).max_tasks_jitter(5).build()?;
    /// pool.map(|x: u32| x, 0..60)?;
    /// // 60 items are four to six workers' worth; the last quota may not be used up.
    /// assert!((4..=6).contains(&pool.stats().recycled));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn max_tasks_jitter(mut self, items: usize) -> Self {
        self.life.max_tasks_jitter = items;
        self
    }

    /// Replaces each worker once it has served for so long. Zero is an error of [`PoolBuilder::build`]. Without it workers
    /// serve as long as the pool does, or until [`max_tasks_per_worker`](Self::max_tasks_per_worker).
    ///
    /// The time runs from the start of its process, whether it works or not. A worker that is too old is given nothing
    /// more and finishes what it has, however long that takes, while its successor is started beside it. No item is lost or
    /// repeated by this. An inline pool has no workers to replace.
    ///
    /// ```
    /// # procession_worker::init();
    /// use std::time::Duration;
    /// let builder = procession_pool::Pool::builder().workers(1);
    /// let pool = builder.max_lifetime(Duration::from_millis(20)).build()?;
    /// let first = pool.apply(|| std::process::id(), ())?;
    /// while pool.apply(|| std::process::id(), ())? == first {
    ///     std::thread::sleep(Duration::from_millis(5));
    /// }
    /// assert!(pool.stats().recycled >= 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn max_lifetime(mut self, time: Duration) -> Self {
        self.life.max_lifetime = Some(time);
        self
    }

    /// Replaces each worker whose resident memory is above so many bytes at the end of a call, or of a chunk of a map. 0 is an
    /// error of [`PoolBuilder::build`]. Without it nobody looks at that.
    ///
    /// For functions that leak. A worker that has grown too large is given nothing more, finishes what it has, and makes room
    /// for its successor, as with [`max_tasks_per_worker`](Self::max_tasks_per_worker); no item is lost or repeated. What
    /// counts is what the kernel calls resident, shared pages of the program included: some megabytes for a worker that
    /// has done nothing. With a limit below that, workers are replaced after each call. It bounds nothing while a call runs:
    /// [`memory_limit`](Self::memory_limit) does.
    ///
    /// Workers read their size from `/proc`, some microseconds for each call; without `/proc` nobody is replaced. An inline
    /// pool has no workers to replace.
    ///
    /// ```
    /// # procession_worker::init();
    /// use procession_pool::Pool;
    /// let pool = Pool::builder().workers(1).recycle_above(64 << 20).build()?;
    /// let leak = |mib: usize| std::mem::forget(std::hint::black_box(vec![1u8; mib << 20]));
    /// for _ in 0..8 {
    ///     pool.apply(leak, (24,))?;
    /// }
    /// assert!(pool.stats().recycled >= 2);
    /// assert!(Pool::builder().workers(1).recycle_above(0).build().is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn recycle_above(mut self, bytes: u64) -> Self {
        self.life.recycle_above = Some(bytes);
        self
    }

    /// Starts so many workers at once and the others when there is something to do for them: when work waits and nobody is
    /// free. Without it all workers are started at once, or none if there is an
    /// [`idle_timeout`](Self::idle_timeout). More than there are workers is an error of [`PoolBuilder::build`].
    ///
    /// A worker that has been started stays, unless there is an `idle_timeout`. [`Pool::warm_up`](crate::Pool::warm_up)
    /// starts those that are missing. With 0 none is started before the first call. An inline pool has none to start; 0 is all
    /// that can be given there.
    ///
    /// ```
    /// # procession_worker::init();
    /// use procession_pool::Pool;
    /// let pool = Pool::builder().workers(4).min_workers(0).build()?;
    /// assert_eq!(pool.worker_pids().len(), 0);
    /// assert_eq!(pool.apply(|x: u32| x + 1, (1,))?, 2);
    /// assert_eq!(pool.worker_pids().len(), 1);
    /// let error = Pool::builder().workers(2).min_workers(3).build().unwrap_err();
    /// assert!(error.to_string().contains("min_workers is 3"), "{error}");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn min_workers(mut self, workers: usize) -> Self {
        self.life.min_workers = Some(workers);
        self
    }

    /// Stops a worker that has had nothing to do for so long, down to [`min_workers`](Self::min_workers), or to none. Work
    /// that comes later starts workers again. Zero is an error of [`PoolBuilder::build`]. Without it no worker is
    /// stopped for that.
    ///
    /// A worker that is stopped has nothing, so nothing is lost, whatever is submitted meanwhile. An inline pool has
    /// nobody to stop.
    ///
    /// ```
    /// # procession_worker::init();
    /// use std::time::Duration;
    /// let builder = procession_pool::Pool::builder().workers(2);
    /// let pool = builder.idle_timeout(Duration::from_millis(20)).build()?;
    /// assert_eq!(pool.apply(|x: u32| x + 1, (1,))?, 2);
    /// while !pool.worker_pids().is_empty() {
    ///     std::thread::sleep(Duration::from_millis(5));
    /// }
    /// assert_eq!(pool.apply(|x: u32| x + 1, (2,))?, 3);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn idle_timeout(mut self, time: Duration) -> Self {
        self.life.idle_timeout = Some(time);
        self
    }
}

impl LifeOptions {
    /// The largest resident memory a worker may have and be given more.
    pub(super) fn largest(&self) -> Option<u64> {
        self.recycle_above
    }

    /// How many successors there may be beside so many workers: when all have served long enough at once, one for each.
    pub(super) fn successors(&self, workers: usize) -> usize {
        let replaces =
            self.max_tasks.is_some() || self.max_lifetime.is_some() || self.recycle_above.is_some();
        if replaces { workers } else { 0 }
    }

    /// What the scheduler is to be told, for a pool of so many workers.
    pub(super) fn config(&self, workers: usize) -> Result<LifeConfig, Error> {
        let invalid = |what: &str| Err(Error::message(format!("cannot make a pool: {what}")));
        if self.max_tasks == Some(0) {
            return invalid("max_tasks_per_worker must be at least 1");
        }
        if self.recycle_above == Some(0) {
            return invalid("recycle_above must be at least 1 byte");
        }
        if self.max_lifetime.is_some_and(|time| time.is_zero()) {
            return invalid("max_lifetime must be above 0");
        }
        if self.idle_timeout.is_some_and(|time| time.is_zero()) {
            return invalid("idle_timeout must be above 0");
        }
        if let Some(least) = self.min_workers.filter(|least| *least > workers) {
            return invalid(&format!(
                "min_workers is {least}, which is more than its {workers} workers"
            ));
        }
        let mut life = LifeConfig {
            quota: self.max_tasks.map_or(0, |items| items as u64),
            jitter: self.max_tasks_jitter as u64,
            seed: RandomState::new().build_hasher().finish(),
            ..LifeConfig::default()
        };
        life.least = self
            .min_workers
            .or(self.idle_timeout.map(|_| 0))
            .map(|least| u32::try_from(least).unwrap_or(u32::MAX));
        if let Some(time) = self.max_lifetime {
            life.lifetime = nanos(time);
        }
        if let Some(time) = self.idle_timeout {
            life.idle = nanos(time);
        }
        Ok(life)
    }
}
