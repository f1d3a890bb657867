//! The end of a worker: signals, the exit status, and the story for the error of what it was running.

use std::time::Duration;

use procession_os::FatalNote;
use procession_os::child::Signal;
use procession_os::status::ExitStatus;
use procession_task::codec::{self, Limits};
use procession_task::failure::{Failure, Stage};

use super::{Worker, now_ns};
use crate::boot::{EXIT_BUILD, EXIT_NO_INIT};
use crate::error::{Error, WorkerDeath};
use crate::{hold, link};

/// `PF_EXITING` among the flags in `/proc/<pid>/stat`.
const EXITING: u64 = 4;

impl Worker {
    /// The story of this worker's end, after its status is known.
    pub fn death(&self, status: ExitStatus, while_running: bool) -> WorkerDeath {
        let started = self.layout.get(link::STARTED_NS);
        let ran_for = (while_running && started > 0)
            .then(|| Duration::from_nanos(now_ns().saturating_sub(started)));
        let death = WorkerDeath::new(self.pid(), self.name.to_string(), status, ran_for);
        if let Some(limit) = hold::exceeded(&self.limits, &self.layout, status, self.spent) {
            return death.with_hint(limit);
        }
        match (self.fatal_note(), status.signal()) {
            (Some(note), _) => death.with_last_words(note),
            (None, Some(signo)) => match self.hint_of(signo) {
                Some(hint) => death.with_hint(hint),
                None => death,
            },
            (None, None) => death,
        }
    }

    /// What the signal of a death suggests when the worker left no note of it.
    fn hint_of(&self, signo: i32) -> Option<String> {
        if signo == Signal::KILL.as_raw() {
            let known = if self.told_to_end {
                None
            } else {
                hold::memory_killer()
            };
            let guess = "if nobody sent it, the kernel did for want of memory (see dmesg)";
            Some(known.unwrap_or_else(|| guess.into()))
        } else if signo == Signal::SEGV.as_raw() {
            // The handler that leaves the note needs a stack of its own, which only the runtime's threads have.
            Some("it could leave no note of the fault, as when a thread's stack overflows".into())
        } else {
            None
        }
    }

    /// The panic a worker wrote down before it aborted; none when it ended otherwise: that panic was caught.
    pub fn last_panic(&self, status: ExitStatus) -> Option<Failure> {
        if status.signal() != Some(Signal::ABORT.as_raw()) {
            return None;
        }
        let bytes = self.layout.last_words()?;
        let failure: Failure = codec::decode(&bytes, &Limits::default()).ok()?;
        matches!(
            failure.stage,
            Stage::Run | Stage::PanicDecode | Stage::PanicEncode
        )
        .then_some(failure)
    }

    /// How long ago it was told to end in good order; `None` when it was not, has no exit hook, or has said what that returned.
    pub fn exit_due_for(&self) -> Option<Duration> {
        let told = self.exit_due?;
        Some(Duration::from_nanos(now_ns().saturating_sub(told)))
    }

    /// What its exit hook returns is not waited for; true when it was.
    pub fn forget_exit(&mut self) -> bool {
        self.exit_due.take().is_some()
    }

    fn fatal_note(&self) -> Option<String> {
        let words = self
            .layout
            .header
            .sub(link::FATAL_NOTE, link::FATAL_NOTE_WORDS);
        let note = FatalNote::read(&words)?;
        let name = procession_os::signal_name(note.signo).unwrap_or("a signal");
        Some(if note.code <= 0 {
            format!("{name} was sent by a process")
        } else if note.near_stack_pointer {
            format!("stack overflow ({name} at the end of the stack)")
        } else {
            format!("{name} at address {:#x}", note.address)
        })
    }

    /// Sends SIGTERM; nothing happens when it has ended.
    pub fn terminate(&self) {
        let _ = self.child.signal(Signal::TERM);
    }

    /// Collects the exit status, once the worker has ended.
    ///
    /// # Errors
    /// When the kernel does not answer; the worker is then still there.
    pub fn reap(&mut self) -> Result<Option<ExitStatus>, Error> {
        if self.limits.cpu_seconds.is_some() {
            // Gone with the status.
            self.spent = procession_os::hold::processor_time(self.pid());
        }
        self.child
            .try_wait()
            .map_err(|e| Error::os(format!("reap worker {}", self.name), e))
    }

    /// Whether the kernel is ending the process: it closes the descriptors first and tells the pidfd last.
    ///
    /// False also where `/proc` does not say.
    pub fn is_ending(&self) -> bool {
        self.stat(6)
            .and_then(|flags| flags.parse().ok())
            .is_some_and(|flags: u64| flags & EXITING != 0)
    }

    /// As [`is_stopped`] of the process, whose number is its own: it is not reaped.
    pub fn is_stopped(&self) -> bool {
        is_stopped(self.pid())
    }

    fn stat(&self, field: usize) -> Option<String> {
        // The number is the worker's: it is not reaped.
        stat(self.pid(), field)
    }

    /// Kills the worker and its process group.
    pub fn kill(&mut self) {
        self.told_to_end = true;
        let _ = self.child.kill_group();
        let _ = self.child.kill();
    }
}

/// Whether somebody has stopped the process of this number, by a signal or a debugger. False also where `/proc` does not say.
pub fn is_stopped(pid: u32) -> bool {
    stat(pid, 0).is_some_and(|state| state == "T" || state == "t")
}

/// A field of a process's state as the kernel tells it, counted from the first after its name.
fn stat(pid: u32, field: usize) -> Option<String> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, after_name) = stat.rsplit_once(')')?;
    after_name.split_whitespace().nth(field).map(String::from)
}

/// Why a worker ended that had not said that it is ready, as far as its exit code tells.
pub fn why_not_ready(status: ExitStatus) -> &'static str {
    match status.code() {
        Some(EXIT_NO_INIT) => {
            "it reached main without procession::init(), which must be the first line of main"
        }
        Some(EXIT_BUILD) => "it is another build of the program than its parent",
        Some(_) | None => "it ended before it was ready",
    }
}
