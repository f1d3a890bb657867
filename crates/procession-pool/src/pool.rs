//! The pool itself: its verbs, and nothing of how work moves.

mod end;

use std::fmt;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use procession_task::codec::Limits;
use procession_task::task::Task;
use procession_worker::{Error, TaskError};
use serde::de::DeserializeOwned;

use crate::broadcast::Encoding;
use crate::builder::{Defaults, PoolBuilder};
use crate::call::Call;
use crate::driver::Shared;
use crate::exits::Exits;
use crate::phase::Phase;
use crate::result::AsyncResult;
use crate::retry::RetryOptions;

/// Worker processes that run tasks.
///
/// A task is any `fn` item or non-capturing closure of up to eight parameters; its arguments and result travel
/// as bytes. A task may panic, abort, leak or be killed: that task's handle says so, and nothing else notices.
///
/// `&self` everywhere, so one pool can be used from many threads. A pool ends by [`Pool::close`] (finish
/// everything) or [`Pool::terminate`] (resolve everything now), then [`Pool::join`]. Dropping a pool that has
/// not ended terminates it, and takes five seconds at most. A program that exits without any of this leaves
/// no process behind either.
///
/// ```
/// fn square(x: u64) -> u64 { x * x }
///
/// procession_worker::init(); // first line of main
/// let pool = procession_pool::Pool::new(4)?;
/// assert_eq!(pool.map(square, 1..=4)?, [1, 4, 9, 16]);
/// let handle = pool.apply_async(square, (12,));
/// assert_eq!(handle.get()?, 144);
/// pool.close();
/// pool.join()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
#[doc = include_str!("pool/ends.md")]
pub struct Pool {
    /// `None` for a pool of no workers, which runs tasks in the caller.
    pub(crate) shared: Option<Arc<Shared>>,
    thread: Mutex<Option<JoinHandle<()>>>,
    pub(crate) phase: Phase,
    pub(crate) defaults: Defaults,
    pub(crate) exits: Arc<Exits>,
    pub(crate) retry: RetryOptions,
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool")
            .field(
                "name",
                &self
                    .shared
                    .as_ref()
                    .map_or("inline", |shared| &shared.spec.name),
            )
            .field("workers", &self.worker_pids())
            .finish_non_exhaustive()
    }
}

impl Pool {
    pub(crate) fn with(shared: Option<Arc<Shared>>, thread: Option<JoinHandle<()>>) -> Pool {
        Pool {
            shared,
            thread: Mutex::new(thread),
            phase: Phase::default(),
            defaults: Defaults::default(),
            exits: Arc::default(),
            retry: RetryOptions::default(),
        }
    }

