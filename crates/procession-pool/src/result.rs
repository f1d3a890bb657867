//! Handles: what a submission returns, and how their outcomes are waited for.
//!
//! Every handle resolves to exactly one outcome. Decoding happens here, on the asker's thread; this file must
//! never hold the driver's lock while it decodes.

mod source;

use std::fmt;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use procession_task::codec::{self, Limits};
use procession_task::failure::{Failure, Stage};
use procession_worker::handle::now_ns;
use procession_worker::{TaskError, TaskErrorKind, TaskId};
use serde::de::DeserializeOwned;

pub(crate) use source::Source;

/// How the outcome is read from the cell once it is done: by the handle, and before it by each callback.
pub(crate) enum Reader<R> {
    Call(fn(&Source) -> Result<R, TaskError>),
    Map(ReadMap<R>),
}

/// Thin, because most handles are those of calls, and there are many of them.
type ReadMap<R> = Arc<Box<dyn Fn(&Source) -> Result<R, TaskError> + Send + Sync>>;

impl<R> Clone for Reader<R> {
    fn clone(&self) -> Reader<R> {
        match self {
            Reader::Call(read) => Reader::Call(*read),
            Reader::Map(read) => Reader::Map(Arc::clone(read)),
        }
    }
}

impl<R> Reader<R> {
    pub(crate) fn read(&self, source: &Source) -> Result<R, TaskError> {
        match self {
            Reader::Call(read) => read(source),
            Reader::Map(read) => read(source),
        }
    }
}

/// What a handle has left of its outcome.
enum Outcome<R> {
    Untaken(Reader<R>),
    /// Whether it was a value.
    Taken(bool),
}

/// The outcome-to-be of one call, or of one `map_async`.
///
/// Dropping it changes nothing: the task still runs, its result is discarded. It can be sent to another
/// thread, waited for from several threads through a shared reference, and awaited in any async runtime.
///
/// It resolves once, to one outcome, whatever becomes of its pool, which it may outlive: after
/// [`close`](crate::Pool::close) in its time, after [`terminate`](crate::Pool::terminate) and the drop at once. A call that was
/// refused, and any call of an inline pool, is resolved from the beginning, with the number 0. Each waiting method looks at
/// least once, also with a time of zero; a time beyond the clock, such as `Duration::MAX`, is no limit. Where output is
/// [captured](crate::PoolBuilder::stdout), `get` and `wait` and their kin return after the lines before the outcome were taken,
/// or a second later.
///
/// # In a copy made by `fork`
/// Nothing arrives in a copy of this process, and nobody waits for it. An outcome that was there before is there. Otherwise
/// [`get`](AsyncResult::get) and awaiting say `Closed`; [`get_timeout`](AsyncResult::get_timeout) gives the handle back, at
/// once and each time; [`wait`](AsyncResult::wait) returns; [`wait_timeout`](AsyncResult::wait_timeout),
/// [`ready`](AsyncResult::ready) and [`cancel`](AsyncResult::cancel) are false.
///
/// ```
/// # procession_worker::init();
/// use procession_pool::{Pool, TaskErrorKind};
/// let pool = Pool::new(2)?;
/// let handle = pool.apply_async(|x: u32| x + 1, (41,));
/// handle.wait();
/// let endless = pool.apply_async(|| -> u32 { loop { std::thread::park() } }, ());
/// drop(pool);
/// assert_eq!(handle.get()?, 42);
/// assert!(endless.ready());
/// assert_eq!(endless.get().unwrap_err().kind(), TaskErrorKind::Terminated);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "the outcome, errors included, arrives through this handle"]
pub struct AsyncResult<R> {
    pub(crate) source: Source,
    outcome: Outcome<R>,
}

impl<R> fmt::Debug for AsyncResult<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AsyncResult")
            .field("task", &self.source.name)
            .field("id", &self.source.id())
            .field("ready", &self.source.cell.is_done())
            .finish()
    }
}

impl<R> AsyncResult<R> {
    #[inline]
    pub(crate) fn new(source: Source, read: Reader<R>) -> AsyncResult<R> {
        AsyncResult {
            source,
            outcome: Outcome::Untaken(read),
        }
    }

