//! Where the outcome of a submission waits for whoever asks: raw bytes or errors, and who is to be woken.
//!
//! It must never decode a value (that is the asker's work, on the asker's thread) and never wake anyone while
//! a lock is held: wake-ups are handed to the caller as [`Wakes`].

mod arrived;
#[cfg(all(test, model_outcomes))]
mod model;
mod wakes;

pub(crate) use arrived::{Arrived, Raw};
pub(crate) use wakes::Wakes;

use std::sync::{Arc, PoisonError, TryLockError, Weak};
use std::task::Waker;
use std::thread::Thread;

use procession_worker::TaskError;
use procession_worker::handle::{Short, reply_frame};

use crate::callbacks::Callback;
use crate::each::Each;
use crate::progress::later::Tally;
use crate::sync::{AtomicBool, AtomicU32, AtomicU64, Mutex, MutexGuard, Ordering};

/// What an arrival is to somebody: `None` for a map, which is waited for as a whole; for a stream, whom to wake.
pub(crate) type Told = Option<Vec<Thread>>;

#[derive(Debug)]
enum Outcome {
    Nothing,
    One(Result<Raw, TaskError>),
    /// Boxed: a cell of a call is small.
    Many(Box<Arrived>),
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
    hooks: Vec<Hook>,
}

/// What else completion brings about, besides waking.
#[derive(Debug)]
pub(crate) enum Hook {
    /// A callback is due.
    Callback(Callback),
    /// Something is due on the callbacks' thread that does not read the outcome.
    Due(Callback),
    /// One of many handles has arrived: its index is noted, then the signal is set.
    Arrival {
        index: usize,
        note: flume::Sender<usize>,
        signal: Arc<Cell>,
    },
}

impl Hook {
    fn fire(self, cell: &Arc<Cell>, wakes: &mut Wakes) {
        match self {
            Hook::Callback(callback) | Hook::Due(callback) => callback.due(Arc::clone(cell)),
            Hook::Arrival {
                index,
                note,
                signal,
            } => {
                // Nobody listens when the iterator was dropped.
                let _ = note.send(index);
                signal.finish(wakes);
            }
        }
    }
}

/// Whoever is told of each item of a map or stream.
#[derive(Debug)]
enum Watcher {
    /// It counts them.
    Tally(Arc<Tally>),
    /// It has callbacks called. Not an owner: a cell may be dropped under the driver's lock, and callbacks are user code.
    Each(Weak<Each>),
}

impl Watcher {
    fn add_run(&self, first: u32, count: u32, frames: &[u8]) {
        match self {
            Watcher::Tally(tally) => tally.add_run(frames),
            Watcher::Each(each) => {
                if let Some(each) = each.upgrade() {
                    each.replied(first, count, frames);
                }
            }
        }
    }

    fn add_failure(&self, item: u32, error: &TaskError) {
        match self {
            Watcher::Tally(tally) => tally.add_failure(),
            Watcher::Each(each) => {
                if let Some(each) = each.upgrade() {
                    each.ended(item, Err(error.clone()));
                }
            }
        }
    }
}

/// Nothing has come, and nobody is to be told.
const PENDING: u64 = 0;
/// What comes next is for who holds the lock: something lies there, or somebody is to be told.
const HELD: u64 = 1;
/// The outcome lies under the lock, complete.
const DONE: u64 = 2;

/// One submission's outcome, shared by its handle and the driver.
///
/// Most outcomes are a few bytes, and are there before anyone asks. Such a one is a single word, which takes the place of
/// [`PENDING`] in one step and is read in one, without the lock. Whoever is to be told first makes the cell [`HELD`], under the
/// lock; then the word does not fit, and the outcome comes by way of the lock.
#[derive(Debug)]
pub(crate) struct Cell {
    /// How far it is ([`PENDING`], [`HELD`], [`DONE`]), or a short value, which makes it done as well.
    state: AtomicU64,
    /// So many readers get a copy of the outcome, the one after them takes it. Changed under the lock alone.
    copies: AtomicU32,
    cancelled: AtomicBool,
    /// Of a stream: done whenever something has arrived.
    stream: bool,
    /// Who is told of items as they arrive.
    watcher: Option<Box<Watcher>>,
    inner: Mutex<Inner>,
}

impl Cell {
    pub(crate) fn pending() -> Cell {
        Cell::with(false, Outcome::Nothing)
    }

    pub(crate) fn pending_map() -> Cell {
        Cell::with(false, Outcome::Many(Box::default()))
    }

    /// A map whose items are counted as they arrive.
    pub(crate) fn pending_map_counted(tally: Arc<Tally>) -> Cell {
        Cell {
            watcher: Some(Box::new(Watcher::Tally(tally))),
            ..Cell::pending_map()
        }
    }

