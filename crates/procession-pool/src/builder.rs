//! How a pool is configured and started.

mod calls;
mod defaults;
mod exit;
mod life;
mod limits;
mod logs;
mod output;
mod retry;
mod state;
mod times;

use std::ffi::OsString;
use std::sync::Arc;
use std::time::Duration;

use procession_task::codec::Limits;
use procession_task::task::{Arguments, Task};
use procession_worker::Error;
use procession_worker::handle::{WorkerSpec, now_ns};
use procession_worker::watch::Watch;

use calls::Encoded;
pub(crate) use defaults::Defaults;

use crate::core::{Core, CoreConfig};
use crate::driver::{Patience, Room, Shared, main_loop};
use crate::exits::Exits;
use crate::here::OwnWorker;
use crate::options::nanos;
use crate::output::Sink;
use crate::pool::Pool;
use crate::retry::RetryOptions;

/// Variable that sets the size of [`Pool::per_cpu`] pools, unless the builder names one.
pub const WORKERS_VARIABLE: &str = "PROCESSION_WORKERS";
/// Most workers one pool may have.
pub const MAX_WORKERS: usize = 16_384;

/// Configures a pool; made by [`Pool::builder`].
///
/// Nothing is checked or started before [`build`](PoolBuilder::build), whose error says what is wrong. Of an option that is
/// given twice the last one holds, but for [`env`](PoolBuilder::env). An [inline](Pool#closed-broken-inline-and-forked) pool
/// takes every option and ignores those that are for processes: each says so.
///
/// ```
/// # procession_worker::init();
/// use procession_pool::Pool;
/// let pool = Pool::builder().workers(2).name("ocr").env("LANG", "C").build()?;
/// let seen = pool.apply(|| std::env::var("LANG").unwrap_or_default(), ())?;
/// assert_eq!(seen, "C");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default)]
#[must_use = "nothing is started before `build`"]
pub struct PoolBuilder {
    workers: Option<usize>,
    name: Option<String>,
    initializer: Option<Result<Encoded, Error>>,
    env: Vec<(OsString, Option<OsString>)>,
    cancel_grace: Option<Duration>,
    max_queued: Option<usize>,
    defaults: Defaults,
    output: output::OutputOptions,
    pub(crate) life: life::LifeOptions,
    pub(crate) limits: limits::LimitOptions,
    pub(crate) times: times::TimeOptions,
    exit: exit::ExitOptions,
    logs: logs::LogOptions,
    retry: RetryOptions,
    state: state::StateOptions,
}

impl PoolBuilder {
    /// So many worker processes, instead of `PROCESSION_WORKERS` or one for each CPU; 0 makes the pool
    /// [inline](Pool#closed-broken-inline-and-forked). More than [`MAX_WORKERS`] is an error of [`PoolBuilder::build`].
    pub fn workers(mut self, workers: usize) -> Self {
        self.workers = Some(workers);
        self
    }

    /// Names the pool (`pool` otherwise); its workers are `name/1`, `name/2` and so on in errors and `ps`, which shows the
    /// first 15 bytes. An inline pool has no workers to name.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Runs `task` with `args` in every worker, replacements included, before its first task.
    ///
    /// A worker whose initializer panics, or returns `Err`, never becomes ready. When no worker does, the pool is
    /// broken after five starts: every handle gets the initializer's own error. The
    /// [`start_timeout`](PoolBuilder::start_timeout) holds for it, and an
    /// [`initializer_timeout`](PoolBuilder::initializer_timeout) of its own. Arguments that cannot be encoded (their
    /// `Serialize` fails or panics) are an error of [`PoolBuilder::build`].
    ///
    /// An inline pool runs it once, in `build`, whose error its failure is.
    ///
    /// What is no function does not compile:
    ///
    /// ```compile_fail
    /// let builder = procession_pool::Pool::builder().initializer(7, ());
    /// ```
    pub fn initializer<F, Args>(mut self, task: F, args: Args) -> Self
    where
        F: Task<Args>,
        Args: Arguments,
    {
        self.initializer = Some(Encoded::new("initializer", task, &args));
        self
    }

