//! Spans and events for the crate `tracing`, noted under the driver's lock and emitted after it is released: a subscriber is user code.
//!
//! Without the feature `tracing` there is nothing here, and it must cost nothing; with it, and no subscriber that wants the
//! level, each note costs a load and a branch.

#[cfg(not(feature = "tracing"))]
mod none;
#[cfg(feature = "tracing")]
mod notes;
#[cfg(feature = "tracing")]
mod spans;

use std::sync::MutexGuard;

use procession_task::descriptor::TaskRef;
use procession_worker::TaskId;

use super::{Driver, Shared, Submission};

#[cfg(not(feature = "tracing"))]
pub(crate) use none::{TaskSpan, Trace};
#[cfg(feature = "tracing")]
pub(crate) use notes::Trace;
#[cfg(feature = "tracing")]
pub(crate) use spans::TaskSpan;

impl Shared {
    /// Tells what was noted under locks that were let go of without telling.
    pub(crate) fn tell_trace(&self) {
        let trace = self.lock().parts.trace.take();
        trace.emit(&self.spec.name);
    }

    /// Lets go of the lock and makes the span of a task that is about to be submitted, so that it is there before anything
    /// can happen to the task. One that has no number gets it.
    #[cold]
    pub(super) fn begin_span(
        &self,
        mut driver: MutexGuard<'_, Driver>,
        span: &mut TaskSpan,
        id: Option<TaskId>,
        task: TaskRef,
        items: u32,
    ) {
        let id = id.unwrap_or_else(|| driver.number());
        self.unlock(driver);
        span.begin(&self.spec.name, id, task.name(), items);
    }

    /// As `begin_span`, for a call or a map.
    pub(super) fn begin_span_of(
        &self,
        driver: MutexGuard<'_, Driver>,
        submission: &mut Submission,
    ) {
        let (task, items) = (submission.task, submission.spec.items);
        self.begin_span(driver, &mut submission.span, None, task, items);
    }
}

/// Whether anybody may want what is of this level.
#[cfg(feature = "tracing")]
#[inline]
fn wanted(level: tracing::level_filters::LevelFilter) -> bool {
    tracing::level_filters::LevelFilter::current() >= level
}
