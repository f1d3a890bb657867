//! What calls of a pool are held to, and how their items travel, when they say nothing themselves. It must not say
//! anything about one call.

use std::time::Duration;

use procession_worker::Error;

use crate::builder::PoolBuilder;

/// Options of every call that does not give them.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Defaults {
    pub(crate) timeout: Option<Duration>,
    pub(crate) queue_deadline: Option<Duration>,
    pub(crate) chunk: Option<usize>,
    pub(crate) buffer: Option<usize>,
}

impl Defaults {
    /// Refuses what no call could be held to.
    pub(super) fn check(&self) -> Result<(), Error> {
        let zero = |time: Option<Duration>| time.is_some_and(|time| time.is_zero());
        let what = if zero(self.timeout) {
            "task_timeout must be above 0"
        } else if zero(self.queue_deadline) {
            "queue_deadline must be above 0"
        } else if self.chunk == Some(0) {
            "chunk_size must be at least 1"
        } else if self.buffer == Some(0) {
            "buffer_size must be at least 1"
        } else {
            return Ok(());
        };
        Err(Error::message(format!("cannot make a pool: {what}")))
    }
}

impl PoolBuilder {
    /// The time limit of every call that names none: see [`Call::timeout`](crate::Call::timeout). Without it there is
    /// none. [`timeout_grace`](PoolBuilder::timeout_grace) makes it a soft one. Zero is an error of [`PoolBuilder::build`]. In
    /// an inline pool there is nobody to keep it.
    ///
    /// ```
    /// # procession_worker::init();
    /// use std::time::Duration;
    /// use procession_pool::{Pool, TaskErrorKind};
    /// let pool = Pool::builder().workers(1).task_timeout(Duration::from_millis(100)).build()?;
    /// let error = pool.apply(std::thread::sleep, (Duration::from_secs(3600),)).unwrap_err();
    /// assert_eq!(error.kind(), TaskErrorKind::TimedOut);
    /// assert!(Pool::builder().task_timeout(Duration::ZERO).build().is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn task_timeout(mut self, limit: Duration) -> Self {
        self.defaults.timeout = Some(limit);
        self
    }

    /// The time after which every call that names none is given up if it has not begun: see
    /// [`Call::queue_deadline`](crate::Call::queue_deadline). Without it they wait as long as it takes. Zero is an error of
    /// [`PoolBuilder::build`]. In an inline pool everything begins at once.
    ///
    /// ```
    /// # procession_worker::init();
    /// use std::time::Duration;
    /// use procession_pool::{Pool, TaskErrorKind};
    /// let pool = Pool::builder().workers(1).queue_deadline(Duration::from_millis(20)).build()?;
    /// let busy = pool.apply_async(std::thread::sleep, (Duration::from_secs(3600),));
    /// while pool.stats().running == 0 {
    ///     std::thread::yield_now();
    /// }
    /// assert_eq!(pool.apply(|x: u32| x, (1,)).unwrap_err().kind(), TaskErrorKind::Expired);
    /// assert!(busy.cancel());
    /// assert!(Pool::builder().queue_deadline(Duration::ZERO).build().is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn queue_deadline(mut self, wait: Duration) -> Self {
        self.defaults.queue_deadline = Some(wait);
        self
    }

    /// How many items of a map travel together when its call does not say: see
    /// [`Call::chunk_size`](crate::Call::chunk_size). Without it chunks adapt to the work, which is right for nearly all. 0 is
    /// an error of [`PoolBuilder::build`]. An inline pool runs one item after the other.
    ///
    /// ```
    /// # procession_worker::init();
    /// let pool = procession_pool::Pool::builder().workers(2).chunk_size(10).build()?;
    /// assert_eq!(pool.map(|x: u32| x * 2, 0..40)?.len(), 40);
    /// assert!(procession_pool::Pool::builder().chunk_size(0).build().is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn chunk_size(mut self, items: usize) -> Self {
        self.defaults.chunk = Some(items);
        self
    }

    /// How far every lazy map reads ahead whose call does not say: see [`Call::buffer_size`](crate::Call::buffer_size). 0 is
    /// an error of [`PoolBuilder::build`]. An inline pool reads one item at a time.
    ///
    /// ```
    /// # procession_worker::init();
    /// use std::sync::atomic::{AtomicUsize, Ordering};
    /// let pool = procession_pool::Pool::builder().workers(2).buffer_size(5).build()?;
    /// let taken = AtomicUsize::new(0);
    /// let numbers = (0..).inspect(|_| { taken.fetch_add(1, Ordering::Relaxed); });
    /// assert_eq!(pool.imap(|n: u64| n * n, numbers).next().expect("endless")?, 0);
    /// assert!(taken.load(Ordering::Relaxed) <= 5);
    /// assert!(procession_pool::Pool::builder().buffer_size(0).build().is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn buffer_size(mut self, items: usize) -> Self {
        self.defaults.buffer = Some(items);
        self
    }
}
