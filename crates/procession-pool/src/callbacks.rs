//! Callbacks: what is called with an outcome, on a thread of its own, once each, in the order of completion.
//!
//! It must never call anything while a lock is held: a callback may submit, close or terminate.
//!
//! A callback is registered before its handle is given out and counted until it has run. Completion puts it into a
//! channel while the driver's lock is held, so the order of the channel is the order of completion; the thread takes
//! it out. One that is due counts as such until it begins: a bounded pool bounds them where work is handed in, because who
//! completes a call must not wait. The thread is started by the first registration and ends when the last sender is gone: the
//! pool's own, which `finish` and `let_go` take away, and those of callbacks still to come.

use std::fmt;
use std::panic::AssertUnwindSafe;
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::cell::Cell;

/// What reads the outcome in the cell and calls the user's function with it.
pub(crate) type Job = Box<dyn FnOnce(Arc<Cell>) + Send>;

std::thread_local! {
    /// The callbacks this thread runs, if it is a callback thread.
    static SERVES: std::cell::Cell<*const Callbacks> = const { std::cell::Cell::new(ptr::null()) };
}

/// One pool's callbacks, or the questions it asks: what one thread calls.
pub(crate) struct Callbacks {
    /// What the thread is called.
    name: &'static str,
    state: Mutex<State>,
    none_open: Condvar,
    panicked: AtomicU64,
    missing: AtomicBool,
    /// Callbacks whose calls have completed and that have not begun.
    due: AtomicU64,
    /// Called whenever one of them begins.
    begins: OnceLock<Box<dyn Fn() + Send + Sync>>,
}

#[derive(Default)]
struct State {
    channel: Option<(flume::Sender<Work>, flume::Receiver<Work>)>,
    thread: Option<JoinHandle<()>>,
    /// Registered and not over.
    open: usize,
    /// The pool is gone: a thread started from here on ends by itself.
    let_go: bool,
}

/// What the thread runs next.
enum Work {
    /// A callback whose call has completed.
    Outcome(Job, Arc<Cell>, Open),
    /// What came over a desk.
    Task(Job, Arc<Cell>, Open),
    /// Something else, in its turn.
    Notice(Notice, Open),
}

/// What else the callback thread is to run; it guards itself what is the user's.
pub(crate) type Notice = Box<dyn FnOnce() + Send>;

/// Counts a registered callback until it is over, however that comes.
struct Open(Arc<Callbacks>);

impl Open {
    fn one_more(&self) -> Open {
        self.0.lock().open += 1;
        Open(Arc::clone(&self.0))
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        // Nobody waits for it in a copy made by `fork`, and a lock may be held for ever.
        if procession_worker::is_forked_copy() {
            return;
        }
        let mut state = self.0.lock();
        state.open -= 1;
        if state.open == 0 {
            self.0.none_open.notify_all();
        }
    }
}

/// A callback that waits for its call's completion.
pub(crate) struct Callback {
    job: Job,
    to: flume::Sender<Work>,
    open: Open,
}

impl fmt::Debug for Callback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Callback")
    }
}

impl Callback {
    /// Hands it to its thread; never blocks.
    pub(crate) fn due(self, cell: Arc<Cell>) {
        let Callback { job, to, open } = self;
        open.0.due.fetch_add(1, Ordering::Relaxed);
        // The receiving end lives as long as this sender does.
        let _ = to.send(Work::Outcome(job, cell, open));
    }
}

/// Takes any number of functions for the callback thread, which goes on until the desk is closed.
pub(crate) struct Desk {
    to: flume::Sender<Work>,
    open: Open,
}

impl fmt::Debug for Desk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Desk")
    }
}

impl Desk {
    /// What is posted has no thread to call it, for the time being.
    pub(crate) fn is_unattended(&self) -> bool {
        self.open.0.is_missing()
    }

