//! The end of a process as its handle sees it: the result, the drop, the fork guard. Never blocks except in `into_result`.

use std::fmt;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::time::Duration;

use serde::de::DeserializeOwned;

use super::outcome::Ended;
use super::{Process, detached};
use crate::error::{Error, TaskError, TaskErrorKind, WorkerDeath};

impl<R: DeserializeOwned> Process<R> {
    /// Waits until it has ended and returns what the function returned. Works the same after [`join`](Process::join).
    ///
    /// A value that was handed over counts, however the process ended afterwards.
    ///
    /// # Errors
    /// * [`TaskErrorKind::Panicked`]: the function panicked; [`TaskError::panic`] has message and location
    /// * [`TaskErrorKind::WorkerDied`]: the process ended without a value; [`TaskError::death`] has pid, name and status
    /// * [`TaskErrorKind::DecodeArgs`]: the arguments could not be decoded there
    /// * [`TaskErrorKind::EncodeResult`], [`DecodeResult`](TaskErrorKind::DecodeResult): the value could not be handed over
    /// * [`TaskErrorKind::TooLarge`]: the value is larger than [`result_limit`](super::ProcessBuilder::result_limit)
    /// * [`TaskErrorKind::Broken`]: the process never got to the function
    /// * [`TaskErrorKind::Protocol`]: it said something that makes no sense
    /// * [`TaskErrorKind::Spawn`]: it cannot be waited for, or this is a forked copy of the program
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use procession_worker::{Process, TaskErrorKind, init};
    /// # init();
    /// assert_eq!(Process::spawn(|| vec![1, 2, 3], ())?.into_result()?, [1, 2, 3]);
    ///
    /// let error = Process::spawn(|| -> u8 { std::process::exit(0) }, ())?.into_result().unwrap_err();
    /// assert_eq!(error.kind(), TaskErrorKind::WorkerDied);
    /// assert!(error.to_string().contains("exited with code 0 before returning a result"));
    /// # Ok(()) }
    /// ```
    ///
    /// There is one value, so it can be taken once:
    ///
    /// ```compile_fail,E0382
    /// # use procession_worker::Process;
    /// # let process: Process<u8> = Process::spawn(|| 1, ()).unwrap();
    /// let value = process.into_result();
    /// process.join(); // the handle is gone
    /// ```
    pub fn into_result(self) -> Result<R, TaskError> {
        let cannot_wait = |error: Error| {
            TaskError::new(TaskErrorKind::Spawn, self.task_name).with_detail(error.to_string())
        };
        let status = self.join().map_err(cannot_wait)?;
        let ran_for = self.ran_for.get().copied();
        let death = WorkerDeath::new(self.pid(), self.name.clone(), status, ran_for).of_process();
        let ended = Ended {
            control: &self.control,
            nonce: self.nonce,
            task_name: self.task_name,
            status,
            death,
            max_result: self.max_result,
        };
        ended.outcome()
    }
}

impl<R> Process<R> {
    pub(super) fn owned(&self) -> Result<(), Error> {
        if self.owner == std::process::id() {
            Ok(())
        } else {
            Err(Error::forked(self.owner))
        }
    }

    pub(super) fn cannot(&self, verb: &str, cause: procession_os::Error) -> Error {
        Error::os(
            format!("cannot {verb} process {} ({:?})", self.pid(), self.name),
            cause,
        )
    }

    pub(super) fn note_end(&self) {
        let _: &Duration = self.ran_for.get_or_init(|| self.started.elapsed());
    }
}

/// Readable once the process has ended: for `poll`, epoll and the event loops built on them.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # use procession_worker::{Process, init};
/// # use rustix::event::{PollFd, PollFlags, poll};
/// # init();
/// let process = Process::spawn(|| (), ())?;
/// let ready = poll(&mut [PollFd::new(&process, PollFlags::IN)], None)?;
/// assert_eq!(ready, 1);
/// assert!(!process.is_alive());
/// # Ok(()) }
/// ```
impl<R> AsFd for Process<R> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.child.as_fd()
    }
}

/// Leaves a running process running; its end is still reaped. Never blocks.
impl<R> Drop for Process<R> {
    fn drop(&mut self) {
        // A forked copy has no right to reap, and its locks may be held by threads it does not have.
        if self.owned().is_err() || matches!(self.child.try_wait(), Ok(Some(_))) {
            return;
        }
        detached::adopt(Arc::clone(&self.child), Arc::clone(&self.control));
    }
}

impl<R> fmt::Debug for Process<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Process")
            .field("name", &self.name)
            .field("pid", &self.pid())
            .field("task", &self.task_name)
            .field("alive", &self.is_alive())
            .finish_non_exhaustive()
    }
}
