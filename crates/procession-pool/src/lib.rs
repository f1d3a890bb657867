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
//! use procession_pool::{Pool, as_completed};
//! use procession_worker::TaskErrorKind;
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
//!     pool.close(); // nothing new; what was accepted is finished
//!     pool.join()?; // every worker has ended
//!     Ok(())
//! }
//! ```
//!
//! # How a call can end
//! | the call | the outcome | the worker |
//! |---|---|---|
//! | returns | its value; an `Err` it returns is a value too | serves on |
//! | panics, or decoding its arguments or encoding its result does | `Panicked`, with message, place and, if asked for, backtrace | serves on |
//! | exits (0 included), aborts, gets a signal, overflows its stack | `WorkerDied`, with pid, name, status and time run; `Panicked` with the death beside it when a panic aborted | is replaced |
//! | has arguments that cannot be encoded | `EncodeArgs`, or `TooLarge` above 1 GiB; nothing was sent | – |
//! | has arguments that cannot be decoded there | `DecodeArgs` | serves on |
//! | has a result that cannot be encoded, or is above 1 GiB | `EncodeResult`, `TooLarge` | serves on |
//! | has a result that cannot be decoded here | `DecodeResult` | serves on |
//! | is an item of a [`map`](Pool::map) in which another item failed before this one began | `Cancelled`; the map reports the other one | – |
//! | runs longer than its [limit](Call::timeout) | `TimedOut`, with the limit and the time run | is replaced |
//! | has not begun by its [queue deadline](Call::queue_deadline) | `Expired` | – |
//! | is [cancelled](AsyncResult::cancel) | `Cancelled`, at once | serves on if the call had not begun or returns within the grace, else is replaced |
//! | had not begun when its [`Imap`] was dropped | none: nobody can ask | – |
//! | is open when the pool is [terminated](Pool::terminate) or dropped | `Terminated` | is ended |
//! | comes after [`close`](Pool::close) or `terminate`, or from a forked copy of this program | `Closed` | – |
//! | finds that no worker can be started, or no initializer succeeds | `Broken`, with the reason | – |
//! | runs in a worker that says what no worker says | `Protocol` | is killed and replaced |
//! | has an option without meaning: a chunk, a buffer or a time of 0 | `InvalidOption` | – |
//! | wants a [state](PoolBuilder::state) that its worker has not, or of another type | `InvalidOption` | serves on |
//!
//! The kinds are those of [`TaskErrorKind`]; the text of a
//! [`TaskError`] is the whole story in one sentence.
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
mod events;
mod exits;
mod here;
mod histogram;
mod imap;
mod lazy;
#[cfg(feature = "log")]
mod logs;
mod map;
mod options;
mod output;
mod pool;
mod progress;
mod result;
mod retry;
mod scope;
mod search;
mod size;
mod stats;
mod stream;
mod submit;
mod sync;
mod then;
mod until;
mod waits;

pub use procession_task::{MakeState, StateTask, WithState, with_state};
pub use procession_worker::{Error, PanicReport, TaskError, TaskErrorKind, TaskId, WorkerDeath};
pub use procession_worker::{Output, OutputStream};
pub use procession_worker::{cancelled, init, init_before_main};

pub use broadcast::{Shared, SharedBytes};
pub use builder::{MAX_WORKERS, PoolBuilder, WORKERS_VARIABLE};
pub use call::{Call, CallProgress};
pub use events::{Event, Events};
pub use histogram::Histogram;
pub use imap::{Imap, ImapUnordered};
pub use output::OutputLine;
pub use pool::Pool;
pub use progress::Progress;
pub use result::AsyncResult;
pub use stats::{
    PoolStats, RunningTask, SlowTask, Transport, WorkerState, WorkerStats, WorkerTimes,
};
pub use stream::Items;
pub use submit::SubmitError;
pub use then::CallThen;
pub use until::Step;
pub use waits::{Unfinished, as_completed, as_completed_timeout, wait_all, wait_any};

/// The example of the README is a test.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
