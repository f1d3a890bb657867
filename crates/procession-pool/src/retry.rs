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
use crate::here::{self, TakenOn};
use crate::options::nanos;

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

/// What is said about retries: by a call, or by its pool about every call that does not say it.
#[derive(Clone, Debug, Default)]
pub(crate) struct RetryOptions {
    pub(crate) times: Option<u32>,
    pub(crate) delay: Option<Duration>,
    which: Option<Which>,
    returned: Returned,
}

/// Which failures are tried again, of those that can be. What is said about that is one: a call that says anything of it
/// has said it all.
#[derive(Clone, Debug, Default)]
struct Which {
    after: After,
    predicate: Option<Predicate>,
}

/// What holds for a call whose items are tried again.
#[derive(Clone, Debug)]
pub(crate) struct Retries {
    times: u32,
    delay: Duration,
    which: Which,
    returned: Returned,
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
    /// [`retry_on_death`](Call::retry_on_death) and [`retry_if`](Call::retry_if) say less. Number, delay and which failures
    /// can be given for all calls of a pool, under the same names in its [builder](crate::PoolBuilder::retries); what a
    /// call says comes in place of that.
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
    /// the caller tries again, before the verb returns. 0 is none, whatever the pool says.
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

    /// Waits so long between a failure and the next attempt; without it, and without one of the
    /// [pool's](crate::PoolBuilder::retry_delay), that follows at once. Other items run meanwhile.
    ///
    /// The time is one of the monotonic clock, and zero is at once. Without [`retries`](Call::retries) it has no effect. In an
    /// inline pool the caller sleeps so long.
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
        self.retry.delay = Some(delay);
        self
    }

    /// Tries again only what failed by the death of its worker. Nothing of the [pool's](crate::PoolBuilder::retry_on_death)
    /// on which failures are tried again holds then for this call. In an inline pool nothing dies, so nothing is tried again.
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
        self.retry.on_death();
        self
    }

    /// Asks `predicate` about each failure that would be tried again; what it refuses is the outcome. Nothing of the
    /// [pool's](crate::PoolBuilder::retry_if) on which failures are tried again holds then for this call.
    ///
    /// Predicates run one at a time on a thread of their own, while the item waits; so one that takes its time delays the
    /// decisions after it. It may use the pool, but must not wait without a limit for what is still to be judged, which is
    /// judged after it; joining the pool is an error there. One that panics refuses, and is counted among
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
        self.retry.judged_by(predicate);
        self
    }

    /// Counts an `Err` that the function returns as a failed attempt. The last one is returned as the value it is.
    ///
    /// It has no effect on functions that do not return a `Result`. What an `Err` is depends on the function, so there is
    /// no such option of a pool.
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

    /// What holds for this call, by itself or by its pool; none when nothing is tried again.
    #[inline]
    pub(crate) fn retries_if_any(&self) -> Option<Retries> {
        let (call, pool) = (&self.retry, &self.pool.retry);
        let times = call.times.or(pool.times).filter(|times| *times > 0)?;
        let which = call.which.as_ref().or(pool.which.as_ref());
        Some(Retries {
            times,
            delay: call.delay.or(pool.delay).unwrap_or_default(),
            which: which.cloned().unwrap_or_default(),
            returned: call.returned,
        })
    }
}

impl RetryOptions {
    /// Only deaths, of what else may be said.
    pub(crate) fn on_death(&mut self) {
        self.which.get_or_insert_default().after = After::Death;
    }

    /// Only what `predicate` allows, of what else may be said.
    pub(crate) fn judged_by(
        &mut self,
        predicate: impl Fn(&TaskError) -> bool + Send + Sync + 'static,
    ) {
        let which = self.which.get_or_insert_default();
        which.predicate = Some(Predicate(Arc::new(predicate)));
    }
}

impl Retries {
    /// What the scheduler has to know.
    pub(crate) fn terms(&self) -> Retry {
        Retry {
            times: self.times,
            after: self.which.after,
            asks: match self.which.predicate {
                Some(_) => Asks::Judge,
                None => Asks::Nobody,
            },
            delay: nanos(self.delay),
        }
    }

    /// What the driver has to know.
    pub(crate) fn again(&self, shared: &Arc<Shared>) -> Box<Again> {
        Again::new(self.returned, self.which.predicate.clone(), shared)
    }

    fn ask_for_more(&self, task: TaskRef, outcome: &Result<Raw, TaskError>, attempt: u32) -> bool {
        // Nothing dies here.
        if attempt > self.times || self.which.after == After::Death {
            return false;
        }
        match outcome {
            Ok(raw) => self.returned.is_failure(task, raw.bytes()),
            Err(e) => {
                let error = e.clone().with_attempts(attempt);
                let says = |predicate: &Predicate| predicate.says(&error);
                let judged = || self.which.predicate.as_ref().is_none_or(says);
                matches!(
                    e.kind(),
                    TaskErrorKind::Panicked | TaskErrorKind::EncodeResult | TaskErrorKind::TooLarge
                ) && catch_unwind(AssertUnwindSafe(judged)).unwrap_or(false)
            }
        }
    }
}

/// Runs a call in this thread, and again when that is asked for.
pub(crate) fn run_here(
    retries: Option<&Retries>,
    taken: &TakenOn<'_>,
    task: TaskRef,
    item: &[u8],
    limits: &Limits,
) -> Result<Raw, TaskError> {
    let mut running = taken.begin(task.name())?;
    let mut attempts = 1;
    loop {
        let outcome = here::run_here(taken, task, item, limits);
        let more = retries.filter(|retries| retries.ask_for_more(task, &outcome, attempts));
        let Some(retries) = more else {
            running.end(match outcome {
                Ok(_) => Ended::WithValue,
                Err(_) => Ended::WithError,
            });
            return outcome.map_err(|e| e.with_attempts(attempts));
        };
        attempts += 1;
        running.again();
        pause(retries.delay);
    }
}

/// Lets the time pass that was asked for.
fn pause(delay: Duration) {
    let begun = Instant::now();
    while let Some(left) = delay.checked_sub(begun.elapsed()) {
        std::thread::park_timeout(left);
    }
}
