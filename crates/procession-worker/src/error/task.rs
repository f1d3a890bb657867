//! The outcome of one call that did not return its value. Holds facts; `sentence.rs` prints them.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use procession_task::{Failure, Stage};

use super::{PanicReport, WorkerDeath};

/// Identifies a task within its pool; printed as `task 17`.
///
/// ```
/// assert_eq!(procession_worker::TaskId(17).to_string(), "task 17");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TaskId(pub u64);

impl fmt::Display for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "task {}", self.0)
    }
}

/// Why a call did not return its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TaskErrorKind {
    /// The function panicked, or decoding its arguments or encoding its result did.
    Panicked,
    /// The process that ran it ended without an answer.
    WorkerDied,
    /// It ran longer than its time limit.
    TimedOut,
    /// It waited longer for a worker than its queue deadline.
    Expired,
    /// It was cancelled.
    Cancelled,
    /// Its pool was terminated first.
    Terminated,
    /// Its pool took no more tasks.
    Closed,
    /// Its pool, or the start of its process, is broken.
    Broken,
    /// Its arguments could not be encoded; nothing was sent.
    EncodeArgs,
    /// Its arguments could not be decoded in the other process, or the function is not known there.
    DecodeArgs,
    /// Its result could not be encoded.
    EncodeResult,
    /// Its result could not be decoded.
    DecodeResult,
    /// Its arguments or its result are larger than the limit.
    TooLarge,
    /// The other process broke the protocol.
    Protocol,
    /// No process could be started for it, or it could not be waited for.
    Spawn,
    /// An option of the call has no meaning, such as a chunk of no items, or the function wants a state that its worker has
    /// not; it did not run.
    InvalidOption,
}

/// Why one call did not return its value. Cheap to clone; its text is the whole story.
///
/// ```no_run
/// # use procession_worker::{Process, TaskErrorKind, init};
/// # fn main() -> Result<(), procession_worker::Error> {
/// # init();
/// let error = Process::spawn(|| -> u8 { std::process::abort() }, ())?.into_result().unwrap_err();
/// assert_eq!(error.kind(), TaskErrorKind::WorkerDied);
/// println!("{error}"); // process 17 ("Process-1") was killed by SIGABRT (6) while running my_crate::main::{{closure}} (after 2 ms)
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct TaskError {
    pub(super) facts: Arc<Facts>,
}

#[derive(Clone, Debug)]
pub(super) struct Facts {
    pub(super) kind: TaskErrorKind,
    pub(super) task_name: Cow<'static, str>,
    pub(super) id: Option<TaskId>,
    pub(super) item: Option<usize>,
    pub(super) attempts: u32,
    pub(super) panic: Option<PanicReport>,
    pub(super) death: Option<WorkerDeath>,
    pub(super) detail: Option<String>,
    /// Time limit and time run.
    pub(super) times: Option<(Duration, Duration)>,
    /// The arguments as text.
    pub(super) args: Option<String>,
}

impl TaskError {
    /// An error of this kind for the function `task_name`.
    #[doc(hidden)]
    #[must_use]
    pub fn new(kind: TaskErrorKind, task_name: impl Into<Cow<'static, str>>) -> TaskError {
        let task_name = task_name.into();
        let facts = Facts {
            kind,
            task_name,
            id: None,
            item: None,
            attempts: 1,
            panic: None,
            death: None,
            detail: None,
            times: None,
            args: None,
        };
        TaskError {
            facts: Arc::new(facts),
        }
    }

    /// What a failure reported by the other process means to the caller.
    #[doc(hidden)]
    #[must_use]
    pub fn from_failure(name: impl Into<Cow<'static, str>>, failure: Failure) -> TaskError {
        let kind = match failure.stage {
            Stage::Run | Stage::PanicDecode | Stage::PanicEncode => TaskErrorKind::Panicked,
            Stage::UnknownTask | Stage::DecodeArgs => TaskErrorKind::DecodeArgs,
            Stage::EncodeResult => TaskErrorKind::EncodeResult,
            Stage::TooLarge { .. } => TaskErrorKind::TooLarge,
            Stage::Start => TaskErrorKind::Broken,
            Stage::NoState => TaskErrorKind::InvalidOption,
        };
        let during = match failure.stage {
            Stage::PanicDecode => Some("decoding the arguments of"),
            Stage::PanicEncode => Some("encoding the result of"),
            _ => None,
        };
        let error = TaskError::new(kind, name);
        match (kind, failure.stage) {
            (TaskErrorKind::Panicked, _) => {
                let error = error.with_panic(PanicReport::from_failure(failure));
                during.map_or(error.clone(), |during| error.with_detail(during))
            }
            (TaskErrorKind::TooLarge, Stage::TooLarge { size, limit }) => error.with_detail(
                format!("the result takes {size} bytes, the limit is {limit} bytes"),
            ),
            _ => error.with_detail(failure.message),
        }
    }