    pub(crate) fn reader(&self) -> Option<Reader<R>> {
        match &self.outcome {
            Outcome::Untaken(reader) => Some(reader.clone()),
            Outcome::Taken(_) => None,
        }
    }

    fn read(&mut self) -> Result<R, TaskError> {
        match std::mem::replace(&mut self.outcome, Outcome::Taken(false)) {
            Outcome::Untaken(reader) if self.source.cell.is_done() => {
                let outcome = reader.read(&self.source);
                self.outcome = Outcome::Taken(outcome.is_ok());
                outcome
            }
            Outcome::Untaken(_) => Err(TaskError::new(TaskErrorKind::Closed, self.source.name)
                .with_detail(
                    "this handle is a copy made by fork; only the original process can wait for it",
                )),
            before @ Outcome::Taken(_) => {
                self.outcome = before;
                Err(TaskError::new(TaskErrorKind::Closed, self.source.name)
                    .with_detail("the outcome was taken before"))
            }
        }
    }

    /// Waits for the outcome, for as long as that takes, and returns it. The result is decoded here, on this thread.
    ///
    /// # Errors
    /// Whatever kept the call from returning its value: [`Pool`](crate::Pool#how-a-call-ends) lists each kind. `Closed` also
    /// when the outcome was taken before, by awaiting `&mut handle`, and in a [copy](#in-a-copy-made-by-fork) where it is not
    /// there.
    ///
    /// ```
    /// # procession_worker::init();
    /// use procession_pool::{Pool, TaskErrorKind};
    /// let pool = Pool::new(1)?;
    /// assert_eq!(pool.apply_async(|x: u32| 6 / x, (2,)).get()?, 3);
    /// let error = pool.apply_async(|x: u32| 6 / x, (0,)).get().unwrap_err();
    /// assert_eq!(error.kind(), TaskErrorKind::Panicked);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn get(mut self) -> Result<R, TaskError> {
        self.source.wait(None);
        self.read()
    }

    /// Waits at most `timeout` for the outcome.
    ///
    /// `Ok` carries the outcome. `Err(self)` means "not yet": nothing was consumed or cancelled, and the handle
    /// can be asked again. A task that exceeded its own limit is an `Ok(Err(..))` of kind `TimedOut` instead.
    ///
    /// # Errors
    /// The handle itself when the outcome is not there in time.
    ///
    /// ```
    /// # procession_worker::init();
    /// use std::time::Duration;
    /// use procession_pool::Pool;
    /// let pool = Pool::new(1)?;
    /// let slow = pool.apply_async(|ms: u64| std::thread::sleep(Duration::from_millis(ms)), (300,));
    /// let Err(slow) = slow.get_timeout(Duration::from_millis(5)) else { panic!("too fast") };
    /// slow.get()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn get_timeout(
        mut self,
        timeout: Duration,
    ) -> Result<Result<R, TaskError>, AsyncResult<R>> {
        if self.source.wait(after(timeout)) {
            Ok(self.read())
        } else {
            Err(self)
        }
    }

    /// Waits for the outcome, for as long as that takes, without taking it. Afterwards it is [there](AsyncResult::ready), but
    /// in a [copy](#in-a-copy-made-by-fork).
    pub fn wait(&self) {
        self.source.wait(None);
    }

    /// Waits at most `timeout`; true when the outcome is there, whatever it is. Nothing is consumed or cancelled either way.
    ///
    /// ```
    /// # procession_worker::init();
    /// use std::time::Duration;
    /// let pool = procession_pool::Pool::new(1)?;
    /// let endless = pool.apply_async(std::thread::sleep, (Duration::from_secs(3600),));
    /// assert!(!endless.wait_timeout(Duration::from_millis(5)) && !endless.ready());
    /// endless.cancel();
    /// assert!(endless.wait_timeout(Duration::ZERO) && endless.ready());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn wait_timeout(&self, timeout: Duration) -> bool {
        self.source.wait(after(timeout))
    }

    /// True when the outcome is there, so that [`AsyncResult::get`] returns at once. It looks for replies that have arrived, so
    /// it may be asked again and again until it is true.
    pub fn ready(&self) -> bool {
        self.source.wait(Some(0))
    }

    /// Whether the outcome is a value (an `Err` that the function returned is one), as [`AsyncResult::get`] would have it;
    /// `None` while that is not known.
    ///
    /// A value that cannot be decoded is none, so each time it is asked this decodes the whole result, that of a map too, and
    /// drops it. After the outcome was taken by awaiting `&mut handle`, it says what that was.
    ///
    /// ```
    /// # procession_worker::init();
    /// let pool = procession_pool::Pool::new(2)?;
    /// let halves = pool.map_async(|n: u32| 12 / n, [3, 4]);
    /// let failed = pool.map_async(|n: u32| 12 / n, [3, 0]);
    /// (halves.wait(), failed.wait());
    /// assert_eq!((halves.successful(), failed.successful()), (Some(true), Some(false)));
    /// assert_eq!(halves.get()?, [4, 3]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn successful(&self) -> Option<bool> {
        if !self.ready() {
            return None;
        }
        match &self.outcome {
            Outcome::Untaken(reader) => {
                self.source.cell.leave_for_one_more();
                Some(reader.read(&self.source).is_ok())
            }
            Outcome::Taken(succeeded) => Some(*succeeded),
        }
    }

    /// Cancels the call, or every item of a map that has no outcome yet, and says whether that came in time.
    ///
    /// True: the outcome is an error of kind `Cancelled` from this moment on, and whoever waits is woken. What had not
    /// begun never runs. What runs is told through [`cancelled`](procession_worker::cancelled); if it returns within the
    /// pool's [grace](crate::PoolBuilder::cancel_grace), whatever it returns, its worker serves on. Otherwise the worker
    /// gets SIGTERM, SIGKILL a tenth of a second later or after the [`term_grace`](crate::PoolBuilder::term_grace), and is
    /// replaced. Calls that wait behind it go elsewhere.
    ///
    /// False: too late, the outcome was there before and stands. So it is for a second `cancel`, for an inline pool, and in
    /// a copy of this process made by `fork`.
    ///
    /// It waits for nothing, and may be called anywhere, of a closed pool too: that waits for what was cancelled no longer
    /// than for the worker's end.
    ///
    /// ```
    /// # procession_worker::init();
    /// use std::time::Duration;
    /// use procession_pool::{Pool, TaskErrorKind};
    /// let pool = Pool::new(1)?;
    /// let endless = pool.apply_async(std::thread::sleep, (Duration::from_secs(3600),));
    /// assert!(endless.cancel());
    /// assert!(!endless.cancel(), "it is cancelled already");
    /// assert_eq!(endless.get().unwrap_err().kind(), TaskErrorKind::Cancelled);
    ///
    /// let done = pool.apply_async(|x: u32| x + 1, (1,));
    /// done.wait();
    /// assert!(!done.cancel(), "too late");
    /// assert_eq!(done.get()?, 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn cancel(&self) -> bool {
        match (&self.source.shared, self.source.job()) {
            (Some(shared), Some(job)) if shared.is_ours() && !self.source.cell.is_done() => {
                shared.cancel(job, &self.source.cell)
            }
            (Some(_) | None, Some(_) | None) => false,
        }
    }

    /// The task's number in its pool; 0 for a call that never reached one.
    pub fn id(&self) -> TaskId {
        self.source.id().unwrap_or(TaskId(0))
    }
}

