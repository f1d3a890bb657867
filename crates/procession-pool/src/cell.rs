//! Where the outcome of a submission waits for whoever asks: raw bytes or errors, and who is to be woken.
//!
//! It must never decode a value (that is the asker's work, on the asker's thread) and never wake anyone while
//! a lock is held: wake-ups are handed to the caller as [`Wakes`].

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use std::thread::Thread;

use procession_worker::TaskError;
use procession_worker::handle::{Replies, reply_frame};

/// Result bytes; short ones live in place, so that a tiny result costs no allocation.
#[derive(Debug)]
pub(crate) enum Raw {
    Short(u8, [u8; Raw::SHORT]),
    Long(Vec<u8>),
}

impl Raw {
    const SHORT: usize = 22;

    pub(crate) fn new(bytes: &[u8]) -> Raw {
        Raw::short(bytes).unwrap_or_else(|| Raw::Long(bytes.to_vec()))
    }

    /// The bytes in place, if they fit.
    pub(crate) fn short(bytes: &[u8]) -> Option<Raw> {
        let mut short = [0; Raw::SHORT];
        short.get_mut(..bytes.len())?.copy_from_slice(bytes);
        Some(Raw::Short(bytes.len() as u8, short))
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        match self {
            Raw::Short(len, bytes) => bytes.get(..usize::from(*len)).unwrap_or_default(),
            Raw::Long(bytes) => bytes,
        }
    }
}

/// What has arrived of a map and was not yet collected.
#[derive(Debug, Default)]
pub(crate) struct Arrived {
    /// First item and number of items of each run of replies, in the order of `frames`.
    pub(crate) runs: Vec<(u32, u32)>,
    /// The reply frames of all runs, end to end.
    pub(crate) frames: Vec<u8>,
    /// Items that ended without a reply.
    pub(crate) failed: Vec<(u32, TaskError)>,
}

#[derive(Debug)]
enum Outcome {
    Nothing,
    One(Result<Raw, TaskError>),
    Many(Arrived),
}

/// Wake-ups to perform once no lock is held.
#[derive(Debug, Default)]
pub(crate) struct Wakes {
    threads: Vec<Thread>,
    wakers: Vec<Waker>,
}

impl Wakes {
    /// Wakes everyone. A waker is user code: it may panic or call back into the pool.
    pub(crate) fn perform(self) {
        for thread in self.threads {
            thread.unpark();
        }
        for waker in self.wakers {
            // Whose executor panics has its own bug; the others are to be woken all the same.
            let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| waker.wake()));
        }
    }
}

#[derive(Debug)]
struct Inner {
    outcome: Outcome,
    /// Boxed, because most outcomes are there before anyone sleeps for them, and a small cell is a fast one.
    sleepers: Option<Box<Sleepers>>,
}

#[derive(Debug, Default)]
struct Sleepers {
    threads: Vec<Thread>,
    waker: Option<Waker>,
}

/// One submission's outcome, shared by its handle and the driver.
#[derive(Debug)]
pub(crate) struct Cell {
    done: AtomicBool,
    inner: Mutex<Inner>,
}

impl Cell {
    pub(crate) fn pending() -> Cell {
        Cell::with(false, Outcome::Nothing)
    }

    pub(crate) fn pending_map() -> Cell {
        Cell::with(false, Outcome::Many(Arrived::default()))
    }

    pub(crate) fn ready(outcome: Result<Raw, TaskError>) -> Cell {
        Cell::with(true, Outcome::One(outcome))
    }

