//! Law: everything here runs in a fresh child, while it has one thread and before any code of the user. One function per
//! step, in the order a worker takes them; none of them is for a process with a life of its own.

use std::ffi::{CString, OsString};
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};

use rustix::fs::{MemfdFlags, Mode, OFlags, memfd_create, open};
use rustix::io::{Errno, fcntl_dupfd_cloexec};
use rustix::net::{AddressFamily, sockopt::socket_domain};
use rustix::process::{
    Resource, Rlimit, Signal, getpgrp, getpid, getppid, getrlimit, setpgid, setrlimit,
};

use crate::error::Context;
use crate::sys::{self, Disposition};
use crate::{Error, Result};

pub use crate::fault::install_fatal_signal_note;

/// Moves the control socket from descriptor 0 to one above 2 (closed on exec) and leaves an empty standard input.
///
/// An error when descriptor 0 is no Unix socket (the process was not started by [`Spawn`](crate::Spawn)) or when
/// descriptors run out.
///
/// ```no_run
/// let control = procession_os::Socket::from_fd(procession_os::prologue::take_control_fd()?);
/// # Ok::<(), procession_os::Error>(())
/// ```
pub fn take_control_fd() -> Result<OwnedFd> {
    let stdin = std::io::stdin();
    let domain =
        socket_domain(&stdin).context(|| "descriptor 0 is no control socket (getsockopt)")?;
    if domain != AddressFamily::UNIX {
        return Err(Error::message(
            "descriptor 0 is a socket, but no control socket",
        ));
    }
    let control = fcntl_dupfd_cloexec(&stdin, 3)
        .context(|| "cannot move the control socket away from descriptor 0")?;
    // A memfd reads as empty as well, for a file system without /dev/null.
    let nothing = open("/dev/null", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty())
        .or_else(|_| memfd_create("empty", MemfdFlags::CLOEXEC))
        .context(|| "cannot open /dev/null as standard input")?;
    rustix::stdio::dup2_stdin(&nothing).context(|| "cannot replace standard input")?;
    Ok(control)
}

/// Closes every descriptor above 2 but `keep`.
///
/// Hazard: it closes what others in this process own. Right after the start nobody owns anything: what is open was
/// inherited because someone forgot to mark it. Call it before anything else opens descriptors.
///
/// An error only where neither `close_range` (Linux 5.9) nor `/proc` is there.
///
/// ```no_run
/// # use procession_os::prologue;
/// # use std::os::fd::AsFd;
/// let control = prologue::take_control_fd()?;
/// prologue::close_other_fds(control.as_fd())?;
/// # Ok::<(), procession_os::Error>(())
/// ```
pub fn close_other_fds(keep: BorrowedFd<'_>) -> Result<()> {
    // A borrowed descriptor is never negative.
    let keep = keep.as_raw_fd().unsigned_abs();
    let below = if keep > 3 {
        sys::close_range(3, keep - 1)
    } else {
        Ok(())
    };
    let above = if keep >= 2 {
        sys::close_range(keep + 1, u32::MAX)
    } else {
        sys::close_range(3, u32::MAX)
    };
    match below.and(above) {
        Err(Errno::NOSYS | Errno::PERM) => close_listed(keep),
        other => other.context(|| "cannot close inherited descriptors (close_range)"),
    }
}

fn close_listed(keep: u32) -> Result<()> {
    let entries = std::fs::read_dir("/proc/self/fd")
        .map_err(|error| Error::io("cannot list inherited descriptors", &error))?;
    // Collected first: the listing's own descriptor is among them and is closed by the time the loop comes to it.
    let open: Vec<i32> = entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .collect();
    for fd in open {
        if fd > 2 && fd.unsigned_abs() != keep {
            sys::close_raw(fd);
        }
    }
    Ok(())
}

/// What the child does on Ctrl-C.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Interrupts {
    /// Ends, as a process of its own does.
    Default,
    /// Nothing: its parent decides, as for the workers of a pool.
    Ignore,
}

/// Gives the child the signal state of a process that nobody meddled with, whatever the host had blocked or ignored.
///
/// TERM, HUP, QUIT and CHLD, and everything that was inherited as ignored, get their default; INT as asked; PIPE and XFSZ
/// are ignored, so a closed pipe or a full file is an error and no death. Then all signals are unblocked, and pending ones
/// are delivered before this returns. Handlers for other signals stay (the runtime's own for stack overflow).
///
/// ```no_run
/// use procession_os::prologue::{Interrupts, reset_signals};
/// reset_signals(Interrupts::Ignore)?;
/// # Ok::<(), procession_os::Error>(())
/// ```
pub fn reset_signals(interrupts: Interrupts) -> Result<()> {
    let always = [Signal::TERM, Signal::HUP, Signal::QUIT, Signal::CHILD].map(Signal::as_raw);
    for signo in 1..=sys::LAST_SIGNAL {
        // An error: a number that the C library keeps to itself, so nobody can have changed it.
        let Ok(now) = sys::disposition(signo) else {
            continue;
        };
        let ignored = signo == Signal::PIPE.as_raw()
            || signo == Signal::XFSZ.as_raw()
            || (signo == Signal::INT.as_raw() && interrupts == Interrupts::Ignore);
        let outcome = if ignored {
            sys::ignore_signal(signo)
        } else if now == Disposition::Ignore
            || always.contains(&signo)
            || signo == Signal::INT.as_raw()
        {
            sys::default_signal(signo)
        } else {
            Ok(())
        };
        outcome.context(|| format!("cannot reset signal {signo} (sigaction)"))?;
    }
    sys::unblock_all_signals().context(|| "cannot unblock signals (sigmask)")
}

