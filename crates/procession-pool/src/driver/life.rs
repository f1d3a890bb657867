//! The number of workers and their lives, as the pool's owner changes and asks for them; it must not decide who goes.

use std::sync::{MutexGuard, PoisonError};
use std::time::Instant;

use procession_worker::handle::now_ns;
use procession_worker::{Error, Output};

use super::parts::Seat;
use super::{Driver, Shared};
use crate::core::{PoolState, Slot, WorkerRef};

impl Shared {
    /// Workers aimed at.
    pub(crate) fn size(&self) -> usize {
        self.lock().core.size() as usize
    }

    /// How many outputs of each worker are captured.
    pub(crate) fn captured(&self) -> usize {
        let both = [&self.spec.stdout, &self.spec.stderr];
        both.iter().filter(|o| ***o == Output::Captured).count()
    }

    /// How many successors there may be beside so many workers.
    pub(crate) fn successors(&self, workers: usize) -> usize {
        let driver = self.lock();
        let replaces = driver.largest.is_some() || driver.core.replaces();
        if replaces { workers } else { 0 }
    }

    /// Aims at so many workers; an error when the pool is not open.
    pub(crate) fn resize(&self, workers: u32) -> Result<(), Error> {
        let mut driver = self.lock();
        let now = now_ns();
        // What has been replied is not taken back, nor waited for.
        driver.collect_all(true, now);
        let Driver { core, parts, .. } = &mut *driver;
        let resized = match core.resize(workers, now, parts) {
            true => Ok(()),
            false => Err(not_open(&driver)),
        };
        self.unlock(driver);
        resized
    }

    /// Starts so many workers and waits until they are ready; false when the deadline comes first.
    pub(crate) fn warm_up(&self, workers: u32, deadline: Option<Instant>) -> Result<bool, Error> {
        let mut driver = self.lock();
        driver.warming += 1;
        let Driver { core, parts, .. } = &mut *driver;
        core.warm(workers, now_ns(), parts);
        self.unlock(driver);
        let (mut driver, warm) = self.wait_for_ready(workers, deadline);
        driver.warming -= 1;
        if driver.warming == 0 {
            driver.core.cool(now_ns());
        }
        self.unlock(driver);
        warm
    }

    fn wait_for_ready(
        &self,
        workers: u32,
        deadline: Option<Instant>,
    ) -> (MutexGuard<'_, Driver>, Result<bool, Error>) {
        let mut driver = self.lock();
        loop {
            if driver.core.state() != PoolState::Open {
                let why = not_open(&driver);
                return (driver, Err(why));
            }
            if driver.core.warmed() >= workers.min(driver.core.size()) {
                return (driver, Ok(true));
            }
            let (again, late) = self.wait_for_news(driver, deadline);
            driver = again;
            if late {
                return (driver, Ok(false));
            }
        }
    }

    /// Waits for the pool's own thread to have seen something; true when the deadline has come instead.
    fn wait_for_news<'a>(
        &'a self,
        driver: MutexGuard<'a, Driver>,
        deadline: Option<Instant>,
    ) -> (MutexGuard<'a, Driver>, bool) {
        let Some(at) = deadline else {
            let driver = self.warmed.wait(driver);
            return (driver.unwrap_or_else(PoisonError::into_inner), false);
        };
        let left = at.saturating_duration_since(Instant::now());
        let (driver, _) = self
            .warmed
            .wait_timeout(driver, left)
            .unwrap_or_else(PoisonError::into_inner);
        (driver, left.is_zero())
    }

    /// Process ids of the living workers, in the order of their indexes.
    pub(crate) fn worker_pids(&self) -> Vec<u32> {
        let driver = self.lock();
        let pid = |index| Some(driver.holder(index)?.worker.as_ref()?.pid());
        (0..driver.core.size()).filter_map(pid).collect()
    }
}

/// Why nothing is changed in a pool that was closed or terminated.
pub(crate) const NOT_OPEN: &str = "it is not open any more";

fn not_open(driver: &Driver) -> Error {
    match (driver.core.state(), &driver.parts.broken) {
        (PoolState::Broken, Some(cause)) => Error::message(format!("it is broken: {cause}")),
        (PoolState::Broken, None) => Error::message("it is broken"),
        (PoolState::Open | PoolState::Closing | PoolState::Terminating, _) => {
            Error::closed(NOT_OPEN)
        }
    }
}

impl Driver {
    /// A worker that has grown too large, by its own account, is given nothing more.
    #[cold]
    pub(super) fn weigh(&mut self, slot: Slot, who: WorkerRef, largest: u64, now: u64) {
        let seat = self.parts.seats.get(slot.index());
        let worker = seat.and_then(|seat| seat.worker.as_ref());
        if worker.is_some_and(|worker| worker.memory() > largest) {
            self.core.retire(who, now, &mut self.parts);
        }
    }

    /// The seat of the worker that serves under this index.
    pub(super) fn holder(&self, index: u32) -> Option<&Seat> {
        let slot = self.core.holder(index)?;
        self.parts.seats.get(slot.index())
    }
}
