//! The parent's side of a start, for processes and pool workers alike. It returns before the child has said anything.

use std::ffi::OsString;
use std::hash::{BuildHasher, Hasher};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::PathBuf;
use std::process::{ChildStderr, ChildStdout, Stdio};
use std::sync::Arc;

use procession_os::check_descriptors;
use procession_os::child::Child;
use procession_os::socket::Socket;
use procession_os::spawn::Spawn;
use procession_task::descriptor;
use procession_task::message::{Boot, FromWorker, MAGIC, PROTOCOL_VERSION, Role, ToWorker};
use rustix::io::Errno;

use crate::boot::{MARKER, MAX_DEPTH, marker, require_init, require_original};
use crate::error::Error;
use crate::info::{self, ProcessInfo};
use crate::process::registry;

/// Values up to this many bytes travel inside a message, longer ones in a memfd beside it.
pub(crate) const MAX_INLINE: usize = 32 * 1024;

/// Descriptors a pool holds beside those of its workers, and those open for a moment while one starts and the next is
/// prepared.
const POOL_DESCRIPTORS: usize = 12;

/// Both ends of the control socket, the pidfd, and a memory file.
const DESCRIPTORS_OF_A_START: usize = 4;

/// What a child is to be: its name, its role, its surroundings.
#[doc(hidden)]
#[derive(Debug)]
pub struct StartSpec {
    pub name: String,
    pub index: Option<u32>,
    pub role: Role,
    pub env: Vec<(OsString, Option<OsString>)>,
    pub env_clear: bool,
    pub current_dir: Option<PathBuf>,
    pub stdout: Stdio,
    pub stderr: Stdio,
    pub fds: Vec<OwnedFd>,
}

/// A child that has been started and sent its orders. Its `Hello` comes over `control`.
#[doc(hidden)]
#[derive(Debug)]
pub struct Started {
    pub child: Arc<Child>,
    pub control: Socket,
    pub nonce: u64,
    pub stdout: Option<ChildStdout>,
    pub stderr: Option<ChildStderr>,
}

/// Whether this process may start `workers` pool workers: entered through `init`, not a forked copy, and with
/// descriptors left for two each, `outputs` more each for what is captured of them, the same for `successors` that are
/// there before their predecessors have left, and a few of the pool's own. `what` begins the error of too few.
///
/// # Errors
/// The first of these that does not hold, with what to do about it.
#[doc(hidden)]
pub fn check_can_start(
    what: &str,
    workers: usize,
    successors: usize,
    outputs: usize,
) -> Result<(), Error> {
    require_init()?;
    require_original()?;
    let needed = workers
        .saturating_add(successors)
        .saturating_mul(2 + outputs)
        .saturating_add(POOL_DESCRIPTORS);
    let who = match successors {
        0 => format!("{workers} workers"),
        _ => format!("{workers} workers, and {successors} successors while those finish,"),
    };
    procession_os::limits::check_descriptors(needed, &who).map_err(|cause| {
        let advice = "raise the limit of open files (ulimit -n) or take fewer workers";
        Error::os(format!("{what}: {advice}"), cause)
    })
}

/// Starts a child and sends it its orders; on an error, no child and no descriptor is left.
///
/// A child that ends before it takes its orders is no error here: its status says how it ended.
#[doc(hidden)]
pub fn start(spec: StartSpec) -> Result<Started, Error> {
    begin(spec)?.finish()
}

/// A child that is being started and has no orders yet.
///
/// Dropped, it ends by itself: its orders never come.
#[derive(Debug)]
pub(crate) struct Starting {
    name: String,
    orders: Vec<u8>,
    /// What goes with the orders.
    fds: Vec<OwnedFd>,
    nonce: u64,
    control: Socket,
    spawn: procession_os::Starting,
}

/// Asks for a child and returns at once; its orders are ready to be sent.
pub(crate) fn begin(spec: StartSpec) -> Result<Starting, Error> {
    require_init()?;
    require_original()?;
    let depth = info::depth() + 1;
    if depth > MAX_DEPTH {
        return Err(Error::too_deep(format!(
            "cannot start {:?}: processes are nested {MAX_DEPTH} deep already, which is the limit",
            spec.name
        )));
    }
    let nonce = random();
    let orders = boot_message(&spec, nonce, depth)?;
    let failed = |cause| failed(&spec.name, cause);

    let (ours, theirs) = Socket::pair().map_err(failed)?;
    let (ours, theirs) = (
        above_stdio(ours).map_err(failed)?,
        fd_above_stdio(theirs).map_err(failed)?,
    );
    let mut spawn = Spawn::own_image(theirs);
    spawn.env = spec.env;
    spawn.env.push((MARKER.into(), Some(marker(nonce).into())));
    spawn.env_clear = spec.env_clear;
    spawn.current_dir = spec.current_dir;
    spawn.stdout = spec.stdout;
    spawn.stderr = spec.stderr;
    Ok(Starting {
        spawn: spawn.begin().map_err(failed)?,
        name: spec.name,
        orders,
        fds: spec.fds,
        nonce,
        control: ours,
    })
}

