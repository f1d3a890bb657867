//! How a pool's items are tried again when their call does not say. It must not say anything about one call.

use std::time::Duration;

use procession_worker::TaskError;

use crate::builder::PoolBuilder;

impl PoolBuilder {
    /// Tries every item that fails up to `times` times again, in calls that do not say otherwise with
    /// [`Call::retries`](crate::Call::retries), which has the rules. 0, the default, is never.
    ///
    /// A task that is tried again may have done part of its work before: ask for this only where that does no harm. In an
    /// inline pool the caller tries again; nothing dies there.
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
        self.retry.times = Some(times);
        self
    }

    /// The wait between a failure and the next attempt, in calls that do not give theirs with
    /// [`Call::retry_delay`](crate::Call::retry_delay). Without it the next attempt follows at once.
    ///
    /// It has no effect on calls that are not tried again, whoever asks for that.
    ///
    /// ```
    /// # procession_worker::init();
    /// use procession_pool::Pool;
    /// use std::time::{Duration, Instant};
    /// let pool = Pool::builder().workers(1).retries(1).retry_delay(Duration::from_millis(50)).build()?;
    /// let begun = Instant::now();
    /// assert_eq!(pool.apply(|| -> () { panic!("no") }, ()).unwrap_err().attempts(), 2);
    /// assert!(begun.elapsed() >= Duration::from_millis(50));
    /// // A call's own delay comes in place of the pool's.
    /// let begun = Instant::now();
    /// let patient = pool.call(|| -> () { panic!("no") }).retry_delay(Duration::from_millis(200));
    /// assert_eq!(patient.apply(()).unwrap_err().attempts(), 2);
    /// assert!(begun.elapsed() >= Duration::from_millis(200));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn retry_delay(mut self, delay: Duration) -> Self {
        self.retry.delay = Some(delay);
        self
    }

    /// Tries again only what failed by the death of its worker, as [`Call::retry_on_death`](crate::Call::retry_on_death)
    /// does.
    ///
    /// A call with a [`retry_on_death`](crate::Call::retry_on_death) or [`retry_if`](crate::Call::retry_if) of its own says
    /// by that alone which of its failures are tried again: neither this nor the pool's
    /// [`retry_if`](PoolBuilder::retry_if) holds there. So `retry_if(|_| true)` is for a call whose panics count too.
    ///
    /// ```
    /// # procession_worker::init();
    /// use procession_pool::Pool;
    /// let pool = Pool::builder().workers(1).retries(2).retry_on_death().build()?;
    /// assert_eq!(pool.apply(|| -> () { std::process::exit(1) }, ()).unwrap_err().attempts(), 3);
    /// assert_eq!(pool.apply(|| -> () { panic!("no") }, ()).unwrap_err().attempts(), 1);
    /// let any = pool.call(|| -> () { panic!("no") }).retry_if(|_| true);
    /// assert_eq!(any.apply(()).unwrap_err().attempts(), 3);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn retry_on_death(mut self) -> Self {
        self.retry.on_death();
        self
    }

    /// Asks `predicate` about each failure that would be tried again, as [`Call::retry_if`](crate::Call::retry_if) does,
    /// which has the rules.
    ///
    /// With [`retry_on_death`](PoolBuilder::retry_on_death) it is asked about deaths alone. A call with a `retry_if` or
    /// `retry_on_death` of its own says by that alone which of its failures are tried again, and this one is not asked.
    /// Nor is it with `retries(0)`: that is for a call that a predicate waits for, on the thread where this would be asked.
    ///
    /// ```
    /// # procession_worker::init();
    /// use procession_pool::{Pool, TaskError};
    /// let busy = |e: &TaskError| e.panic().is_some_and(|panic| panic.message() == "busy");
    /// let pool = Pool::builder().workers(1).retries(2).retry_if(busy).build()?;
    /// let say = |what: String| -> () { panic!("{what}") };
    /// assert_eq!(pool.apply(say, ("busy".to_string(),)).unwrap_err().attempts(), 3);
    /// assert_eq!(pool.apply(say, ("gone".to_string(),)).unwrap_err().attempts(), 1);
    /// let other = pool.call(say).retry_if(|e| e.attempts() < 2);
    /// assert_eq!(other.apply(("gone".to_string(),)).unwrap_err().attempts(), 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn retry_if(
        mut self,
        predicate: impl Fn(&TaskError) -> bool + Send + Sync + 'static,
    ) -> Self {
        self.retry.judged_by(predicate);
        self
    }
}
