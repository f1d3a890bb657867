//! What the pool's owner can do and ask besides submitting: close, terminate, stats.

use procession_worker::handle::now_ns;
use procession_worker::{Error, TaskError, TaskErrorKind};

use super::{Driver, Shared};
use crate::cell::Cell;
use crate::core::{JobId, PoolState, Refused, Slot};
use crate::phase::WAS_TERMINATED;
use crate::stats::PoolStats;

impl Shared {
    /// Ends every worker of a pool that could not be made after all.
    pub(crate) fn abandon(&self, why: &Error) {
        let mut driver = self.lock();
        driver.parts.broken = Some(why.to_string());
        driver.core.refuse_everything();
        driver.abandon();
        self.unlock(driver);
    }

    pub(crate) fn close(&self) {
        let mut driver = self.lock();
        let Driver { core, parts, .. } = &mut *driver;
        core.close(now_ns(), parts);
        parts.call_loop = true;
        self.unlock(driver);
    }

    pub(crate) fn terminate(&self) {
        self.terminate_and(|_| {});
    }

    /// As `terminate`, by the drop of the pool: what that cuts off nobody may have meant to.
    pub(crate) fn terminate_dropped(&self) {
        self.terminate_and(Driver::trace_drop);
    }

    fn terminate_and(&self, note: impl FnOnce(&mut Driver)) {
        let mut driver = self.lock();
        // Results that are there stand.
        driver.collect_all(true, now_ns());
        note(&mut driver);
        let Driver { core, parts, .. } = &mut *driver;
        core.terminate(now_ns(), parts);
        parts.call_loop = true;
        self.unlock(driver);
    }

    /// Cancels a job; false when its outcome is there.
    pub(crate) fn cancel(&self, job: JobId, cell: &Cell) -> bool {
        let mut driver = self.lock();
        let now = now_ns();
        // Results that are there stand.
        driver.collect_all(true, now);
        if !cell.is_done() {
            cell.cancel();
        }
        let Driver { core, parts, .. } = &mut *driver;
        let cancelled = core.revoke(job, now, parts);
        self.unlock(driver);
        cancelled
    }

    /// Cancels every job that has no outcome yet; says how many.
    pub(crate) fn cancel_all(&self) -> usize {
        let mut driver = self.lock();
        let now = now_ns();
        // Results that are there stand.
        driver.collect_all(true, now);
        for data in driver.parts.jobs.iter().flatten() {
            data.cell.cancel();
        }
        let Driver { core, parts, .. } = &mut *driver;
        let cancelled = core.revoke_all(now, parts);
        self.unlock(driver);
        cancelled
    }

    /// A future waits for an outcome: replies are to reach the pool's own thread one by one.
    pub(crate) fn attend(&self) {
        let mut driver = self.lock();
        driver.prompt = true;
        driver.be_prompt();
        self.unlock(driver);
    }

    pub(crate) fn owner(&self) -> u32 {
        self.owner
    }

    /// Why a submission was refused, as the error of its handle.
    pub(crate) fn refusal(&self, refused: Refused, name: &'static str) -> TaskError {
        let error = |kind| TaskError::new(kind, name);
        match refused {
            Refused::Closed => error(TaskErrorKind::Closed),
            Refused::Terminated => error(TaskErrorKind::Closed).with_detail(WAS_TERMINATED),
            Refused::Broken => match &self.lock().parts.broken {
                Some(cause) => error(TaskErrorKind::Broken).with_detail(cause.clone()),
                None => error(TaskErrorKind::Broken),
            },
        }
    }

    /// Why a map is over before its input, as the error of the items that it has not taken.
    pub(crate) fn cut_short(&self, name: &'static str) -> TaskError {
        let error = |kind| TaskError::new(kind, name);
        let driver = self.lock();
        match (driver.core.state(), &driver.parts.broken) {
            (PoolState::Open | PoolState::Closing, _) => error(TaskErrorKind::Cancelled),
            (PoolState::Terminating, _) => error(TaskErrorKind::Terminated),
            (PoolState::Broken, Some(cause)) => {
                error(TaskErrorKind::Broken).with_detail(cause.clone())
            }
            (PoolState::Broken, None) => error(TaskErrorKind::Broken),
        }
    }

    pub(crate) fn stats(&self) -> PoolStats {
        let mut driver = self.lock();
        driver.collect_all(true, now_ns());
        let mut stats = driver.stats(self);
        let at_work = driver.at_work();
        self.unlock(driver);
        self.note_stopped(at_work, &mut stats);
        stats
    }
}

impl Driver {
    /// Asks for the first workers; returns where.
    pub(crate) fn open(&mut self, now: u64) -> Vec<(Slot, u32)> {
        self.trace_state();
        self.core.open(now, &mut self.parts);
        self.parts.call_loop = false;
        std::mem::take(&mut self.parts.to_start)
    }

    /// Ends every worker and waits for it: the pool could not be made.
    pub(crate) fn abandon(&mut self) {
        for seat in &mut self.parts.seats {
            if let Some(mut worker) = seat.worker.take() {
                worker.kill();
                // SIGKILL ends it; an error here means that someone else has collected it.
                let _ = worker.child().wait();
            }
        }
    }
}
