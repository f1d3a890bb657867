//! Starts, ends of workers and what becomes of their frames; must not resolve an item that had not begun.

use super::alarm::NEVER;
use super::job::Stop;
use super::own::put_first;
use super::queue::Run;
use super::respawn::{self, Verdict};
use super::worker::{Feed, WorkerState};
use super::{Cancelled, Core, Effects, JobId, Nanos, PoolState, Slot, WorkerRef};

/// What a worker's end means for the place it leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// It had run something: replaced at once.
    Served,
    /// READY but never replied: replaced at once the first time, then with a growing pause.
    Unused,
    /// Before READY: replaced after a pause, counts against the budget while no worker is READY.
    Unborn,
    /// Told to.
    Expected,
}

impl Core {
    /// No process could be started here.
    pub(crate) fn start_failed(&mut self, slot: Slot, now: Nanos, fx: &mut impl Effects) {
        let Some(worker) = self.workers.get_mut(slot.index()) else {
            return;
        };
        match worker.state {
            WorkerState::Starting => {}
            // Only a driver that answers twice gets here.
            WorkerState::Down { .. }
            | WorkerState::Booting
            | WorkerState::Ready
            | WorkerState::Stopping
            | WorkerState::Killed => return,
        }
        self.counters.start_failures += 1;
        self.vacate(slot.index(), End::Unborn, now);
        self.use_spare_places(now, fx);
        // The machine may be short of something that the living workers do not need: they carry on.
        if !self.workers.iter().any(|worker| worker.is_live()) {
            self.spend_a_start(fx);
        }
        if self.jobs.special > 0 {
            // What was its own is for anyone.
            self.pump(now, fx);
        }
        self.start_missing(now, fx);
    }

    /// The worker's process ended and its replies are all counted. `begun_frames`: how many of its frames, from the
    /// oldest unreplied, it had begun. All but the last of these ran to their end without a reply, which only a
    /// worker that breaks the protocol does; their items are lost, as is the next item of the last.
    pub(crate) fn lost(
        &mut self,
        who: WorkerRef,
        begun_frames: u32,
        now: Nanos,
        fx: &mut impl Effects,
    ) {
        let Some(slot) = self.current(who) else {
            return;
        };
        let Some(worker) = self.workers.get(slot) else {
            return;
        };
        let half_replied = worker.frames.front().is_some_and(|frame| frame.begun);
        let begun = (begun_frames as usize)
            .max(usize::from(half_replied))
            .min(worker.frames.len());
        let end = match worker.state {
            WorkerState::Down { .. } | WorkerState::Starting => return,
            WorkerState::Booting if begun == 0 => End::Unborn,
            WorkerState::Ready if begun == 0 && !worker.used => End::Unused,
            WorkerState::Booting | WorkerState::Ready => End::Served,
            WorkerState::Stopping | WorkerState::Killed => End::Expected,
        };
        match end {
            End::Served if worker.state == WorkerState::Booting => self.becomes_ready(slot),
            End::Served | End::Unused | End::Unborn | End::Expected => {}
        }
        let hurt = self.return_frames(slot, begun);
        self.vacate(slot, end, now);
        self.use_spare_places(now, fx);
        for run in hurt {
            self.lose(run, Slot(slot as u32), now, fx);
            self.expire_again(run.job, fx);
        }
        match end {
            End::Served | End::Unused => self.counters.deaths += 1,
            End::Unborn => {
                self.counters.start_failures += 1;
                if self.ready == 0 {
                    self.spend_a_start(fx);
                }
            }
            End::Expected => {}
        }
        self.pump(now, fx);
        self.start_missing(now, fx);
    }

    /// Whether a missing worker is to be started.
    pub(super) fn wants_workers(&self) -> bool {
        match self.state {
            PoolState::Open => true,
            PoolState::Closing => self.has_work(),
            PoolState::Terminating | PoolState::Broken => false,
        }
    }

