//! What an ended process has to say: its value, its failure, or only its status. Never waits.

use std::os::fd::AsFd;
use std::panic::{AssertUnwindSafe, catch_unwind};

use procession_os::socket::{Received, Socket};
use procession_os::{ExitStatus, read_all};
use procession_task::codec::{self, Limits};
use procession_task::failure::Failure;
use procession_task::message::{ArgBytes, FromWorker};
use serde::de::DeserializeOwned;

use crate::boot::{EXIT_BUILD, EXIT_NO_INIT};
use crate::error::{TaskError, TaskErrorKind, WorkerDeath};
use crate::start::check_hello;

/// A process says hello, perhaps its last words, and one answer.
const MAX_MESSAGES: usize = 16;

/// The ended process whose words are read.
pub(super) struct Ended<'a> {
    pub(super) control: &'a Socket,
    pub(super) nonce: u64,
    pub(super) task_name: &'static str,
    pub(super) status: ExitStatus,
    pub(super) death: WorkerDeath,
    pub(super) max_result: usize,
}

impl Ended<'_> {
    /// Reads everything the process has sent and makes one outcome of it.
    pub(super) fn outcome<R: DeserializeOwned>(self) -> Result<R, TaskError> {
        let mut hello = false;
        let mut failure = None;
        for _ in 0..MAX_MESSAGES {
            // An error is a connection reset: the process ended before it took its orders.
            let Ok(Some(Received::Packet { bytes, mut fds })) = self.control.try_recv(1) else {
                break;
            };
            match FromWorker::decode(&bytes) {
                Ok(first @ FromWorker::Hello { .. }) => {
                    hello = true;
                    check_hello(&first, self.nonce)
                        .map_err(|error| self.protocol(error.to_string()))?;
                }
                Ok(FromWorker::Returned { value, .. }) => return self.value(value, fds.pop()),
                Ok(FromWorker::Failed(said) | FromWorker::StartFailed(said)) => {
                    failure = Some(said)
                }
                Ok(FromWorker::Ready | FromWorker::Bell | FromWorker::Log(_)) => {
                    return Err(self.protocol("it sent a pool worker's message"));
                }
                Err(error) => return Err(self.protocol(error.to_string())),
            }
        }
        Err(match failure {
            Some(failure) => self.failed(failure),
            None => self.died(hello),
        })
    }

    fn value<R: DeserializeOwned>(
        &self,
        value: ArgBytes,
        fd: Option<std::os::fd::OwnedFd>,
    ) -> Result<R, TaskError> {
        let bytes = match (value, fd) {
            (ArgBytes::Inline(bytes), _) => bytes,
            (ArgBytes::Descriptor, Some(fd)) => read_all(fd.as_fd(), self.max_result as u64)
                .map_err(|error| {
                    self.error(TaskErrorKind::DecodeResult)
                        .with_detail(error.to_string())
                })?,
            (ArgBytes::Descriptor, None) => {
                return Err(self.protocol("the descriptor with the result did not arrive"));
            }
        };
        let limits = Limits {
            max_bytes: self.max_result,
            ..Limits::default()
        };
        // A user's `Deserialize` runs here: its panic is this call's error, not the caller's end.
        let decoded = catch_unwind(AssertUnwindSafe(|| codec::decode(&bytes, &limits)));
        let undecodable = |why: String| self.error(TaskErrorKind::DecodeResult).with_detail(why);
        match decoded {
            Ok(value) => value.map_err(|error| undecodable(error.to_string())),
            Err(payload) => {
                // Its drop may panic as well.
                std::mem::forget(payload);
                Err(undecodable("decoding it panicked".to_owned()))
            }
        }
    }

    fn failed(self, failure: Failure) -> TaskError {
        let error = TaskError::from_failure(self.task_name, failure);
        // Last words before an abort: the status is part of the story.
        if self.status.signal().is_some() {
            error.with_death(self.death)
        } else {
            error
        }
    }

    fn died(self, hello: bool) -> TaskError {
        if hello {
            return self.error(TaskErrorKind::WorkerDied).with_death(self.death);
        }
        match self.status.code() {
            Some(EXIT_NO_INIT) => {
                let why = "its process reached main without procession::init(), which must be the first line of main";
                self.error(TaskErrorKind::Broken)
                    .with_detail(why)
                    .with_death(self.death)
            }
            Some(EXIT_BUILD) => {
                let why = "its process is another build of the program than its parent";
                self.error(TaskErrorKind::Broken)
                    .with_detail(why)
                    .with_death(self.death)
            }
            Some(_) => {
                let hint = "it ended before procession::init() took its orders; is that the first line of main?";
                let death = self.death.clone().with_hint(hint.to_owned());
                self.error(TaskErrorKind::WorkerDied).with_death(death)
            }
            None => self.error(TaskErrorKind::WorkerDied).with_death(self.death),
        }
    }

    fn error(&self, kind: TaskErrorKind) -> TaskError {
        TaskError::new(kind, self.task_name)
    }

    fn protocol(&self, what: impl Into<String>) -> TaskError {
        self.error(TaskErrorKind::Protocol)
            .with_detail(what)
            .with_death(self.death.clone())
    }
}
