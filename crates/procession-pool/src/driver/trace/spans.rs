//! The span of a task, from before it is submitted to its end. It must never be made or dropped under a lock: the subscriber is told.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use procession_worker::TaskId;
use tracing::level_filters::LevelFilter;
use tracing::span::Id;
use tracing::{Span, debug_span};

use super::wanted;

/// Whose event it is, and the span that says so, if there is one.
#[derive(Debug)]
pub(super) struct Whose<'a> {
    pub(super) pool: &'a str,
    pub(super) task: u64,
    pub(super) name: &'static str,
    pub(super) within: Option<Id>,
}

/// An event of a task. Its span says whose it is; where there is none, the event does.
macro_rules! tell {
    ($level:ident, $whose:expr, $text:literal $(, $field:ident = $value:expr)*) => {{
        let Whose { pool, task, name, within } = $whose;
        match within {
            Some(span) => {
                tracing::$level!(target: "procession", parent: span, $($field = $value,)* $text);
            }
            None => {
                tracing::$level!(target: "procession", parent: None, pool, task, name, $($field = $value,)* $text);
            }
        }
    }};
}
pub(super) use tell;

/// The span of one task. Its copies are with the task and with whatever is yet to be told of it; the last one that is
/// dropped tells the end of the task, so nothing is told of it later, or outside.
#[derive(Clone, Debug, Default)]
pub(crate) struct TaskSpan(Option<Arc<Begun>>);

#[derive(Debug)]
struct Begun {
    pool: String,
    id: TaskId,
    name: &'static str,
    span: Span,
}

impl TaskSpan {
    /// Whether there is none, and somebody may want one.
    #[inline]
    pub(crate) fn is_due(&self) -> bool {
        self.0.is_none() && wanted(LevelFilter::DEBUG)
    }

    /// The task's number, which its span has taken.
    #[inline]
    pub(crate) fn id(&self) -> Option<TaskId> {
        self.0.as_ref().map(|begun| begun.id)
    }

    /// Makes the span of a task that is about to be submitted, within that of this thread, and tells of the submission.
    pub(crate) fn begin(&mut self, pool: &str, id: TaskId, name: &'static str, items: u32) {
        let task = id.0;
        let make = || debug_span!(target: "procession", "task", pool, task, name);
        let span = catch_unwind(AssertUnwindSafe(make)).unwrap_or(Span::none());
        let begun = Arc::new(Begun {
            pool: pool.into(),
            id,
            name,
            span,
        });
        guard(|| tell!(debug, begun.whose(), "task submitted", items = items));
        self.0 = Some(begun);
    }

    /// It was not submitted after all.
    pub(crate) fn refused(&self) {
        if let Some(begun) = &self.0 {
            guard(|| tell!(debug, begun.whose(), "task refused"));
        }
    }

    /// What an event of this task is part of.
    pub(super) fn within(&self) -> Option<Id> {
        self.0.as_ref().and_then(|begun| begun.span.id())
    }
}

impl Begun {
    fn whose(&self) -> Whose<'_> {
        Whose {
            pool: &self.pool,
            task: self.id.0,
            name: self.name,
            within: self.span.id(),
        }
    }
}

impl Drop for Begun {
    fn drop(&mut self) {
        guard(|| tell!(debug, self.whose(), "task ended"));
        let span = std::mem::replace(&mut self.span, Span::none());
        guard(|| drop(span));
    }
}

/// A subscriber that panics has its own bug.
pub(super) fn guard(tell: impl FnOnce()) {
    let _ = catch_unwind(AssertUnwindSafe(tell));
}