    /// For items that come one after another without end: "done" means that something is there to be taken, and
    /// taking it makes the cell pending again.
    pub(crate) fn pending_stream() -> Cell {
        Cell {
            stream: true,
            ..Cell::pending_map()
        }
    }

    /// A stream with callbacks for its items.
    pub(crate) fn pending_stream_told(each: &Arc<Each>) -> Cell {
        Cell {
            watcher: Some(Box::new(Watcher::Each(Arc::downgrade(each)))),
            ..Cell::pending_stream()
        }
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
            state: AtomicU64::new(if done { DONE } else { PENDING }),
            copies: AtomicU32::new(0),
            cancelled: AtomicBool::new(false),
            stream: false,
            watcher: None,
            inner: Mutex::new(inner),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// As [`Cell::lock`], in a copy made by `fork` too: there is none while it was held at the fork, since nobody lets go of it.
    fn reach(&self) -> Option<MutexGuard<'_, Inner>> {
        if !procession_worker::is_forked_copy() {
            return Some(self.lock());
        }
        match self.inner.try_lock() {
            Ok(inner) => Some(inner),
            Err(TryLockError::Poisoned(inner)) => Some(inner.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        }
    }

    /// True once the outcome is complete; it never becomes false again, but for a signal, and for a stream whose news were
    /// taken.
    pub(crate) fn is_done(&self) -> bool {
        self.state.load(Ordering::Acquire) > HELD
    }

    /// With the lock held: from here on nothing comes but by way of the lock. False when it is done.
    fn hold(&self) -> bool {
        let pending =
            self.state
                .compare_exchange(PENDING, HELD, Ordering::Relaxed, Ordering::Acquire);
        matches!(pending, Ok(_) | Err(HELD))
    }

    /// The outcome, if it is a short value.
    #[inline]
    pub(crate) fn short(&self) -> Option<Short> {
        Short::from_word(self.state.load(Ordering::Acquire))
    }

    /// The owner cancelled it before it was complete, so that nothing else is its outcome.
    pub(crate) fn cancel(&self) {
        self.cancelled.store(true, Ordering::Release);
    }

    pub(crate) fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Acquire)
    }

    /// The outcome of a single call. The first one stands.
    pub(crate) fn set(&self, outcome: Result<Raw, TaskError>) {
        let mut inner = self.lock();
        if matches!(inner.outcome, Outcome::Nothing) && self.hold() {
            inner.outcome = Outcome::One(outcome);
        }
    }

    /// Adds the reply frames of `count` items from `first` on.
    pub(crate) fn add_run(&self, first: u32, count: u32, frames: &[u8]) -> Told {
        if let Some(watcher) = &self.watcher {
            watcher.add_run(first, count, frames);
        }
        let mut inner = self.lock();
        if let Outcome::Many(arrived) = &mut inner.outcome {
            match arrived.runs.last_mut() {
                // A stream's items are numbered modulo 2^32.
                Some((begin, items)) if begin.wrapping_add(*items) == first => *items += count,
                _ => arrived.runs.push((first, count)),
            }
            arrived.frames.extend_from_slice(frames);
        }
        self.tell(inner)
    }

    /// Adds one item's value, for a map run in the caller.
    pub(crate) fn add_value(&self, item: u32, value: &[u8]) {
        let _ = self.add_run(item, 1, &reply_frame(value));
    }

    pub(crate) fn add_failure(&self, item: u32, error: TaskError) -> Told {
        if let Some(watcher) = &self.watcher {
            watcher.add_failure(item, &error);
        }
        let mut inner = self.lock();
        if let Outcome::Many(arrived) = &mut inner.outcome {
            arrived.failed.push((item, error));
        }
        self.tell(inner)
    }

    fn tell(&self, mut inner: MutexGuard<'_, Inner>) -> Told {
        self.stream.then(|| {
            self.state.store(DONE, Ordering::Release);
            let sleepers = inner.sleepers.as_mut();
            sleepers.map_or_else(Vec::new, |s| std::mem::take(&mut s.threads))
        })
    }

    /// As [`Cell::set`] and [`Cell::finish`] in one.
    pub(crate) fn complete(self: &Arc<Self>, outcome: Result<Raw, TaskError>, wakes: &mut Wakes) {
        let mut inner = self.lock();
        if matches!(inner.outcome, Outcome::Nothing) && self.hold() {
            inner.outcome = Outcome::One(outcome);
        }
        self.end(inner, wakes);
    }

    /// As [`Cell::complete`] for a short value, without the lock if nobody is to be told.
    #[inline]
    pub(crate) fn complete_short(self: &Arc<Self>, value: Short, wakes: &mut Wakes) {
        let word = value.word();
        let put = self
            .state
            .compare_exchange(PENDING, word, Ordering::Release, Ordering::Relaxed);
        if put.is_err() {
            self.complete(Ok(Raw::new(value.bytes())), wakes);
        }
    }

    /// Marks the outcome complete, notes whom to wake, and passes on what hangs on it. A stream is never complete.
    pub(crate) fn finish(self: &Arc<Self>, wakes: &mut Wakes) {
        self.end(self.lock(), wakes);
    }

    fn end(self: &Arc<Self>, mut inner: MutexGuard<'_, Inner>, wakes: &mut Wakes) {
        if self.stream || !self.hold() {
            return;
        }
        self.state.store(DONE, Ordering::Release);
        if let Some(sleepers) = inner.sleepers.take() {
            drop(inner);
            wakes.add(sleepers.threads);
            wakes.add_waker(sleepers.waker);
            for hook in sleepers.hooks {
                hook.fire(self, wakes);
            }
        }
    }

    /// Hangs something on the completion; it happens now when that has been.
    pub(crate) fn attach(self: &Arc<Self>, hook: Hook) {
        let mut inner = self.lock();
        if matches!(hook, Hook::Callback(_)) {
            self.copies.fetch_add(1, Ordering::Relaxed);
        }
        if self.hold() {
            inner.sleepers.get_or_insert_default().hooks.push(hook);
            return;
        }
        drop(inner);
        let mut wakes = Wakes::default();
        hook.fire(self, &mut wakes);
        wakes.perform();
    }

    /// One more reader is to find the outcome.
    pub(crate) fn leave_for_one_more(&self) {
        let _inner = self.lock();
        self.copies.fetch_add(1, Ordering::Relaxed);
    }

    /// Whether this reader, who holds the lock, is to leave the outcome for another one.
    fn is_to_copy(&self) -> bool {
        let copies = self.copies.load(Ordering::Relaxed);
        if copies > 0 {
            self.copies.store(copies - 1, Ordering::Relaxed);
        }
        copies > 0
    }

    /// Makes a signal unset again. Only for cells that carry no outcome and have one thread that waits.
    pub(crate) fn rearm(&self) {
        let _inner = self.lock();
        self.state.store(HELD, Ordering::Release);
    }

    /// Asks for `thread` to be unparked at completion; false when it is complete already.
    pub(crate) fn wake_thread(&self, thread: Thread) -> bool {
        let mut inner = self.lock();
        if !self.hold() {
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
        if !self.hold() {
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
        if let Some(value) = self.short() {
            return Some(look(&Ok(Raw::new(value.bytes()))));
        }
        match &self.lock().outcome {
            Outcome::One(outcome) => Some(look(outcome)),
            Outcome::Nothing | Outcome::Many(_) => None,
        }
    }

    /// Takes the outcome of a single call. A short value stays.
    pub(crate) fn take(&self) -> Option<Result<Raw, TaskError>> {
        if let Some(value) = self.short() {
            return Some(Ok(Raw::new(value.bytes())));
        }
        let mut inner = self.lock();
        if let Outcome::One(outcome) = &inner.outcome
            && self.is_to_copy()
        {
            return Some(outcome.clone());
        }
        match std::mem::replace(&mut inner.outcome, Outcome::Nothing) {
            Outcome::One(outcome) => Some(outcome),
            other => {
                inner.outcome = other;
                None
            }
        }
    }

    /// Takes what has arrived of a map; `spare` is emptied and receives what comes next, in its memory.
    pub(crate) fn take_arrived(&self, mut spare: Arrived) -> Arrived {
        spare.clear();
        let Some(mut inner) = self.reach() else {
            return spare;
        };
        if self.stream {
            self.state.store(HELD, Ordering::Release);
        }
        match &mut inner.outcome {
            Outcome::Many(arrived) if self.is_to_copy() => Arrived::clone(arrived),
            Outcome::Many(arrived) => std::mem::replace(arrived, spare),
            Outcome::Nothing | Outcome::One(_) => Arrived::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use procession_worker::handle::reply_frame;

    use super::{Arrived, Cell};

    #[test]
    fn runs_that_follow_each_other_are_one_also_where_their_numbers_begin_again() {
        let cell = Cell::pending_stream();
        let frame = reply_frame(&[7]);
        let two = [&frame[..], &frame[..]].concat();
        for (first, count, frames) in [
            (u32::MAX - 1, 2, &two),
            (0, 1, &frame),
            (2, 1, &frame),
            (3, 2, &two),
        ] {
            let _ = cell.add_run(first, count, frames);
        }
        let arrived = cell.take_arrived(Arrived::default());
        assert_eq!(arrived.runs, [(u32::MAX - 1, 3), (2, 3)]);
        assert_eq!(arrived.frames.len(), 6 * frame.len());
    }
}
