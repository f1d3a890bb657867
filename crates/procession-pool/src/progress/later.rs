//! Maps whose handle is asked later: told of on the thread of the callbacks, while they run and at their end.
//!
//! Nothing here must call the user's function, or drop it, while a lock of the pool is held.
//!
//! The count is kept where replies arrive ([`Tally`]), because the results themselves are the handle's to take. The pool's
//! own thread has a telling due at each [`INTERVAL`](super::INTERVAL) while such a map runs, and posts it to the
//! callbacks' thread, one at a time; the end is due as a callback is, at completion. What is posted after the end finds
//! nobody to tell.

use std::fmt;
use std::sync::{Arc, PoisonError, Weak};

use procession_worker::handle::Replies;

use super::{Progress, Teller};
use crate::callbacks::Desk;
use crate::cell::Cell;
use crate::driver::Shared;
use crate::sync::{AtomicBool, AtomicU64, Mutex, MutexGuard, Ordering};

/// How many items of a map have arrived, by what is in them.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    done: AtomicU64,
    failed: AtomicU64,
    read: AtomicU64,
}

impl Tally {
    /// Counts reply frames.
    pub(crate) fn add_run(&self, frames: &[u8]) {
        let (mut done, mut failed) = (0, 0);
        for (ok, _) in Replies::new(frames) {
            match ok {
                true => done += 1,
                false => failed += 1,
            }
        }
        self.done.fetch_add(done, Ordering::Relaxed);
        self.failed.fetch_add(failed, Ordering::Relaxed);
    }

    /// Counts one that ended without a reply.
    pub(crate) fn add_failure(&self) {
        self.failed.fetch_add(1, Ordering::Relaxed);
    }

    /// The counts, nothing running.
    pub(crate) fn progress(&self) -> Progress {
        let done = self.done.load(Ordering::Relaxed);
        let failed = self.failed.load(Ordering::Relaxed);
        // What is noted as read may be older than what has ended.
        let total = self.read.load(Ordering::Relaxed).max(done + failed);
        Progress {
            done,
            failed,
            running: 0,
            queued: total - done - failed,
            total,
        }
    }

    /// So many items have been read from the input.
    pub(crate) fn has_read(&self, items: usize) {
        self.read.store(items as u64, Ordering::Relaxed);
    }
}

type Function = Box<dyn FnMut(Progress) + Send>;

/// Who is to be told of such a map.
pub(crate) struct Later {
    tally: Arc<Tally>,
    cell: Weak<Cell>,
    pool: Weak<Shared>,
    desk: Desk,
    /// Taken by the end, and by its own panic: that is the last it hears too, and drops it on the thread it panicked on.
    teller: Mutex<Option<Teller<Function>>>,
    /// The map never became whole: what is being told is the last.
    withdrawn: AtomicBool,
    /// A telling is on its way.
    posted: AtomicBool,
}

impl fmt::Debug for Later {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Later")
            .field("tally", &self.tally)
            .finish_non_exhaustive()
    }
}

impl Later {
    pub(crate) fn new(
        progress: Function,
        tally: Arc<Tally>,
        cell: &Arc<Cell>,
        pool: &Arc<Shared>,
    ) -> Arc<Later> {
        let later = Arc::new(Later {
            tally,
            cell: Arc::downgrade(cell),
            pool: Arc::downgrade(pool),
            desk: pool.callbacks.desk(),
            teller: Mutex::new(Some(Teller::new(progress))),
            withdrawn: AtomicBool::new(false),
            posted: AtomicBool::new(false),
        });
        pool.tell_later(&later);
        later
    }

    /// It is time: has it told on the callbacks' thread, unless that is under way. False once there is nothing more to tell.
    pub(crate) fn post(self: Arc<Later>) -> bool {
        let Some(cell) = self.cell.upgrade().filter(|cell| !cell.is_done()) else {
            return false;
        };
        if !self.posted.swap(true, Ordering::AcqRel) {
            let later = Arc::clone(&self);
            self.desk.post(Box::new(move |_| later.tell()), cell);
        }
        true
    }

    fn tell(&self) {
        self.posted.store(false, Ordering::Release);
        // The function runs with no lock held, and is put back unless it panics: then it goes with its unwinding, on this
        // thread, and not with whoever drops the last owner.
        let taken = self.lock().take();
        if let Some(mut teller) = taken {
            let seen = self.progress();
            // Before anything was handed in there is nothing to tell.
            if seen.total > 0 {
                teller.look(|| seen);
            }
            // Looked at with the place locked: who withdraws says so before it locks, and takes what it finds.
            let mut spent = Some(teller);
            let mut place = self.lock();
            if !self.withdrawn.load(Ordering::Acquire) {
                *place = spent.take();
            }
            drop(place);
            drop(spent);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<Teller<Function>>> {
        self.teller.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells of the end, of so many items.
    pub(crate) fn end(&self, total: usize) {
        let taken = self.lock().take();
        if let Some(teller) = taken {
            teller.end(self.tally.progress().done, total as u64);
        }
    }

    fn progress(&self) -> Progress {
        let seen = self.tally.progress();
        let running = match (self.pool.upgrade(), self.cell.upgrade()) {
            (Some(pool), Some(cell)) => pool.running_of_cell(&cell).min(seen.queued),
            (_, _) => 0,
        };
        Progress {
            running,
            queued: seen.queued - running,
            ..seen
        }
    }
}

/// Such a map before it is whole. When that fails, nobody is told of it.
pub(crate) struct Pending(Option<Arc<Later>>);

impl Pending {
    pub(crate) fn new(later: Arc<Later>) -> Pending {
        Pending(Some(later))
    }

    /// It is whole: its end will be told.
    pub(crate) fn keep(mut self) -> Option<Arc<Later>> {
        self.0.take()
    }
}

/// Drops the function in this thread: another owner may hold the pool's lock.
impl Drop for Pending {
    fn drop(&mut self) {
        // In a copy made by `fork` there is no other owner, and a lock may be held for ever.
        if let Some(later) = self
            .0
            .as_ref()
            .filter(|_| !procession_worker::is_forked_copy())
        {
            later.withdrawn.store(true, Ordering::Release);
            let spent = later.lock().take();
            drop(spent);
        }
    }
}
