//! Retries: what a call says about items that fail. It must not try anything again itself, but for an inline pool.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use procession_task::codec::Limits;
use procession_task::descriptor::TaskRef;
use procession_worker::{TaskError, TaskErrorKind};

use crate::call::Call;
use crate::cell::Raw;
use crate::core::{After, Asks, Retry};
use crate::driver::Shared;
use crate::driver::again::Again;
use crate::here::account::Ended;
use crate::here::run_here;
use crate::options::nanos;
use crate::pool::Phase;

/// What a user says about a failure.
#[derive(Clone)]
pub(crate) struct Predicate(Arc<dyn Fn(&TaskError) -> bool + Send + Sync>);

impl Predicate {
    pub(crate) fn says(&self, error: &TaskError) -> bool {
        (self.0)(error)
    }
}

impl fmt::Debug for Predicate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Predicate")
    }
}

/// What an `Err` is that a function returns.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Returned {
    #[default]
    IsValue,
    IsFailure,
}

impl Returned {
    /// Whether this result counts as a failed attempt.
    pub(crate) fn is_failure(self, task: TaskRef, result: &[u8]) -> bool {
        // The encoding has the variant first: 1 is `Err`.
        self == Returned::IsFailure
            && result.first() == Some(&1)
            && task.descriptor().returns_result()
    }
}

/// What a call says about retries.
#[derive(Clone, Debug, Default)]
pub(crate) struct RetryOptions {
    /// None: what the pool says.
    times: Option<u32>,
    delay: Duration,
    after: After,
    returned: Returned,
    predicate: Option<Predicate>,
}

impl<F: Copy> Call<'_, F> {
    /// Tries what fails up to `times` times again: a call, or each item of a map, an imap or a search on its own.
    ///
    /// Without it, and without [`PoolBuilder::retries`](crate::PoolBuilder::retries), nothing is ever begun twice.
    ///
    /// # What is tried again
    /// | an attempt that | is tried again |
    /// |---|---|
    /// | panics, whose worker dies, or that overruns its [`timeout`](Call::timeout) | yes |
    /// | gives a result that cannot be encoded or is too large | yes |
    /// | returns an `Err` | that is a value; only with [`retry_errors`](Call::retry_errors) |
    /// | is cancelled, terminated, or could never begin: arguments that cannot be encoded or decoded | no |
    ///
    /// [`retry_on_death`](Call::retry_on_death) and [`retry_if`](Call::retry_if) say less.
    ///
    /// # How
    /// An item that failed goes to the front of the queue, at once or after [`retry_delay`](Call::retry_delay), and may run
    /// in any worker. Nothing of a failed attempt is seen but its effects outside of the pool: the outcome is the first
    /// value, or the error of the last attempt, which knows [how many](TaskError::attempts) there were. Meanwhile the call
    /// counts as not begun for a pool that closes, and can be cancelled like any other. A map that stops at the first
    /// failure stops at an item's last one. The time limit holds for each attempt, the
    /// [`queue_deadline`](Call::queue_deadline) for the first: what has begun in time is tried again however late it is.
    ///
    /// However often a task kills its worker, that is its own affair: such deaths never break the pool. In an inline pool
    /// the caller tries again.
    ///
    /// ```
    /// # procession_worker::init();
    /// use procession_pool::{Pool, TaskErrorKind};
    /// // Dies the first time.
    /// fn shaky(path: String) -> u32 {
    ///     if std::fs::remove_file(path).is_ok() { std::process::abort() }
    ///     7
    /// }
    ///
    /// let pool = Pool::new(2)?;
    /// let path = std::env::temp_dir().join(format!("shaky-{}", std::process::id()));
    /// std::fs::write(&path, "")?;
    /// assert_eq!(pool.call(shaky).retries(2).apply((path.to_string_lossy().into_owned(),))?, 7);
    ///
    /// // One that dies each time ends with its attempts; its neighbours do not notice.
    /// let picky = |n: u32| if n == 1 { std::process::exit(3) } else { n };
    /// let each = pool.call(picky).retries(2).try_map(0..3);
    /// let error = each[1].as_ref().unwrap_err();
    /// assert_eq!((error.kind(), error.attempts()), (TaskErrorKind::WorkerDied, 3));
    /// assert!(error.to_string().contains("after 3 attempts"));
    /// assert_eq!((each[0].as_ref().ok(), each[2].as_ref().ok()), (Some(&0), Some(&2)));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn retries(mut self, times: u32) -> Self {
        self.retry.times = Some(times);
        self
    }

    /// Waits so long between a failure and the next attempt; without it that follows at once. Other items run meanwhile.
    ///
    /// The time is one of the monotonic clock. Without [`retries`](Call::retries) it has no effect.
    ///
    /// ```
    /// # procession_worker::init();
    /// use std::time::{Duration, Instant};
    /// let pool = procession_pool::Pool::new(1)?;
    /// let begun = Instant::now();
    /// let call = pool.call(|| -> () { panic!("no") }).retries(2).retry_delay(Duration::from_millis(20));
    /// assert_eq!(call.apply(()).unwrap_err().attempts(), 3);
    /// assert!(begun.elapsed() >= Duration::from_millis(40));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn retry_delay(mut self, delay: Duration) -> Self {
        self.retry.delay = delay;
        self
    }

    /// Tries again only what failed by the death of its worker.
    ///
    /// ```
    /// # procession_worker::init();
    /// let pool = procession_pool::Pool::new(1)?;
    /// let panics = pool.call(|| -> () { panic!("no") }).retries(2).retry_on_death();
    /// assert_eq!(panics.apply(()).unwrap_err().attempts(), 1);
    /// let dies = pool.call(|| -> () { std::process::exit(1) }).retries(2).retry_on_death();
    /// assert_eq!(dies.apply(()).unwrap_err().attempts(), 3);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn retry_on_death(mut self) -> Self {
        self.retry.after = After::Death;
        self
    }

    /// Asks `predicate` about each failure that would be tried again; what it refuses is the outcome.
    ///
    /// The predicate runs on the thread of the pool's [callbacks](Call::on_complete), while the item waits; so a callback
    /// or predicate that takes its time delays decisions. It may use the pool, but must not wait for what it judges. One
    /// that panics refuses, and is counted among
    /// [`callback_panics`](crate::PoolStats::callback_panics). It is not asked after the last attempt, nor about an `Err`
    /// that a function returned. In an inline pool it runs in the caller. When the kernel starts no thread for it, that is
    /// tried again for two seconds; then the failure stands.
    ///
    /// ```
    /// # procession_worker::init();
    /// use procession_pool::{Pool, TaskError};
    /// let pool = Pool::new(1)?;
    /// let busy = |e: &TaskError| e.panic().is_some_and(|panic| panic.message().contains("busy"));
    /// let call = pool.call(|what: String| -> () { panic!("{what}") }).retries(4).retry_if(busy);
    /// assert_eq!(call.apply(("busy".to_string(),)).unwrap_err().attempts(), 5);
    /// assert_eq!(call.apply(("gone".to_string(),)).unwrap_err().attempts(), 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn retry_if(
        mut self,
        predicate: impl Fn(&TaskError) -> bool + Send + Sync + 'static,
    ) -> Self {
        self.retry.predicate = Some(Predicate(Arc::new(predicate)));
        self
    }

    /// Counts an `Err` that the function returns as a failed attempt. The last one is returned as the value it is.
    ///
    /// It has no effect on functions that do not return a `Result`.
    ///
    /// ```
    /// # procession_worker::init();
    /// fn fetch(path: String) -> Result<u32, String> {
    ///     std::fs::remove_file(path).map_or(Ok(7), |()| Err("not yet".into()))
    /// }
    ///
    /// let pool = procession_pool::Pool::new(1)?;
    /// let path = std::env::temp_dir().join(format!("fetch-{}", std::process::id()));
    /// let args = || (path.to_string_lossy().into_owned(),);
    /// std::fs::write(&path, "")?;
    /// assert_eq!(pool.call(fetch).retries(1).apply(args())?, Err("not yet".into()));
    /// std::fs::write(&path, "")?;
    /// assert_eq!(pool.call(fetch).retries(1).retry_errors().apply(args())?, Ok(7));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn retry_errors(mut self) -> Self {
        self.retry.returned = Returned::IsFailure;
        self
    }

    /// What is said for this call, by itself or by its pool.
    pub(crate) fn retry(&self) -> RetryOptions {
        RetryOptions {
            times: Some(self.retry.times(self.pool.retry.times)),
            ..self.retry.clone()
        }
    }
}

