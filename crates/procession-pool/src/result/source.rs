//! What a handle refers to: the pool, the cell with the outcome, and the names of both. It must not decode.

use std::sync::Arc;

use procession_worker::{TaskError, TaskId};

use crate::cell::{Cell, Raw};
use crate::core::JobId;
use crate::describe::Described;
use crate::driver::Shared;

/// Everything of a handle but its type. Small: what a hundred thousand handles take has to come from memory and go back there.
#[derive(Clone)]
pub(crate) struct Source {
    /// `None` when the outcome was there from the beginning.
    pub(crate) shared: Option<Arc<Shared>>,
    pub(crate) cell: Arc<Cell>,
    /// `JobId::NONE`, 0: it has none.
    job: JobId,
    id: u64,
    pub(crate) name: &'static str,
    /// The arguments, if errors are to tell them.
    pub(crate) described: Option<Arc<Described>>,
}

impl Source {
    /// An outcome known at once.
    pub(crate) fn ready(outcome: Result<Raw, TaskError>, name: &'static str) -> Source {
        Source::of(None, Arc::new(Cell::ready(outcome)), name)
    }

    /// What will be in the cell, of no job and without a number yet.
    #[inline]
    pub(crate) fn of(shared: Option<Arc<Shared>>, cell: Arc<Cell>, name: &'static str) -> Source {
        Source {
            shared,
            cell,
            job: JobId::NONE,
            id: 0,
            name,
            described: None,
        }
    }

    #[inline]
    pub(crate) fn with_job(self, job: JobId) -> Source {
        Source { job, ..self }
    }

    #[inline]
    pub(crate) fn with_id(self, id: Option<TaskId>) -> Source {
        let id = id.map_or(0, |id| id.0);
        Source { id, ..self }
    }

    #[inline]
    pub(crate) fn with_described(self, described: Option<Arc<Described>>) -> Source {
        Source { described, ..self }
    }

    pub(crate) fn has_id(&mut self, id: TaskId) {
        self.id = id.0;
    }

    pub(crate) fn job(&self) -> Option<JobId> {
        (self.job != JobId::NONE).then_some(self.job)
    }

    pub(crate) fn id(&self) -> Option<TaskId> {
        (self.id != 0).then_some(TaskId(self.id))
    }

    /// The error with the arguments of its item, if it is to tell them.
    pub(crate) fn describe(&self, error: TaskError, item: usize) -> TaskError {
        match &self.described {
            Some(described) => described.tell(item as u64, error),
            None => error,
        }
    }

    /// Whether this is a copy made by `fork` of what belongs to the original's pool: nothing moves there.
    pub(crate) fn is_copied(&self) -> bool {
        self.shared.as_ref().is_some_and(|shared| !shared.is_ours())
    }

    /// Waits; false when the deadline came first.
    pub(crate) fn wait(&self, deadline: Option<u64>) -> bool {
        if self.cell.is_done() {
            if let Some(shared) = &self.shared {
                shared.settle(deadline);
            }
            return true;
        }
        self.see_through(deadline)
    }

    /// As [`Source::wait`], for who said at the submission that this thread would drain: it does, or hands that over.
    pub(crate) fn see_through(&self, deadline: Option<u64>) -> bool {
        match &self.shared {
            Some(shared) if shared.is_ours() => {
                let done = shared.wait(&[&self.cell], self.job(), deadline, None);
                if done {
                    shared.settle(deadline);
                }
                done
            }
            // Nothing moves in a forked copy, and what has no pool is done from the beginning.
            Some(_) | None => self.cell.is_done(),
        }
    }
}
