//! Counts, times and gauges of a pool, for people; nothing here influences the pool.

use std::sync::Arc;
use std::time::{Duration, Instant};

use procession_worker::TaskId;

use crate::histogram::Histogram;
use crate::pool::Pool;

impl Pool {
    /// Counts, times and gauges, exact while nothing runs: see [`PoolStats`]. Replies that are there are collected first, so
    /// it takes longer the more there is to look at; the pool's other work waits meanwhile.
    ///
    /// Of a pool that has ended, in whatever way, the last counts stay. Of an inline pool `running`, `done`, `failed`, `retries`
    /// and `runs` are counted, each run with its retries as one; it has nothing else to count. In a copy of this process made
    /// by `fork`, nothing is.
    ///
    /// ```
    /// # procession_worker::init();
    /// use procession_pool::{Pool, WorkerState};
    /// use std::time::Duration;
    /// let pool = Pool::builder().workers(2).name("seen").build()?;
    /// let slow = pool.apply_async(std::thread::sleep, (Duration::from_millis(200),));
    /// let busy = loop {
    ///     let stats = pool.stats();
    ///     if let Some(worker) = stats.workers.into_iter().find(|w| w.current.is_some()) {
    ///         break worker;
    ///     }
    /// };
    /// assert!(busy.name.starts_with("seen/") && busy.state == WorkerState::Busy);
    /// assert_eq!(busy.current.map(|task| task.id), Some(slow.id()));
    /// let id = slow.id();
    /// slow.get()?;
    /// let slowest = &pool.stats().slowest[0];
    /// assert_eq!(slowest.id, id);
    /// assert!(slowest.ran_for >= Duration::from_millis(200));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn stats(&self) -> PoolStats {
        match (self.ours(), &self.phase.own) {
            (Some(shared), _) => shared.stats(),
            (None, Some(own)) if !procession_worker::is_forked_copy() => own.account.stats(),
            (None, Some(_) | None) => PoolStats::default(),
        }
    }
}

/// A picture of a pool at one moment: exact while nothing runs, and consistent in itself always.
///
/// It costs nothing before it is asked for: workers keep their own accounts, and what the parent counts are a few additions
/// for each frame.
///
/// ```
/// # procession_worker::init();
/// let pool = procession_pool::Pool::new(2)?;
/// pool.map(|x: u32| x, 0..10)?;
/// let stats = pool.stats();
/// assert_eq!((stats.done, stats.failed, stats.queued, stats.running), (10, 0, 0, 0));
/// assert_eq!((stats.waits.count(), stats.runs.count()), (10, 10));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PoolStats {
    /// Items that have not begun, those that wait to be tried again among them.
    pub queued: u64,
    /// Items running now: at most one for each worker. What was cancelled and still runs is counted here until it has ended.
    pub running: u64,
    /// Workers with nothing to do.
    pub idle: u64,
    /// Items that returned a value. An `Err` that the function returned is one, given up by
    /// [`retry_errors`](crate::Call::retry_errors) or not. So is a result that only whoever asks for it finds he cannot decode
    /// (`DecodeResult`): the pool does not look into results.
    pub done: u64,
    /// Items that ended in any other error: panics, deaths, time limits (`TimedOut`), deadlines to begin (`Expired`), arguments
    /// that the worker could not decode (`DecodeArgs`), results that could not be sent (`EncodeResult`, `TooLarge`), breaches of
    /// the protocol, and everything cancelled: by its owner, by the failure of another item, by the pool's end.
    ///
    /// At rest, `done` and `failed` together are all items that were accepted. Calls that were refused, and arguments that could
    /// not be encoded (`EncodeArgs`), never were.
    pub failed: u64,
    /// Attempts after the first of an item: see [`Call::retries`](crate::Call::retries).
    pub retries: u64,
    /// Workers started because another one died or did not come up.
    pub restarts: u64,
    /// Workers stopped because they had served long enough, and replaced by others.
    pub recycled: u64,
    /// Workers that were sent SIGKILL a second ago or more, for a time limit or a cancelled task, and have not ended: the kernel
    /// keeps them, as it does for a disk that does not answer. Others serve in their place; a [`join`](Pool::join) waits for
    /// them, [`join_timeout`](Pool::join_timeout) no longer than it says.
    pub undying: u64,
    /// Callbacks, and predicates of [`retry_if`](crate::Call::retry_if), that panicked; each was reported by the panic hook.
    pub callback_panics: u64,
    /// Callbacks whose calls, or items of a lazy map, have completed and that have not begun: they wait for their turn, while
    /// a slow one runs.
    /// [`max_queued`](crate::PoolBuilder::max_queued) bounds them, together with what is queued.
    pub callbacks_due: u64,
    /// Captured lines that were dropped because nobody took them: see [`OutputLine::dropped`](crate::OutputLine::dropped).
    pub dropped_lines: u64,
    /// How long items waited before they began, of those that replied, errors included.
    ///
    /// From the submission to the moment at which the item was with its worker and the worker had replied to what was before
    /// it, as far as this side had looked: so it may be too short by the time between two looks at a
    /// link, and too long by a tick of the kernel's clock. Items of a map count from when the map first had items waiting.
    pub waits: Histogram,
    /// How long items ran, by the workers' own clocks. Items that were collected together count as their mean; items that did
    /// not end in their worker (a death, a time limit) are not counted.
    pub runs: Histogram,
    /// The slowest items so far, the slowest first: at most ten. Those that were ended at a time limit, or ended their worker,
    /// are among them.
    pub slowest: Vec<SlowTask>,
    /// Values of [`Pool::broadcast`](crate::Pool::broadcast) sent to workers: one for each value and each worker, replacements
    /// included, that was given a call with it.
    pub shares_sent: u64,
    /// Every worker the pool is to have, in the order of their indexes.
    pub workers: Vec<WorkerStats>,
}

