//! Multiprocessing for Rust: run a function in its own process, or thousands of calls on a pool of worker processes.
//!
//! A task may panic, abort, leak, hang or be killed: one handle says so, and nothing else notices.
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
//! # Which layer
//! This crate re-exports the others; take one alone where it is enough:
//!
//! | crate | what it gives | take it alone when |
//! |---|---|---|
//! | `procession-os` | processes, pidfds, sealed segments, rings, doorbells | you build your own supervisor or link |
//! | `procession-task` | a function call as bytes and back | you have your own way to move bytes |
//! | `procession-worker` | [`Process`]: one function in one child | a few long or dangerous calls |
//! | `procession-pool` | [`Pool`]: many calls on few workers | as this crate, without `Process` in the prelude |

pub use procession_worker::init_before_main;
pub use procession_worker::{cpu_count, init, is_worker};

pub use procession_worker::{Process, ProcessBuilder, ProcessInfo};
pub use procession_worker::{active_children, current_process, parent_process};

pub use procession_pool::{AsyncResult, Call, Pool, PoolBuilder, as_completed, wait_any};
pub use procession_pool::{PoolStats, WorkerStats};

pub use procession_worker::ExitStatus;
pub use procession_worker::{Error, PanicReport, TaskError, TaskErrorKind, TaskId, WorkerDeath};

pub use procession_task::{Arguments, Bytes, Task};

pub mod prelude;
pub mod worker;
