//! Submission under a limit: trying, waiting for room, and what comes back when there is none.
//! It must never encode arguments it gives back changed: they are only looked at.

use std::fmt;
use std::time::Duration;

use procession_task::task::{Arguments, Task};
use procession_worker::{TaskError, TaskErrorKind, TaskId};
use serde::de::DeserializeOwned;

use crate::call::Call;
use crate::core::JobId;
use crate::driver::{NotTaken, Shared, Submission};
use crate::pool::Pool;
use crate::result::{AsyncResult, Source, after};
use crate::then::CallThen;

/// Why [`Pool::try_apply_async`] took no call, with its arguments: the pool is [full](SubmitError::is_full), or takes
/// [nothing more](SubmitError::is_closed).
///
/// ```
/// # procession_worker::init();
/// use procession_pool::{Pool, TaskErrorKind};
/// let pool = Pool::new(1)?;
/// pool.close();
/// let error = pool.try_apply_async(|s: String| s.len(), ("abc".to_string(),)).unwrap_err();
/// assert!(error.is_closed());
/// assert_eq!(error.kind(), Some(TaskErrorKind::Closed));
/// assert_eq!(error.into_args().0, "abc");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct SubmitError<Args> {
    args: Args,
    /// None: the pool is full.
    refusal: Option<TaskError>,
}

impl<Args> SubmitError<Args> {
    /// As many items wait as [`max_queued`](crate::PoolBuilder::max_queued) allows: the same call may be taken later.
    pub fn is_full(&self) -> bool {
        self.refusal.is_none()
    }

    /// The pool takes nothing more: it was closed or terminated, is broken, or is a copy made by `fork`.
    pub fn is_closed(&self) -> bool {
        self.refusal.is_some()
    }

    /// The error that such a call would have as its outcome, had it been handed in without trying: of kind `Broken`, with the
    /// reason, or of kind `Closed`, whose text says whether the pool was closed, terminated, or is a copy made by `fork`. `None`
    /// when the pool is full.
    pub fn error(&self) -> Option<&TaskError> {
        self.refusal.as_ref()
    }

    /// The kind of that error; `None` when the pool is full.
    pub fn kind(&self) -> Option<TaskErrorKind> {
        self.refusal.as_ref().map(TaskError::kind)
    }

    /// The arguments as they were handed in.
    pub fn into_args(self) -> Args {
        self.args
    }
}

impl<Args> fmt::Debug for SubmitError<Args> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SubmitError")
            .field("full", &self.is_full())
            .field("refusal", &self.refusal)
            .finish_non_exhaustive()
    }
}

impl<Args> fmt::Display for SubmitError<Args> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.refusal {
            None => f.write_str("the pool has no room: as many items wait as it may hold"),
            Some(refusal) => refusal.fmt(f),
        }
    }
}

impl<Args> std::error::Error for SubmitError<Args> {}

impl Pool {
    /// As [`Pool::apply_async`], but never waits for room: a call that would has its arguments back at once.
    ///
    /// # Errors
    /// * [Full](SubmitError::is_full), when as many items wait as [`PoolBuilder::max_queued`](crate::PoolBuilder::max_queued)
    ///   allows; without that limit, in an inline pool and in a callback, never.
    /// * [Closed](SubmitError::is_closed), when the pool was closed or terminated, is broken, or is a copy made by `fork`;
    ///   [`SubmitError::kind`] tells a broken one from the others.
    ///
    /// Everything else that is wrong arrives through the handle, of a closed pool too: arguments that cannot be encoded,
    /// options without meaning.
    ///
    /// ```
    /// # procession_worker::init();
    /// use procession_pool::Pool;
    /// use std::time::Duration;
    /// let pool = Pool::builder().workers(1).max_queued(1).build()?;
    /// let nap = std::thread::sleep;
    /// let mut taken = Vec::new();
    /// let back = loop {
    ///     match pool.try_apply_async(nap, (Duration::from_millis(100),)) {
    ///         Ok(handle) => taken.push(handle),
    ///         Err(e) => break e,
    ///     }
    /// };
    /// assert!(back.is_full() && taken.len() <= 2); // one runs, one waits
    /// assert!(pool.wait_for_room(Duration::from_secs(60)));
    /// pool.try_apply_async(nap, back.into_args())?.get()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn try_apply_async<F, Args>(
        &self,
        task: F,
        args: Args,
    ) -> Result<AsyncResult<F::Output>, SubmitError<Args>>
    where
        F: Task<Args>,
        Args: Arguments,
        F::Output: DeserializeOwned + 'static,
    {
        self.call(task).try_apply_async(args)
    }

    /// Waits until a call handed in would not wait for room: fewer items wait than
    /// [`PoolBuilder::max_queued`](crate::PoolBuilder::max_queued) allows. Another thread may take the room first.
    ///
    /// True at once without that limit, in an inline pool and on the thread of the [callbacks](Call::on_complete), where no
    /// call waits for room. False when `timeout` passes first, or when the pool takes nothing more, which ends the wait: it was
    /// closed or terminated, is broken, or is a copy made by `fork`. Zero asks whether there is room; a time beyond the clock,
    /// such as `Duration::MAX`, is no limit.
    ///
    /// ```
    /// # procession_worker::init();
    /// use procession_pool::Pool;
    /// use std::time::Duration;
    /// let pool = Pool::builder().workers(1).max_queued(1).build()?;
    /// assert!(pool.wait_for_room(Duration::ZERO));
    /// pool.close();
    /// assert!(!pool.wait_for_room(Duration::MAX));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn wait_for_room(&self, timeout: Duration) -> bool {
        match &self.shared {
            None => self.is_open(),
            Some(shared) => shared.is_ours() && shared.wait_for_room(after(timeout)),
        }
    }
}

