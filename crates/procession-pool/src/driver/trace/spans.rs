//! The span of each task under way, from its submission to its end. It must never call the subscriber while it is locked.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tracing::Span;
use tracing::span::Id;

/// Ends remembered that were told before their beginning.
const EARLY: usize = 256;

/// The spans that are open, by the task's number.
#[derive(Debug, Default)]
pub(super) struct Spans(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    open: HashMap<u64, Open>,
    /// Threads tell on their own what they did, so the end of a short task may be told first.
    ended: VecDeque<u64>,
}

#[derive(Debug)]
struct Open {
    span: Span,
    /// Parts of a lazy map have one number.
    parts: u32,
}

impl Spans {
    /// A task, or one more part of it, has begun; the span that is its own from here on.
    pub(super) fn open(&self, task: u64, made: Span) -> Span {
        let mut state = self.lock();
        if let Some(at) = state.ended.iter().position(|ended| *ended == task) {
            state.ended.remove(at);
            return made;
        }
        let open = state.open.entry(task).or_insert_with(|| Open {
            span: made.clone(),
            parts: 0,
        });
        open.parts += 1;
        let span = open.span.clone();
        drop(state);
        span
    }

    /// What an event about this task is part of.
    pub(super) fn of(&self, task: u64) -> Option<Id> {
        self.lock().open.get(&task).and_then(|open| open.span.id())
    }

    /// A task, or a part of it, is over. The caller drops the span: that is when the subscriber hears of it.
    pub(super) fn close(&self, task: u64) -> Option<Span> {
        let mut state = self.lock();
        match state.open.get_mut(&task) {
            Some(open) if open.parts > 1 => {
                open.parts -= 1;
                Some(open.span.clone())
            }
            Some(_) => state.open.remove(&task).map(|open| open.span),
            None => {
                if state.ended.len() == EARLY {
                    state.ended.pop_front();
                }
                state.ended.push_back(task);
                None
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
