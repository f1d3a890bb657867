//! Calls in a pool of no workers: they run in the caller's thread. It must never run one of a pool that is over.

pub(crate) mod account;

use std::sync::atomic::{AtomicU64, Ordering};

use procession_task::codec::Limits;
use procession_task::descriptor::TaskRef;
use procession_task::frame;
use procession_task::state::{self, Maker};
use procession_worker::{Error, TaskError};

use crate::cell::Raw;
use crate::exits::Exits;
use crate::phase::Phase;
use account::Account;

/// The worker that each caller of an inline pool is: a thread that calls makes a state of its own.
#[derive(Debug)]
pub(crate) struct OwnWorker {
    owner: u64,
    maker: Option<Maker>,
    pub(crate) account: Account,
}

impl OwnWorker {
    pub(crate) fn new(maker: Option<Maker>) -> OwnWorker {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        OwnWorker {
            owner: NEXT.fetch_add(1, Ordering::Relaxed),
            maker,
            account: Account::default(),
        }
    }

    /// Makes this thread's state.
    pub(crate) fn make_state(&self) -> Result<(), Error> {
        let made = state::within(self.owner, self.maker.as_ref()).make();
        made.map_err(|failure| Error::message(format!("cannot make a pool: {}", failure.message)))
    }

    /// The end in good order: the exit hook runs here, and this thread's state is dropped.
    pub(crate) fn leave(&self, exits: &Exits, limits: &Limits) {
        {
            let _here = state::within(self.owner, self.maker.as_ref());
            exits.run_here(limits);
        }
        state::forget(self.owner);
    }
}

/// Drops the state of the thread it is dropped in; other threads drop theirs when they end.
impl Drop for OwnWorker {
    fn drop(&mut self) {
        state::forget(self.owner);
    }
}

/// Runs a call in this thread, by the same path of bytes as a worker would.
pub(crate) fn run_here(
    phase: &Phase,
    task: TaskRef,
    item: &[u8],
    limits: &Limits,
) -> Result<Raw, TaskError> {
    if !phase.is_open() {
        return Err(phase.refusal(task.name()));
    }
    let own = phase.own.as_ref();
    let _here = own.map(|own| state::within(own.owner, own.maker.as_ref()));
    let mut output = Vec::new();
    let args = frame::Items::new(item).next().unwrap_or_default();
    match task.descriptor().call(args, &mut output, limits) {
        Ok(()) => Ok(Raw::new(&output)),
        Err(failure) => Err(TaskError::from_failure(task.name(), failure)),
    }
}
