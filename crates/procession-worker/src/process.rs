//! One function in one process of its own: the handle in the parent. It never blocks except where its documentation says so.

mod builder;
mod control;
mod detached;
mod lifecycle;
mod outcome;
pub(crate) mod registry;

use std::marker::PhantomData;
use std::os::fd::AsFd;
use std::process::{ChildStderr, ChildStdout};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use procession_os::ExitStatus;
use procession_os::child::Child;
use procession_os::socket::Socket;
use procession_task::task::{Arguments, Task};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

pub use builder::ProcessBuilder;

use crate::error::Error;

/// A function running in a process of its own; `R` is what it returns.
///
/// The handle owns two descriptors and can be used from several threads at once. The process ends with the function:
///
/// | the function | exit status | [`into_result`](Process::into_result) |
/// |---|---|---|
/// | returns a value | code 0 | the value |
/// | returns `Err` | code 1, one line on stderr | the value, an `Err` |
/// | panics | code 101, message and location on stderr | [`Panicked`](crate::TaskErrorKind::Panicked) |
/// | calls `exit(n)` | code `n` | [`WorkerDied`](crate::TaskErrorKind::WorkerDied) |
/// | is ended by a signal | that signal | [`WorkerDied`](crate::TaskErrorKind::WorkerDied) |
///
/// As in every Rust program, threads the function started and did not join end with it.
///
/// # Dropping the handle
/// Dropping the handle of a running process leaves the process running, as the standard library's `Child` does. Unlike
/// there it is still reaped when it ends, so it never stays a zombie; and it still ends with its parent, at the latest.
/// Dropping frees the handle's descriptors; those of a running process are kept until it ends.
///
/// # After a fork
/// In a forked copy of the program every method that waits or signals returns an error ([`Error::is_forked`]), and dropping
/// the copy's handle does nothing to the process.
///
/// ```
/// use procession_worker::Process;
///
/// fn greet(name: String, age: u32) -> String {
///     format!("{name} is {age}")
/// }
///
/// fn main() -> Result<(), Box<dyn std::error::Error>> {
///     procession_worker::init();
///     let process = Process::spawn(greet, ("Ada".to_string(), 36))?;
///     assert_eq!(process.name(), "Process-1");
///     assert!(process.join()?.success());
///     assert_eq!(process.into_result()?, "Ada is 36");
///     Ok(())
/// }
/// ```
pub struct Process<R> {
    child: Arc<Child>,
    /// Open as long as this process wants the child to live: its end tells the child that its parent is gone.
    control: Arc<Socket>,
    nonce: u64,
    name: String,
    task_name: &'static str,
    /// The process that made this handle: another pid means a forked copy.
    owner: u32,
    started: Instant,
    /// How long it had run when its end was first noticed.
    ran_for: OnceLock<Duration>,
    max_result: usize,
    stdout: Option<ChildStdout>,
    stderr: Option<ChildStderr>,
    result: PhantomData<fn() -> R>,
}

impl Process<()> {
    /// Options for a process: name, environment, directory, output.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use procession_worker::{Process, current_process, init};
    /// # init();
    /// let process = Process::builder().name("reader").spawn(|| current_process().name().to_owned(), ())?;
    /// assert_eq!(process.into_result()?, "reader");
    /// # Ok(()) }
    /// ```
    pub fn builder() -> ProcessBuilder {
        ProcessBuilder::new()
    }
}

impl<R> Process<R> {
    /// Starts a process that calls `task` with `args` and ends.
    ///
    /// `task` is a function or a closure that captures nothing; `args` is the tuple of its arguments, which are encoded and
    /// dropped before this returns. It returns as soon as the process exists, about a millisecond before the function begins.
    ///
    /// # Errors
    /// * the program did not call `init` ([`Error::is_not_initialized`])
    /// * the arguments cannot be encoded ([`Error::task_error`] tells why)
    /// * the kernel has no process, memory or descriptor to spare ([`Error::raw_os_error`])
    /// * processes are nested 10 deep already ([`Error::is_too_deep`])
    /// * this is a forked copy of the program ([`Error::is_forked`])
    ///
    /// In all of these no process was started and nothing is left behind.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use procession_worker::{Process, init};
    /// # init();
    /// let process = Process::spawn(|a: u32, b: u32| a + b, (1, 2))?;
    /// assert_eq!(process.into_result()?, 3);
    /// # Ok(()) }
    /// ```
    pub fn spawn<F, Args>(task: F, args: Args) -> Result<Process<R>, Error>
    where
        F: Task<Args, Output = R>,
        Args: Arguments,
    {
        ProcessBuilder::new().spawn(task, args)
    }