    /// Makes a pool of exactly `workers` processes; 0 makes one that runs every task in the caller, for debugging.
    ///
    /// The workers are started when this returns and boot on their own: what keeps them from getting ready arrives through
    /// the handles, as `Broken`.
    ///
    /// # Errors
    /// * `init` was not called first in `main` ([`Error::is_not_initialized`]; the text says what to write).
    /// * Processes would be nested more than 10 deep ([`Error::is_too_deep`]).
    /// * This is a copy of a process, made by `fork` ([`Error::is_forked`]).
    /// * `workers` is more than [`MAX_WORKERS`](crate::MAX_WORKERS), or descriptors do not suffice for so many.
    /// * The kernel starts no process or no thread. Workers that were started before are gone then.
    ///
    /// With 0 workers there is nothing of this to go wrong.
    ///
    /// ```
    /// # procession_worker::init();
    /// use procession_pool::{MAX_WORKERS, Pool};
    /// assert_eq!(Pool::new(2)?.worker_pids().len(), 2);
    /// assert!(Pool::new(0)?.worker_pids().is_empty());
    /// assert!(Pool::new(MAX_WORKERS + 1).is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn new(workers: usize) -> Result<Pool, Error> {
        Pool::builder().workers(workers).build()
    }

    /// Makes a pool of as many workers as this process may use CPUs, by affinity and cgroup, or of
    /// `PROCESSION_WORKERS` if that variable is set; 0 there makes it inline, as for [`Pool::new`].
    ///
    /// # Errors
    /// As [`Pool::new`], and when the variable is not a number.
    pub fn per_cpu() -> Result<Pool, Error> {
        Pool::builder().build()
    }

    /// Starts to configure a pool. Nothing is checked or started before [`PoolBuilder::build`].
    pub fn builder() -> PoolBuilder {
        PoolBuilder::default()
    }

    /// Starts a call with options: `pool.call(task).chunk_size(10).map(items)`. Nothing is checked or sent before the verb.
    pub fn call<F: Copy>(&self, task: F) -> Call<'_, F> {
        Call::new(self, task)
    }

    /// Runs a task on a worker and waits for its result, for as long as that takes.
    ///
    /// It waits as `pool.apply_async(task, args).get()` would: for room, if the pool is [full](PoolBuilder::max_queued), and
    /// for the outcome. An inline pool runs the task in this thread.
    ///
    /// # Errors
    /// Of each kind that a [call may end](Pool#how-a-call-ends) with; at once, if the pool takes
    /// [nothing more](Pool#closed-broken-inline-and-forked).
    ///
    /// ```
    /// # procession_worker::init();
    /// let pool = procession_pool::Pool::new(1)?;
    /// assert_eq!(pool.apply(|a: u32, b: u32| a + b, (40, 2))?, 42);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn apply<F, Args>(&self, task: F, args: Args) -> Result<F::Output, TaskError>
    where
        F: Task<Args>,
        Args: procession_task::task::Arguments,
        F::Output: DeserializeOwned + 'static,
    {
        self.call(task).apply(args)
    }

    /// Hands a task to the pool and returns its handle, without waiting for the outcome.
    ///
    /// It never fails: what is wrong arrives through the handle, also that the pool takes
    /// [nothing more](Pool#closed-broken-inline-and-forked). The arguments are encoded before it returns. It blocks in two
    /// cases: while the pool is [full](PoolBuilder::max_queued), until there is room, the call's
    /// [`queue_deadline`](Call::queue_deadline) is over or the pool ends ([`Pool::try_apply_async`] never waits); and inline,
    /// where the task runs first.
    ///
    /// ```
    /// # procession_worker::init();
    /// let pool = procession_pool::Pool::new(2)?;
    /// let handles: Vec<_> = (1..=10u64).map(|n| pool.apply_async(|n: u64| n * n, (n,))).collect();
    /// let squares: Result<Vec<u64>, _> = handles.into_iter().map(|h| h.get()).collect();
    /// assert_eq!(squares?.iter().sum::<u64>(), 385);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn apply_async<F, Args>(&self, task: F, args: Args) -> AsyncResult<F::Output>
    where
        F: Task<Args>,
        Args: procession_task::task::Arguments,
        F::Output: DeserializeOwned + 'static,
    {
        self.call(task).apply_async(args)
    }

    /// Applies a task of one parameter to every item and returns the results in the order of the items.
    ///
    /// Items are cut into chunks by themselves: small at first, then as many as take a fraction of a
    /// millisecond. The iterator is read on the calling thread while workers already run, up to the moment when it is seen
    /// that the outcome is decided: that an item has failed, or that the map or the pool was ended. It is looked at
    /// whenever a portion has been read, 32 items at first, 8192 at most; then the iterator is dropped. So an endless one
    /// is read until something ends it. Only [`Pool::imap`] reads no further than the results are asked for.
    ///
    /// It waits for the last item, however long that takes; in a [full](PoolBuilder::max_queued) pool it waits for room
    /// between portions. An inline pool runs each item as it is read and stops at the first that fails.
    ///
    /// # Errors
    /// The error of the lowest failed item among those seen; its [`TaskError::item`] is the index, its kind one that a
    /// [call may end](Pool#how-a-call-ends) with. Items that had not begun are cancelled then, and the pool stays usable. See
    /// [`Pool::try_map`] for every item's own outcome. A map has 4,294,967,295 items at most; the next one is `TooLarge`.
    ///
    /// If the pool takes [nothing more](Pool#closed-broken-inline-and-forked), `Closed` or `Broken`, without items too, and the
    /// iterator is not read. If it ends meanwhile: `close` changes nothing, what the iterator still gives included;
    /// `terminate` makes it `Terminated`, unless its outcome is decided.
    ///
    /// # Panics
    /// When the iterator panics: items before it may have run, the pool stays usable.
    ///
    /// ```
    /// # procession_worker::init();
    /// use procession_pool::{Pool, TaskErrorKind};
    /// let pool = Pool::new(2)?;
    /// assert_eq!(pool.map(|x: u32| 12 / x, [1, 2, 3])?, [12, 6, 4]);
    /// assert!(pool.map(|x: u32| 12 / x, [])?.is_empty());
    /// let error = pool.map(|x: u32| 12 / x, [1, 0, 3]).unwrap_err();
    /// assert_eq!((error.kind(), error.item()), (TaskErrorKind::Panicked, Some(1)));
    /// let input = (0..).inspect(|n| assert!(*n < 3, "no more"));
    /// let map = std::panic::AssertUnwindSafe(|| pool.map(|x: u32| x, input));
    /// assert!(std::panic::catch_unwind(map).is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn map<F, T, I>(&self, task: F, items: I) -> Result<Vec<F::Output>, TaskError>
    where
        F: Task<(T,)>,
        (T,): procession_task::task::Arguments,
        I: IntoIterator<Item = T>,
        F::Output: DeserializeOwned + 'static,
    {
        self.call(task).map(items)
    }

    /// As [`Pool::map`], without waiting: the handle gives the whole vector.
    ///
    /// The iterator is read before this returns, as far as [`Pool::map`] reads it, and as there it waits for room. Nothing
    /// fails here: an error of an item, or of a pool that takes [nothing more](Pool#closed-broken-inline-and-forked), arrives
    /// through the handle, as [`Pool::map`] would return it. An inline pool has run everything when this returns.
    ///
    /// # Panics
    /// As [`Pool::map`].
    ///
    /// ```
    /// # procession_worker::init();
    /// let pool = procession_pool::Pool::new(2)?;
    /// let handle = pool.map_async(|x: u32| x * x, [1, 2, 3]);
    /// assert_eq!(handle.get()?, [1, 4, 9]);
    /// let error = pool.map_async(|x: u32| 6 / x, [2, 0, 1]).get().unwrap_err();
    /// assert_eq!(error.item(), Some(1));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn map_async<F, T, I>(&self, task: F, items: I) -> AsyncResult<Vec<F::Output>>
    where
        F: Task<(T,)>,
        (T,): procession_task::task::Arguments,
        I: IntoIterator<Item = T>,
        F::Output: DeserializeOwned + Send + 'static,
    {
        self.call(task).map_async(items)
    }

    /// As [`Pool::map`] for a task of several parameters: every item is the tuple of its arguments. The iterator is read as
    /// far as there.
    ///
    /// # Errors
    /// As [`Pool::map`].
    ///
    /// # Panics
    /// As [`Pool::map`].
    ///
    /// ```
    /// # procession_worker::init();
    /// let pool = procession_pool::Pool::new(2)?;
    /// assert_eq!(pool.starmap(|a: u32, b: u32| a * b, [(2, 3), (4, 5)])?, [6, 20]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn starmap<F, Args, I>(&self, task: F, items: I) -> Result<Vec<F::Output>, TaskError>
    where
        F: Task<Args>,
        Args: procession_task::task::Arguments,
        I: IntoIterator<Item = Args>,
        F::Output: DeserializeOwned + 'static,
    {
        self.call(task).starmap(items)
    }

    /// As [`Pool::starmap`], without waiting; see [`Pool::map_async`].
    ///
    /// # Panics
    /// As [`Pool::map`].
    ///
    /// ```
    /// # procession_worker::init();
    /// let pool = procession_pool::Pool::new(2)?;
    /// assert_eq!(pool.starmap_async(|a: u32, b: u32| a - b, [(3, 2), (5, 4)]).get()?, [1, 1]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn starmap_async<F, Args, I>(&self, task: F, items: I) -> AsyncResult<Vec<F::Output>>
    where
        F: Task<Args>,
        Args: procession_task::task::Arguments,
        I: IntoIterator<Item = Args>,
        F::Output: DeserializeOwned + Send + 'static,
    {
        self.call(task).starmap_async(items)
    }

    /// As [`Pool::map`], but returns every item's own outcome: one failing or dying item never voids another.
    ///
    /// So the iterator is read to its end, whatever happens: items that are read after the pool was terminated or is broken,
    /// or the map was [cancelled](Pool::cancel_all), end with that error. Of an endless input it never returns.
    ///
    /// An item that cannot be encoded is its own error. That the pool takes
    /// [nothing more](Pool#closed-broken-inline-and-forked), or that an option has no meaning, is the error of each item: for
    /// no items the vector is empty whatever is wrong.
    ///
    /// # Panics
    /// As [`Pool::map`].
    ///
    /// ```
    /// # procession_worker::init();
    /// let pool = procession_pool::Pool::new(2)?;
    /// let halves = pool.try_map(|n: u32| { assert!(n % 2 == 0, "{n} is odd"); n / 2 }, [2, 3, 4]);
    /// assert_eq!(*halves[0].as_ref().unwrap(), 1);
    /// assert_eq!(halves[1].as_ref().unwrap_err().item(), Some(1));
    /// assert_eq!(*halves[2].as_ref().unwrap(), 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn try_map<F, T, I>(&self, task: F, items: I) -> Vec<Result<F::Output, TaskError>>
    where
        F: Task<(T,)>,
        (T,): procession_task::task::Arguments,
        I: IntoIterator<Item = T>,
        F::Output: DeserializeOwned + 'static,
    {
        self.call(task).try_map(items)
    }

    /// Accepts nothing more; what was accepted is finished, then the workers end. It does not wait for that:
    /// [`Pool::join`] does.
    ///
    /// * What was accepted: calls, with their [retries](Call::retries); all items of a map, what its iterator still gives
    ///   included; what an [`imap`](Pool::imap) has read. Each handle has its outcome in its time, joined or not.
    /// * What comes afterwards ends with `Closed`. So does what waits for [room](PoolBuilder::max_queued), which is woken, and
    ///   what an `imap` reads from here on.
    /// * When the last outcome is there, the workers run their [exit hooks](PoolBuilder::exit_hook) and exit. A task without
    ///   end holds that up for ever: [`Pool::terminate`] may follow.
    ///
    /// Calling it again, after [`Pool::terminate`], on a broken pool or in a copy made by `fork` changes nothing there.
    /// Callbacks and wakers may call it. An inline pool runs its exit hook in the first `close`, whatever other threads are at.
    ///
    /// ```
    /// # procession_worker::init();
    /// use procession_worker::TaskErrorKind;
    /// let pool = procession_pool::Pool::new(1)?;
    /// let accepted = pool.apply_async(|x: u32| x + 1, (1,));
    /// pool.close();
    /// let refused = pool.apply_async(|x: u32| x + 1, (1,));
    /// assert_eq!(refused.get().unwrap_err().kind(), TaskErrorKind::Closed);
    /// assert_eq!(accepted.get()?, 2);
    /// pool.join()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn close(&self) {
        let closed = self.phase.close();
        if let Some(own) = self.phase.own.as_ref().filter(|_| closed) {
            own.leave(&self.exits, &Limits::default());
            own.account.close();
        }
        if let Some(shared) = self.ours() {
            shared.close();
        }
    }

    /// Resolves every open handle now (kind `Terminated`) and ends the workers: SIGTERM, and SIGKILL after a
    /// tenth of a second, or the pool's [`term_grace`](PoolBuilder::term_grace). It does not wait for the workers' ends;
    /// [`Pool::join`] does.
    ///
    /// When it returns, every handle has its outcome, and whoever waited is woken. Results that arrived before stand. What
    /// comes afterwards ends with `Closed`, whose text says that the pool was terminated; so does what waited for
    /// [room](PoolBuilder::max_queued), and what an [`imap`](Pool::imap) reads from here on. No
    /// [exit hook](PoolBuilder::exit_hook) is begun. Callbacks are still called, with the error.
    ///
    /// After [`Pool::close`] it ends what that would have finished. Calling it again, on a broken pool or in a copy made by
    /// `fork` changes nothing there. Callbacks and wakers may call it. In an inline pool, an item that another thread runs is
    /// not ended; what that thread would begin after it, a retry too, is `Terminated`.
    ///
    /// ```
    /// # procession_worker::init();
    /// use procession_worker::TaskErrorKind;
    /// use std::time::Duration;
    /// let pool = procession_pool::Pool::new(1)?;
    /// let endless = pool.apply_async(std::thread::sleep, (Duration::from_secs(3600),));
    /// pool.terminate();
    /// assert_eq!(endless.get().unwrap_err().kind(), TaskErrorKind::Terminated);
    /// pool.join()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn terminate(&self) {
        self.terminate_as(Shared::terminate);
    }

    fn terminate_as(&self, terminate: fn(&Shared)) {
        self.phase.terminate();
        if let Some(own) = &self.phase.own {
            own.account.close();
        }
        if let Some(shared) = self.ours() {
            terminate(shared);
        }
    }

    /// Process ids of the workers that serve, in the order of their indexes; empty for an inline pool, after the end, and in
    /// a copy of this process made by `fork`. A worker that is being replaced, or has not been started, is missing; one that
    /// finishes its last call while its index is another's by now is not listed.
    ///
    /// ```
    /// # procession_worker::init();
    /// let pool = procession_pool::Pool::new(2)?;
    /// assert_eq!(pool.worker_pids().len(), 2);
    /// assert!(pool.worker_pids().contains(&pool.apply(std::process::id, ())?));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn worker_pids(&self) -> Vec<u32> {
        self.ours()
            .map_or_else(Vec::new, |shared| shared.worker_pids())
    }

    pub(crate) fn is_open(&self) -> bool {
        self.phase.is_open()
    }

    pub(crate) fn encoding(&self) -> Encoding {
        Encoding {
            limits: Limits::default(),
            pool: Arc::as_ptr(self.phase.mark()).addr(),
        }
    }

    /// The shared state, unless this is an inline pool or a copy made by `fork`.
    pub(crate) fn ours(&self) -> Option<&Arc<Shared>> {
        self.shared.as_ref().filter(|shared| shared.is_ours())
    }
}