/// Makes the process the leader of its own group, away from the terminal's Ctrl-C. `Ok` when it is already.
///
/// ```no_run
/// procession_os::prologue::new_process_group()?;
/// # Ok::<(), procession_os::Error>(())
/// ```
pub fn new_process_group() -> Result<()> {
    match setpgid(None, None) {
        // The leader of a session may not move, and need not.
        Err(Errno::PERM) if getpgrp() == getpid() => Ok(()),
        other => other.context(|| "cannot make a process group (setpgid)"),
    }
}

/// Asks the kernel for SIGKILL when the thread that started this process ends; `false`: the parent is already gone.
///
/// The check comes after the request, so a parent that died in between is noticed. Setting a user or group id, or capabilities, clears
/// the request: do that first.
///
/// ```no_run
/// # let parent_pid = 1;
/// if !procession_os::prologue::die_with_parent(parent_pid)? {
///     procession_os::prologue::exit_now(121);
/// }
/// # Ok::<(), procession_os::Error>(())
/// ```
pub fn die_with_parent(expected_parent: u32) -> Result<bool> {
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))
        .context(|| "cannot ask for a signal on the parent's death (prctl)")?;
    Ok(getppid().map(|pid| pid.as_raw_nonzero().get().unsigned_abs()) == Some(expected_parent))
}

/// Whether the given thread of another process still exists.
///
/// A process that becomes another program by `exec` keeps its pid and loses its other threads. A child that was started by
/// one of them, and has called [`die_with_parent`] before this, either sees here that the thread is gone or is killed when
/// it goes.
///
/// ```
/// let me = std::process::id();
/// assert!(procession_os::prologue::is_thread_alive(me, me));
/// assert!(!procession_os::prologue::is_thread_alive(me, u32::MAX >> 1));
/// ```
pub fn is_thread_alive(process: u32, thread: u32) -> bool {
    // Refused permission is an answer about a thread that is there.
    !matches!(
        sys::probe_thread(process, thread),
        Err(Errno::SRCH | Errno::INVAL)
    )
}

/// Names this thread, and with it the process in `ps` and `top`: the first 15 bytes, up to a NUL byte.
///
/// ```
/// procession_os::prologue::set_name("pool-1/3")?;
/// assert_eq!(std::fs::read_to_string("/proc/thread-self/comm").unwrap(), "pool-1/3\n");
/// # Ok::<(), procession_os::Error>(())
/// ```
pub fn set_name(name: &str) -> Result<()> {
    let cut = name.floor_char_boundary(15);
    let bytes: Vec<u8> = name
        .bytes()
        .take(cut)
        .take_while(|&byte| byte != 0)
        .collect();
    let name = CString::new(bytes).unwrap_or_default();
    rustix::thread::set_name(&name).context(|| "cannot set the process name (prctl)")
}

/// Has the C library write its stdout line by line, as it does for a terminal. For a pipe it would keep lines until it has
/// some kilobytes of them, or the process ends. False when it refuses; Rust's stdout goes line by line in any case.
///
/// Hazard: only in a worker's prologue, before any code of the user's runs, which may be using that stream. A constructor of
/// a linked library that has started a thread which prints is such code: with musl, whose `setvbuf` takes no lock, that is a
/// race.
///
/// ```
/// assert!(procession_os::prologue::line_buffer_stdout());
/// ```
#[doc(hidden)]
pub fn line_buffer_stdout() -> bool {
    sys::line_buffer_stdout()
}

/// Sets the soft limit for core files to 0; the hard one stays, so the user's code can allow them again.
///
/// A core handler (`|` in `core_pattern`) is run all the same.
///
/// ```no_run
/// procession_os::prologue::no_core_dumps()?;
/// # Ok::<(), procession_os::Error>(())
/// ```
pub fn no_core_dumps() -> Result<()> {
    let maximum = getrlimit(Resource::Core).maximum;
    setrlimit(
        Resource::Core,
        Rlimit {
            current: Some(0),
            maximum,
        },
    )
    .context(|| "cannot turn core files off (setrlimit)")
}

/// Adds `adj` (0 to 1000) to this process's OOM score adjustment, so the kernel prefers it to its parent when memory runs
/// out. Stops at 1000.
///
/// An error without `/proc`, and for a negative number: lowering takes privileges.
///
/// ```no_run
/// procession_os::prologue::raise_oom_score(200)?;
/// # Ok::<(), procession_os::Error>(())
/// ```
pub fn raise_oom_score(adj: i32) -> Result<()> {
    const FILE: &str = "/proc/self/oom_score_adj";
    if adj < 0 {
        return Err(Error::message(format!("{adj} would lower the OOM score")));
    }
    let failed =
        |error: std::io::Error| Error::io(format!("cannot raise the OOM score ({FILE})"), &error);
    let current: i32 = std::fs::read_to_string(FILE)
        .map_err(failed)?
        .trim()
        .parse()
        .unwrap_or(0);
    std::fs::write(FILE, current.saturating_add(adj).min(1000).to_string()).map_err(failed)
}

/// Reads an environment variable and removes it, so the child's own children do not see it.
///
/// Hazard: only while the process has one thread. C code of another thread may read the environment at the same time.
///
/// ```no_run
/// let marker = procession_os::prologue::take_env("PROCESSION_BOOT");
/// assert_eq!(procession_os::prologue::take_env("PROCESSION_BOOT"), None);
/// ```
pub fn take_env(name: &str) -> Option<OsString> {
    let value = std::env::var_os(name)?;
    sys::remove_env(name);
    Some(value)
}

/// Ends the process at once: no exit handlers, no destructors, nothing flushed.
///
/// ```no_run
/// procession_os::prologue::exit_now(121)
/// ```
pub fn exit_now(code: i32) -> ! {
    sys::exit_now(code)
}
