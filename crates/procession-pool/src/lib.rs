//! A pool of worker processes: many calls on few processes, each worth no more than its own error when it goes wrong.
//! It names no descriptor and no system call: those are `procession-worker`'s.
//!
//! # The promise
//! * **Every handle resolves**, to exactly one outcome, after any sequence of calls, deaths and shutdowns.
//! * **A death costs one call**: the one that had begun. What was waiting behind it, even in the same chunk of a map, goes
//!   on elsewhere, and a worker that dies idle costs nothing.
//! * **At most once.** A call is never begun a second time, unless [retries](Call::retries) are asked for.
//! * **Nothing waits for ever**: closing finishes everything, terminating resolves everything, [`Pool::join`] before either
//!   is an error, dropping takes five seconds at most.
//! * **Nothing is left**: no process, no descriptor, no thread, no memory, however this program ends.
//!
//! # Five minutes
//! ```
//! use procession_pool::{Pool, Shared, TaskErrorKind, as_completed};
//! use std::time::Duration;
//!
//! fn area(width: u64, height: u64) -> u64 {
//!     width * height
//! }
//!
//! fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     procession_worker::init(); // first line of main: in a worker it never returns
//!     let pool = Pool::new(2)?;
//!
//!     // One call and its result.
//!     assert_eq!(pool.apply(area, (6, 7))?, 42);
//!
//!     // A call that runs while you do something else. Everything that can go wrong arrives through the handle.
//!     let handle = pool.apply_async(area, (3, 4));
//!     assert_eq!(handle.get()?, 12);
//!
//!     // Many calls, results in the order of the items.
//!     assert_eq!(pool.map(|x: u64| x + 1, 0..5)?, [1, 2, 3, 4, 5]);
//!     assert_eq!(pool.starmap(area, [(1, 2), (3, 4)])?, [2, 12]);
//!
//!     // Results one by one, of an input without end: it is read only a little ahead of what you take.
//!     let cubes: Result<Vec<u64>, _> = pool.imap(|n: u64| n * n * n, 1..).take(3).collect();
//!     assert_eq!(cubes?, [1, 8, 27]);
//!
//!     // Results as they complete.
//!     let handles: Vec<_> = (0..4).map(|n: u64| pool.apply_async(area, (n, n))).collect();
//!     for (index, outcome) in as_completed(handles) {
//!         assert_eq!(outcome?, (index * index) as u64);
//!     }
//!
//!     // A crash is the error of one item; its neighbours have their results, and the pool goes on.
//!     let each = pool.try_map(|n: u32| if n == 2 { std::process::abort() } else { n }, 0..4);
//!     let crash = each[2].as_ref().unwrap_err();
//!     assert_eq!((crash.kind(), crash.item()), (TaskErrorKind::WorkerDied, Some(2)));
//!     assert!(crash.to_string().contains("was killed by SIGABRT (6)"));
//!     assert_eq!(each.iter().flatten().copied().collect::<Vec<_>>(), [0, 1, 3]);
//!
//!     // A panic is an error with its place, and its worker serves on.
//!     let panic = pool.apply(|n: i32| 10 / n, (0,)).unwrap_err();
//!     assert_eq!(panic.panic().unwrap().message(), "attempt to divide by zero");
//!
//!     // Waiting has a limit if you want one; "not yet" gives the handle back.
//!     let slow = pool.apply_async(std::thread::sleep, (Duration::from_millis(200),));
//!     let Err(slow) = slow.get_timeout(Duration::from_millis(5)) else { panic!("too fast") };
//!     slow.get()?;
//!
//!     // A call can be held to a time, tried again, cancelled.
//!     let limited = pool.call(std::thread::sleep).timeout(Duration::from_millis(50));
//!     assert_eq!(limited.apply((Duration::from_secs(3600),)).unwrap_err().kind(), TaskErrorKind::TimedOut);
//!     let dies = pool.call(|| -> u32 { std::process::exit(3) }).retries(1);
//!     assert_eq!(dies.apply(()).unwrap_err().attempts(), 2);
//!     let endless = pool.apply_async(std::thread::sleep, (Duration::from_secs(3600),));
//!     assert!(endless.cancel());
//!
//!     // A search ends at the first outcome that decides it, and its input may be endless.
//!     assert!(pool.any(|n: u64| n * n > 1000, 0..)?);
//!
//!     // A value for many calls is sent to each worker once.
//!     let words = pool.broadcast(vec!["a".to_string(), "b".to_string()])?;
//!     let nth = |words: Shared<Vec<String>>, n: usize| words.get(n).cloned();
//!     assert_eq!(pool.apply(nth, (words, 1))?.as_deref(), Some("b"));
//!
//!     pool.close(); // nothing new; what was accepted is finished
//!     pool.join()?; // every worker has ended
//!     Ok(())
//! }
//! ```
//!
//! # Where to find what
//! | for | look at |
//! |---|---|
//! | inputs without end, items one by one | [`Pool::imap`], [`Pool::imap_unordered`], [`Call::buffer_size`], [`Imap::next_timeout`] |
//! | more calls than may wait | [`PoolBuilder::max_queued`], [`Pool::try_apply_async`], [`Pool::wait_for_room`], [`Pool::room`] |
//! | many handles, callbacks | [`as_completed`], [`wait_any`], [`wait_all`], [`AsyncResult::on_complete`], [`Call::on_complete`] |
//! | time | [`Call::timeout`], [`Call::queue_deadline`], for all calls [`PoolBuilder::task_timeout`], [`queue_deadline`](PoolBuilder::queue_deadline); [`start_timeout`](PoolBuilder::start_timeout), [`initializer_timeout`](PoolBuilder::initializer_timeout), [`exit_timeout`](PoolBuilder::exit_timeout); [`count_suspended_time`] |
//! | what is not wanted any more | [`AsyncResult::cancel`], [`Pool::cancel_all`], [`cancelled`], [`PoolBuilder::cancel_grace`], [`timeout_grace`](PoolBuilder::timeout_grace), [`term_grace`](PoolBuilder::term_grace) |
//! | what begins first, and where | [`Call::priority`], [`Call::sticky`] |
//! | what may fail now and then | [`Call::retries`] and its kin; for all calls [`PoolBuilder::retries`], [`retry_delay`](PoolBuilder::retry_delay), [`retry_on_death`](PoolBuilder::retry_on_death), [`retry_if`](PoolBuilder::retry_if) |
//! | stopping early | [`Pool::find_map`], [`Pool::any`], [`Pool::all`], [`Pool::map_until`] with [`Step`] |
//! | how many workers, for how long | [`Pool::resize`], [`Pool::warm_up`], [`PoolBuilder::min_workers`], [`idle_timeout`](PoolBuilder::idle_timeout), [`max_tasks_per_worker`](PoolBuilder::max_tasks_per_worker), [`max_lifetime`](PoolBuilder::max_lifetime), [`recycle_above`](PoolBuilder::recycle_above) |
//! | what workers are held to | [`PoolBuilder::memory_limit`], [`cpu_limit`](PoolBuilder::cpu_limit), [`nice`](PoolBuilder::nice), [`cpu_affinity`](PoolBuilder::cpu_affinity), [`inner_threads`](PoolBuilder::inner_threads) |
//! | what workers keep | [`PoolBuilder::initializer`], [`state`](PoolBuilder::state) and [`with_state`], [`exit_hook`](PoolBuilder::exit_hook), [`Pool::exit_results`] |
//! | one value for many calls | [`Pool::broadcast`], [`Pool::broadcast_bytes`] |
//! | what workers write | [`PoolBuilder::stdout`], [`stderr`](PoolBuilder::stderr), [`on_output`](PoolBuilder::on_output); feature `log`: `PoolBuilder::forward_logs` |
//! | what happens | [`Pool::stats`], [`Pool::events`], [`Call::on_progress`], [`Call::describe_args`]; features `indicatif` and `tracing` |
//! | a pool for the length of a function | [`Pool::scope`] |
//!
//! # How a call can end
//! | the call | the outcome | the worker |
//! |---|---|---|
//! | returns | its value; an `Err` it returns is a value too | serves on |
//! | panics, or decoding its arguments or encoding its result does | `Panicked`, with message, place and, if asked for, backtrace | serves on |
//! | exits (0 included), aborts, gets a signal, overflows its stack, goes beyond a [limit](PoolBuilder::memory_limit) of its worker | `WorkerDied`, with pid, name, status and time run; `Panicked` with the death beside it when a panic aborted | is replaced |
//! | has arguments that cannot be encoded, or mentions a [`Shared`] of another pool | `EncodeArgs`, or `TooLarge` above 1 GiB; nothing was sent | – |
//! | has arguments that cannot be decoded there, a [`Shared`] value included | `DecodeArgs` | serves on |
//! | has a result that cannot be encoded, or is above 1 GiB | `EncodeResult`, `TooLarge` | serves on |
//! | has a result that cannot be decoded here | `DecodeResult` | serves on |
//! | is an item of a [`map`](Pool::map) in which another item failed before this one began | `Cancelled`; the map reports the other one | – |
//! | runs longer than its [limit](Call::timeout) | `TimedOut`, with the limit and the time run, at once | is replaced, unless the task returns within the [grace](PoolBuilder::timeout_grace) |
//! | has not begun by its [queue deadline](Call::queue_deadline) | `Expired` | – |
//! | is [cancelled](AsyncResult::cancel), by itself or with [all others](Pool::cancel_all) | `Cancelled`, at once | serves on if the call had not begun or returns within the grace, else is replaced |
//! | had not begun when its [`Imap`] was dropped, or its [search](Pool::find_map) was decided | none: nobody can ask | – |
//! | fails, and has [retries](Call::retries) left | none yet: it is tried again; the last error tells the number of attempts | as above |
//! | is open when the pool is [terminated](Pool::terminate) or dropped | `Terminated` | is ended |
//! | comes after [`close`](Pool::close) or `terminate`, or from a forked copy of this program; or its outcome was taken before | `Closed` | – |
//! | finds that no worker can be started or gets ready: an initializer or state that always fails or takes too long, a limit that cannot be set | `Broken`, with the reason | – |
//! | runs in a worker that says what no worker says | `Protocol` | is killed and replaced |
//! | has an option without meaning: a chunk, a buffer or a time of 0 | `InvalidOption` | – |
//! | wants a [state](PoolBuilder::state) that its worker has not, of another type, or that cannot be made again | `InvalidOption` | serves on |
//!
//! The kinds are those of [`TaskErrorKind`], of which `Spawn` is only for a [`Process`]; the text of a [`TaskError`] is the
//! whole story in one sentence. What helps, and what each verb does on a pool that is closed, broken or inline, or in a copy
//! made by `fork`: [`Pool`](Pool#closed-broken-inline-and-forked).
//!
//! # What to know
//! * **Tasks** are `fn` items and closures that capture nothing, of up to eight parameters. What they need, they get as
//!   arguments; a worker has the program's functions and none of its memory. Globals of a worker live from call to call.
//! * **Speed** comes by itself: items of a map travel in chunks that adapt to how long they take
//!   ([`Call::chunk_size`] fixes them), short calls are sent ahead, long ones never wait behind each other.
//! * **Threads.** A pool has one of its own and is used through `&self` from as many of yours as you like. A handle can be
//!   waited for from several, sent to another, or awaited in any async runtime.
//! * **Size.** [`Pool::new`] takes the number of workers; 0 makes a pool that runs everything in the caller, for debugging.
//!   [`Pool::per_cpu`] takes as many as there are processors for this program, or `PROCESSION_WORKERS`. [`Pool::resize`]
//!   changes it; [`min_workers`](PoolBuilder::min_workers) and [`idle_timeout`](PoolBuilder::idle_timeout) let it follow the
//!   work.
//! * **Leaks** of a function are bounded by [`max_tasks_per_worker`](PoolBuilder::max_tasks_per_worker).
//! * **Output.** What workers print can be [captured](PoolBuilder::stdout): whole lines, tagged, there before the result of
//!   the task that wrote them, and a crash brings the end of stderr along.
//! * **Costs.** A worker takes two descriptors (one more for each captured output) and 260 KiB of shared memory here, beside its own process.
//! * **Surroundings.** Workers inherit environment, directory, stdout and stderr; stdin is empty, SIGINT is ignored.
//!
//! # When to use only this layer
//! When you need pools and nothing else, or build an interface of your own on them. `init`, [`Process`] and the errors are
//! in `procession-worker`, which stands beside this crate in your manifest; `procession` re-exports both under one name.
//! For a few long or dangerous calls take `procession-worker` alone: each has a process, and there is no scheduler.
//!
//! [`Process`]: procession_worker::Process

