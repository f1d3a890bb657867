//! Options of one process. Every builder starts from the same defaults: nothing is shared between processes.

use std::ffi::{OsStr, OsString};
use std::marker::PhantomData;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use procession_os::memfd_with;
use procession_task::codec::{self, CodecErrorKind, Limits};
use procession_task::descriptor::TaskRef;
use procession_task::message::{ArgBytes, CallSpec, Role};
use procession_task::task::{Arguments, Task};

use super::{Process, detached};
use crate::error::{Error, TaskError, TaskErrorKind};
use crate::info;
use crate::start::{MAX_INLINE, StartSpec, Started, start};

/// Options of one process; made by [`Process::builder`].
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # use procession_worker::{Process, init};
/// # init();
/// let process = Process::builder()
///     .name("reader")
///     .env("LANGUAGE", "fr")
///     .current_dir("/tmp")
///     .spawn(|| (std::env::var("LANGUAGE").unwrap(), std::env::current_dir().unwrap()), ())?;
/// let (language, directory) = process.into_result()?;
/// assert_eq!((language.as_str(), directory.to_str()), ("fr", Some("/tmp")));
/// # Ok(()) }
/// ```
#[derive(Debug)]
#[must_use = "nothing is started before `spawn`"]
pub struct ProcessBuilder {
    name: Option<String>,
    env: Vec<(OsString, Option<OsString>)>,
    env_clear: bool,
    current_dir: Option<PathBuf>,
    stdout: Stdio,
    stderr: Stdio,
    limits: Limits,
}

/// Counts the processes of this process: the `2` of `Process-2`.
static STARTED: AtomicU64 = AtomicU64::new(0);

impl ProcessBuilder {
    pub(super) fn new() -> ProcessBuilder {
        ProcessBuilder {
            name: None,
            env: Vec::new(),
            env_clear: false,
            current_dir: None,
            stdout: Stdio::inherit(),
            stderr: Stdio::inherit(),
            limits: Limits::default(),
        }
    }

    /// Its name, in place of `Process-1`: for people, in errors and (its first 15 bytes) in `ps` and `top`.
    pub fn name(mut self, name: impl Into<String>) -> ProcessBuilder {
        self.name = Some(name.into());
        self
    }

