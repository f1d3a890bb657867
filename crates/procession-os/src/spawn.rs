//! Starting a child of this process's own image. Every start goes through one thread that never ends; none goes through
//! `fork` with Rust code before the `exec`.
//!
//! # Facts
//! 1. The parent-death signal belongs to the *thread* that started the child: were it the caller's, a child would die with
//!    the caller's thread. The supervisor thread ends only with the process, also when another thread calls `exec`.
//! 2. The supervisor has every signal blocked, so a stop signal cannot catch it inside `posix_spawn`. The child inherits
//!    that mask and unblocks (see [`prologue::reset_signals`](crate::prologue::reset_signals)). SIGCHLD alone is blocked only
//!    if it is in the thread that makes the supervisor: the kernel drops what nobody blocks and nobody handles, but of a
//!    signal that the parent thread blocks it tells another one, whose `epoll_wait` then ends with `EINTR`. And where a host
//!    blocks it in every thread, to wait for it, one thread without it would swallow what belongs to the host.
//! 3. `std::process::Command` uses `posix_spawn`, whose cost does not grow with the parent's memory, as long as `pre_exec`,
//!    `uid`, `gid` and `groups` are not used.
//! 4. A forked copy of the process has no supervisor thread. `OWNER` is written before anything else is touched, so a copy
//!    made at any instant sees a foreign owner, and returns, before it could wait on a lock that nobody will release.

use std::ffi::OsString;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{ChildStderr, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Mutex, PoisonError};
use std::thread;

use rustix::io::Errno;

use crate::error::Context;
use crate::{Child, Error, Result, abandoned, sys};

const IMAGE: &str = "/proc/self/exe";

/// What to start: this process's own image with a control socket as its standard input.
///
/// ```no_run
/// use procession_os::{Socket, Spawn};
///
/// let (socket, control) = Socket::pair()?;
/// let mut spawn = Spawn::own_image(control);
/// spawn.env.push(("MY_ROLE".into(), Some("helper".into())));
/// let started = spawn.start()?;
/// socket.send(b"hello", &[])?;
/// println!("{} ended with {}", started.child.pid(), started.child.wait()?);
/// # Ok::<(), procession_os::Error>(())
/// ```
#[derive(Debug)]
pub struct Spawn {
    /// What the child sees as the name it was called by. Default: this process's own, so `ps` shows the same program.
    pub arg0: OsString,
    /// Variables to set (`Some`) or remove (`None`), applied in order on top of the inherited environment.
    pub env: Vec<(OsString, Option<OsString>)>,
    /// Whether to start from an empty environment instead of the inherited one. Default: no.
    pub env_clear: bool,
    /// The child's working directory. Default: this process's own.
    pub current_dir: Option<PathBuf>,
    /// The child's end of the control socket; it becomes descriptor 0.
    pub control: OwnedFd,
    /// The child's standard output. Default: inherited.
    pub stdout: Stdio,
    /// The child's standard error. Default: inherited.
    pub stderr: Stdio,
}

/// A started child and the pipes that were asked for.
#[derive(Debug)]
pub struct Spawned {
    /// The child; it leads a process group of its own.
    pub child: Child,
    /// The read end, when [`Spawn::stdout`] was `Stdio::piped()`.
    pub stdout: Option<ChildStdout>,
    /// The read end, when [`Spawn::stderr`] was `Stdio::piped()`.
    pub stderr: Option<ChildStderr>,
}

/// A child that is being started; made by [`Spawn::begin`], which has an example.
///
/// Dropped, it changes nothing: the child is started all the same, has no handle, and is collected when another child is
/// started or dropped after its end.
#[derive(Debug)]
#[must_use = "the child has a handle only once `finish` has returned it"]
pub struct Starting {
    answered: Receiver<Result<Spawned>>,
    /// The process that asked: nobody answers in a copy of it.
    owner: u32,
}

impl Starting {
    /// Waits until the child's image has been replaced.
    ///
    /// # Errors
    /// As [`Spawn::start`]; in a forked copy of the process that began, at once.
    ///
    /// ```
    /// # use procession_os::{Socket, Spawn};
    /// let (_socket, control) = Socket::pair()?;
    /// let mut spawn = Spawn::own_image(control);
    /// spawn.env.push(("NUL".into(), Some("\0".into())));
    /// assert!(spawn.begin()?.finish().is_err());
    /// # Ok::<(), procession_os::Error>(())
    /// ```
    pub fn finish(self) -> Result<Spawned> {
        let me = std::process::id();
        if me != self.owner {
            return Err(copy_of(self.owner, me));
        }
        self.answered.recv().map_err(|_| gone())?
    }
}