impl PoolStats {
    /// The times of all workers together: about the time since the pool was made, times the number of workers.
    pub fn times(&self) -> WorkerTimes {
        let mut all = WorkerTimes::default();
        self.workers.iter().for_each(|worker| all.add(worker.times));
        all
    }
}

/// One worker of a pool, whichever process serves as it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct WorkerStats {
    /// From 0; what `worker::index` says inside a task.
    pub index: usize,
    /// Process id, none while there is no process.
    pub pid: Option<u32>,
    /// Its name in errors.
    pub name: String,
    /// What it does.
    pub state: WorkerState,
    /// It runs a task now.
    pub busy: bool,
    /// What it runs now; none for a task that was cancelled and still runs, and for the instant between taking a call and
    /// beginning it.
    pub current: Option<RunningTask>,
    /// Items it has run since it was started, by its own account.
    pub done: u64,
    /// Somebody has stopped its process (SIGSTOP, or a debugger) while it has something to do: that goes on when the process
    /// may (SIGCONT), and else never ends but by a [time limit](crate::Call::timeout) or a [cancel](crate::AsyncResult::cancel).
    pub stopped: bool,
    /// When it was started, none while there is no process.
    pub started: Option<Instant>,
    /// Processes that came here after the first one, whatever the reason.
    pub restarts: u64,
    /// What its time went into, and that of every process before, or beside, it under this index.
    pub times: WorkerTimes,
    /// What memory it shares with this program; none while no worker sits there.
    pub transport: Option<Transport>,
}

/// What memory calls and results travel through.
///
/// ```
/// # procession_worker::init();
/// use procession_pool::{Pool, Transport};
/// let pool = Pool::new(1)?;
/// let transport = pool.stats().workers[0].transport;
/// assert!(matches!(transport, Some(Transport::Memfd | Transport::SystemV)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Transport {
    /// A file in memory, sealed in size.
    Memfd,
    /// A System V segment: the kernel made no memfd. Nothing else differs.
    SystemV,
}