impl Starting {
    /// Waits for the child and sends it its orders; the errors are those of [`start`].
    pub(crate) fn finish(self) -> Result<Started, Error> {
        let failed = |cause| failed(&self.name, cause);
        let spawned = self.spawn.finish().map_err(failed)?;
        let child = Arc::new(spawned.child);
        let fds: Vec<_> = self.fds.iter().map(AsFd::as_fd).collect();
        match self.control.send(&self.orders, &fds) {
            Ok(()) => {}
            Err(error) if is_gone(&error) => {}
            Err(error) => {
                // It waits for orders that will not come: end it and reap it here, so that nothing is left.
                let _ = child.kill();
                let _ = child.wait();
                return Err(failed(error));
            }
        }
        registry::enlist(&child, ProcessInfo::child(self.name.clone(), child.pid()));
        Ok(Started {
            child,
            control: self.control,
            nonce: self.nonce,
            stdout: spawned.stdout,
            stderr: spawned.stderr,
        })
    }
}

fn failed(name: &str, cause: procession_os::Error) -> Error {
    Error::os(format!("cannot start {name:?}"), with_limits(cause))
}

/// Out of descriptors: the counts and the limits tell more than the call that failed first.
fn with_limits(cause: procession_os::Error) -> procession_os::Error {
    if cause.raw_os_error() != Some(Errno::MFILE.raw_os_error()) {
        return cause;
    }
    let needed = check_descriptors(DESCRIPTORS_OF_A_START, "a process and its start");
    needed.err().unwrap_or(cause)
}

fn boot_message(spec: &StartSpec, nonce: u64, depth: u32) -> Result<Vec<u8>, Error> {
    let boot = Boot {
        magic: MAGIC,
        version: PROTOCOL_VERSION,
        nonce,
        build_id: descriptor::build_id(),
        name: spec.name.clone(),
        index: spec.index,
        parent_pid: std::process::id(),
        parent_thread: procession_os::spawn::supervisor_thread()
            .map_err(|cause| Error::os(format!("cannot start {:?}", spec.name), cause))?,
        parent_name: info::current_process().name().to_owned(),
        depth,
        role: spec.role.clone(),
    };
    let bytes = ToWorker::Boot(boot).encode();
    if bytes.len() > Socket::MAX_PACKET {
        let limit = Socket::MAX_PACKET;
        return Err(Error::message(format!(
            "cannot start a process: its orders take {} bytes, the limit is {limit} bytes (is its name too long?)",
            bytes.len()
        )));
    }
    Ok(bytes)
}

/// A host that closed its stdio must not end up with a control socket as its stdout.
fn above_stdio(socket: Socket) -> procession_os::Result<Socket> {
    if socket.as_fd().as_raw_fd() > 2 {
        return Ok(socket);
    }
    dup_above_stdio(socket.as_fd()).map(Socket::from_fd)
}

fn fd_above_stdio(fd: OwnedFd) -> procession_os::Result<OwnedFd> {
    if fd.as_raw_fd() > 2 {
        Ok(fd)
    } else {
        dup_above_stdio(fd.as_fd())
    }
}

fn dup_above_stdio(fd: std::os::fd::BorrowedFd<'_>) -> procession_os::Result<OwnedFd> {
    rustix::io::fcntl_dupfd_cloexec(fd, 3).map_err(|errno| {
        procession_os::Error::new(
            "cannot move a control socket away from stdio (fcntl)",
            errno,
        )
    })
}

fn is_gone(error: &procession_os::Error) -> bool {
    [Errno::PIPE, Errno::CONNRESET]
        .iter()
        .any(|errno| error.raw_os_error() == Some(errno.raw_os_error()))
}

/// Unpredictable enough to tell one start from another; the standard library seeds it from the kernel.
fn random() -> u64 {
    std::hash::RandomState::new().build_hasher().finish()
}

/// Checks that `hello` is a child's first message of the start `started`, from the same build of the program.
#[doc(hidden)]
pub fn check_hello(hello: &FromWorker, started: u64) -> Result<(), Error> {
    let FromWorker::Hello {
        magic,
        version,
        nonce,
        build_id,
        ..
    } = hello
    else {
        return Err(Error::message("the child's first message is not its hello"));
    };
    if *magic != MAGIC || *version != PROTOCOL_VERSION {
        return Err(Error::message(format!(
            "the child speaks version {version} of the protocol, its parent version {PROTOCOL_VERSION}"
        )));
    }
    if *nonce != started {
        return Err(Error::message("the child answers to another start"));
    }
    let own = descriptor::build_id();
    if *build_id != own {
        return Err(Error::message(format!(
            "the child is another build of the program ({}) than its parent ({})",
            hex(build_id),
            hex(&own)
        )));
    }
    Ok(())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests;
