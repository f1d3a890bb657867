//! A panic that happened in another process, as data. Never resumes it.

use std::fmt;

use procession_task::Failure;

/// A panic in another process: its message and where it was raised.
///
/// ```no_run
/// # use procession_worker::{Process, init};
/// # fn main() -> Result<(), procession_worker::Error> {
/// # init();
/// let error = Process::spawn(|| -> () { panic!("out of paper") }, ())?.into_result().unwrap_err();
/// let report = error.panic().expect("it panicked");
/// assert_eq!(report.message(), "out of paper");
/// assert!(report.line().is_some());
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct PanicReport {
    message: String,
    location: Option<(String, u32, u32)>,
    backtrace: Option<String>,
}

impl PanicReport {
    /// What a [`Failure`] says about a panic.
    #[doc(hidden)]
    #[must_use]
    pub fn from_failure(failure: Failure) -> PanicReport {
        PanicReport {
            message: failure.message,
            location: failure.location.map(|at| (at.file, at.line, at.column)),
            backtrace: failure.backtrace,
        }
    }

    /// The text given to `panic!`; `<non-string payload>` when the payload was of another type.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The source file that panicked, as the compiler names it; `None` when the panic was not observed by the hook.
    #[must_use]
    pub fn file(&self) -> Option<&str> {
        self.location.as_ref().map(|(file, _, _)| file.as_str())
    }

    /// The line that panicked, counted from 1; `None` when the panic was not observed by the hook.
    #[must_use]
    pub fn line(&self) -> Option<u32> {
        self.location.as_ref().map(|(_, line, _)| *line)
    }

    /// The column that panicked, counted from 1; `None` when the panic was not observed by the hook.
    #[must_use]
    pub fn column(&self) -> Option<u32> {
        self.location.as_ref().map(|(_, _, column)| *column)
    }

    /// The backtrace of the panicking thread; `None` unless the other process ran with `RUST_BACKTRACE` set.
    #[must_use]
    pub fn backtrace(&self) -> Option<&str> {
        self.backtrace.as_deref()
    }
}

/// `panicked at src/x.rs:10:5: message`, or `panicked: message` when the location is not known.
impl fmt::Display for PanicReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.location {
            Some((file, line, column)) => {
                write!(f, "panicked at {file}:{line}:{column}: {}", self.message)
            }
            None => write!(f, "panicked: {}", self.message),
        }
    }
}