impl RetryOptions {
    fn times(&self, default: u32) -> u32 {
        self.times.unwrap_or(default)
    }

    /// What the scheduler has to know.
    #[inline]
    pub(crate) fn terms(&self, default: u32) -> Retry {
        let times = self.times(default);
        if times == 0 {
            return Retry::default();
        }
        Retry {
            times,
            after: self.after,
            asks: match self.predicate {
                Some(_) => Asks::Judge,
                None => Asks::Nobody,
            },
            delay: nanos(self.delay),
        }
    }

    /// What the driver has to know; none when nothing is tried again.
    #[inline]
    pub(crate) fn again(&self, default: u32, shared: &Arc<Shared>) -> Option<Box<Again>> {
        (self.times(default) > 0).then(|| Again::new(self.returned, self.predicate.clone(), shared))
    }

    /// Runs a call in this thread, and again when that is asked for.
    pub(crate) fn run_here(
        &self,
        default: u32,
        phase: &Phase,
        task: TaskRef,
        item: &[u8],
        limits: &Limits,
    ) -> Result<Raw, TaskError> {
        let account = phase.own.as_ref().map(|own| &own.account);
        let mut running = account
            .filter(|_| phase.is_open())
            .map(|account| account.begin());
        let mut attempts = 1;
        loop {
            let outcome = run_here(phase, task, item, limits);
            if attempts > self.times(default) || !self.asks_for_more(task, &outcome, attempts) {
                if let Some(running) = running {
                    running.end(match outcome {
                        Ok(_) => Ended::WithValue,
                        Err(_) => Ended::WithError,
                    });
                }
                return outcome.map_err(|e| e.with_attempts(attempts));
            }
            attempts += 1;
            if let Some(running) = &mut running {
                running.again();
            }
            pause(self.delay);
        }
    }

    fn asks_for_more(&self, task: TaskRef, outcome: &Result<Raw, TaskError>, attempt: u32) -> bool {
        // Nothing dies here.
        if self.after == After::Death {
            return false;
        }
        match outcome {
            Ok(raw) => self.returned.is_failure(task, raw.bytes()),
            Err(e) => {
                let error = e.clone().with_attempts(attempt);
                let says = |predicate: &Predicate| predicate.says(&error);
                let judged = || self.predicate.as_ref().is_none_or(says);
                matches!(
                    e.kind(),
                    TaskErrorKind::Panicked | TaskErrorKind::EncodeResult | TaskErrorKind::TooLarge
                ) && catch_unwind(AssertUnwindSafe(judged)).unwrap_or(false)
            }
        }
    }
}

/// Lets the time pass that was asked for.
fn pause(delay: Duration) {
    let begun = Instant::now();
    while let Some(left) = delay.checked_sub(begun.elapsed()) {
        std::thread::park_timeout(left);
    }
}