    fn with(done: bool, outcome: Outcome) -> Cell {
        let inner = Inner {
            outcome,
            sleepers: None,
        };
        Cell {
            done: AtomicBool::new(done),
            inner: Mutex::new(inner),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// True once the outcome is complete; it never becomes false again.
    pub(crate) fn is_done(&self) -> bool {
        self.done.load(Ordering::Acquire)
    }

    /// The outcome of a single call. The first one stands.
    pub(crate) fn set(&self, outcome: Result<Raw, TaskError>) {
        let mut inner = self.lock();
        if matches!(inner.outcome, Outcome::Nothing) {
            inner.outcome = Outcome::One(outcome);
        }
    }

    /// Adds the reply frames of `count` items from `first` on.
    pub(crate) fn add_run(&self, first: u32, count: u32, frames: &[u8]) {
        if let Outcome::Many(arrived) = &mut self.lock().outcome {
            arrived.runs.push((first, count));
            arrived.frames.extend_from_slice(frames);
        }
    }

    /// Adds one item's value, for a map run in the caller.
    pub(crate) fn add_value(&self, item: u32, value: &[u8]) {
        self.add_run(item, 1, &reply_frame(value));
    }

    pub(crate) fn add_failure(&self, item: u32, error: TaskError) {
        if let Outcome::Many(arrived) = &mut self.lock().outcome {
            arrived.failed.push((item, error));
        }
    }

    /// As [`Cell::set`] and [`Cell::finish`] in one.
    pub(crate) fn complete(&self, outcome: Result<Raw, TaskError>, wakes: &mut Wakes) {
        let mut inner = self.lock();
        if matches!(inner.outcome, Outcome::Nothing) {
            inner.outcome = Outcome::One(outcome);
        }
        self.end(inner, wakes);
    }

    /// Marks the outcome complete and notes whom to wake.
    pub(crate) fn finish(&self, wakes: &mut Wakes) {
        self.end(self.lock(), wakes);
    }

    fn end(&self, mut inner: MutexGuard<'_, Inner>, wakes: &mut Wakes) {
        self.done.store(true, Ordering::Release);
        if let Some(sleepers) = inner.sleepers.take() {
            wakes.threads.extend(sleepers.threads);
            wakes.wakers.extend(sleepers.waker);
        }
    }

    /// Asks for `thread` to be unparked at completion; false when it is complete already.
    pub(crate) fn wake_thread(&self, thread: Thread) -> bool {
        let mut inner = self.lock();
        if self.is_done() {
            return false;
        }
        let threads = &mut inner.sleepers.get_or_insert_default().threads;
        if !threads.iter().any(|t| t.id() == thread.id()) {
            threads.push(thread);
        }
        true
    }

    /// Asks for `waker` to be woken at completion, in place of the one before; false when complete already.
    pub(crate) fn wake_future(&self, waker: &Waker) -> bool {
        let mut inner = self.lock();
        if self.is_done() {
            return false;
        }
        match &mut inner.sleepers.get_or_insert_default().waker {
            Some(known) => known.clone_from(waker),
            none => *none = Some(waker.clone()),
        }
        true
    }

    /// Reads the outcome of a single call in place.
    pub(crate) fn read<T>(&self, look: impl FnOnce(&Result<Raw, TaskError>) -> T) -> Option<T> {
        match &self.lock().outcome {
            Outcome::One(outcome) => Some(look(outcome)),
            Outcome::Nothing | Outcome::Many(_) => None,
        }
    }

    /// Takes the outcome of a single call.
    pub(crate) fn take(&self) -> Option<Result<Raw, TaskError>> {
        let mut inner = self.lock();
        match std::mem::replace(&mut inner.outcome, Outcome::Nothing) {
            Outcome::One(outcome) => Some(outcome),
            other => {
                inner.outcome = other;
                None
            }
        }
    }

    /// Takes what has arrived of a map.
    pub(crate) fn take_arrived(&self) -> Arrived {
        match &mut self.lock().outcome {
            Outcome::Many(arrived) => std::mem::take(arrived),
            Outcome::Nothing | Outcome::One(_) => Arrived::default(),
        }
    }

    /// True when a map has a failed item among what has arrived.
    pub(crate) fn has_failed(&self) -> bool {
        match &self.lock().outcome {
            Outcome::Many(arrived) => {
                !arrived.failed.is_empty() || Replies::new(&arrived.frames).any(|(ok, _)| !ok)
            }
            Outcome::One(outcome) => outcome.is_err(),
            Outcome::Nothing => false,
        }
    }
}
