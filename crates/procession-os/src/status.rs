//! How a process ended, in words a user can act on. It never asks the kernel anything.

use std::fmt;

/// How a process ended: by itself, by a signal, or in a way nobody can tell any more.
///
/// "Lost" happens only when something else in the host collected the status first (SIGCHLD ignored, or a foreign
/// `waitpid(-1)`) and the kernel is older than 6.15.
///
/// ```
/// use procession_os::ExitStatus;
///
/// assert_eq!(ExitStatus::exited(7).to_string(), "exit code 7");
/// assert_eq!(ExitStatus::signaled(11, false).to_string(), "signal SIGSEGV (11)");
/// assert_eq!(ExitStatus::signaled(6, true).to_string(), "signal SIGABRT (6), core dumped");
/// assert_eq!(ExitStatus::lost().to_string(), "unknown status (collected by someone else)");
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct ExitStatus(How);

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum How {
    Exited(i32),
    Signaled { signo: i32, core: bool },
    Lost,
}

impl ExitStatus {
    /// Ended by itself with this code (0 to 255).
    ///
    /// ```
    /// assert_eq!(procession_os::ExitStatus::exited(7).code(), Some(7));
    /// ```
    pub const fn exited(code: i32) -> Self {
        ExitStatus(How::Exited(code))
    }

    /// Ended by this signal; `core` says that a core file was written.
    ///
    /// ```
    /// assert_eq!(procession_os::ExitStatus::signaled(9, false).signal(), Some(9));
    /// ```
    pub const fn signaled(signo: i32, core: bool) -> Self {
        ExitStatus(How::Signaled { signo, core })
    }

    /// Ended, and the status went to someone else.
    ///
    /// ```
    /// assert!(!procession_os::ExitStatus::lost().is_known());
    /// ```
    pub const fn lost() -> Self {
        ExitStatus(How::Lost)
    }

    /// Decodes the `wait` status word (`exit_code` of `PIDFD_GET_INFO` has the same form).
    pub(crate) const fn from_wait_word(word: i32) -> Self {
        let signo = word & 0x7f;
        if signo == 0 {
            Self::exited((word >> 8) & 0xff)
        } else {
            Self::signaled(signo, word & 0x80 != 0)
        }
    }

    /// The exit code, if the process ended by itself.
    ///
    /// ```
    /// use procession_os::ExitStatus;
    /// assert_eq!(ExitStatus::exited(0).code(), Some(0));
    /// assert_eq!(ExitStatus::signaled(9, false).code(), None);
    /// ```
    pub fn code(&self) -> Option<i32> {
        match self.0 {
            How::Exited(code) => Some(code),
            How::Signaled { .. } | How::Lost => None,
        }
    }

    /// The signal's number, if a signal ended the process.
    ///
    /// ```
    /// use procession_os::ExitStatus;
    /// assert_eq!(ExitStatus::signaled(15, false).signal(), Some(15));
    /// assert_eq!(ExitStatus::exited(15).signal(), None);
    /// ```
    pub fn signal(&self) -> Option<i32> {
        match self.0 {
            How::Signaled { signo, .. } => Some(signo),
            How::Exited(_) | How::Lost => None,
        }
    }

    /// Whether the process ended by itself with code 0. A lost status is no success.
    ///
    /// ```
    /// use procession_os::ExitStatus;
    /// assert!(ExitStatus::exited(0).success());
    /// assert!(!ExitStatus::exited(1).success());
    /// assert!(!ExitStatus::lost().success());
    /// ```
    pub fn success(&self) -> bool {
        self.code() == Some(0)
    }

    /// Whether the kernel says that it wrote a core file.
    ///
    /// ```
    /// assert!(procession_os::ExitStatus::signaled(6, true).core_dumped());
    /// ```
    pub fn core_dumped(&self) -> bool {
        matches!(self.0, How::Signaled { core: true, .. })
    }

    /// Whether the status was seen at all.
    ///
    /// ```
    /// assert!(procession_os::ExitStatus::exited(3).is_known());
    /// ```
    pub fn is_known(&self) -> bool {
        self.0 != How::Lost
    }
}

impl fmt::Display for ExitStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            How::Exited(code) => write!(f, "exit code {code}"),
            How::Signaled { signo, core } => {
                match signal_name(signo) {
                    Some(name) => write!(f, "signal {name} ({signo})")?,
                    None => write!(f, "signal {signo}")?,
                }
                if core {
                    f.write_str(", core dumped")
                } else {
                    Ok(())
                }
            }
            How::Lost => f.write_str("unknown status (collected by someone else)"),
        }
    }
}

impl fmt::Debug for ExitStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ExitStatus({self})")
    }
}

/// The signals' names by number, as Linux numbers them on every architecture this crate is built for.
const NAMES: [&str; 31] = [
    "SIGHUP",
    "SIGINT",
    "SIGQUIT",
    "SIGILL",
    "SIGTRAP",
    "SIGABRT",
    "SIGBUS",
    "SIGFPE",
    "SIGKILL",
    "SIGUSR1",
    "SIGSEGV",
    "SIGUSR2",
    "SIGPIPE",
    "SIGALRM",
    "SIGTERM",
    "SIGSTKFLT",
    "SIGCHLD",
    "SIGCONT",
    "SIGSTOP",
    "SIGTSTP",
    "SIGTTIN",
    "SIGTTOU",
    "SIGURG",
    "SIGXCPU",
    "SIGXFSZ",
    "SIGVTALRM",
    "SIGPROF",
    "SIGWINCH",
    "SIGIO",
    "SIGPWR",
    "SIGSYS",
];

/// The name of a signal: `"SIGSEGV"` for 11. `None` for a number that is no standard signal (real-time ones included).
///
/// ```
/// use procession_os::signal_name;
///
/// assert_eq!(signal_name(11), Some("SIGSEGV"));
/// assert_eq!(signal_name(31), Some("SIGSYS"));
/// assert_eq!(signal_name(0), None);
/// assert_eq!(signal_name(34), None);
/// ```
pub fn signal_name(signo: i32) -> Option<&'static str> {
    let index = usize::try_from(signo).ok()?.checked_sub(1)?;
    NAMES.get(index).copied()
}
