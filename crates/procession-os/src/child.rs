//! One child process behind its pidfd: wait, signal, reap exactly once. It never acts on a process number that could mean
//! another process by then.
//!
//! # Facts the waits stand on
//! 1. The pidfd is readable from the moment the process is a zombie, whoever collects it, so a wait polls the pidfd and
//!    holds no lock while it sleeps.
//! 2. Collecting happens under the lock of `ended`, once: whoever comes later reads the stored status.
//! 3. `ECHILD` from `waitid` on our own child's pidfd means that someone else collected it (a foreign `waitpid(-1)`, or
//!    the kernel because SIGCHLD is ignored). The kernel then keeps the status in the pidfd (Linux 6.15); it appears there
//!    a moment after the pidfd became readable.
//! 4. In a forked copy of the host, `ECHILD` would only mean "not mine". The handle remembers its owner and refuses first.

mod collect;

use std::fmt;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::process::{
    Pid, PidfdFlags, WaitId, WaitIdOptions, kill_process_group, pidfd_open, pidfd_send_signal,
    waitid,
};

use crate::error::Context;
use crate::status::ExitStatus;
use crate::sys;
use crate::{Error, Result, abandoned};

pub use rustix::process::Signal;

/// Between two looks at a process that has ended but whose debugger has not let go of it.
const DEBUGGER_PAUSE: Duration = Duration::from_millis(1);

/// A child process, owned: the handle reaps it, exactly once, and nothing else needs to.
///
/// All methods take `&self`; any number of threads may wait, signal and poll at once. [`AsFd`] gives the pidfd, readable
/// when the process has ended. Dropping the handle of a running process leaves it running; it is reaped at one of the next
/// starts (see [`Spawn::start`](crate::Spawn::start)) or drops after its end.
///
/// ```
/// use procession_os::{Child, Signal};
///
/// let sleeper = std::process::Command::new("sleep").arg("60").spawn()?;
/// let child = Child::adopt(sleeper.id())?;
/// assert_eq!(child.try_wait()?, None);
/// child.signal(Signal::TERM)?;
/// assert_eq!(child.wait()?.to_string(), "signal SIGTERM (15)");
/// assert_eq!(child.try_wait()?, Some(child.wait()?)); // the status stays
/// child.kill()?; // no harm: it has ended
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Child {
    pid: Pid,
    pidfd: OwnedFd,
    owner: u32,
    ended: Mutex<Option<ExitStatus>>,
}

impl Child {
    /// Takes over a child of this process by its number, which must not have been waited for.
    ///
    /// An error when there is no such process, when it is not a child of this process, or when no descriptor is left. On
    /// an error the process is as it was.
    ///
    /// ```
    /// let error = procession_os::Child::adopt(1).unwrap_err();
    /// assert!(error.to_string().starts_with("process 1 is not a child of this process"));
    /// ```
    pub fn adopt(pid: u32) -> Result<Child> {
        let number = i32::try_from(pid).ok().and_then(Pid::from_raw);
        let Some(number) = number else {
            return Err(Error::message(format!("{pid} is no process number")));
        };
        let pidfd = pidfd_open(number, PidfdFlags::empty())
            .context(|| format!("cannot open a pidfd for process {pid} (pidfd_open)"))?;
        let look = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        match rustix::io::retry_on_intr(|| waitid(WaitId::PidFd(pidfd.as_fd()), look)) {
            Ok(_) => Ok(Child {
                pid: number,
                pidfd,
                owner: std::process::id(),
                ended: Mutex::new(None),
            }),
            Err(Errno::CHILD) => Err(Error::new(
                format!("process {pid} is not a child of this process, or no longer (waitid)"),
                Errno::CHILD,
            )),
            Err(errno) => Err(Error::new(
                format!("cannot look at process {pid} (waitid)"),
                errno,
            )),
        }
    }

