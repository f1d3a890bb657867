//! How long a worker may take to come and to go. It measures nothing.

use std::time::Duration;

use procession_worker::Error;

use super::PoolBuilder;
use crate::driver::Patience;
use crate::options::nanos;

/// What the builder was asked for.
#[derive(Clone, Debug, Default)]
pub(crate) struct TimeOptions {
    start: Option<Duration>,
    initializer: Option<Duration>,
    exit: Option<Duration>,
    term: Option<Duration>,
    timeout: Option<Duration>,
}

impl PoolBuilder {
    /// How long a worker may take from its start until it is ready, initializer included: 60 s otherwise. Zero is an error of
    /// [`PoolBuilder::build`].
    ///
    /// One that takes longer is killed, which counts as a failed start: while another worker serves, the place is tried again;
    /// when no worker has become ready, the pool is broken after five of them, and every handle says which limit it was. An
    /// inline pool's initializer has no limit.
    ///
    /// ```
    /// # procession_worker::init();
    /// use std::time::Duration;
    /// use procession_pool::{Pool, TaskErrorKind};
    /// let pool = Pool::builder()
    ///     .workers(5)
    ///     .initializer(std::thread::sleep, (Duration::from_secs(3600),))
    ///     .start_timeout(Duration::from_millis(200))
    ///     .build()?;
    /// let error = pool.apply(|x: u32| x, (1,)).unwrap_err();
    /// assert_eq!(error.kind(), TaskErrorKind::Broken);
    /// assert!(error.to_string().contains("did not become ready within its start timeout of 200ms"), "{error}");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn start_timeout(mut self, limit: Duration) -> Self {
        self.times.start = Some(limit);
        self
    }

    /// How long a worker's [initializer](PoolBuilder::initializer), and then the making of its
    /// [state](PoolBuilder::state), may take together: only the [`start_timeout`](PoolBuilder::start_timeout) bounds them
    /// otherwise. Zero is an error of [`PoolBuilder::build`].
    ///
    /// It counts from when the worker's program has come up, so the machine's load, and what the program does before
    /// `init`, are no part of it. What happens then is what happens at the `start_timeout`, and the text says which of them it
    /// was.
    ///
    /// ```
    /// # procession_worker::init();
    /// use std::time::Duration;
    /// use procession_pool::Pool;
    /// let pool = Pool::builder()
    ///     .workers(5)
    ///     .initializer(std::thread::sleep, (Duration::from_secs(3600),))
    ///     .initializer_timeout(Duration::from_millis(200))
    ///     .build()?;
    /// let error = pool.apply(|x: u32| x, (1,)).unwrap_err();
    /// assert!(error.to_string().contains("within its initializer timeout of 200ms"), "{error}");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn initializer_timeout(mut self, limit: Duration) -> Self {
        self.times.initializer = Some(limit);
        self
    }

    /// How long a worker may take to end once it was told to, [exit hook](PoolBuilder::exit_hook) included: 5 s otherwise, then
    /// SIGKILL. Zero is an error of [`PoolBuilder::build`].
    ///
    /// It counts from the word to end, which a worker is given when the pool has been closed and nothing is left to do. A
    /// worker that still boots then has no more time than this either. An inline pool has nobody to end it.
    ///
    /// ```
    /// # procession_worker::init();
    /// use std::time::Duration;
    /// use procession_pool::{Pool, TaskErrorKind};
    /// let pool = Pool::builder()
    ///     .workers(1)
    ///     .exit_hook(std::thread::sleep, (Duration::from_secs(3600),))
    ///     .exit_timeout(Duration::from_millis(200))
    ///     .build()?;
    /// assert_eq!(pool.apply(|x: u32| x + 1, (1,))?, 2);
    /// pool.close();
    /// pool.join()?;
    /// let error = pool.exit_results::<()>().remove(0).unwrap_err();
    /// assert_eq!(error.kind(), TaskErrorKind::TimedOut);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn exit_timeout(mut self, limit: Duration) -> Self {
        self.times.exit = Some(limit);
        self
    }

    /// How long a task that overran its [limit](crate::Call::timeout) may take to return before its worker gets SIGTERM: no time
    /// otherwise. SIGKILL follows after the [`term_grace`](PoolBuilder::term_grace).
    ///
    /// With it the limit is a soft one, and the hard one comes so much later. At the limit the outcome is there, `TimedOut`, and
    /// [`cancelled`](procession_worker::cancelled) turns true for the task, or for the one item of a map. Returning within
    /// this time, with anything, keeps the worker; what is returned is dropped. The worker begins nothing else meanwhile: what
    /// was sent to it waits for another one, or for its return. So does [`Pool::join`](crate::Pool::join); a pool that is
    /// terminated does not. An attempt that is to be [tried again](crate::Call::retries) is not waited for: the next one may
    /// begin elsewhere while this one puts things in order.
    ///
    /// No length is an error: zero is as without it, and one beyond the clock is over when the pool is terminated. An inline pool
    /// has no limits, and nobody is told there.
    ///
    /// ```
    /// # procession_worker::init();
    /// use std::time::Duration;
    /// use procession_pool::{Pool, TaskErrorKind};
    /// fn careful(stop_at: u64) -> u64 {
    ///     let mut n = 0;
    ///     while n < stop_at && !procession_worker::cancelled() {
    ///         std::thread::sleep(Duration::from_millis(1));
    ///         n += 1;
    ///     }
    ///     // Files are closed and removed here, whether it has come to its end or not.
    ///     n
    /// }
    ///
    /// let pool = Pool::builder().workers(1).timeout_grace(Duration::from_secs(10)).build()?;
    /// let pids = pool.worker_pids();
    /// let each = pool.call(careful).timeout(Duration::from_millis(500)).try_map([1, u64::MAX, 2]);
    /// assert_eq!(each[1].as_ref().unwrap_err().kind(), TaskErrorKind::TimedOut);
    /// assert_eq!((each[0].as_ref().ok(), each[2].as_ref().ok()), (Some(&1), Some(&2)));
    /// assert_eq!(pool.worker_pids(), pids, "it returned in time, and its worker was kept");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn timeout_grace(mut self, grace: Duration) -> Self {
        self.times.timeout = Some(grace);
        self
    }

    /// How long a worker that has to end may live on after SIGTERM before it gets SIGKILL: a tenth of a second otherwise, and
    /// with zero there is no SIGTERM at all.
    ///
    /// A worker has to end when the pool is [terminated](crate::Pool::terminate), dropped or broken, when its task overran
    /// its [limit](crate::Call::timeout) and the [`timeout_grace`](PoolBuilder::timeout_grace), and when a
    /// [cancelled](crate::AsyncResult::cancel) one has not returned within the
    /// [`cancel_grace`](PoolBuilder::cancel_grace). The outcome of the task does not wait for this: it is there at once. What
    /// waits is [`Pool::join`](crate::Pool::join), and the replacement's turn. SIGTERM ends a worker by default; the time is
    /// for functions that handle it, and put something in order first.
    ///
    /// No length is an error; a pool that is dropped waits for 5 s at most. An inline pool has nobody to end.
    ///
    /// ```
    /// # procession_worker::init();
    /// use std::time::{Duration, Instant};
    /// use procession_pool::{Pool, TaskErrorKind};
    /// let pool = Pool::builder().workers(1).term_grace(Duration::ZERO).build()?;
    /// let busy = pool.apply_async(std::thread::sleep, (Duration::from_secs(3600),));
    /// let begun = Instant::now();
    /// pool.terminate();
    /// assert_eq!(busy.get().unwrap_err().kind(), TaskErrorKind::Terminated);
    /// pool.join()?;
    /// assert!(begun.elapsed() < Duration::from_secs(60));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn term_grace(mut self, grace: Duration) -> Self {
        self.times.term = Some(grace);
        self
    }
}

impl TimeOptions {
    /// Whether everything asked for has a meaning.
    pub(super) fn check(&self) -> Result<(), Error> {
        for (limit, name) in [
            (self.start, "start_timeout"),
            (self.initializer, "initializer_timeout"),
            (self.exit, "exit_timeout"),
        ] {
            if limit.is_some_and(|limit| limit.is_zero()) {
                let text = format!("cannot make a pool: {name} must be above 0");
                return Err(Error::message(text));
            }
        }
        Ok(())
    }

    /// How long what overran may take to return.
    pub(super) fn timeout_grace(&self) -> u64 {
        self.timeout.map_or(0, nanos)
    }

    pub(super) fn patience(&self) -> Patience {
        let mut patience = Patience::default();
        if let Some(limit) = self.start {
            patience.start = nanos(limit);
        }
        if let Some(limit) = self.initializer {
            patience.initializer = nanos(limit);
        }
        if let Some(limit) = self.exit {
            patience.stop = nanos(limit);
        }
        if let Some(grace) = self.term {
            patience.term = nanos(grace);
        }
        patience
    }
}