/// What a worker does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum WorkerState {
    /// There is no process: it ended, or could not be started, and another one is due at once or after a pause; or none is
    /// wanted before there is more to do.
    Absent,
    /// It boots, or runs the initializer.
    Starting,
    /// It waits for work.
    Idle,
    /// It runs a task.
    Busy,
    /// It was told to end.
    Ending,
}

/// What the time of workers went into. Together the parts are the time from start to end of each.
///
/// ```
/// # procession_worker::init();
/// use std::time::Duration;
/// let pool = procession_pool::Pool::new(1)?;
/// pool.apply(std::thread::sleep, (Duration::from_millis(20),))?;
/// let times = pool.stats().times();
/// assert!(times.working >= Duration::from_millis(20));
/// assert!(times.starting > Duration::ZERO && times.total() > times.working);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct WorkerTimes {
    /// From the request to start a process to its initializer, or to where that would be.
    pub starting: Duration,
    /// In the initializer.
    pub initializing: Duration,
    /// In tasks, decoding and encoding included. Of what it is at now, the current item.
    pub working: Duration,
    /// Ready, with nothing to do.
    pub waiting: Duration,
    /// From the order to end to the end.
    pub ending: Duration,
}

impl WorkerTimes {
    /// All parts together.
    pub fn total(&self) -> Duration {
        self.starting + self.initializing + self.working + self.waiting + self.ending
    }

    pub(crate) fn add(&mut self, other: WorkerTimes) {
        self.starting += other.starting;
        self.initializing += other.initializing;
        self.working += other.working;
        self.waiting += other.waiting;
        self.ending += other.ending;
    }
}

/// A task that a worker is at.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RunningTask {
    /// The function.
    pub name: &'static str,
    /// The call's or the map's number, as in its handle and its errors.
    pub id: TaskId,
    /// Which item of a map; 0 for a call.
    pub item: usize,
    /// How long it has been at that item.
    pub running_for: Duration,
    pub(crate) args: Option<Arc<str>>,
}

impl RunningTask {
    /// The item's arguments, if its call has them [described](crate::Call::describe_args), as errors would tell them.
    ///
    /// ```
    /// # procession_worker::init();
    /// use std::time::Duration;
    /// let pool = procession_pool::Pool::new(1)?;
    /// let sleep = pool.call(std::thread::sleep).describe_args();
    /// let _endless = sleep.apply_async((Duration::from_secs(600),));
    /// let at = loop {
    ///     if let Some(task) = pool.stats().workers.remove(0).current { break task; }
    /// };
    /// assert_eq!(at.args(), Some("(Duration { secs: 600, nanos: 0 })"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn args(&self) -> Option<&str> {
        self.args.as_deref()
    }
}

/// One of the slowest items a pool has run.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SlowTask {
    /// The function.
    pub name: &'static str,
    /// The call's or the map's number, as in its handle and its errors.
    pub id: TaskId,
    /// Which item of a map; 0 for a call. While items take less than 2 µs the clock is read after every 16th to 64th: a slow one
    /// among those may stand up to 63 places before the item named here.
    pub item: usize,
    /// How long it ran.
    pub ran_for: Duration,
    /// The index of the worker that ran it.
    pub worker: usize,
    pub(crate) args: Option<Arc<str>>,
}

impl SlowTask {
    /// The item's arguments, if its call has them [described](crate::Call::describe_args), as errors would tell them: cut to
    /// 200 characters.
    ///
    /// ```
    /// # procession_worker::init();
    /// use std::time::Duration;
    /// let pool = procession_pool::Pool::new(2)?;
    /// let nap = |ms: u64| std::thread::sleep(Duration::from_millis(ms));
    /// pool.call(nap).describe_args().map([1, 200, 2])?;
    /// assert_eq!(pool.stats().slowest[0].args(), Some("(200)"));
    /// pool.apply(nap, (400,))?;
    /// assert_eq!(pool.stats().slowest[0].args(), None);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn args(&self) -> Option<&str> {
        self.args.as_deref()
    }
}
