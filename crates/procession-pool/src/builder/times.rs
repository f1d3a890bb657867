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
    exit: Option<Duration>,
    term: Option<Duration>,
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

    /// How long a worker that has to end may live on after SIGTERM before it gets SIGKILL: a tenth of a second otherwise, and
    /// with zero there is no SIGTERM at all.
    ///
    /// A worker has to end when the pool is [terminated](crate::Pool::terminate), dropped or broken, when its task overran
    /// its [limit](crate::Call::timeout), and when a [cancelled](crate::AsyncResult::cancel) one has not returned within the
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
        for (limit, name) in [(self.start, "start_timeout"), (self.exit, "exit_timeout")] {
            if limit.is_some_and(|limit| limit.is_zero()) {
                let text = format!("cannot make a pool: {name} must be above 0");
                return Err(Error::message(text));
            }
        }
        Ok(())
    }

    pub(super) fn patience(&self) -> Patience {
        let mut patience = Patience::default();
        if let Some(limit) = self.start {
            patience.start = nanos(limit);
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
