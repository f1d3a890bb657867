//! Callbacks for each item of a lazy map: called when the item completes, whether its outcome is yielded or not.
//!
//! Nothing here must call a callback, or drop one, while a lock of the pool is held. Where replies arrive that lock is held:
//! they are copied and posted to the callbacks' thread, which decodes. The callbacks are owned by the iterator; when that goes,
//! by themselves until the last item is told, on the callbacks' thread; and by what is posted. The cell, which others may
//! drop under the lock, does not own them, and who posts gives away the owner it has.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use procession_worker::handle::Replies;
use procession_worker::{TaskError, TaskId};
use serde::de::DeserializeOwned;

use crate::callbacks::{Callbacks, contain};
use crate::cell::{Cell, Raw};
use crate::describe::Described;
use crate::driver::Shared;
use crate::map::complete;
use crate::pool::Pool;
use crate::result::{Source, decode_result, failure_error};
use crate::then::Function;

/// The callbacks of one lazy map.
pub(crate) struct Each {
    /// `None` in an inline pool, where they are called where the items run.
    thread: Option<Arc<Callbacks>>,
    name: &'static str,
    /// Locked where callbacks are called, one after another.
    tell: Mutex<Tell>,
    /// The map's number, from its first portion on.
    id: OnceLock<TaskId>,
    end: Mutex<End>,
}

/// How far the callbacks are from their end.
#[derive(Debug, Default)]
struct End {
    /// Items told.
    told: u64,
    /// Items to be told, once the iterator has gone, and who keeps the callbacks until then.
    left: Option<(u64, Arc<Each>)>,
}

/// What became of an item, as bytes if it was answered with a value.
type Answer<'a> = Result<&'a [u8], TaskError>;

/// Reads the outcome of an item and calls the callbacks; the item is known modulo 2^32.
type Tell = Box<dyn FnMut(u32, Answer<'_>, Option<TaskId>) + Send>;

impl fmt::Debug for Each {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Each").finish_non_exhaustive()
    }
}

impl Each {
    pub(crate) fn new<R: DeserializeOwned + 'static>(
        mut functions: Vec<Function<R>>,
        pool: &Pool,
        name: &'static str,
        described: Option<Arc<Described>>,
    ) -> Arc<Each> {
        let thread = pool.shared.as_ref().map(|shared| &shared.callbacks);
        let thread = thread.map(Arc::clone);
        let counts = thread.clone();
        let cell = Arc::new(Cell::pending());
        let mut source = Source::of(None, cell, name).with_described(described);
        let mut last = 0u64;
        let tell = move |item: u32, answer: Answer<'_>, id: Option<TaskId>| {
            // Items under way at a time are close together.
            let from_last = item.wrapping_sub(last as u32).cast_signed();
            last = last.wrapping_add_signed(i64::from(from_last));
            if let Some(id) = id {
                source.has_id(id);
            }
            if let Some(callbacks) = &counts {
                callbacks.begin();
            }
            // Decoding is user code, and so is the drop of what was decoded.
            guard(counts.as_deref(), || {
                let value = answer.and_then(|bytes| decode_result::<R>(bytes, &source));
                let outcome = value.map_err(|e| complete(e, last as usize, &source));
                if let Some(described) = &source.described {
                    described.forget(last);
                }
                for function in &mut functions {
                    guard(counts.as_deref(), || function(&outcome));
                }
            });
        };
        Arc::new(Each {
            thread,
            name,
            tell: Mutex::new(Box::new(tell)),
            id: OnceLock::new(),
            end: Mutex::default(),
        })
    }

    /// Items are about to be handed in. Not under the pool's lock: it may start a thread.
    pub(crate) fn prepare(&self) {
        if let Some(callbacks) = &self.thread
            && !procession_worker::is_forked_copy()
        {
            callbacks.prepare();
        }
    }

    /// The map has this number.
    pub(crate) fn is_called(&self, id: TaskId) {
        let _ = self.id.set(id);
    }

    /// Items have been handed in: what becomes of them is to be collected while nobody waits, too.
    pub(crate) fn attend(&self, shared: &Shared) {
        shared.attend();
        if shared.callbacks.is_missing() {
            // The pool's own thread tries again to start it.
            shared.watch.notify();
        }
    }

    /// The iterator goes, after so many items: those under way are still told.
    pub(crate) fn see_through(self: &Arc<Self>, items: u64) {
        let mut end = self.end();
        if end.told < items {
            end.left = Some((items, Arc::clone(self)));
        }
    }

    fn end(&self) -> MutexGuard<'_, End> {
        self.end.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reply frames of `count` items from `first` on have come.
    pub(crate) fn replied(self: Arc<Self>, first: u32, count: u32, frames: &[u8]) {
        let (frames, name) = (frames.to_vec(), self.name);
        self.post(count, move |tell, id| {
            let replies = (0..count).zip(Replies::new(&frames));
            for (item, (ok, payload)) in replies {
                let answer = match ok {
                    true => Ok(payload),
                    false => Err(failure_error(name, payload)),
                };
                tell(first.wrapping_add(item), answer, id);
            }
        });
    }

    /// An item has come to its end without a reply frame.
    pub(crate) fn ended(self: Arc<Self>, item: u32, outcome: Result<Raw, TaskError>) {
        self.post(1, move |tell, id| {
            let answer = match &outcome {
                Ok(raw) => Ok(raw.bytes()),
                Err(e) => Err(e.clone()),
            };
            tell(item, answer, id);
        });
    }

    /// `job` tells of so many items. It goes with this owner: the poster, who may hold the pool's lock, keeps none that could
    /// be the last once the job has run.
    fn post(
        self: Arc<Self>,
        items: u32,
        job: impl FnOnce(&mut Tell, Option<TaskId>) + Send + 'static,
    ) {
        // The callbacks' thread is not there, and a lock of it may be held for ever.
        if procession_worker::is_forked_copy() {
            return;
        }
        match self.thread.clone() {
            Some(callbacks) => {
                let guard = Arc::clone(&callbacks);
                // The owner goes inside: the last one drops the callbacks.
                let run = move || self.run(items, job);
                callbacks.see_to(items, Box::new(move || guard.guard(run)));
            }
            None => self.run(items, job),
        }
    }

    fn run(&self, items: u32, job: impl FnOnce(&mut Tell, Option<TaskId>)) {
        let mut tell = self.tell.lock().unwrap_or_else(PoisonError::into_inner);
        job(&mut tell, self.id.get().copied());
        drop(tell);
        let mut end = self.end();
        end.told += u64::from(items);
        let told = end.told;
        let over = end.left.take_if(|(items, _)| told >= *items);
        drop(end);
        // Who has called this owns it too.
        drop(over);
    }
}

/// Runs user code, whose panic ends here, and is counted where there is a pool that counts.
fn guard(counts: Option<&Callbacks>, code: impl FnOnce()) {
    match counts {
        Some(callbacks) => callbacks.guard(code),
        None => {
            contain(code);
        }
    }
}