mod await_room;
#[cfg(feature = "indicatif")]
mod bar;
mod broadcast;
mod builder;
mod call;
mod callbacks;
mod cancel;
mod cell;
mod core;
mod describe;
mod driver;
mod each;
mod events;
mod exits;
mod here;
mod histogram;
mod imap;
mod in_order;
mod lazy;
#[cfg(feature = "log")]
mod logs;
mod map;
mod not_yet;
mod options;
mod order;
mod output;
mod phase;
mod pool;
mod portion;
mod progress;
mod result;
mod retry;
mod scope;
mod search;
mod size;
mod stats;
mod stream;
mod submit;
mod suspended;
mod sync;
mod then;
mod until;
mod waits;

pub use procession_task::{MakeState, StateTask, WithState, with_state};
pub use procession_worker::{Error, PanicReport, TaskError, TaskErrorKind, TaskId, WorkerDeath};
pub use procession_worker::{Output, OutputStream};
pub use procession_worker::{cancelled, init, init_before_main};

pub use await_room::AwaitRoom;
pub use broadcast::{Shared, SharedBytes};
pub use builder::{MAX_WORKERS, PoolBuilder, WORKERS_VARIABLE};
pub use call::{Call, CallProgress};
pub use events::{Event, Events};
pub use histogram::Histogram;
pub use imap::{Imap, ImapUnordered};
pub use not_yet::NotYet;
pub use output::OutputLine;
pub use pool::Pool;
pub use progress::Progress;
pub use progress::telling::Telling;
pub use result::AsyncResult;
pub use stats::{
    PoolStats, RunningTask, SlowTask, Transport, WorkerState, WorkerStats, WorkerTimes,
};
pub use stream::Items;
pub use submit::SubmitError;
pub use suspended::count_suspended_time;
pub use then::CallThen;
pub use until::Step;
pub use waits::{Unfinished, as_completed, as_completed_timeout, wait_all, wait_any};

/// The example of the README is a test.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
