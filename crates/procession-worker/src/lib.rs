//! One child process that runs functions: `Process`, the entry of a child, and what both sides say to each other.
mod error;

pub use error::{Error, PanicReport, TaskError, TaskErrorKind, TaskId, WorkerDeath};