impl Spawn {
    /// A child of the same image, inheriting environment, directory and both outputs.
    ///
    /// ```
    /// # use procession_os::{Socket, Spawn};
    /// let (_socket, control) = Socket::pair()?;
    /// let spawn = Spawn::own_image(control);
    /// assert!(spawn.env.is_empty() && !spawn.env_clear);
    /// # Ok::<(), procession_os::Error>(())
    /// ```
    pub fn own_image(control: OwnedFd) -> Spawn {
        Spawn {
            arg0: std::env::args_os().next().unwrap_or_else(|| IMAGE.into()),
            env: Vec::new(),
            env_clear: false,
            current_dir: None,
            control,
            stdout: Stdio::inherit(),
            stderr: Stdio::inherit(),
        }
    }

    /// Starts the child and returns once its image has been replaced; also reaps earlier children whose handle is gone.
    ///
    /// The image is `/proc/self/exe`, so it is this very build even when the file was deleted or replaced. The child has
    /// all signals blocked until it runs [`prologue::reset_signals`](crate::prologue::reset_signals), and it must not end
    /// before it has heard from its parent: until the pidfd is open, only that keeps its number from being reused.
    ///
    /// An error when the kernel refuses (no such directory, no processes, memory or descriptors left), when the
    /// environment holds a NUL byte, when the child was gone before its pidfd was open, and in a forked copy of a process
    /// that has already started children.
    ///
    /// ```
    /// # use procession_os::{Socket, Spawn};
    /// let (_socket, control) = Socket::pair()?;
    /// let mut spawn = Spawn::own_image(control);
    /// spawn.current_dir = Some("/no/such/directory".into());
    /// let error = spawn.start().unwrap_err();
    /// assert_eq!(
    ///     error.to_string(),
    ///     "cannot start /proc/self/exe in directory /no/such/directory (posix_spawn): No such file or directory (os error 2)"
    /// );
    /// # Ok::<(), procession_os::Error>(())
    /// ```
    pub fn start(self) -> Result<Spawned> {
        self.begin()?.finish()
    }

    /// Asks for the start and returns at once: what the caller does before it waits for the child costs no time then.
    ///
    /// An error in a forked copy of a process that has already started children, and when the thread that starts children
    /// cannot be started itself. Everything else that [`start`](Spawn::start) may fail with is told by
    /// [`Starting::finish`].
    ///
    /// ```
    /// # use procession_os::{Socket, Spawn};
    /// let (_socket, control) = Socket::pair()?;
    /// let mut spawn = Spawn::own_image(control);
    /// spawn.current_dir = Some("/no/such/directory".into());
    /// let starting = spawn.begin()?;
    /// assert!(starting.finish().unwrap_err().to_string().contains("No such file or directory"));
    /// # Ok::<(), procession_os::Error>(())
    /// ```
    pub fn begin(self) -> Result<Starting> {
        let (answer, answered) = channel();
        supervisor()?
            .send(Request {
                spawn: self,
                answer,
            })
            .map_err(|_| gone())?;
        Ok(Starting {
            answered,
            owner: std::process::id(),
        })
    }

    fn describe(program: &Path, current_dir: Option<&Path>) -> String {
        match current_dir {
            Some(dir) => format!(
                "cannot start {} in directory {} (posix_spawn)",
                program.display(),
                dir.display()
            ),
            None => format!("cannot start {} (posix_spawn)", program.display()),
        }
    }

