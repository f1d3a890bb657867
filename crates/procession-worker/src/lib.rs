//! One child process that runs functions: [`Process`] in the parent, [`init`] in the child. Schedules nothing: that is a pool's.
//!
//! # The promise
//! * A function runs in another process of the same program, called with values and returning a value, with no macro, no
//!   registry and no second binary.
//! * Whatever happens to it, the parent gets exactly one outcome: the value, or an error that says what function, which
//!   process, which exit code or signal, after how long, and the panic's message and place if it panicked.
//! * A process that ends is reaped once, whether its handle waits, is dropped or is forgotten. None outlives its parent,
//!   however the parent ends.
//! * Nothing blocks on an unread result: [`Process::join`] returns when the process has ended.
//!
//! # Five minutes
//! ```
//! use procession_worker::{Process, TaskErrorKind};
//!
//! fn word_count(text: String) -> usize {
//!     text.split_whitespace().count()
//! }
//!
//! fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     procession_worker::init(); // first line: in a child, it runs the function and never returns
//!
//!     // A function and the tuple of its arguments. Both sides are typed.
//!     let process = Process::spawn(word_count, ("one two three".to_string(),))?;
//!     println!("{} is process {}", process.name(), process.pid());
//!     assert_eq!(process.into_result()?, 3);
//!
//!     // A crash is a value.
//!     let crash = Process::spawn(|| -> u32 { std::process::abort() }, ())?;
//!     let error = crash.into_result().unwrap_err();
//!     assert_eq!(error.kind(), TaskErrorKind::WorkerDied);
//!     assert!(error.to_string().contains("was killed by SIGABRT (6)"));
//!
//!     // So is a panic, with its place.
//!     let panic = Process::spawn(|n: i32| -> i32 { 10 / n }, (0,))?;
//!     let error = panic.into_result().unwrap_err();
//!     assert_eq!(error.panic().unwrap().message(), "attempt to divide by zero");
//!
//!     // What hangs can be ended.
//!     let hang = Process::builder().name("hang").spawn(|| loop { std::thread::park() }, ())?;
//!     assert!(hang.join_timeout(std::time::Duration::from_millis(10))?.is_none());
//!     hang.kill()?;
//!     assert_eq!(hang.join()?.to_string(), "signal SIGKILL (9)");
//!     # let _: &Process<()> = &hang;
//!     Ok(())
//! }
//! ```
//!
//! # When to use only this layer
//! For a few long-lived or dangerous calls, each in a process of its own: a plug-in, a solver, a parser of untrusted input.
//! Starting one takes about a millisecond. For many short calls take a pool, which keeps its processes: `procession` has
//! both. This layer depends on the codec (`serde`, `postcard`) and on `rustix`, and on nothing else.
//!
//! # What to know
//! * Functions are named by their place in the program's image, so both sides must be the same build. They are: the child is
//!   started from the very image the parent runs, even if the file was replaced meanwhile, and it checks the build id.
//! * Arguments and results are encoded with `serde`. Up to 32 KiB travel in a message, more in a sealed memory file.
//! * A child starts with its own process group, default signal dispositions (SIGPIPE ignored), `/dev/null` as stdin, and no
//!   descriptor of its parent but stdout and stderr. It gets SIGKILL when its parent ends.
//! * A child may start children of its own, to a depth of [`MAX_DEPTH`].

mod boot;
mod error;
#[doc(hidden)]
pub mod handle;
mod hold;
mod info;
mod link;
#[doc(hidden)]
pub mod nap;
mod output;
mod process;
mod serve;
#[doc(hidden)]
pub mod shares;
mod start;
#[doc(hidden)]
pub mod watch;

pub use boot::{MAX_DEPTH, init};
pub use error::{Error, PanicReport, TaskError, TaskErrorKind, TaskId, WorkerDeath};
pub use info::{
    ProcessInfo, cancelled, cpu_count, current_process, depth, is_worker, parent_process,
    worker_index,
};
pub use output::{Output, OutputStream};
pub use process::registry::active_children;
pub use process::{Process, ProcessBuilder};
pub use procession_os::ExitStatus;
#[doc(hidden)]
pub use procession_os::is_forked_copy;
pub use procession_task::{Arguments, Bytes, Task};

#[doc(hidden)]
pub use boot::before_main;
#[doc(hidden)]
pub use start::{StartSpec, Started, check_can_start, check_hello, start};