    fn set(mut self, change: impl FnOnce(&mut Facts)) -> TaskError {
        change(Arc::make_mut(&mut self.facts));
        self
    }

    /// Sets the task's id.
    #[doc(hidden)]
    #[must_use]
    pub fn with_id(self, id: TaskId) -> TaskError {
        self.set(|facts| facts.id = Some(id))
    }

    /// Sets the item's index within its map.
    #[doc(hidden)]
    #[must_use]
    pub fn with_item(self, item: usize) -> TaskError {
        self.set(|facts| facts.item = Some(item))
    }

    /// Sets how many times it was tried.
    #[doc(hidden)]
    #[must_use]
    pub fn with_attempts(self, attempts: u32) -> TaskError {
        self.set(|facts| facts.attempts = attempts)
    }

    /// Sets the panic behind it.
    #[doc(hidden)]
    #[must_use]
    pub fn with_panic(self, panic: PanicReport) -> TaskError {
        self.set(|facts| facts.panic = Some(panic))
    }

    /// Sets the death behind it.
    #[doc(hidden)]
    #[must_use]
    pub fn with_death(self, death: WorkerDeath) -> TaskError {
        self.set(|facts| facts.death = Some(death))
    }

    /// Sets the cause in words.
    #[doc(hidden)]
    #[must_use]
    pub fn with_detail(self, detail: impl Into<String>) -> TaskError {
        self.set(|facts| facts.detail = Some(detail.into()))
    }

    /// Sets the time limit it exceeded and the time it ran.
    #[doc(hidden)]
    #[must_use]
    pub fn with_times(self, limit: Duration, ran: Duration) -> TaskError {
        self.set(|facts| facts.times = Some((limit, ran)))
    }

    /// Sets the text of the arguments.
    #[doc(hidden)]
    #[must_use]
    pub fn with_args(self, args: String) -> TaskError {
        self.set(|facts| facts.args = Some(args))
    }

    /// Why the call did not return its value.
    #[must_use]
    pub fn kind(&self) -> TaskErrorKind {
        self.facts.kind
    }

    /// The path of the function, as the compiler names it.
    #[must_use]
    pub fn task_name(&self) -> &str {
        &self.facts.task_name
    }

    /// The task's id within its pool; `None` for a process of its own and for a task that was never accepted.
    #[must_use]
    pub fn task_id(&self) -> Option<TaskId> {
        self.facts.id
    }

    /// How many times it was tried: 1 unless retries were asked for. What was cancelled or terminated was at its last
    /// attempt, or waited for it.
    #[must_use]
    pub fn attempts(&self) -> u32 {
        self.facts.attempts
    }

    /// The item's index within its map, counted from 0; `None` for a call of its own.
    #[must_use]
    pub fn item(&self) -> Option<usize> {
        self.facts.item
    }

    /// The arguments as text, cut to 200 characters; `None` unless the call was told to describe them
    /// (`Call::describe_args` of a pool).
    #[must_use]
    pub fn args(&self) -> Option<&str> {
        self.facts.args.as_deref()
    }

    /// The time limit it exceeded; `None` unless its kind is `TimedOut`.
    #[must_use]
    pub fn time_limit(&self) -> Option<Duration> {
        self.facts.times.map(|(limit, _)| limit)
    }

    /// How long it had run when its limit was found exceeded, or its process had died.
    #[must_use]
    pub fn ran_for(&self) -> Option<Duration> {
        let died = || self.facts.death.as_ref()?.ran_for();
        self.facts.times.map(|(_, ran)| ran).or_else(died)
    }

    /// The panic behind it, if one was.
    #[must_use]
    pub fn panic(&self) -> Option<&PanicReport> {
        self.facts.panic.as_ref()
    }

    /// The death behind it, if one was. Both this and [`panic`](TaskError::panic) are set when the program is built with
    /// `panic = "abort"`.
    #[must_use]
    pub fn death(&self) -> Option<&WorkerDeath> {
        self.facts.death.as_ref()
    }
}

impl fmt::Debug for TaskError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TaskError")
            .field("facts", &self.facts)
            .field("text", &self.to_string())
            .finish()
    }
}

impl std::error::Error for TaskError {}
