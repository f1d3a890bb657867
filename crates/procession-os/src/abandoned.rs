//! Children whose handle was dropped while they ran: kept by their pidfd and reaped once they have ended, so that none stays
//! a zombie. It never waits and never signals.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Mutex, PoisonError};

use rustix::process::{WaitId, WaitIdOptions, waitid};

static RUNNING: Mutex<Vec<OwnedFd>> = Mutex::new(Vec::new());

/// Reaps an ended child at once and keeps a running one for [`sweep`]. Without a free descriptor to keep it by, the child
/// stays a zombie after its end until this process ends.
pub(crate) fn reap_or_keep(pidfd: &OwnedFd) {
    sweep();
    if still_runs(pidfd.as_fd())
        && let Ok(kept) = pidfd.try_clone()
    {
        RUNNING
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(kept);
    }
}

/// Reaps those that have ended meanwhile.
pub(crate) fn sweep() {
    RUNNING
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .retain(|pidfd| still_runs(pidfd.as_fd()));
}

fn still_runs(pidfd: BorrowedFd<'_>) -> bool {
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG;
    // An error is ECHILD: someone else has reaped it.
    matches!(
        rustix::io::retry_on_intr(|| waitid(WaitId::PidFd(pidfd), options)),
        Ok(None)
    )
}
