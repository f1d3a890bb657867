//! The calls that every worker of a pool makes besides its tasks, encoded once. Nothing is sent from here.

use std::sync::Arc;

use procession_task::codec::{self, Limits};
use procession_task::descriptor::TaskRef;
use procession_task::state::Maker;
use procession_task::task::{Arguments, Task};
use procession_worker::handle::EncodedCall;
use procession_worker::{Error, TaskError};

/// A function and its encoded arguments.
#[derive(Clone, Debug)]
pub(super) struct Encoded {
    what: &'static str,
    pub(super) task: TaskRef,
    args: Arc<Vec<u8>>,
}

impl Encoded {
    /// `what` the function is to the user, for errors: `initializer`.
    pub(super) fn new<F, Args>(what: &'static str, task: F, args: &Args) -> Result<Encoded, Error>
    where
        F: Task<Args>,
        Args: Arguments,
    {
        let task = TaskRef::of::<F, Args>(task)
            .map_err(|e| Error::message(format!("cannot use the {what} {}: {e}", e.name())))?;
        let mut bytes = Vec::new();
        codec::guarded(|| codec::encode(args, &mut bytes, &Limits::default())).map_err(|e| {
            let name = task.name();
            Error::message(format!(
                "cannot encode the arguments of the {what} {name}: {e}"
            ))
        })?;
        Ok(Encoded {
            what,
            task,
            args: Arc::new(bytes),
        })
    }

    /// As it stands in a worker's orders.
    pub(super) fn call(&self) -> EncodedCall {
        (
            self.task.offset(),
            self.task.fingerprint(),
            Arc::clone(&self.args),
        )
    }

    /// As it makes state in this thread, for an inline pool.
    pub(super) fn maker(&self) -> Maker {
        Maker::new(self.task.descriptor(), Arc::clone(&self.args))
    }

    /// Runs it in this thread, for an inline pool. One that returns `Err` has failed as one that panics has.
    pub(super) fn run_here(&self) -> Result<(), Error> {
        let mut output = Vec::new();
        let descriptor = self.task.descriptor();
        let called = descriptor.call(&self.args, &mut output, &Limits::default());
        called
            .map_err(|failure| Error::from(TaskError::from_failure(self.task.name(), failure)))?;
        match descriptor.returned_error(&output) {
            None => Ok(()),
            Some(error) => Err(Error::message(format!(
                "the {} {} returned an error: {error}",
                self.what,
                self.task.name()
            ))),
        }
    }
}