    /// Runs on the supervisor thread.
    fn run(self) -> Result<Spawned> {
        abandoned::sweep();
        let program = own_image_path()?;
        // Holds the place of the pidfd: with no descriptor left for it, nothing is started.
        let place = rustix::io::fcntl_dupfd_cloexec(&self.control, 3)
            .context(|| "cannot reserve a descriptor for the child's pidfd")?;
        let mut command = Command::new(&program);
        command
            .arg0(&self.arg0)
            .process_group(0)
            .stdin(Stdio::from(self.control))
            .stdout(self.stdout)
            .stderr(self.stderr);
        if self.env_clear {
            command.env_clear();
        }
        for (name, value) in &self.env {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        if let Some(dir) = &self.current_dir {
            command.current_dir(dir);
        }
        let mut started = command.spawn().map_err(|error| {
            Error::io(
                Self::describe(&program, self.current_dir.as_deref()),
                &error,
            )
        })?;
        drop(place);
        match Child::adopt(started.id()) {
            Ok(child) => Ok(Spawned {
                child,
                stdout: started.stdout.take(),
                stderr: started.stderr.take(),
            }),
            Err(error) => {
                dispose(&mut started, &error);
                Err(error)
            }
        }
    }
}

/// Ends a child that no pidfd could be opened for, unless the reason was that it is gone: then its number may mean another
/// process by now.
fn dispose(started: &mut std::process::Child, error: &Error) {
    let gone = [Errno::CHILD, Errno::SRCH].map(|errno| Some(errno.raw_os_error()));
    if !gone.contains(&error.raw_os_error()) {
        // Errors mean that it has ended meanwhile.
        let _ = started.kill();
        let _ = started.wait();
    }
}

/// `/proc/self/exe`; without `/proc`, the path the kernel noted when this image was started.
fn own_image_path() -> Result<PathBuf> {
    if rustix::fs::access(IMAGE, rustix::fs::Access::EXEC_OK).is_ok() {
        return Ok(IMAGE.into());
    }
    std::env::current_exe()
        .or_else(|_| {
            use std::os::unix::ffi::OsStrExt;
            let noted = std::ffi::OsStr::from_bytes(rustix::param::linux_execfn().to_bytes());
            std::fs::canonicalize(noted)
        })
        .map_err(|error| {
            Error::io(
                "cannot find this program's own file (is /proc mounted?)",
                &error,
            )
        })
}

// ---- the supervisor thread --------------------------------------------------------------------------------------

struct Request {
    spawn: Spawn,
    answer: Sender<Result<Spawned>>,
}

/// The process that made (or is making) the supervisor; 0 while there is none.
static OWNER: AtomicU32 = AtomicU32::new(0);
/// The supervisor's thread id; 0 while there is none.
static THREAD: AtomicU32 = AtomicU32::new(0);
static SUPERVISOR: Mutex<Option<Sender<Request>>> = Mutex::new(None);

fn copy_of(owner: u32, me: u32) -> Error {
    Error::message(format!(
        "process {me} is a forked copy of process {owner} and can start no children; only an exec makes it a process of its own"
    ))
}

fn gone() -> Error {
    Error::message("the thread that starts processes is gone; this process can start no more")
}

fn supervisor() -> Result<Sender<Request>> {
    let me = std::process::id();
    let owner = OWNER
        .compare_exchange(0, me, Ordering::AcqRel, Ordering::Acquire)
        .unwrap_or_else(|owner| owner);
    if owner != 0 && owner != me {
        return Err(copy_of(owner, me));
    }
    let mut supervisor = SUPERVISOR.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(sender) = &*supervisor {
        return Ok(sender.clone());
    }
    let (sender, requests) = channel();
    let (ready, started) = channel();
    let mask = sys::block_signals_but_sigchld()
        .context(|| "cannot block signals for the thread that starts processes")?;
    let thread = thread::Builder::new()
        .name("procession-spawn".into())
        .stack_size(256 * 1024)
        .spawn(move || serve(&requests, &ready));
    mask.restore()
        .context(|| "cannot restore this thread's signal mask")?;
    thread.map_err(|error| Error::io("cannot start the thread that starts processes", &error))?;
    started.recv().map_err(|_| gone())?;
    *supervisor = Some(sender.clone());
    Ok(sender)
}

/// The id of the thread that starts processes, which is made if there is none yet: the thread whose end a child's
/// parent-death signal tells.
///
/// # Errors
/// When the thread cannot be made, or this process is a forked copy.
///
/// ```
/// let thread = procession_os::spawn::supervisor_thread()?;
/// assert!(procession_os::prologue::is_thread_alive(std::process::id(), thread));
/// # Ok::<(), procession_os::Error>(())
/// ```
pub fn supervisor_thread() -> Result<u32> {
    supervisor()?;
    match THREAD.load(Ordering::Acquire) {
        0 => Err(gone()),
        thread => Ok(thread),
    }
}

fn serve(requests: &Receiver<Request>, ready: &Sender<()>) {
    let thread = rustix::thread::gettid();
    THREAD.store(
        thread.as_raw_nonzero().get().unsigned_abs(),
        Ordering::Release,
    );
    // Nobody to tell means that the caller has gone on.
    let _ = ready.send(());
    // Never ends: the sender in `SUPERVISOR` is never dropped.
    for Request { spawn, answer } in requests {
        // A caller that is gone drops the child's handle here, and with it the child is kept for reaping.
        let _ = answer.send(spawn.run());
    }
}
