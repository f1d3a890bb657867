//! Reaps the processes whose handle was dropped while they ran. It never ends one of them.
//!
//! One thread, started when there is something to wait for and ended when there is not. It sleeps in `poll` over the
//! pidfds and one event descriptor; nothing here wakes up periodically.

use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use procession_os::child::Child;
use rustix::event::{EventfdFlags, PollFd, PollFlags, eventfd, poll};

struct Detached {
    children: Vec<Arc<Child>>,
    /// Present while the thread runs: written to when a child is added.
    bell: Option<Arc<OwnedFd>>,
}

static DETACHED: Mutex<Detached> = Mutex::new(Detached {
    children: Vec::new(),
    bell: None,
});

fn lock() -> MutexGuard<'static, Detached> {
    DETACHED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Takes over the reaping of `child`, which runs on.
pub(super) fn adopt(child: Arc<Child>) {
    let mut detached = lock();
    detached.children.retain(|child| !has_ended(child));
    detached.children.push(child);
    match &detached.bell {
        Some(bell) => {
            let _ = rustix::io::write(bell, &1_u64.to_ne_bytes());
        }
        None => detached.bell = start_thread(),
    }
}

/// Reaps what has ended. For the next start, in case the thread could not be started.
pub(super) fn sweep() {
    let mut detached = lock();
    detached.children.retain(|child| !has_ended(child));
}

fn has_ended(child: &Child) -> bool {
    matches!(child.try_wait(), Ok(Some(_)))
}

/// `None` when the system has no descriptor or thread to spare: [`sweep`] reaps then.
fn start_thread() -> Option<Arc<OwnedFd>> {
    let bell = Arc::new(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK).ok()?);
    let theirs = Arc::clone(&bell);
    thread::Builder::new()
        .name("procession-reap".to_owned())
        .spawn(move || reap(&theirs))
        .ok()?;
    Some(bell)
}

fn reap(bell: &OwnedFd) {
    loop {
        let children = {
            let mut detached = lock();
            detached.children.retain(|child| !has_ended(child));
            if detached.children.is_empty() {
                detached.bell = None;
                return;
            }
            detached.children.clone()
        };
        wait_for_news(bell, &children);
    }
}

fn wait_for_news(bell: &OwnedFd, children: &[Arc<Child>]) {
    let mut fds = vec![PollFd::new(bell, PollFlags::IN)];
    fds.extend(
        children
            .iter()
            .map(|child| PollFd::from_borrowed_fd(child.as_fd(), PollFlags::IN)),
    );
    if poll(&mut fds, None).is_err() {
        // More descriptors than the limit allows in one poll, or a signal: look at one of them for a while instead.
        if let Some(first) = children.first() {
            let _ = first.wait_deadline(Some(Instant::now() + Duration::from_millis(100)));
        }
    }
    let _ = rustix::io::read(bell, &mut [0_u8; 8]);
}
