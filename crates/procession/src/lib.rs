//! Multiprocessing for Rust: run a function in its own process, or thousands of calls on a pool of worker processes. This
//! crate holds no logic: it gives the layers one name.
//!
//! A task may panic, abort, run out of its stack or be killed: one handle says so, and nothing else notices.
//!
//! ```
//! fn square(x: u64) -> u64 {
//!     x * x
//! }
//!
//! fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     procession::init(); // first line: in a worker it never returns
//!     let pool = procession::Pool::new(4)?;
//!     assert_eq!(pool.map(square, 1..=4)?, [1, 4, 9, 16]);
//!     let handle = pool.apply_async(square, (12,));
//!     assert_eq!(handle.get()?, 144);
//!     pool.close();
//!     pool.join()?;
//!     Ok(())
//! }
//! ```
//!
//! The verbs are those of Python's `multiprocessing`; the differences come from types and from isolation:
//!
//! * A task is a `fn` item or a closure that captures nothing. What it needs, it gets as arguments.
//! * Arguments are a tuple, as in `args=(i,)`; they and the result travel through `serde`.
//! * Every submission has a handle, and every handle resolves to exactly one outcome, whatever happens.
//! * [`init`] comes first in `main`. Tests, benches and libraries use [`init_before_main!`] instead.
//!
//! # Five minutes
//! **A process of its own**, for a call that is long, dangerous, or to be ended from outside:
//! ```
//! use procession::Process;
//! use std::time::Duration;
//!
//! fn greet(name: String, age: u32) -> String {
//!     format!("{name} is {age}")
//! }
//!
//! fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     procession::init();
//!     let process = Process::spawn(greet, ("test".to_string(), 18))?;
//!     println!("{} is process {}", process.name(), process.pid());
//!     assert_eq!(process.into_result()?, "test is 18");
//!
//!     let endless = Process::builder().name("endless").spawn(|| loop { std::thread::park() }, ())?;
//!     assert!(endless.join_timeout(Duration::from_millis(10))?.is_none(), "it runs");
//!     endless.terminate()?;
//!     assert_eq!(endless.join()?.to_string(), "signal SIGTERM (15)");
//!     # let _: &Process<()> = &endless;
//!     Ok(())
//! }
//! ```
//!
//! **A pool**, for many calls. Its workers are started once and kept:
//! ```
//! use procession::prelude::*;
//!
//! fn first_word(line: String) -> Option<String> {
//!     Some(line.split_whitespace().next()?.to_string())
//! }
//!
//! fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     procession::init();
//!     let pool = Pool::builder().workers(2).name("words").build()?;
//!
//!     let lines = ["one two", "", "three"].map(String::from);
//!     assert_eq!(pool.map(first_word, lines)?, [Some("one".to_string()), None, Some("three".to_string())]);
//!
//!     // One bad item does not take its neighbours along.
//!     let each = pool.try_map(|n: u32| if n == 1 { std::process::exit(3) } else { n }, 0..3);
//!     assert_eq!(*each[0].as_ref().unwrap(), 0);
//!     let error = each[1].as_ref().unwrap_err();
//!     assert_eq!(error.kind(), TaskErrorKind::WorkerDied);
//!     assert!(error.to_string().contains("exited with code 3 before returning a result"));
//!     assert_eq!(*each[2].as_ref().unwrap(), 2);
//!     pool.close();
//!     pool.join()?;
//!     Ok(())
//! }
//! ```
//!
//! # A tour of the pool
//! Each example begins with `procession::init();`, which is not shown again. An option is given to the [builder](Pool::builder)
//! for all calls, or through [`Pool::call`] for one call or map. None is needed to begin with.
//!
//! **Handles.** An [`AsyncResult`] is waited for with [`get`](AsyncResult::get) or [`get_timeout`](AsyncResult::get_timeout),
//! awaited in any async runtime, or given a callback by [`on_complete`](AsyncResult::on_complete). [`as_completed`],
//! [`wait_any`] and [`wait_all`] take many of them, also of several pools. [`Pool::scope`] makes a pool for the length of a
//! function.
//! ```
//! # procession::init();
//! use procession::{Pool, as_completed};
//! let sum = Pool::scope(2, |pool| {
//!     let handles: Vec<_> = (1..=4).map(|n: u64| pool.apply_async(|n: u64| n * n, (n,))).collect();
//!     as_completed(handles).map(|(_, outcome)| outcome).sum::<Result<u64, _>>()
//! })?;
//! assert_eq!(sum?, 30);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! **Laziness and flow.** [`Pool::imap`] and [`imap_unordered`](Pool::imap_unordered) read their input only a window
//! ([`buffer_size`](Call::buffer_size)) ahead of what is taken, so it may be endless, and yield each item's own outcome;
//! dropping one cancels what has not begun. [`max_queued`](PoolBuilder::max_queued) bounds what waits: submissions block
//! then, [`try_apply_async`](Pool::try_apply_async) gives the arguments back, [`wait_for_room`](Pool::wait_for_room)
//! waits with a limit, and [`room`](Pool::room) is awaited.
//! ```
//! # procession::init();
//! use procession::Pool;
//! use std::time::Duration;
//! let pool = Pool::builder().workers(1).max_queued(2).build()?;
//! let cubes = pool.call(|n: u64| n * n * n).buffer_size(8).imap(1..);
//! assert_eq!(cubes.take(3).collect::<Result<Vec<_>, _>>()?, [1, 8, 27]);
//!
//! let refused = loop {
//!     match pool.try_apply_async(std::thread::sleep, (Duration::from_secs(3600),)) {
//!         Ok(_runs_or_waits) => {}
//!         Err(refused) => break refused,
//!     }
//! };
//! assert!(refused.is_full());
//! assert_eq!(refused.into_args().0.as_secs(), 3600);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! **Order.** [`Call::priority`] lets what is of a higher priority begin first. [`Call::sticky`] sends chunk `i` of a map to the
//! worker of index `i` modulo the pool's size, each time, for workers that keep something of what they have seen.
//! ```
//! # procession::init();
//! use procession::Pool;
//! let pool = Pool::new(2)?;
//! let whenever = pool.call(|n: u64| n * n).priority(-1).map_async(0..1_000);
//! assert_eq!(pool.call(|n: u64| n + 1).priority(5).apply((1,))?, 2);
//! assert_eq!(whenever.get()?.len(), 1_000);
//! let places = pool.call(|_: u64| procession::worker::index()).sticky().map(0..4)?;
//! assert_eq!(places, [0, 1, 0, 1].map(Some));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! **Time limits.** [`Call::timeout`], or [`task_timeout`](PoolBuilder::task_timeout) for the whole pool, ends a call or one
//! item of a map that runs too long, and its worker with it, unless the task hears of it from [`worker::cancelled`] and
//! returns within the [`timeout_grace`](PoolBuilder::timeout_grace). [`Call::queue_deadline`] gives up what has not begun in time.
//! ```
//! # procession::init();
//! use procession::{Pool, TaskErrorKind};
//! use std::time::Duration;
//! let pool = Pool::new(1)?;
//! let limited = pool.call(std::thread::sleep).timeout(Duration::from_millis(100));
//! let error = limited.apply((Duration::from_secs(3600),)).unwrap_err();
//! assert_eq!(error.kind(), TaskErrorKind::TimedOut);
//! assert_eq!(error.time_limit(), Some(Duration::from_millis(100)));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! **Cancelling.** [`AsyncResult::cancel`] resolves a call or a map at once, queued or running, and [`Pool::cancel_all`] all
//! that a pool has. A task that runs hears of it from [`worker::cancelled`]; if it returns within the
//! [grace](PoolBuilder::cancel_grace) its worker serves on, else that is ended and replaced.
//! ```
//! # procession::init();
//! use procession::Pool;
//! use std::time::Duration;
//! fn work() {
//!     while !procession::worker::cancelled() {
//!         std::thread::sleep(Duration::from_millis(1));
//!     }
//! }
//!
//! let pool = Pool::new(1)?;
//! let (one, other) = (pool.apply_async(work, ()), pool.apply_async(work, ()));
//! assert!(one.cancel());
//! assert_eq!(pool.cancel_all(), 1);
//! assert_eq!(other.get().unwrap_err().kind(), procession::TaskErrorKind::Cancelled);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! **Retries** are asked for: [`Call::retries`] tries again what panicked, died or overran, each item of a map on its own,
//! at once or after a [`retry_delay`](Call::retry_delay); [`retry_on_death`](Call::retry_on_death) and
//! [`retry_if`](Call::retry_if) narrow that, [`retry_errors`](Call::retry_errors) adds a returned `Err`.
//! For calls that say nothing, [`PoolBuilder::retries`], [`retry_delay`](PoolBuilder::retry_delay),
//! [`retry_on_death`](PoolBuilder::retry_on_death) and [`retry_if`](PoolBuilder::retry_if) say it.
//! ```
//! # procession::init();
//! use procession::Pool;
//! let pool = Pool::new(2)?;
//! let picky = |n: u32| if n == 1 { std::process::exit(3) } else { n };
//! let each = pool.call(picky).retries(2).try_map(0..3);
//! assert_eq!(each[1].as_ref().unwrap_err().attempts(), 3);
//! assert_eq!(each[2].as_ref().ok(), Some(&2));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! **Stopping early.** [`Pool::find_map`], [`any`](Pool::any) and [`all`](Pool::all) end at the first outcome that decides;
//! in [`Pool::map_until`] a task ends the map itself, with a [`Step::Break`]. What has not begun is cancelled.
//! [`filter_map`](Pool::filter_map) and [`flat_map`](Pool::flat_map) keep some results, or several of an item.
//! ```
//! # procession::init();
//! use procession::{Pool, Step};
//! use std::ops::ControlFlow;
//! let pool = Pool::new(2)?;
//! assert_eq!(pool.find_map(|d: u64| (91 % d == 0).then_some(d), 2..10)?, Some(7));
//! assert!(pool.any(|n: u64| n * n > 1000, 0..)?); // the input has no end
//! let positive = |n: i64| if n < 0 { Step::Break(n) } else { Step::Continue(n) };
//! assert_eq!(pool.map_until(positive, [1, -2, 3])?, ControlFlow::Break(-2));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! **Workers come and go.** [`max_tasks_per_worker`](PoolBuilder::max_tasks_per_worker) replaces each worker after so many
//! items, by a successor that is started first: against leaks. [`max_lifetime`](PoolBuilder::max_lifetime) and
//! [`recycle_above`](PoolBuilder::recycle_above) do so by age and by memory. [`Pool::resize`] changes their number under load.
//! With [`min_workers`](PoolBuilder::min_workers) they are started when there is work, with
//! [`idle_timeout`](PoolBuilder::idle_timeout) stopped when there is none; [`Pool::warm_up`] starts what is missing.
//! ```
//! # procession::init();
//! use procession::Pool;
//! let pool = Pool::builder().workers(2).min_workers(0).max_tasks_per_worker(100).build()?;
//! assert_eq!(pool.worker_pids().len(), 0);
//! pool.map(|n: u64| n + 1, 0..1_000)?;
//! assert!(pool.stats().recycled > 0);
//! pool.resize(3)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! **What workers are held to.** [`memory_limit`](PoolBuilder::memory_limit) and [`cpu_limit`](PoolBuilder::cpu_limit) are
//! kept by the kernel, and named in the error of what goes beyond; [`nice`](PoolBuilder::nice),
//! [`cpu_affinity`](PoolBuilder::cpu_affinity) and [`inner_threads`](PoolBuilder::inner_threads) share the machine;
//! [`start_timeout`](PoolBuilder::start_timeout) and [`exit_timeout`](PoolBuilder::exit_timeout) bound their coming and going.
//! ```
//! # procession::init();
//! use procession::Pool;
//! let pool = Pool::builder().workers(1).memory_limit(256 << 20).build()?;
//! let error = pool.apply(|bytes: usize| vec![1u8; bytes].len(), (1 << 30,)).unwrap_err();
//! assert!(error.to_string().contains("exceeded its memory limit of 256 MiB"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! **What workers keep.** An [`initializer`](PoolBuilder::initializer) runs before the first task.
//! [`state`](PoolBuilder::state) makes a value of each worker's own, a connection or a model, which [`with_state`] lends to
//! one task after the other. An [`exit_hook`](PoolBuilder::exit_hook) is each worker's last word;
//! [`exit_results`](Pool::exit_results) has them.
//! ```
//! # procession::init();
//! use procession::{Pool, with_state};
//! let pool = Pool::builder()
//!     .workers(2)
//!     .state(Vec::<u64>::new, ())
//!     .exit_hook(with_state(|seen: &mut Vec<u64>| seen.len()), ())
//!     .build()?;
//! pool.map(with_state(|seen: &mut Vec<u64>, n: u64| seen.push(n)), 0..100)?;
//! pool.close();
//! pool.join()?;
//! assert_eq!(pool.exit_results::<usize>().into_iter().sum::<Result<usize, _>>()?, 100);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! **Values for many calls.** [`Pool::broadcast`] sends a value to each worker once; calls take the handle, a [`Shared`], as
//! an argument. [`broadcast_bytes`](Pool::broadcast_bytes) is for bytes, which all processes see in the same memory.
//! ```
//! # procession::init();
//! use procession::{Pool, Shared};
//! let pool = Pool::new(2)?;
//! let primes = pool.broadcast(vec![2u64, 3, 5, 7])?;
//! let nth = |primes: Shared<Vec<u64>>, n: usize| primes.get(n).copied();
//! assert_eq!(pool.starmap(nth, [(primes.clone(), 3), (primes, 4)])?, [Some(7), None]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! **Output and logs.** What workers write goes where this program writes, nowhere, or line by line behind the worker's name:
//! [`stdout`](PoolBuilder::stdout) and [`stderr`](PoolBuilder::stderr) take an [`Output`],
//! [`on_output`](PoolBuilder::on_output) a callback. A task's lines come before its outcome, and a captured stderr ends the
//! error of a death with its last lines. `PoolBuilder::forward_logs` (feature `log`) does it for log records.
//! ```
//! # procession::init();
//! use procession::{Output, Pool};
//! let pool = Pool::builder().workers(1).stderr(Output::Captured).build()?;
//! fn crash() {
//!     eprintln!("out of paper");
//!     std::process::abort();
//! }
//! let error = pool.apply(crash, ()).unwrap_err();
//! assert!(error.to_string().ends_with("its last lines on stderr:\nout of paper"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! **Seeing what happens.** [`Pool::stats`] is a picture: counts, how long items waited and ran, the slowest, what each
//! worker is at and what its time went into. [`Pool::events`] is a stream of births, deaths and counts,
//! [`Call::on_progress`] tells how far one map of any verb is, and [`Call::describe_args`] makes errors tell the arguments. Features draw
//! bars and emit spans and events for `tracing`.
//! ```
//! # procession::init();
//! use procession::{Pool, Progress};
//! let pool = Pool::new(2)?;
//! let mut last = Progress::default();
//! pool.call(|n: u64| n * n).on_progress(|p| last = p).map(0..1_000)?;
//! assert_eq!((last.done, last.total, pool.stats().done), (1_000, 1_000, 1_000));
//! let error = pool.call(|n: u64| 10 / n).describe_args().apply((0,)).unwrap_err();
//! assert_eq!(error.args(), Some("(0)"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! **Without processes.** A pool of 0 workers is inline: the verbs run the function in the caller, arguments and results
//! still travel as bytes, and a debugger sees everything. A task that aborts takes this program along, limits of time,
//! memory and processor time hold nobody, and there is nothing to cancel or to capture. Retries, callbacks, progress, states
//! and broadcast values are as ever, and [`stats`](Pool::stats) and [`events`](Pool::events) count what runs.
//! ```
//! # procession::init();
//! use procession::Pool;
//! let pool = Pool::new(0)?;
//! assert_eq!(pool.apply(std::process::id, ())?, std::process::id());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # How a call can end
//! With its value, or with a [`TaskError`] whose text is the whole story and whose [`kind`](TaskError::kind) is one of:
//!
//! | kind | what happened |
//! |---|---|
//! | `Panicked` | the function panicked, or decoding its arguments or encoding its result did; [`TaskError::panic`] has the place. With `panic = "abort"` the [death](TaskError::death) stands beside it |
//! | `WorkerDied` | its process ended without an answer: exit (0 included), abort, signal, a [memory](PoolBuilder::memory_limit) or [processor time](PoolBuilder::cpu_limit) limit; [`TaskError::death`] has the status |
//! | `EncodeArgs`, `TooLarge` | the arguments could not be sent; nothing ran. A [`Shared`] of another pool cannot |
//! | `DecodeArgs` | they could not be read in the other process, a [`Shared`] value among them included; the function did not run |
//! | `EncodeResult`, `TooLarge`, `DecodeResult` | it ran, and the result could not be handed over |
//! | `TimedOut` | it ran longer than its [limit](Call::timeout) and was ended; so for an exit hook and its [limit](PoolBuilder::exit_timeout) |
//! | `Expired` | it had not begun by its [queue deadline](Call::queue_deadline) |
//! | `Cancelled` | its owner [cancelled](AsyncResult::cancel) it or [everything](Pool::cancel_all), or another item of the same [`map`](Pool::map) failed before this one began |
//! | `Terminated` | the pool was [terminated](Pool::terminate) or dropped first |
//! | `Closed` | the pool takes nothing more, this is a forked copy of the program, or the outcome was taken before |
//! | `Broken` | no process could be started for it: a failing or slow initializer or state, limits that cannot be set, a missing `init`, another build |
//! | `Spawn` | a `Process` could not be waited for, or its handle is a forked copy |
//! | `Protocol` | the other process broke the protocol and was killed |
//! | `InvalidOption` | an option has no meaning, such as a chunk of no items or a time limit of zero; or the task wants a [state](PoolBuilder::state) that is not there, is of another type, or could not be made again |
//!
//! An error knows more than its kind: the function, the task's number, the [item](TaskError::item) of a map, how many
//! [attempts](TaskError::attempts) there were (1 without retries), how long it [ran](TaskError::ran_for), and its
//! [arguments](TaskError::args) if [`Call::describe_args`] asked for them. An `Err` that a function returns is a value. What
//! does not concern one call, such as making a pool or joining one, ends in an [`Error`].
//!
//! # What to know
//! * A child is this same program started again, so `main` runs in it up to [`init`] and no further. It must be the same
//!   build, and it is: also when the file was replaced meanwhile.
//! * Nothing that can be written is shared. A global that a task changes is changed in that worker alone.
//! * Children end with this program, however it ends, also by SIGKILL, and what a pool's worker has started ends with the
//!   worker, unless it left its process group. Ctrl-C reaches this program alone; what it means is your decision.
//! * A task is begun at most once, unless [retries](Call::retries) are asked for.
//! * This version runs on 64-bit little-endian Linux. It has no channels, queues or locks between processes: values go in as
//!   arguments and come back as results.
//!
//! # Features
//! None is on by default. `log`: `PoolBuilder::forward_logs` hands the workers' log records to this program's logger, each with
//! its worker and task. `indicatif`: progress bars, `Call::progress_bar` and `Events::draw`. `tracing`: what a pool does, for the
//! crate of that name, under the target `procession`:
//! * A span `task` (DEBUG) for each task, from its submission to its end and within the span of the thread that submits it. What
//!   is told of a task is within it, `task submitted` first and `task ended` last. A lazy map is one task, which ends when it is
//!   over or dropped. An inline pool tells nothing: its tasks run in the caller.
//! * The span says which task of which pool it is (`pool`, `task`, `name`). Events do not repeat that, but for warnings, which
//!   stand for themselves, and where no subscriber takes the span.
//! * Events: tasks submitted, started and ended (DEBUG and TRACE), lost and timed out (WARN); workers born and ended (DEBUG; WARN
//!   when nobody wanted that); pools opened, closed and terminated (INFO), dropped with unfinished work (WARN) or broken (ERROR).
//!   What is told of workers and pools is within no span, and `pool opened` comes first, from `build`. `worker` is a worker's
//!   name, as in errors: `pool/3`.
//!
//! Each thread emits what it did itself, with no lock held: a subscriber may use the pool, one that panics misses that event, and
//! other events of several threads may overtake each other. A subscriber of `tracing-subscriber` with its feature `tracing-log` is
//! all it takes to have these and the records of the feature `log` in one log.
//!
//! # Which layer
//! This crate re-exports the others; take one alone where it is enough:
//!
//! | crate | what it gives | take it alone when |
//! |---|---|---|
//! | `procession-os` | processes, pidfds, sealed segments, rings, doorbells | you build your own supervisor or link |
//! | `procession-task` | a function call as bytes and back | you have your own way to move bytes |
//! | `procession-worker` | [`Process`]: one function in one child | a few long or dangerous calls |
//! | `procession-pool` | [`Pool`]: many calls on few workers | you build an interface of your own on pools |