    /// The process number. Good for messages; to act on the process use this handle.
    ///
    /// ```
    /// # let started = std::process::Command::new("true").spawn()?;
    /// let child = procession_os::Child::adopt(started.id())?;
    /// assert_eq!(child.pid(), started.id());
    /// # child.wait()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn pid(&self) -> u32 {
        self.pid.as_raw_nonzero().get().unsigned_abs()
    }

    /// The status if the process has ended, `None` while it runs. Never blocks.
    ///
    /// An error only in a forked copy of the process that owns the handle.
    ///
    /// ```
    /// # let started = std::process::Command::new("sleep").arg("60").spawn()?;
    /// let child = procession_os::Child::adopt(started.id())?;
    /// assert_eq!(child.try_wait()?, None);
    /// # child.kill()?; child.wait()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn try_wait(&self) -> Result<Option<ExitStatus>> {
        self.check_owner()?;
        let mut ended = self.lock();
        if ended.is_none() {
            *ended = collect::collect(self.pidfd.as_fd(), self.pid())?;
        }
        Ok(*ended)
    }

    /// Blocks until the process has ended. Several threads may wait; all get the same status.
    ///
    /// An error only in a forked copy of the process that owns the handle.
    ///
    /// ```
    /// # let started = std::process::Command::new("sh").args(["-c", "exit 7"]).spawn()?;
    /// let child = procession_os::Child::adopt(started.id())?;
    /// assert_eq!(child.wait()?.code(), Some(7));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn wait(&self) -> Result<ExitStatus> {
        loop {
            if let Some(status) = self.wait_deadline(None)? {
                return Ok(status);
            }
        }
    }

    /// Blocks until the process has ended or the deadline has passed; `None` means that it still runs. Looks at least
    /// once, also when the deadline lies in the past; without a deadline it waits for ever.
    ///
    /// An error only in a forked copy of the process that owns the handle.
    ///
    /// ```
    /// # use std::time::{Duration, Instant};
    /// # let started = std::process::Command::new("sleep").arg("60").spawn()?;
    /// let child = procession_os::Child::adopt(started.id())?;
    /// let soon = Instant::now() + Duration::from_millis(10);
    /// assert_eq!(child.wait_deadline(Some(soon))?, None);
    /// child.kill()?;
    /// assert_eq!(child.wait_deadline(None)?.unwrap().signal(), Some(9));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn wait_deadline(&self, deadline: Option<Instant>) -> Result<Option<ExitStatus>> {
        loop {
            if let Some(status) = self.try_wait()? {
                return Ok(Some(status));
            }
            let left = match deadline {
                None => None,
                Some(deadline) => match deadline.checked_duration_since(Instant::now()) {
                    Some(left) if !left.is_zero() => Some(left),
                    _ => return Ok(None),
                },
            };
            if collect::poll_ended(self.pidfd.as_fd(), self.pid(), left)?
                && self.try_wait()?.is_none()
            {
                // Ended, but a debugger that traces it has to let go of it before its parent can collect it. That is no
                // event of a pidfd (its collection is): look again after a millisecond.
                let left = left.unwrap_or(DEBUGGER_PAUSE).min(DEBUGGER_PAUSE);
                collect::poll_collected(self.pidfd.as_fd(), left);
            }
        }
    }

    /// Sends a signal through the pidfd. `Ok` when the process has already ended: it can reach no other process.
    ///
    /// An error when the kernel forbids it (the process changed its user), and in a forked copy of the owner.
    ///
    /// ```
    /// # use procession_os::{Child, Signal};
    /// # let started = std::process::Command::new("sleep").arg("60").spawn()?;
    /// let child = Child::adopt(started.id())?;
    /// child.signal(Signal::TERM)?;
    /// assert_eq!(child.wait()?.signal(), Some(15));
    /// child.signal(Signal::TERM)?; // ended: nothing to do
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn signal(&self, signal: Signal) -> Result<()> {
        self.check_owner()?;
        match pidfd_send_signal(&self.pidfd, signal) {
            Ok(()) | Err(Errno::SRCH) => Ok(()),
            Err(errno) => Err(Error::new(
                format!(
                    "cannot send signal {} to process {} (pidfd_send_signal)",
                    signal.as_raw(),
                    self.pid()
                ),
                errno,
            )),
        }
    }

    /// Sends SIGKILL: a stopped or signal-blocking process ends as well. Returns before it has ended.
    ///
    /// Ends as [`signal`](Child::signal) does.
    ///
    /// ```
    /// # let started = std::process::Command::new("sleep").arg("60").spawn()?;
    /// let child = procession_os::Child::adopt(started.id())?;
    /// child.kill()?;
    /// assert_eq!(child.wait()?.to_string(), "signal SIGKILL (9)");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn kill(&self) -> Result<()> {
        self.signal(Signal::KILL)
    }

    /// Sends SIGKILL to every process of the group this process leads. `Ok` when there is none, also when the process
    /// leads no group.
    ///
    /// Since Linux 6.9 it reaches the group through the pidfd, so also what is left of it after the leader has ended and
    /// was reaped. Before, it does nothing after the leader was reaped: there the group's number may mean another group.
    ///
    /// ```
    /// # use std::os::unix::process::CommandExt;
    /// # let started = std::process::Command::new("sleep").arg("60").process_group(0).spawn()?;
    /// let child = procession_os::Child::adopt(started.id())?;
    /// child.kill_group()?;
    /// assert_eq!(child.wait()?.signal(), Some(9));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn kill_group(&self) -> Result<()> {
        self.check_owner()?;
        // Held: as long as `ended` is empty nobody here reaps, so the number stays the leader's for the fallback.
        let ended = self.lock();
        let outcome = match sys::signal_group(self.pidfd.as_fd(), Signal::KILL.as_raw()) {
            Err(Errno::INVAL | Errno::NOSYS) if ended.is_none() => {
                kill_process_group(self.pid, Signal::KILL)
            }
            Err(Errno::INVAL | Errno::NOSYS) => Ok(()),
            other => other,
        };
        match outcome {
            Ok(()) | Err(Errno::SRCH) => Ok(()),
            Err(errno) => Err(Error::new(
                format!("cannot kill the process group of process {}", self.pid()),
                errno,
            )),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<ExitStatus>> {
        self.ended.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn check_owner(&self) -> Result<()> {
        if self.owner == std::process::id() {
            return Ok(());
        }
        Err(Error::message(format!(
            "process {} is a child of process {}; this is a forked copy of it and may not touch it",
            self.pid(),
            self.owner
        )))
    }
}

impl AsFd for Child {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.pidfd.as_fd()
    }
}

impl fmt::Debug for Child {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Child")
            .field("pid", &self.pid())
            .field("ended", &*self.lock())
            .finish()
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        let ended = self.ended.get_mut().unwrap_or_else(PoisonError::into_inner);
        if ended.is_none() && self.owner == std::process::id() {
            abandoned::reap_or_keep(&self.pidfd);
        }
    }
}
