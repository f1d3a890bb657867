//! Reaps the processes whose handle was dropped while they ran. It never ends one of them.
//!
//! One thread, started when there is something to wait for and ended when there is not. It sleeps in `poll` over the
//! pidfds and one event descriptor; nothing here wakes up periodically.

use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use procession_os::child::Child;
use procession_os::socket::Socket;
use rustix::event::{EventfdFlags, PollFd, PollFlags, eventfd, poll};

use crate::boot::require_original;

/// A child and its control socket, whose end would tell a child that has just begun that its parent is gone.
#[derive(Clone)]
struct Dropped {
    child: Arc<Child>,
    _control: Arc<Socket>,
}

impl Dropped {
    fn has_ended(&self) -> bool {
        matches!(self.child.try_wait(), Ok(Some(_)))
    }
}

struct Detached {
    children: Vec<Dropped>,
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
pub(super) fn adopt(child: Arc<Child>, control: Arc<Socket>) {
    let mut detached = lock();
    detached.children.retain(|dropped| !dropped.has_ended());
    detached.children.push(Dropped {
        child,
        _control: control,
    });
    match &detached.bell {
        Some(bell) => {
            let _ = rustix::io::write(bell, &1_u64.to_ne_bytes());
        }
        None => detached.bell = start_thread(),
    }
}

/// Reaps what has ended. For the next start, in case the thread could not be started.
pub(super) fn sweep() {
    // Before the lock: in a forked copy, a thread that does not exist there may hold it.
    if require_original().is_err() {
        return;
    }
    let mut detached = lock();
    detached.children.retain(|dropped| !dropped.has_ended());
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
            detached.children.retain(|dropped| !dropped.has_ended());
            if detached.children.is_empty() {
                detached.bell = None;
                return;
            }
            detached.children.clone()
        };
        wait_for_news(bell, &children);
    }
}

fn wait_for_news(bell: &OwnedFd, children: &[Dropped]) {
    let mut fds = vec![PollFd::new(bell, PollFlags::IN)];
    fds.extend(
        children
            .iter()
            .map(|dropped| PollFd::from_borrowed_fd(dropped.child.as_fd(), PollFlags::IN)),
    );
    if poll(&mut fds, None).is_err() {
        // More descriptors than the limit allows in one poll, or a signal: look at one of them for a while instead.
        if let Some(first) = children.first() {
            let _ = first
                .child
                .wait_deadline(Some(Instant::now() + Duration::from_millis(100)));
        }
    }
    let _ = rustix::io::read(bell, &mut [0_u8; 8]);
}
