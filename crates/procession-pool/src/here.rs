//! Calls in a pool of no workers: they run in the caller's thread. It must never run one of a pool that is over.

pub(crate) mod account;

use std::sync::atomic::{AtomicU64, Ordering};

use procession_task::codec::Limits;
use procession_task::descriptor::TaskRef;
use procession_task::frame;
use procession_task::state::{self, Maker};
use procession_worker::{Error, TaskError, TaskErrorKind};

use crate::cell::Raw;
use crate::exits::Exits;
use crate::phase::Phase;
use account::{Account, Running};

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

/// A call, or a map with all of its items, that a pool of no workers has taken on: `close` lets it finish.
#[derive(Debug)]
pub(crate) struct TakenOn<'p> {
    phase: &'p Phase,
    /// `None` in a forked copy.
    account: Option<&'p Account>,
}

impl Phase {
    /// Takes on a call or a map of this name, unless the pool takes nothing more.
    pub(crate) fn take_on(&self, name: &'static str) -> Result<TakenOn<'_>, TaskError> {
        let account = self.own.as_ref().map(|own| &own.account);
        let account = account.filter(|_| !procession_worker::is_forked_copy());
        let open = match account {
            Some(account) => account.enter(|| self.is_open()),
            None => self.is_open(),
        };
        if open {
            Ok(TakenOn {
                phase: self,
                account,
            })
        } else {
            Err(self.refusal(name))
        }
    }
}

impl<'p> TakenOn<'p> {
    /// Begins an item, unless the pool was terminated, which runs nothing more.
    pub(crate) fn begin(&self, name: &'static str) -> Result<Running<'p>, TaskError> {
        self.check(name)?;
        Ok(Running::of(self.account))
    }

    fn check(&self, name: &'static str) -> Result<(), TaskError> {
        if self.phase.is_terminated() {
            return Err(TaskError::new(TaskErrorKind::Terminated, name));
        }
        Ok(())
    }
}

impl Drop for TakenOn<'_> {
    fn drop(&mut self) {
        if let Some(account) = self.account {
            account.leave();
        }
    }
}

/// Runs an attempt of an item in this thread, by the same path of bytes as a worker would.
pub(crate) fn run_here(
    taken: &TakenOn<'_>,
    task: TaskRef,
    item: &[u8],
    limits: &Limits,
) -> Result<Raw, TaskError> {
    taken.check(task.name())?;
    let phase = taken.phase;
    let own = phase.own.as_ref();
    let _here = own.map(|own| state::within(own.owner, own.maker.as_ref()));
    let mut output = Vec::new();
    let args = frame::Items::new(item).next().unwrap_or_default();
    match task.descriptor().call(args, &mut output, limits) {
        Ok(()) => Ok(Raw::new(&output)),
        Err(failure) => Err(TaskError::from_failure(task.name(), failure)),
    }
}