pub use procession_worker::init_before_main;
pub use procession_worker::{cpu_count, init, is_worker};

pub use procession_worker::{Process, ProcessBuilder, ProcessInfo};
pub use procession_worker::{active_children, current_process, parent_process};

pub use procession_pool::count_suspended_time;
pub use procession_pool::{
    AsyncResult, AwaitRoom, Call, CallProgress, CallThen, Pool, PoolBuilder, SubmitError,
    Unfinished,
};
pub use procession_pool::{Event, Events, Progress, Telling};
pub use procession_pool::{Histogram, PoolStats, RunningTask, SlowTask};
pub use procession_pool::{Imap, ImapUnordered, Items, NotYet, Step};
pub use procession_pool::{Output, OutputLine, OutputStream};
pub use procession_pool::{Shared, SharedBytes};
pub use procession_pool::{Transport, WorkerState, WorkerStats, WorkerTimes};
pub use procession_pool::{as_completed, as_completed_timeout, wait_all, wait_any};

pub use procession_worker::ExitStatus;
pub use procession_worker::{Error, PanicReport, TaskError, TaskErrorKind, TaskId, WorkerDeath};

pub use procession_task::{Arguments, Bytes, Task};
pub use procession_task::{MakeState, StateTask, WithState, with_state};

pub mod prelude;
pub mod worker;

/// The example of the README is a test.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

/// The code of the chapter on choosing is a test.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/choosing.md")]
struct Choosing;
