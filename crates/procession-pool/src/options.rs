//! What a call is held to: how long it may run, how long it may wait. It must not submit anything.

use std::time::Duration;

use procession_worker::handle::now_ns;
use procession_worker::{TaskError, TaskErrorKind};

use crate::call::Call;
use crate::core::{NEVER, Retry, Terms};

impl<F: Copy> Call<'_, F> {
    /// Ends what runs longer than this: a call, or each item of a map on its own. Instead of the
    /// [pool's](crate::PoolBuilder::task_timeout), if it has one.
    ///
    /// The time counts from the item's start in its worker, on the monotonic clock, which stands still while the machine is
    /// suspended (unless [told](crate::count_suspended_time) not to); waiting for a worker is no part of it. A result that
    /// arrives first stands. Otherwise the outcome is an error of kind `TimedOut`, at once, and the worker gets SIGTERM, SIGKILL a tenth of a second later or after the pool's
    /// [`term_grace`](crate::PoolBuilder::term_grace), and is replaced. Nothing else ends with it: items with a
    /// limit travel one by one, whatever [`Call::chunk_size`] says, and calls behind it go elsewhere.
    ///
    /// The task is told: [`cancelled`](procession_worker::cancelled) is true for it from then on. One that looks, and returns
    /// within the pool's [`timeout_grace`](crate::PoolBuilder::timeout_grace), keeps its worker; without that it has no time to.
    ///
    /// Zero makes the call fail with an error of kind `InvalidOption`; a time beyond the clock is no limit. In an inline pool
    /// there is nobody to end it: the call runs to its end, and is no `TimedOut`.
    ///
    /// ```
    /// # procession_worker::init();
    /// use std::time::Duration;
    /// use procession_pool::{Pool, TaskErrorKind};
    /// fn wait(ms: u64) -> u64 { std::thread::sleep(Duration::from_millis(ms)); ms }
    ///
    /// let pool = Pool::new(2)?;
    /// let call = pool.call(wait).timeout(Duration::from_millis(200));
    /// assert_eq!(call.apply((1,))?, 1);
    /// let each = call.try_map([1, 60_000, 2]);
    /// let error = each[1].as_ref().unwrap_err();
    /// assert_eq!(error.kind(), TaskErrorKind::TimedOut);
    /// assert_eq!(error.time_limit(), Some(Duration::from_millis(200)));
    /// assert_eq!((each[0].as_ref().ok(), each[2].as_ref().ok()), (Some(&1), Some(&2)));
    ///
    /// let none = pool.call(wait).timeout(Duration::ZERO).apply((1,));
    /// assert_eq!(none.unwrap_err().kind(), TaskErrorKind::InvalidOption);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.timeout = Some(limit);
        self
    }

    /// Gives up what has not begun in this time: a call, or an item of a map.
    ///
    /// The time of a call counts from its submission, that of an item from when it was read from the input and handed to the
    /// workers, with others that were read just before or after it. Waiting for room in a
    /// [full](crate::PoolBuilder::max_queued) pool is part of it, and ends with it. The outcome is an error of kind `Expired`, and no
    /// worker is ended for it. What has begun runs to its end. Zero makes the call fail with an error of kind
    /// `InvalidOption`; a time beyond the clock is no limit; an inline pool begins at once.
    ///
    /// ```
    /// # procession_worker::init();
    /// use std::time::Duration;
    /// use procession_pool::{Pool, TaskErrorKind};
    /// let pool = Pool::new(1)?;
    /// let busy = pool.apply_async(std::thread::sleep, (Duration::from_secs(3600),));
    /// let waits = pool.call(|x: u32| x).queue_deadline(Duration::from_millis(20)).apply((1,));
    /// assert_eq!(waits.unwrap_err().kind(), TaskErrorKind::Expired);
    /// assert!(busy.cancel());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn queue_deadline(mut self, wait: Duration) -> Self {
        self.queue_deadline = Some(wait);
        self
    }

    /// Which option has no meaning, if one has none.
    #[inline]
    pub(crate) fn check(&self, name: &'static str) -> Result<(), TaskError> {
        let is_zero = |time: Option<Duration>| time.is_some_and(|time| time.is_zero());
        if is_zero(self.timeout) {
            return Err(invalid_option(name, "timeout must be above 0"));
        }
        if is_zero(self.queue_deadline) {
            return Err(invalid_option(name, "queue_deadline must be above 0"));
        }
        Ok(())
    }

    /// What the items are held to, but for their wait, which begins when they are handed in.
    #[inline]
    pub(crate) fn terms(&self) -> Terms {
        let retries = self.retries_if_any();
        Terms {
            limit: self.timeout.map_or(NEVER, nanos),
            start_by: NEVER,
            retry: retries.map_or_else(Retry::default, |retries| retries.terms()),
        }
    }
}

/// When what is handed in at this moment has to begin, if it may wait so long.
#[inline]
pub(crate) fn start_by(wait: Option<Duration>) -> u64 {
    wait.map_or(NEVER, |wait| now_ns().saturating_add(nanos(wait)))
}

/// A length of time as the scheduler counts it; what is beyond its clock is for ever.
pub(crate) fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

pub(crate) fn invalid_option(name: &'static str, what: &str) -> TaskError {
    TaskError::new(TaskErrorKind::InvalidOption, name).with_detail(what)
}
