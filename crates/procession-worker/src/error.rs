//! What went wrong, as opaque values that tell the whole story. Nothing here decides policy: it only carries and prints.
//!
//! [`TaskError`] is the outcome of one call that did not return its value. [`Error`] is a failed operation of the library
//! itself (starting, waiting, signalling). Both are cheap to clone, and their text names the operation, the subject and the
//! cause: lower case, no full stop.

mod death;
mod lifecycle;
mod report;
mod sentence;
mod task;

pub use death::WorkerDeath;
pub use lifecycle::Error;
pub use report::PanicReport;
pub use task::{TaskError, TaskErrorKind, TaskId};

#[cfg(test)]
mod tests;