    /// Bounds how many items wait to be begun; without it there is no bound. 0 is an error of [`PoolBuilder::build`].
    ///
    /// An item waits from its submission until a ready worker has nothing before it; [`stats`](Pool::stats) count the one
    /// in front of a worker as queued until the worker has begun it. A [callback](crate::Call::on_complete) waits from the
    /// completion of its call until it begins, so a slow one slows down whoever submits; and an item that is to be
    /// [tried again](crate::Call::retries) from its failure to its next attempt. While as many wait as `items` says:
    /// * `apply` and `apply_async` block until there is room, or until the pool is closed, terminated or broken, and then
    ///   resolve as refused calls do;
    /// * the maps block in the same way while they read their input, which they hand in by portions of half as many, and the
    ///   lazy ones in `next`;
    /// * what has a [`queue_deadline`](crate::Call::queue_deadline) waits no longer than that, and is `Expired` then;
    /// * [`Pool::try_apply_async`] gives the arguments back, and [`Pool::wait_for_room`] waits with a limit;
    /// * a callback that submits is let in without waiting: with it more than that may wait.
    ///
    /// So who submits must not keep from a callback what that waits for, a lock for instance. Items of a worker that died wait
    /// once more without counting against anyone. Nor do callbacks and failures of what was running, or just being handed in,
    /// when others were let in: one for each worker and each thread that submits. An inline pool runs everything at once, so
    /// nothing waits.
    ///
    /// ```
    /// # procession_worker::init();
    /// use procession_pool::Pool;
    /// let pool = Pool::builder().workers(1).max_queued(10).build()?;
    /// // However fast they are handed in, no more than ten wait behind the one the worker has.
    /// let handles: Vec<_> = (0..100u64).map(|n| pool.apply_async(|n: u64| n, (n,))).collect();
    /// assert!(pool.stats().queued <= 10 + 1);
    /// assert_eq!(handles.into_iter().map(|h| h.get()).sum::<Result<u64, _>>()?, 4950);
    /// assert!(Pool::builder().workers(1).max_queued(0).build().is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn max_queued(mut self, items: usize) -> Self {
        self.max_queued = Some(items);
        self
    }

    /// Sets a variable in the workers' environment, replacements included. Of several for one variable the last one holds,
    /// [`env_remove`](PoolBuilder::env_remove) included.
    ///
    /// With a NUL byte in it no worker can be started: an error of [`PoolBuilder::build`], or a broken pool if
    /// none is started there. An inline pool ignores it.
    pub fn env(mut self, key: impl Into<OsString>, value: impl Into<OsString>) -> Self {
        self.env.push((key.into(), Some(value.into())));
        self
    }

    /// Removes a variable from the workers' environment; one that is not there is no error. An inline pool ignores it.
    pub fn env_remove(mut self, key: impl Into<OsString>) -> Self {
        self.env.push((key.into(), None));
        self
    }

    /// How long a call that is [cancelled](crate::AsyncResult::cancel) while it runs may take to return before its worker
    /// gets SIGTERM: 50 ms otherwise, none if zero. SIGKILL follows after the [`term_grace`](PoolBuilder::term_grace).
    ///
    /// With a time beyond the clock nothing that was cancelled is ended for it. In an inline pool nothing can be cancelled.
    ///
    /// ```
    /// # procession_worker::init();
    /// use std::time::Duration;
    /// use procession_pool::Pool;
    /// let pool = Pool::builder().workers(1).cancel_grace(Duration::from_secs(5)).build()?;
    /// let waits = pool.apply_async(
    ///     || while !procession_worker::cancelled() { std::thread::sleep(Duration::from_millis(1)) },
    ///     (),
    /// );
    /// let pid = pool.worker_pids();
    /// assert!(waits.cancel());
    /// assert_eq!(pool.apply(std::process::id, ())?, pid[0], "its worker was kept");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn cancel_grace(mut self, grace: Duration) -> Self {
        self.cancel_grace = Some(grace);
        self
    }

    /// Starts the workers and returns the pool, without waiting for them to be ready: [`Pool::warm_up`] does.
    ///
    /// # Errors
    /// * As [`Pool::new`]. Workers that are to be [replaced](PoolBuilder::max_tasks_per_worker) count twice for descriptors,
    ///   because successors come before they leave, and each [captured output](PoolBuilder::stdout) takes one more.
    /// * An option has no meaning: each says which values those are.
    /// * The arguments of the initializer, the [state](PoolBuilder::state) or the [exit hook](PoolBuilder::exit_hook) cannot be
    ///   encoded.
    /// * `PROCESSION_WORKERS` is not a number, and [`workers`](PoolBuilder::workers) was not called.
    /// * The pool is inline, and its initializer or its state fails.
    ///
    /// What goes wrong in workers while they boot is no error here, but makes the pool broken.
    pub fn build(self) -> Result<Pool, Error> {
        let workers = match self.workers {
            Some(workers) => workers,
            None => default_workers()?,
        };
        if workers > MAX_WORKERS {
            return Err(Error::message(format!(
                "cannot make a pool of {workers} workers: the most is {MAX_WORKERS}"
            )));
        }
        if self.max_queued == Some(0) {
            return Err(Error::message(
                "cannot make a pool with room for 0 items: max_queued must be at least 1",
            ));
        }
        crate::suspended::decide();
        self.defaults.check()?;
        let life = self.life.config(workers)?;
        self.limits.check()?;
        self.times.check()?;
        let initializer = self.initializer.transpose()?;
        let state = self.state.encoded()?;
        let exits = Exits::new(self.exit.hook()?);
        let mut spec = WorkerSpec {
            name: self.name.unwrap_or_else(|| "pool".into()),
            initializer: initializer.as_ref().map(Encoded::call),
            state: state.as_ref().map(Encoded::call),
            exit_hook: exits.call(),
            env: self.env,
            stdout: self.output.stdout(),
            stderr: self.output.stderr(),
            log_level: self.logs.level(),
            notes_memory: self.life.largest().is_some(),
            max_frame: Limits::default().max_bytes,
            ..WorkerSpec::default()
        };
        if workers == 0 {
            let (initializer, state) = (initializer.as_ref(), state.as_ref());
            let mut pool = inline(initializer, state, exits)?;
            pool.retry = self.retry;
            pool.defaults = self.defaults;
            return Ok(pool);
        }
        let successors = self.life.successors(workers);
        let captured = self.output.captured();
        procession_worker::check_can_start("cannot make a pool", workers, successors, captured)?;
        self.limits.write(workers, &mut spec)?;
        let mut config = CoreConfig::new(u32::try_from(workers).unwrap_or(u32::MAX));
        config.life = life;
        if let Some(grace) = self.cancel_grace {
            config.cancel_grace = nanos(grace);
        }
        config.timeout_grace = self.times.timeout_grace();
        // A second from SIGKILL.
        let patience = self.times.patience();
        config.undying = config.undying.saturating_add(patience.term);
        let plan = Plan {
            workers,
            config,
            room: Room::new(self.max_queued),
            sink: self.output.sink(),
            patience,
            largest: self.life.largest(),
            exits,
        };
        let mut pool = start(spec, plan)?;
        pool.retry = self.retry;
        pool.defaults = self.defaults;
        Ok(pool)
    }
}