    /// Asks for every worker that is missing, wanted and due.
    #[inline]
    pub(super) fn start_missing(&mut self, now: Nanos, fx: &mut impl Effects) {
        if self.lacking == 0 || !self.wants_workers() {
            return;
        }
        for (slot, worker) in self.workers.iter_mut().enumerate() {
            let due = worker.may_start_at().is_some_and(|when| when <= now);
            if due && worker.is_lacking() {
                worker.state = WorkerState::Starting;
                self.down -= 1;
                self.lacking -= 1;
                self.counters.starts += 1;
                self.counters.restarts += u64::from(!std::mem::take(&mut worker.anew));
                fx.start(Slot(slot as u32), worker.index);
            }
        }
    }

    /// Puts what the dead worker had not begun before the queue, in order; returns what it had, and for jobs that have to
    /// be looked at although nothing of them had begun, a run of no items.
    fn return_frames(&mut self, slot: usize, begun: usize) -> Vec<Run> {
        let mut hurt = Vec::new();
        let Some(worker) = self.workers.get_mut(slot) else {
            return hurt;
        };
        self.waiting -= worker.waiting();
        while let Some(frame) = worker.pop_newest() {
            let position = worker.frames.len();
            let (sticky, late) = (self.jobs.sticky(frame.job), self.jobs.expired(frame.job));
            let Some(job) = self.jobs.get_mut(frame.job) else {
                continue;
            };
            let lost = match position + 1 {
                place if place > begun => 0,
                place if place == begun => 1,
                _ => frame.count,
            };
            let rest = Run {
                job: frame.job,
                first: frame.first.wrapping_add(lost),
                count: frame.count - lost,
            };
            let queues = (&mut self.queue, &mut self.own);
            put_first(queues, sticky, job.priority, rest);
            job.queued += rest.count;
            if lost > 0 || job.is_stopped() || rest.first < late {
                hurt.push(Run {
                    count: lost,
                    ..frame.run()
                });
            }
        }
        hurt
    }

    /// A lost item is a failed item, and what came back of a stopped job is not handed out again.
    pub(super) fn after_loss(&mut self, id: JobId, fx: &mut impl Effects) {
        match self.jobs.get(id).map(|job| job.stop) {
            Some(Stop::OnFailure) => self.stop_job(id, Cancelled::StoppedByFailure, fx),
            Some(Stop::Stopped(why)) => self.stop_job(id, why, fx),
            Some(Stop::Never) | None => {}
        }
        self.settle(id, fx);
    }

    /// Leaves the place empty until its next start.
    fn vacate(&mut self, slot: usize, end: End, now: Nanos) {
        let Some(worker) = self.workers.get_mut(slot) else {
            return;
        };
        if worker.state == WorkerState::Ready {
            self.ready -= 1;
        }
        let pause = match end {
            End::Served | End::Expected => 0,
            End::Unused => {
                worker.setbacks = worker.setbacks.saturating_add(1);
                respawn::back_off(worker.setbacks - 1)
            }
            End::Unborn => {
                worker.setbacks = worker.setbacks.saturating_add(1);
                respawn::back_off(worker.setbacks)
            }
        };
        worker.state = WorkerState::Down {
            not_before: now.saturating_add(pause),
        };
        worker.feed = Feed::Open;
        worker.alarm = NEVER;
        worker.due = NEVER;
        (worker.left, worker.kept, worker.retired) = (0, 0, false);
        worker.undying = false;
        self.lacking += u32::from(worker.is_lacking());
        self.down += 1;
        let index = worker.index;
        self.unlist(slot);
        self.after_the_end(slot);
        if pause > 0 && self.own.items > 0 && !self.is_served(index) {
            self.give_up_own(index);
        }
    }

    fn spend_a_start(&mut self, fx: &mut impl Effects) {
        match (self.state, self.budget.failed()) {
            (PoolState::Closing, _) if self.jobs.len() == 0 => {}
            (PoolState::Open | PoolState::Closing, Verdict::Broken) => {
                self.end_all(PoolState::Broken, fx)
            }
            (PoolState::Open | PoolState::Closing, Verdict::Retry) => {}
            (PoolState::Terminating | PoolState::Broken, Verdict::Broken | Verdict::Retry) => {}
        }
    }
}
