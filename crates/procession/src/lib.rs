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
//! # How a call can end
//! With its value, or with a [`TaskError`] whose text is the whole story and whose [`kind`](TaskError::kind) is one of:
//!
//! | kind | what happened |
//! |---|---|
//! | `Panicked` | the function panicked, or decoding its arguments or encoding its result did; [`TaskError::panic`] has the place |
//! | `WorkerDied` | its process ended without an answer: exit (0 included), abort, signal; [`TaskError::death`] has the status |
//! | `EncodeArgs`, `TooLarge` | the arguments could not be sent; nothing ran |
//! | `DecodeArgs` | they could not be read in the other process |
//! | `EncodeResult`, `TooLarge`, `DecodeResult` | it ran, and the result could not be handed over |
//! | `TimedOut` | it ran longer than its [limit](Call::timeout) and was ended |
//! | `Expired` | it had not begun by its [queue deadline](Call::queue_deadline) |
//! | `Cancelled` | its owner [cancelled](AsyncResult::cancel) it, or another item of the same [`map`](Pool::map) failed before this one began |
//! | `Terminated`, `Closed` | the pool was terminated first, or takes nothing more |
//! | `Broken` | no process could be started for it: a failing initializer, a missing `init`, another build |
//! | `Spawn` | a process could not be waited for, or the handle is a forked copy |
//! | `Protocol` | the other process broke the protocol and was killed |
//! | `InvalidOption` | an option has no meaning, such as a chunk of no items or a time limit of zero; or the task wants a [state](PoolBuilder::state) that is not there |
//!
//! What does not concern one call, such as making a pool or joining one, ends in an [`Error`].
//!
//! # What to know
//! * A child is this same program started again, so `main` runs in it up to [`init`] and no further. It must be the same
//!   build, and it is: also when the file was replaced meanwhile.
//! * Nothing is shared. A global that a task changes is changed in that worker alone.
//! * Children end with this program, however it ends, also by SIGKILL. Ctrl-C reaches this program alone; what it means is
//!   your decision.
//! * A task is begun at most once, unless [retries](Call::retries) are asked for.
//! * This version runs on 64-bit little-endian Linux.
//!
//! # Seeing what happens
//! [`Pool::stats`] is a picture: counts, how long items waited and ran, the slowest, what each worker is at and what its time went
//! into. [`Pool::events`] is a stream of births, deaths and counts, and [`Call::on_progress`] tells how far one map is.
//!
//! # Features
//! None is on by default. `log`: `PoolBuilder::forward_logs` hands the workers' log records to this program's logger. `indicatif`:
//! progress bars, `Call::progress_bar` and `Events::draw`. `tracing`: a span `task` for each task, from its submission to its
//! end and within the span of the thread that submits it, and events with the target `procession`: tasks submitted, started and
//! ended (DEBUG and TRACE), workers born and ended (DEBUG; WARN when nobody wanted that), pools opened, closed and terminated
//! (INFO) or broken (ERROR). Each thread emits what it did itself, with no lock held: a subscriber may use the pool, one that
//! panics misses the events of that moment, and events of several threads may overtake each other.
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

pub use procession_pool::{
    AsyncResult, Call, CallProgress, CallThen, Pool, PoolBuilder, SubmitError, Unfinished,
};
pub use procession_pool::{Event, Events, Progress};
pub use procession_pool::{Histogram, PoolStats, RunningTask, SlowTask};
pub use procession_pool::{Imap, ImapUnordered, Items, Step};
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