fn default_workers() -> Result<usize, Error> {
    match std::env::var(WORKERS_VARIABLE) {
        Err(std::env::VarError::NotPresent) => Ok(procession_worker::cpu_count()),
        Ok(text) => text.trim().parse().map_err(|_| invalid_workers(&text)),
        Err(std::env::VarError::NotUnicode(text)) => Err(invalid_workers(&text.to_string_lossy())),
    }
}

fn invalid_workers(text: &str) -> Error {
    Error::message(format!(
        "cannot size a pool: {WORKERS_VARIABLE} is {text:?}, which is not a number of workers"
    ))
}

fn inline(
    initializer: Option<&Encoded>,
    state: Option<&Encoded>,
    exits: Arc<Exits>,
) -> Result<Pool, Error> {
    if let Some(initializer) = initializer {
        initializer.run_here()?;
    }
    let own = OwnWorker::new(state.map(Encoded::maker));
    own.make_state()?;
    let mut pool = Pool::with(None, None);
    pool.phase.own = Some(Arc::new(own));
    pool.exits = exits;
    Ok(pool)
}

/// What a pool is made of, beside its workers' own orders.
struct Plan {
    workers: usize,
    config: CoreConfig,
    room: Room,
    sink: Option<Sink>,
    patience: Patience,
    largest: Option<u64>,
    exits: Arc<Exits>,
}

fn start(spec: WorkerSpec, plan: Plan) -> Result<Pool, Error> {
    let core = Core::new(plan.config);
    let mut shared = Shared::new(core, plan.workers, Watch::new()?, spec, plan.room);
    if let Some(sink) = plan.sink {
        shared.capture(sink);
    }
    shared.exits = Arc::clone(&plan.exits);
    let shared = Arc::new(shared);
    let to_start = {
        let mut driver = shared.lock();
        driver.parts.patience = plan.patience;
        driver.largest = plan.largest;
        driver.parts.leaving.hook = plan.exits.name();
        driver.open(now_ns())
    };
    shared.count_callbacks();
    shared.start_all(to_start)?;
    // Before anybody else can tell anything.
    shared.tell_trace();
    let of_thread = Arc::clone(&shared);
    let thread = std::thread::Builder::new()
        .name("procession-pool".into())
        .spawn(move || main_loop::run(&of_thread))
        .map_err(|e| {
            let e = Error::message(format!("cannot start the pool's thread: {e}"));
            shared.abandon(&e);
            e
        })?;
    shared.prepare_output();
    let mut pool = Pool::with(Some(shared), Some(thread));
    pool.exits = plan.exits;
    Ok(pool)
}
