//! How a child process ended, when it ended without an answer. Never waits for one.

use std::fmt;
use std::time::Duration;

use procession_os::ExitStatus;

/// The end of a child process that had not answered: who it was, how it ended and what it left behind.
///
/// ```no_run
/// # use procession_worker::{Process, init};
/// # fn main() -> Result<(), procession_worker::Error> {
/// # init();
/// let error = Process::spawn(|| -> () { std::process::exit(7) }, ())?.into_result().unwrap_err();
/// let death = error.death().expect("it ended without returning");
/// assert_eq!(death.exit_status().code(), Some(7));
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct WorkerDeath {
    noun: &'static str,
    pid: u32,
    name: String,
    status: ExitStatus,
    ran_for: Option<Duration>,
    last_words: Option<String>,
    stderr_tail: Option<String>,
    hint: Option<String>,
}

impl WorkerDeath {
    /// A death of the worker `pid`, called `name`; `ran_for` is how long it had been at the task.
    #[doc(hidden)]
    #[must_use]
    pub fn new(
        pid: u32,
        name: String,
        status: ExitStatus,
        ran_for: Option<Duration>,
    ) -> WorkerDeath {
        WorkerDeath {
            noun: "worker",
            pid,
            name,
            status,
            ran_for,
            last_words: None,
            stderr_tail: None,
            hint: None,
        }
    }

    /// Calls it a process, not a worker, in the text.
    #[doc(hidden)]
    #[must_use]
    pub fn of_process(self) -> WorkerDeath {
        WorkerDeath {
            noun: "process",
            ..self
        }
    }

    /// What the child said just before it ended ("stack overflow", a panic message).
    #[doc(hidden)]
    #[must_use]
    pub fn with_last_words(self, words: String) -> WorkerDeath {
        WorkerDeath {
            last_words: Some(words),
            ..self
        }
    }

    /// The last lines of its captured stderr.
    #[doc(hidden)]
    #[must_use]
    pub fn with_stderr_tail(self, tail: String) -> WorkerDeath {
        WorkerDeath {
            stderr_tail: Some(tail),
            ..self
        }
    }

    /// What may have caused it, or what to do about it.
    #[doc(hidden)]
    #[must_use]
    pub fn with_hint(self, hint: String) -> WorkerDeath {
        WorkerDeath {
            hint: Some(hint),
            ..self
        }
    }

    /// The process id it had. The number may belong to another process by now.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// The name it had: `Process-1`, or the one given to it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its exit code or signal; unknown when somebody else collected the status and the kernel keeps no copy.
    #[must_use]
    pub fn exit_status(&self) -> ExitStatus {
        self.status
    }

    /// How long it had been at the task when its end was noticed; `None` when it had not begun one.
    #[must_use]
    pub fn ran_for(&self) -> Option<Duration> {
        self.ran_for
    }

    /// What it said just before it ended ("stack overflow", the message of a panic that aborts); `None` when nothing.
    #[must_use]
    pub fn last_words(&self) -> Option<&str> {
        self.last_words.as_deref()
    }

    /// The last lines of its stderr; `None` unless its stderr was captured for this purpose.
    #[must_use]
    pub fn stderr_tail(&self) -> Option<&str> {
        self.stderr_tail.as_deref()
    }

    /// The end of a sentence: the last lines of its stderr, if they were captured.
    #[doc(hidden)]
    #[must_use]
    pub fn last_lines(&self) -> String {
        match self.stderr_tail() {
            Some(tail) if !tail.trim().is_empty() => {
                format!("; its last lines on stderr:\n{}", tail.trim_end())
            }
            Some(_) | None => String::new(),
        }
    }

    /// What may have caused it or what to do about it; `None` when there is nothing to say.
    #[must_use]
    pub fn hint(&self) -> Option<&str> {
        self.hint.as_deref()
    }
}

/// `worker 17 ("pool-1/3") was killed by SIGSEGV (11)`, `process 17 ("Process-1") exited with code 7`.
impl fmt::Display for WorkerDeath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} ({:?}) ", self.noun, self.pid, self.name)?;
        if let Some(code) = self.status.code() {
            return write!(f, "exited with code {code}");
        }
        let Some(signal) = self.status.signal() else {
            return write!(f, "ended with {}", self.status);
        };
        match procession_os::signal_name(signal) {
            Some(name) => write!(f, "was killed by {name} ({signal})")?,
            None => write!(f, "was killed by signal {signal}")?,
        }
        if self.status.core_dumped() {
            f.write_str(", core dumped")
        } else {
            Ok(())
        }
    }
}