    /// Hands a function to the thread; never blocks.
    pub(crate) fn post(&self, job: Job, cell: Arc<Cell>) {
        let work = Work::Task(job, cell, self.open.one_more());
        // The receiving end lives as long as this sender does.
        let _ = self.to.send(work);
    }
}

impl fmt::Debug for Callbacks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Callbacks")
            .field("panicked", &self.panicked)
            .finish_non_exhaustive()
    }
}

impl Callbacks {
    /// None yet, and no thread.
    pub(crate) fn new(name: &'static str) -> Callbacks {
        Callbacks {
            name,
            state: Mutex::default(),
            none_open: Condvar::new(),
            panicked: AtomicU64::new(0),
            missing: AtomicBool::new(false),
            due: AtomicU64::new(0),
            begins: OnceLock::new(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes a callback and sees to it that a thread is there for it.
    pub(crate) fn register(self: &Arc<Self>, job: Job) -> Callback {
        let Desk { to, open } = self.desk();
        Callback { job, to, open }
    }

    /// Opens the way to a thread that calls what is posted.
    pub(crate) fn desk(self: &Arc<Self>) -> Desk {
        let mut state = self.lock();
        state.open += 1;
        let open = Open(Arc::clone(self));
        if state.let_go {
            let (to, from) = flume::unbounded();
            // Without a thread the callback is lost, with nobody left to report it to.
            let _ = self.start(from);
            return Desk { to, open };
        }
        let (to, from) = state.channel.get_or_insert_with(flume::unbounded).clone();
        if state.thread.is_none() {
            // A refusal is tried again by `mend`; `finish` calls what is left.
            self.try_start(&mut state, from);
        }
        Desk { to, open }
    }

    /// Starts the thread, so that the first notice does not.
    pub(crate) fn prepare(self: &Arc<Self>) {
        let mut state = self.lock();
        if state.let_go {
            return;
        }
        let (_, from) = state.channel.get_or_insert_with(flume::unbounded).clone();
        if state.thread.is_none() {
            self.try_start(&mut state, from);
        }
    }

    /// Has `notice` run after what is due by now; never waits for it. A pool that is gone has nobody to run it.
    pub(crate) fn post(self: &Arc<Self>, notice: Notice) {
        let mut state = self.lock();
        if state.let_go {
            return;
        }
        state.open += 1;
        let open = Open(Arc::clone(self));
        let (to, from) = state.channel.get_or_insert_with(flume::unbounded).clone();
        if state.thread.is_none() {
            self.try_start(&mut state, from);
        }
        drop(state);
        // The receiving end lives as long as this sender does.
        let _ = to.send(Work::Notice(notice, open));
    }

    /// Has `notice` run after what is due by now, also when the pool is gone; never waits for it. It calls so many callbacks,
    /// and says of each that it [begins](Callbacks::begin).
    pub(crate) fn see_to(self: &Arc<Self>, callbacks: u32, notice: Notice) {
        let Desk { to, open } = self.desk();
        self.due.fetch_add(callbacks.into(), Ordering::Relaxed);
        // The receiving end lives as long as this sender does.
        let _ = to.send(Work::Notice(notice, open));
    }

    fn try_start(self: &Arc<Self>, state: &mut State, from: flume::Receiver<Work>) {
        state.thread = self.start(from).ok();
        self.missing
            .store(state.thread.is_none(), Ordering::Release);
    }

    /// A thread is wanted, and could not be started.
    pub(crate) fn is_missing(&self) -> bool {
        self.missing.load(Ordering::Acquire)
    }

    /// Tries once more to start a thread that is missing; false when it is missing still.
    pub(crate) fn mend(self: &Arc<Self>) -> bool {
        if !self.is_missing() {
            return true;
        }
        let mut state = self.lock();
        match state.channel.clone() {
            Some((_, from)) if state.thread.is_none() => self.try_start(&mut state, from),
            // There is one by now, or nobody wants it any more.
            Some(_) | None => self.missing.store(false, Ordering::Release),
        }
        !self.is_missing()
    }

    fn start(self: &Arc<Self>, from: flume::Receiver<Work>) -> std::io::Result<JoinHandle<()>> {
        let callbacks = Arc::clone(self);
        std::thread::Builder::new()
            .name(self.name.into())
            .spawn(move || {
                SERVES.set(Arc::as_ptr(&callbacks));
                for work in from {
                    callbacks.call(work);
                    if procession_worker::is_forked_copy() {
                        // It has forked: this thread is all there is of the copy, and the others are the original's.
                        return;
                    }
                }
            })
    }

    /// Calls one; its panic has been reported by the panic hook, is counted, and goes no further.
    fn call(&self, work: Work) {
        match work {
            Work::Outcome(job, cell, _open) => {
                self.begin();
                self.guard(|| job(cell));
            }
            Work::Task(job, cell, _open) => self.guard(|| job(cell)),
            Work::Notice(notice, _open) => notice(),
        }
    }

    /// One that was due is due no longer. Whoever reads the count under a lock that `begins` takes has the count as it was
    /// before, and is told then, or as it is.
    pub(crate) fn begin(&self) {
        self.due.fetch_sub(1, Ordering::Relaxed);
        if let Some(begins) = self.begins.get() {
            begins();
        }
    }

    /// Has `begins` called before each callback, on its thread.
    pub(crate) fn tell_of_begins(&self, begins: impl Fn() + Send + Sync + 'static) {
        let _ = self.begins.set(Box::new(begins));
    }

    /// How many callbacks are due and have not begun.
    pub(crate) fn due(&self) -> u64 {
        self.due.load(Ordering::Relaxed)
    }

    /// Runs a callback's code; a panic is counted and ends here.
    pub(crate) fn guard(&self, code: impl FnOnce()) {
        if !contain(code) {
            self.panicked.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// How many callbacks have panicked.
    pub(crate) fn panicked(&self) -> u64 {
        self.panicked.load(Ordering::Relaxed)
    }

    /// True on this pool's callback thread.
    pub(crate) fn is_here(&self) -> bool {
        SERVES.with(|serves| ptr::eq(serves.get(), self))
    }

    /// Waits until every registered callback is over, then ends the thread; false when the deadline came first.
    /// Must not be called on the callback thread.
    pub(crate) fn finish(&self, deadline: Option<Instant>) -> bool {
        let mut state = self.lock();
        while state.open > 0 {
            if state.thread.is_none()
                && let Some((_, from)) = state.channel.clone()
                && let Ok(work) = from.try_recv()
            {
                drop(state);
                self.call(work);
                state = self.lock();
                continue;
            }
            let left = match deadline {
                None => Duration::from_secs(3600),
                Some(at) => at.saturating_duration_since(Instant::now()),
            };
            if left.is_zero() {
                return false;
            }
            state = self
                .none_open
                .wait_timeout(state, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
        let (channel, thread) = (state.channel.take(), state.thread.take());
        drop(state);
        drop(channel);
        if let Some(thread) = thread {
            let _ = thread.join();
        }
        true
    }

    /// The pool is gone: the thread ends by itself after the last callback.
    pub(crate) fn let_go(&self) {
        let mut state = self.lock();
        state.let_go = true;
        let (channel, thread) = (state.channel.take(), state.thread.take());
        drop(state);
        drop((channel, thread));
    }
}

/// Runs user code, whose panic ends here; false when it panicked.
pub(crate) fn contain(code: impl FnOnce()) -> bool {
    match std::panic::catch_unwind(AssertUnwindSafe(code)) {
        Ok(()) => true,
        Err(payload) => {
            drop_quietly(payload);
            false
        }
    }
}

/// Drops a panic's payload, whose own drop may panic.
pub(crate) fn drop_quietly(payload: Box<dyn std::any::Any + Send>) {
    if let Err(second) = std::panic::catch_unwind(AssertUnwindSafe(|| drop(payload))) {
        std::mem::forget(second);
    }
}
