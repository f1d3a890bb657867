//! What comes of a worker that was told to end in good order: its exit hook's result, or why there is none. Values are
//! handed on unread.

use std::time::Duration;

use procession_task::failure::Failure;
use procession_worker::handle::ExitValue;
use procession_worker::{TaskError, TaskErrorKind};

use super::story::Story;
use crate::exits::Exit;

/// The exits that have come, until the pool's own thread lets go of the lock.
#[derive(Debug, Default)]
pub(crate) struct Leaving {
    /// The exit hook's name, if there is one.
    pub(crate) hook: Option<&'static str>,
    pub(crate) came: Vec<Exit>,
}

impl Leaving {
    fn error(&self, kind: TaskErrorKind) -> TaskError {
        TaskError::new(kind, self.hook.unwrap_or_default())
    }

    /// A worker's hook has run.
    pub(super) fn said(&mut self, said: Result<ExitValue, Failure>) {
        let name = self.hook.unwrap_or_default();
        let failed = |failure| TaskError::from_failure(name, failure);
        self.came.push(said.map_err(failed));
    }

    /// A worker is ended before its hook has.
    pub(super) fn interrupted(&mut self) {
        let error = self.error(TaskErrorKind::Terminated);
        self.came.push(Err(error));
    }

    /// A worker has ended and said nothing, `took` after it was told to end.
    pub(super) fn nothing_said(&mut self, story: &Story, took: Duration, limit: Duration) {
        let (pid, name) = (story.death.pid(), story.death.name());
        let error = if took >= limit && story.panic.is_none() {
            self.error(TaskErrorKind::TimedOut)
                .with_times(limit, took)
                .with_detail(format!("worker {pid} ({name:?}) is ended"))
        } else if let Some(panic) = &story.panic {
            let error = self.error(TaskErrorKind::Panicked);
            error
                .with_panic(panic.clone())
                .with_death(story.death.clone())
        } else {
            let error = self.error(TaskErrorKind::WorkerDied);
            error.with_death(story.death.clone())
        };
        self.came.push(Err(error));
    }
}
