//! Every child of this process that has not been reaped. It keeps no child's descriptor open by itself.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use procession_os::child::Child;

use crate::boot::require_original;
use crate::info::ProcessInfo;

struct Entry {
    child: Weak<Child>,
    info: ProcessInfo,
}

struct Registry {
    entries: Vec<Entry>,
    /// Entries are looked through when there are this many, so that enlisting stays cheap.
    sweep_at: usize,
}

static REGISTRY: Mutex<Registry> = Mutex::new(Registry {
    entries: Vec::new(),
    sweep_at: 64,
});

fn lock() -> MutexGuard<'static, Registry> {
    REGISTRY.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Adds a child that was just started.
pub(crate) fn enlist(child: &Arc<Child>, info: ProcessInfo) {
    let mut registry = lock();
    if registry.entries.len() >= registry.sweep_at {
        registry
            .entries
            .retain(|entry| entry.child.strong_count() > 0);
        registry.sweep_at = (registry.entries.len() * 2).max(64);
    }
    registry.entries.push(Entry {
        child: Arc::downgrade(child),
        info,
    });
}

/// The children of this process that are running: processes and pool workers, in the order they were started.
///
/// It reaps those that have ended, so that none of them stays a zombie; a handle still gets the status. In a forked copy of
/// the process it is empty: the children are not the copy's.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # use procession_worker::{Process, active_children, init};
/// # init();
/// let child = Process::spawn(|| std::thread::park(), ())?;
/// assert_eq!(active_children()[0].pid(), child.pid());
/// child.kill()?;
/// child.join()?;
/// assert!(active_children().is_empty());
/// # Ok(()) }
/// ```
#[must_use]
pub fn active_children() -> Vec<ProcessInfo> {
    // Before the lock: in a forked copy, a thread that does not exist there may hold it.
    if require_original().is_err() {
        return Vec::new();
    }
    let mut registry = lock();
    registry.entries.retain(|entry| {
        // A status that cannot be had now is no proof of an end.
        entry
            .child
            .upgrade()
            .is_some_and(|child| !matches!(child.try_wait(), Ok(Some(_))))
    });
    registry
        .entries
        .iter()
        .map(|entry| entry.info.clone())
        .collect()
}
