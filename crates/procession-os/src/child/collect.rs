//! Finding out that a process has ended, and how, from its pidfd. It stores nothing: who asks once asks the kernel once.

use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::{Errno, retry_on_intr};
use rustix::process::{WaitId, WaitIdOptions, WaitIdStatus, waitid};

use crate::status::ExitStatus;
use crate::sys;
use crate::{Error, Result};

/// How long a status that someone else is collecting at this moment is waited for before it counts as lost.
const STATUS_PATIENCE: Duration = Duration::from_secs(2);

/// Waits for the pidfd to become readable. `false`: not yet (time-out, or a signal in between).
pub(super) fn poll_ended(
    pidfd: BorrowedFd<'_>,
    pid: u32,
    timeout: Option<Duration>,
) -> Result<bool> {
    match poll_for(pidfd, PollFlags::IN, timeout) {
        Ok(count) => Ok(count > 0),
        Err(Errno::INTR) => Ok(false),
        Err(errno) => Err(Error::new(
            format!("cannot wait for process {pid} (poll)"),
            errno,
        )),
    }
}

/// Waits at most this long for the process to be collected, by whomever. Who calls it looks again whatever came of it.
///
/// The pidfd hangs up when its process is collected, since Linux 6.9. Before, the wait takes its whole time.
pub(super) fn poll_collected(pidfd: BorrowedFd<'_>, timeout: Duration) {
    let _ = poll_for(pidfd, PollFlags::empty(), Some(timeout));
}

fn poll_for(
    pidfd: BorrowedFd<'_>,
    events: PollFlags,
    timeout: Option<Duration>,
) -> rustix::io::Result<usize> {
    // A time the kernel's type cannot hold is longer than anyone waits, and the caller looks at its clock again.
    let timeout = timeout.map(|left| Timespec {
        tv_sec: left.as_secs().min(1 << 30) as i64,
        tv_nsec: left.subsec_nanos().into(),
    });
    poll(
        &mut [PollFd::from_borrowed_fd(pidfd, events)],
        timeout.as_ref(),
    )
}

/// Reaps if there is something to reap. The caller holds the handle's lock.
pub(super) fn collect(pidfd: BorrowedFd<'_>, pid: u32) -> Result<Option<ExitStatus>> {
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG;
    match retry_on_intr(|| waitid(WaitId::PidFd(pidfd), options)) {
        Ok(None) => Ok(None),
        Ok(Some(status)) => Ok(Some(decode(&status))),
        Err(Errno::CHILD) => Ok(Some(status_from_kernel(pidfd))),
        Err(errno) => Err(Error::new(
            format!("cannot collect process {pid} (waitid)"),
            errno,
        )),
    }
}

fn decode(status: &WaitIdStatus) -> ExitStatus {
    match (status.exit_status(), status.terminating_signal()) {
        (Some(code), _) => ExitStatus::exited(code),
        (None, Some(signo)) => ExitStatus::signaled(signo, status.dumped()),
        (None, None) => ExitStatus::lost(), // WEXITED reports nothing else
    }
}

/// The status of a process that someone else has collected or is collecting at this moment: it shows up in the pidfd when
/// they are done.
///
/// `ESRCH` means that the process vanished while the kernel looked at it. The status was stored before that, so the next
/// look finds it; a kernel that answers so every time keeps none (6.13 and 6.14).
fn status_from_kernel(pidfd: BorrowedFd<'_>) -> ExitStatus {
    let give_up = Instant::now() + STATUS_PATIENCE;
    let mut vanished = 0;
    loop {
        let left = give_up.saturating_duration_since(Instant::now());
        match sys::exit_info(pidfd) {
            Ok(Some(word)) => return ExitStatus::from_wait_word(word),
            Ok(None) if !left.is_zero() => poll_collected(pidfd, left),
            Err(Errno::SRCH) if vanished < 3 => vanished += 1,
            Ok(None) | Err(_) => return ExitStatus::lost(),
        }
    }
}
