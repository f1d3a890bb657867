//! A failed operation of the library: starting, waiting, signalling. Never the outcome of a user's function.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use super::TaskError;

/// A failed operation of the library: which one, and why. Cheap to clone.
///
/// ```
/// use procession_worker::Process;
/// // `init` was not called, so nothing can be started.
/// let error = Process::spawn(|| 1, ()).unwrap_err();
/// assert!(error.is_not_initialized());
/// assert!(error.to_string().contains("procession::init();"));
/// ```
#[derive(Clone)]
pub struct Error {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    kind: Kind,
    text: Cow<'static, str>,
    cause: Option<Cause>,
}

#[derive(Clone, Debug)]
enum Cause {
    Os(procession_os::Error),
    Task(TaskError),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    NotInitialized,
    Closed,
    Forked,
    TooDeep,
    WouldDeadlock,
    Other,
}

impl Error {
    fn build(kind: Kind, text: impl Into<Cow<'static, str>>, cause: Option<Cause>) -> Error {
        Error {
            inner: Arc::new(Inner {
                kind,
                text: text.into(),
                cause,
            }),
        }
    }

    /// `operation` failed because the kernel said so.
    #[doc(hidden)]
    #[must_use]
    pub fn os(operation: impl Into<Cow<'static, str>>, cause: procession_os::Error) -> Error {
        Error::build(Kind::Other, operation, Some(Cause::Os(cause)))
    }

    /// A failure told in words alone.
    #[doc(hidden)]
    #[must_use]
    pub fn message(text: impl Into<Cow<'static, str>>) -> Error {
        Error::build(Kind::Other, text, None)
    }

    /// The program has not called `init`.
    #[doc(hidden)]
    #[must_use]
    pub fn not_initialized(text: impl Into<Cow<'static, str>>) -> Error {
        Error::build(Kind::NotInitialized, text, None)
    }

    /// What was asked needs something that is closed (or, for `join`, something that is not).
    #[doc(hidden)]
    #[must_use]
    pub fn closed(text: impl Into<Cow<'static, str>>) -> Error {
        Error::build(Kind::Closed, text, None)
    }

    /// The handle was made by process `owner`, and this is a forked copy of it.
    #[doc(hidden)]
    #[must_use]
    pub fn forked(owner: u32) -> Error {
        let text = format!(
            "this handle belongs to process {owner}; a forked copy of that process cannot use it"
        );
        Error::build(Kind::Forked, text, None)
    }

    /// Processes are nested too deeply.
    #[doc(hidden)]
    #[must_use]
    pub fn too_deep(text: impl Into<Cow<'static, str>>) -> Error {
        Error::build(Kind::TooDeep, text, None)
    }

    /// What was asked would wait for who asks.
    #[doc(hidden)]
    #[must_use]
    pub fn would_deadlock(text: impl Into<Cow<'static, str>>) -> Error {
        Error::build(Kind::WouldDeadlock, text, None)
    }

    /// The same failure, of the same kind, as the reason why `operation` failed.
    #[doc(hidden)]
    #[must_use]
    pub fn why_not(&self, operation: &str) -> Error {
        let Inner { kind, text, cause } = &*self.inner;
        Error::build(*kind, format!("{operation}: {text}"), cause.clone())
    }

    /// True when the program has to call `procession::init()` (or `init_before_main!`) first.
    #[must_use]
    pub fn is_not_initialized(&self) -> bool {
        self.inner.kind == Kind::NotInitialized
    }

    /// True when a pool was asked for something its state (open, closed, terminated) does not allow.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.inner.kind == Kind::Closed
    }

    /// True when the handle is used in a forked copy of the process that made it.
    #[must_use]
    pub fn is_forked(&self) -> bool {
        self.inner.kind == Kind::Forked
    }

    /// True when the new process would be nested deeper than the limit of 10.
    #[must_use]
    pub fn is_too_deep(&self) -> bool {
        self.inner.kind == Kind::TooDeep
    }

    /// True when the call would have waited for its own caller: a pool joined from one of its own callbacks, predicates or wakers.
    #[must_use]
    pub fn is_would_deadlock(&self) -> bool {
        self.inner.kind == Kind::WouldDeadlock
    }

    /// The error number of the failed system call; `None` when no system call failed.
    #[must_use]
    pub fn raw_os_error(&self) -> Option<i32> {
        match &self.inner.cause {
            Some(Cause::Os(cause)) => cause.raw_os_error(),
            Some(Cause::Task(_)) | None => None,
        }
    }

    /// The call's own error, when the operation failed because of its arguments; `None` otherwise.
    #[must_use]
    pub fn task_error(&self) -> Option<&TaskError> {
        match &self.inner.cause {
            Some(Cause::Task(cause)) => Some(cause),
            Some(Cause::Os(_)) | None => None,
        }
    }
}

impl From<TaskError> for Error {
    fn from(cause: TaskError) -> Error {
        Error::build(
            Kind::Other,
            "cannot make the call",
            Some(Cause::Task(cause)),
        )
    }
}

/// `cannot start a process: cannot create a socket pair (socketpair): Too many open files (os error 24)`.
impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.inner.cause {
            Some(Cause::Os(cause)) => write!(f, "{}: {cause}", self.inner.text),
            Some(Cause::Task(cause)) => write!(f, "{}: {cause}", self.inner.text),
            None => f.write_str(&self.inner.text),
        }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Error")
            .field("kind", &self.inner.kind)
            .field("text", &self.to_string())
            .finish()
    }
}

/// No `source`: its text is already part of this error's own, and a chain printer would say it twice.
impl std::error::Error for Error {}
