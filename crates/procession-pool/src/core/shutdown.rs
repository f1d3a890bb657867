//! The ends of a pool: close, terminate, broken; must leave no job unresolved and ask for every worker's end.

use super::alarm::NEVER;
use super::job::Job;
use super::worker::WorkerState;
use super::{Cancelled, Core, Effects, JobId, Nanos, PoolState, Slot};

impl Core {
    /// Accepts no more jobs, finishes those there are, then stops the workers.
    pub(crate) fn close(&mut self, now: Nanos, fx: &mut impl Effects) {
        match self.state {
            PoolState::Open => {
                self.state = PoolState::Closing;
                self.stop_when_drained(fx);
                self.start_missing(now, fx);
            }
            PoolState::Closing | PoolState::Terminating | PoolState::Broken => {}
        }
    }

    /// Resolves everything as cancelled, begun items too, and kills every worker.
    pub(crate) fn terminate(&mut self, _now: Nanos, fx: &mut impl Effects) {
        match self.state {
            PoolState::Open | PoolState::Closing => self.end_all(PoolState::Terminating, fx),
            PoolState::Terminating | PoolState::Broken => {}
        }
    }

    /// The driver cannot go on: resolves everything as broken, begun items too, and kills every worker.
    pub(crate) fn give_up(&mut self, fx: &mut impl Effects) {
        match self.state {
            PoolState::Open | PoolState::Closing => self.end_all(PoolState::Broken, fx),
            PoolState::Terminating | PoolState::Broken => {}
        }
    }

    /// The state is not to be relied on any more: nothing is taken, and nothing else happens.
    pub(crate) fn refuse_everything(&mut self) {
        self.state = PoolState::Broken;
    }

    /// While closing: when the last job is resolved every worker is asked to exit.
    #[inline]
    pub(super) fn stop_when_drained(&mut self, fx: &mut impl Effects) {
        match self.state {
            PoolState::Closing if self.jobs.len() == 0 => self.stop_workers(fx),
            PoolState::Open | PoolState::Closing | PoolState::Terminating | PoolState::Broken => {}
        }
    }

    fn stop_workers(&mut self, fx: &mut impl Effects) {
        for slot in 0..self.workers.len() {
            // One that is still at a cancelled item is asked when that is over.
            if self.workers.get(slot).is_some_and(|w| w.frames.is_empty()) {
                self.dismiss(slot, WorkerState::Stopping, fx);
            }
        }
        self.forget_lists();
    }

    pub(super) fn end_all(&mut self, state: PoolState, fx: &mut impl Effects) {
        self.state = state;
        let why = if state == PoolState::Broken {
            Cancelled::Broken
        } else {
            Cancelled::Terminated
        };
        while let Some(run) = self.next_of_all() {
            self.counters.cancelled += u64::from(run.count);
            fx.cancelled(run.job, run.first, run.count, why);
        }
        for slot in 0..self.workers.len() {
            while let Some(frame) = self
                .workers
                .get_mut(slot)
                .and_then(|worker| worker.frames.pop_front())
            {
                if self.jobs.get(frame.job).is_some() {
                    self.counters.cancelled += u64::from(frame.count);
                    fx.cancelled(frame.job, frame.first, frame.count, why);
                }
            }
            if let Some(worker) = self.workers.get_mut(slot) {
                worker.queued = 0;
                worker.alarm = NEVER;
            }
            self.dismiss(slot, WorkerState::Killed, fx);
        }
        self.forget_lists();
        self.alarm = NEVER;
        self.expiries.clear();
        self.delayed.clear();
        let jobs: Vec<JobId> = self.jobs.iter().map(|(id, _): (JobId, &Job)| id).collect();
        for id in jobs {
            self.counters.cancelled += u64::from(self.cancel_held(id, why, fx));
            fx.finished(id);
            self.jobs.remove(id);
        }
    }

    /// Asks one worker to end, as `towards` says.
    pub(super) fn dismiss(&mut self, slot: usize, towards: WorkerState, fx: &mut impl Effects) {
        let Some(worker) = self.workers.get_mut(slot) else {
            return;
        };
        let kill = towards == WorkerState::Killed;
        match worker.state {
            // A worker that is just being started is dismissed in `started`.
            WorkerState::Down { .. } | WorkerState::Starting | WorkerState::Killed => return,
            WorkerState::Stopping if !kill => return,
            WorkerState::Ready => self.ready -= 1,
            WorkerState::Booting | WorkerState::Stopping => {}
        }
        worker.state = towards;
        worker.listed = false;
        (worker.left, worker.kept) = (0, 0);
        worker.alarm = NEVER;
        worker.due = NEVER;
        if kill {
            fx.kill(Slot(slot as u32))
        } else {
            fx.stop(Slot(slot as u32))
        }
    }

    /// A worker that has just come is not wanted any more.
    pub(super) fn send_away(&mut self, slot: Slot, fx: &mut impl Effects) {
        self.dismiss(slot.index(), WorkerState::Stopping, fx);
    }

    /// No worker is to be fed any more.
    fn forget_lists(&mut self) {
        self.idle.clear();
        self.vacant.clear();
        self.waiting = 0;
        self.look_again = None;
        self.outgoing.clear();
        self.life.look = NEVER;
    }
}