impl<R: 'static> AsyncResult<R> {
    /// The same outcome, its value as `convert` makes it wherever it is read.
    pub(crate) fn converted<U: 'static>(self, convert: fn(R) -> U) -> AsyncResult<U> {
        let AsyncResult { source, outcome } = self;
        let outcome = match outcome {
            Outcome::Untaken(reader) => {
                Outcome::Untaken(Reader::Map(Arc::new(Box::new(move |source: &Source| {
                    reader.read(source).map(convert)
                }))))
            }
            Outcome::Taken(succeeded) => Outcome::Taken(succeeded),
        };
        AsyncResult { source, outcome }
    }
}

impl<R: DeserializeOwned + 'static> AsyncResult<R> {
    /// The handle of a plain call.
    #[inline]
    pub(crate) fn one(source: Source) -> AsyncResult<R> {
        AsyncResult::new(source, Reader::Call(read_one::<R>))
    }
}

/// Awaits the outcome, as [`AsyncResult::get`] does. Dropping it does not cancel the task. Polled again after it has
/// completed, it is an error of kind `Closed`; so it is at once in a [copy](#in-a-copy-made-by-fork), unless the outcome is
/// there. It does not wait for captured lines.
///
/// The waker is called on a thread that the pool needs: its own, or one that waits for something else of it. It may use the
/// pool, end it or drop it, but must not wait for what the pool has to do; to join the pool there is an error.
impl<R> Future for AsyncResult<R> {
    type Output = Result<R, TaskError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        // In a copy whoever holds the cell's lock may not be there.
        if self.source.is_copied() || !self.source.cell.wake_future(context.waker()) {
            return Poll::Ready(self.read());
        }
        match &self.source.shared {
            Some(shared) => {
                shared.attend();
                Poll::Pending
            }
            None => Poll::Ready(self.read()),
        }
    }
}