    /// Its name: the one given to it, or `Process-1`, `Process-2`, …; `Process-1:1` for the first child of `Process-1`.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use procession_worker::{Process, init};
    /// # init();
    /// assert_eq!(Process::spawn(|| (), ())?.name(), "Process-1");
    /// assert_eq!(Process::spawn(|| (), ())?.name(), "Process-2");
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its process id. It stays this process's own until the process has been reaped, which waiting for it does.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use procession_worker::{Process, init};
    /// # init();
    /// let process = Process::spawn(|| std::process::id(), ())?;
    /// let pid = process.pid();
    /// assert_eq!(process.into_result()?, pid);
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.pid()
    }

    /// True until it has ended. Never blocks, and does not reap.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use procession_worker::{Process, init};
    /// # init();
    /// let process = Process::spawn(|| std::thread::park(), ())?;
    /// assert!(process.is_alive());
    /// process.kill()?;
    /// process.join()?;
    /// assert!(!process.is_alive());
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn is_alive(&self) -> bool {
        let mut fds = [PollFd::from_borrowed_fd(self.child.as_fd(), PollFlags::IN)];
        loop {
            match poll(
                &mut fds,
                Some(&Timespec {
                    tv_sec: 0,
                    tv_nsec: 0,
                }),
            ) {
                Ok(ready) => return ready == 0,
                Err(rustix::io::Errno::INTR) => {}
                Err(_) => return !matches!(self.child.try_wait(), Ok(Some(_))),
            }
        }
    }

    /// Waits until it has ended and returns how. Repeatable: the status is kept.
    ///
    /// It never waits for the result to be read: a process with a large result ends all the same.
    /// Do not use it while nobody reads a piped stdout or stderr: a full pipe stops the process.
    ///
    /// # Errors
    /// In a forked copy of the program ([`Error::is_forked`]), or when the kernel refuses to wait.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use procession_worker::{Process, init};
    /// # init();
    /// let process = Process::spawn(|| -> () { std::process::exit(7) }, ())?;
    /// assert_eq!(process.join()?.code(), Some(7));
    /// assert_eq!(process.join()?.code(), Some(7));
    /// # Ok(()) }
    /// ```
    pub fn join(&self) -> Result<ExitStatus, Error> {
        self.owned()?;
        let status = self
            .child
            .wait()
            .map_err(|cause| self.cannot("wait for", cause))?;
        self.note_end();
        Ok(status)
    }

    /// Waits as [`join`](Process::join) does, at most for `timeout`; `None` means that it is still running.
    ///
    /// A zero `timeout` looks once and returns. One too long for the clock waits without limit.
    ///
    /// # Errors
    /// As [`join`](Process::join).
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use procession_worker::{Process, init};
    /// # use std::time::Duration;
    /// # init();
    /// let process = Process::spawn(|| std::thread::park(), ())?;
    /// assert_eq!(process.join_timeout(Duration::from_millis(20))?, None);
    /// process.kill()?;
    /// let status = process.join_timeout(Duration::from_secs(10))?.expect("killed");
    /// assert_eq!(status.to_string(), "signal SIGKILL (9)");
    /// # Ok(()) }
    /// ```
    pub fn join_timeout(&self, timeout: Duration) -> Result<Option<ExitStatus>, Error> {
        match Instant::now().checked_add(timeout) {
            Some(deadline) => self.join_deadline(deadline),
            None => self.join().map(Some),
        }
    }

    /// Waits as [`join`](Process::join) does, at most until `deadline`; `None` means that it is still running.
    ///
    /// A deadline in the past looks once and returns.
    ///
    /// # Errors
    /// As [`join`](Process::join).
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use procession_worker::{Process, init};
    /// # init();
    /// let process = Process::spawn(|| std::thread::park(), ())?;
    /// assert_eq!(process.join_deadline(std::time::Instant::now())?, None);
    /// # process.kill()?;
    /// # Ok(()) }
    /// ```
    pub fn join_deadline(&self, deadline: Instant) -> Result<Option<ExitStatus>, Error> {
        self.owned()?;
        let status = self
            .child
            .wait_deadline(Some(deadline))
            .map_err(|cause| self.cannot("wait for", cause))?;
        if status.is_some() {
            self.note_end();
        }
        Ok(status)
    }

    /// How it ended; `None` while it runs, and in a forked copy of the program. Never blocks.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use procession_worker::{Process, init};
    /// # init();
    /// let process = Process::spawn(|| std::thread::park(), ())?;
    /// assert_eq!(process.exit_status(), None);
    /// process.terminate()?;
    /// process.join()?;
    /// assert_eq!(process.exit_status().and_then(|status| status.signal()), Some(15));
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn exit_status(&self) -> Option<ExitStatus> {
        self.owned().ok()?;
        let status = self.child.try_wait().ok()??;
        self.note_end();
        Some(status)
    }
}