    /// Sets an environment variable for the process alone. Everything else is inherited.
    pub fn env(mut self, key: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> ProcessBuilder {
        self.env
            .push((key.as_ref().to_owned(), Some(value.as_ref().to_owned())));
        self
    }

    /// Removes an environment variable for the process alone.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use procession_worker::{Process, init};
    /// # init();
    /// let process = Process::builder().env_remove("PATH").spawn(|| std::env::var("PATH").is_ok(), ())?;
    /// assert!(!process.into_result()?);
    /// # Ok(()) }
    /// ```
    pub fn env_remove(mut self, key: impl AsRef<OsStr>) -> ProcessBuilder {
        self.env.push((key.as_ref().to_owned(), None));
        self
    }

    /// Starts it with no environment but what is set after this call.
    ///
    /// A program that finds its shared libraries through `LD_LIBRARY_PATH` has to set that again.
    ///
    /// ```standalone_crate
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use procession_worker::{Process, init};
    /// # init();
    /// let process = Process::builder().env_clear().env("A", "1").spawn(|| std::env::vars().count(), ())?;
    /// assert_eq!(process.into_result()?, 1);
    /// # Ok(()) }
    /// ```
    pub fn env_clear(mut self) -> ProcessBuilder {
        self.env.clear();
        self.env_clear = true;
        self
    }

    /// The directory it starts in, in place of the parent's.
    pub fn current_dir(mut self, directory: impl Into<PathBuf>) -> ProcessBuilder {
        self.current_dir = Some(directory.into());
        self
    }

    /// Where its stdout goes: inherited unless set. With `Stdio::piped()`, see [`Process::take_stdout`].
    pub fn stdout(mut self, stdout: impl Into<Stdio>) -> ProcessBuilder {
        self.stdout = stdout.into();
        self
    }

    /// Where its stderr goes: inherited unless set. With `Stdio::piped()`, see [`Process::take_stderr`].
    pub fn stderr(mut self, stderr: impl Into<Stdio>) -> ProcessBuilder {
        self.stderr = stderr.into();
        self
    }

    /// The largest result to accept, in encoded bytes: 1 GiB unless set; a larger one is
    /// [`TooLarge`](TaskErrorKind::TooLarge).
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use procession_worker::{Process, TaskErrorKind, init};
    /// # init();
    /// let process = Process::builder().result_limit(1000).spawn(|| vec![7_u8; 2000], ())?;
    /// assert_eq!(process.into_result().unwrap_err().kind(), TaskErrorKind::TooLarge);
    /// # Ok(()) }
    /// ```
    pub fn result_limit(mut self, bytes: usize) -> ProcessBuilder {
        self.limits.max_bytes = bytes;
        self
    }

    /// Starts the process; see [`Process::spawn`].
    ///
    /// # Errors
    /// As [`Process::spawn`].
    pub fn spawn<F, Args>(self, task: F, args: Args) -> Result<Process<F::Output>, Error>
    where
        F: Task<Args>,
        Args: Arguments,
    {
        detached::sweep();
        let number = STARTED.fetch_add(1, Ordering::Relaxed) + 1;
        let name = self.name.unwrap_or_else(|| default_name(number));
        let (task_name, call, fds) = encode_call(task, args)?;
        let max_result = self.limits.max_bytes;
        let started = Instant::now();
        let Started {
            child,
            control,
            nonce,
            stdout,
            stderr,
        } = start(StartSpec {
            name: name.clone(),
            index: None,
            role: Role::Process {
                call,
                max_result: max_result as u64,
            },
            env: self.env,
            env_clear: self.env_clear,
            current_dir: self.current_dir,
            stdout: self.stdout,
            stderr: self.stderr,
            fds,
        })?;
        Ok(Process {
            child,
            control: Arc::new(control),
            nonce,
            name,
            task_name,
            owner: std::process::id(),
            started,
            ran_for: OnceLock::new(),
            max_result,
            stdout,
            stderr,
            result: PhantomData,
        })
    }
}

/// `Process-2` in the process the user started, `Process-1:2` in the process called `Process-1`.
fn default_name(number: u64) -> String {
    match info::is_worker() {
        true => format!("{}:{number}", info::current_process().name()),
        false => format!("Process-{number}"),
    }
}

/// A call as bytes: its name for people, the call itself, and the descriptor of arguments too long for a message.
type Encoded = (&'static str, CallSpec, Vec<std::os::fd::OwnedFd>);

fn encode_call<F, Args>(task: F, args: Args) -> Result<Encoded, Error>
where
    F: Task<Args>,
    Args: Arguments,
{
    let task = TaskRef::of::<F, Args>(task)
        .map_err(|foreign| Error::message(format!("cannot start a process: {foreign}")))?;
    let mut bytes = Vec::new();
    codec::guarded(|| codec::encode(&args, &mut bytes, &Limits::default())).map_err(|error| {
        let kind = match error.kind() {
            CodecErrorKind::TooLarge { .. } => TaskErrorKind::TooLarge,
            _ => TaskErrorKind::EncodeArgs,
        };
        TaskError::new(kind, task.name()).with_detail(error.to_string())
    })?;
    drop(args);
    let mut fds = Vec::new();
    let args = if bytes.len() <= MAX_INLINE {
        ArgBytes::Inline(bytes)
    } else {
        let fd = memfd_with("procession-args", &bytes).map_err(|cause| {
            Error::os(
                format!("cannot hand the arguments of {} over", task.name()),
                cause,
            )
        })?;
        fds.push(fd);
        ArgBytes::Descriptor
    };
    Ok((
        task.name(),
        CallSpec {
            offset: task.offset(),
            fingerprint: task.fingerprint(),
            args,
        },
        fds,
    ))
}