fn read_one<R: DeserializeOwned>(source: &Source) -> Result<R, TaskError> {
    if let Some(value) = source.cell.short() {
        return decode_result(value.bytes(), source).map_err(|e| source.describe(e, 0));
    }
    let Some(outcome) = source.cell.take() else {
        return Err(TaskError::new(TaskErrorKind::Closed, source.name)
            .with_detail("the outcome was taken before"));
    };
    let outcome = outcome.and_then(|raw| decode_result(raw.bytes(), source));
    outcome.map_err(|e| source.describe(e, 0))
}

/// Decodes result bytes; what cannot be decoded, or panics while it is, is an error that names the result.
pub(crate) fn decode_result<R: DeserializeOwned>(
    bytes: &[u8],
    source: &Source,
) -> Result<R, TaskError> {
    decode_guarded(bytes, &Limits::default()).map_err(|why| undecodable(source, &why))
}

/// Decodes a value; says why not, a panic of its `Deserialize` included.
pub(crate) fn decode_guarded<R: DeserializeOwned>(
    bytes: &[u8],
    limits: &Limits,
) -> Result<R, String> {
    let decode = || codec::decode(bytes, limits);
    match std::panic::catch_unwind(AssertUnwindSafe(decode)) {
        Ok(decoded) => decoded.map_err(|e| e.to_string()),
        Err(_) => Err(PANICKED.into()),
    }
}

/// What is wrong with a result whose `Deserialize` panicked.
pub(crate) const PANICKED: &str = "its `Deserialize` panicked";

/// The error of a result that cannot be decoded.
#[cold]
pub(crate) fn undecodable(source: &Source, detail: &str) -> TaskError {
    let error = TaskError::new(TaskErrorKind::DecodeResult, source.name).with_detail(detail);
    match source.id() {
        Some(id) => error.with_id(id),
        None => error,
    }
}

/// Whether the error a worker sent instead of a value is one.
pub(crate) fn is_readable_failure(payload: &[u8]) -> bool {
    codec::decode::<Failure>(payload, &Limits::default()).is_ok()
}

/// The error a worker sent instead of a value.
pub(crate) fn failure_error(name: &'static str, payload: &[u8]) -> TaskError {
    match codec::decode::<Failure>(payload, &Limits::default()) {
        Ok(Failure {
            stage: Stage::Start,
            message,
            ..
        }) => TaskError::new(TaskErrorKind::Protocol, name).with_detail(message),
        Ok(failure) => TaskError::from_failure(name, failure),
        Err(e) => TaskError::new(TaskErrorKind::Protocol, name)
            .with_detail(format!("it sent a failure that cannot be read: {e}")),
    }
}

/// The moment `timeout` from now; none when that is beyond the clock.
pub(crate) fn after(timeout: Duration) -> Option<u64> {
    let ns = u64::try_from(timeout.as_nanos()).ok()?;
    now_ns().checked_add(ns)
}
