//! Several starts in a row: each is prepared while the kernel is at the one before it.
//!
//! Nothing here may hold the driver's lock while it waits for the kernel.

use std::ops::ControlFlow;

use procession_worker::Error;
use procession_worker::handle::{Birth, Worker, WorkerSpec, now_ns};

use super::Shared;
use crate::core::Slot;

impl Shared {
    /// Starts a worker in each of `places`, under the index beside it, and tells `came` of each in turn. After a break
    /// none is started, and one that was under way is gone.
    pub(crate) fn start_each(
        &self,
        places: Vec<(Slot, u32)>,
        mut came: impl FnMut(Slot, Result<Worker, Error>) -> ControlFlow<()>,
    ) {
        let begin = |(slot, index)| (slot, Worker::begin(&self.spec_of(index)));
        let mut births = places.into_iter().map(begin);
        let mut next = births.next();
        while let Some((slot, birth)) = next {
            next = births.next();
            if came(slot, birth.and_then(Birth::finish)).is_break() {
                let under_way = next.and_then(|(_, birth)| birth.and_then(Birth::finish).ok());
                if let Some(mut worker) = under_way {
                    worker.kill();
                    // SIGKILL ends it; an error here means that someone else has collected it.
                    let _ = worker.child().wait();
                }
                return;
            }
        }
    }

    /// Starts workers for a pool that is being made.
    ///
    /// # Errors
    /// That of the first that could not be started; every worker is gone then.
    pub(crate) fn start_all(&self, places: Vec<(Slot, u32)>) -> Result<(), Error> {
        let mut all = Ok(());
        self.start_each(places, |slot, started| {
            all = started.and_then(|worker| {
                let mut driver = self.lock();
                driver.seat_worker(slot, worker, &self.watch, now_ns())
            });
            match all {
                Ok(()) => ControlFlow::Continue(()),
                Err(_) => ControlFlow::Break(()),
            }
        });
        all.inspect_err(|_| self.lock().abandon())
    }

    /// Starts workers of a pool that serves; a failure goes to the scheduler, which decides.
    pub(super) fn start_more(&self, places: Vec<(Slot, u32)>) {
        self.start_each(places, |slot, started| {
            let mut driver = self.lock();
            driver.started(slot, started, &self.watch);
            self.unlock_and_rouse(driver);
            ControlFlow::Continue(())
        });
    }

    fn spec_of(&self, index: u32) -> WorkerSpec {
        WorkerSpec {
            name: worker_name(&self.spec.name, index),
            index: index as usize,
            ..self.spec.clone()
        }
    }
}

/// What a worker is called: its pool's name and its index, counted from 1.
pub(super) fn worker_name(pool: &str, index: u32) -> String {
    format!("{pool}/{}", index + 1)
}