impl<F: Copy> Call<'_, F> {
    /// See [`Pool::try_apply_async`].
    ///
    /// # Errors
    /// As [`Pool::try_apply_async`].
    pub fn try_apply_async<Args>(
        &self,
        args: Args,
    ) -> Result<AsyncResult<F::Output>, SubmitError<Args>>
    where
        F: Task<Args>,
        Args: Arguments,
        F::Output: DeserializeOwned + 'static,
    {
        let mut admission = Admission::IfRoom;
        let source = self.submit_with(&args, false, &mut admission);
        match admission {
            Admission::Full => Err(SubmitError {
                args,
                refusal: None,
            }),
            Admission::Refused(error) => Err(SubmitError {
                args,
                refusal: Some(error),
            }),
            Admission::WhenRoom | Admission::IfRoom => Ok(AsyncResult::one(source)),
        }
    }
}

impl<F: Copy, R: DeserializeOwned + 'static> CallThen<'_, F, R> {
    /// See [`Pool::try_apply_async`]. A call that is not taken calls nothing back.
    ///
    /// # Errors
    /// As [`Pool::try_apply_async`].
    pub fn try_apply_async<Args>(self, args: Args) -> Result<AsyncResult<R>, SubmitError<Args>>
    where
        F: Task<Args, Output = R>,
        Args: Arguments,
    {
        let handle = self.call.try_apply_async(args)?;
        self.attach(&handle);
        Ok(handle)
    }
}

/// What happens when the pool is full or closed; and for `IfRoom`, what did.
pub(crate) enum Admission {
    /// It waits for room; a refusal is the outcome.
    WhenRoom,
    /// It does not wait, and a refusal is told here.
    IfRoom,
    Full,
    Refused(TaskError),
}

impl Admission {
    #[inline]
    pub(crate) fn submit(
        &mut self,
        shared: &Shared,
        submission: &mut Submission,
        spare: &mut Vec<u8>,
    ) -> Result<(JobId, TaskId), TaskError> {
        let name = submission.task.name();
        let refused = match self {
            Admission::WhenRoom => match shared.submit(submission, spare) {
                Ok(taken) => return Ok(taken),
                Err(refused) => refused,
            },
            Admission::IfRoom | Admission::Full | Admission::Refused(_) => {
                match shared.try_submit(submission, spare) {
                    Ok(taken) => return Ok(taken),
                    Err(NotTaken::Refused(refused)) => refused,
                    Err(NotTaken::Full) => {
                        *self = Admission::Full;
                        return Err(TaskError::new(TaskErrorKind::Closed, name));
                    }
                }
            }
        };
        Err(shared.refusal(refused, name))
    }

    /// An outcome that says so; noted too where refusals are asked for.
    pub(crate) fn refused(&mut self, error: TaskError, name: &'static str) -> Source {
        if matches!(self, Admission::IfRoom) {
            *self = Admission::Refused(error.clone());
        }
        Source::ready(Err(error), name)
    }
}
