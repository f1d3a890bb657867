//! Jobs come in, grow and end; must not choose a worker.

use super::alarm::NEVER;
use super::job::{Job, Stop};
use super::{Cancelled, Chunk, Core, Effects, JobId, JobSpec, Nanos, PoolState, Refused, Sticky};

/// What became of items that were to be appended to a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Extended {
    /// They are items of the job.
    Taken,
    /// The job is not there any more, or not open; nothing has changed.
    Over,
    /// With them it would have more than `u32::MAX` items. It has none of them and will have no others, which for a job that
    /// stops on failure is one.
    TooMany,
}

impl Core {
    /// The id the next accepted job will have. `submit` may call `send` and even `finished` with it before it returns,
    /// so whoever keeps a table by job fills it in before.
    pub(crate) fn next_id(&self) -> JobId {
        self.jobs.next_id()
    }

    /// Accepts a job and hands out what fits. A job without items that is not open is finished before this returns, and so
    /// is one whose time to begin is over.
    #[inline]
    pub(crate) fn submit(
        &mut self,
        spec: JobSpec,
        now: Nanos,
        fx: &mut impl Effects,
    ) -> Result<JobId, Refused> {
        match self.state {
            PoolState::Open => {}
            PoolState::Closing => return Err(Refused::Closed),
            PoolState::Terminating => return Err(Refused::Terminated),
            PoolState::Broken => return Err(Refused::Broken),
        }
        let id = self.jobs.insert(spec, now);
        if spec.terms.start_by != NEVER && spec.items > 0 {
            if spec.terms.start_by <= now {
                self.refuse_late(id, fx);
                return Ok(id);
            }
            self.begin_by(id, spec.items, spec.terms.start_by);
        }
        if spec.items == 0 {
            self.settle(id, fx);
            return Ok(id);
        }
        self.enqueue(id, 0..spec.items, now, fx);
        Ok(id)
    }

    /// As `submit`, of a job whose chunks belong to indexes. They are cut by that, whatever the specification says.
    pub(crate) fn submit_chunks(
        &mut self,
        spec: JobSpec,
        sticky: Sticky,
        now: Nanos,
        fx: &mut impl Effects,
    ) -> Result<JobId, Refused> {
        let id = self.next_id();
        // Before, because something may be handed out at once.
        self.jobs.stick(id, sticky);
        let chunk = Chunk::Fixed(sticky.chunk);
        let spec = JobSpec { chunk, ..spec };
        let taken = self.submit(spec, now, fx);
        if taken.is_err() {
            self.jobs.unstick(id);
        }
        taken
    }

    /// A job that comes after its time: nothing of it is ever in the queue.
    #[cold]
    fn refuse_late(&mut self, id: JobId, fx: &mut impl Effects) {
        if let Some(job) = self.jobs.get_mut(id) {
            let items = job.total;
            job.queued = 0;
            job.unresolved = 0;
            self.come_late(id, 0, items, fx);
        }
        self.settle(id, fx);
    }

    /// Appends `more` items to an open job; `last`: no more will come. Accepted while closing too. They have to begin by
    /// `start_by`, which is not before that of the items before them; [`NEVER`]: they wait as long as it takes.
    pub(crate) fn extend(
        &mut self,
        id: JobId,
        more: u32,
        last: bool,
        start_by: Nanos,
        now: Nanos,
        fx: &mut impl Effects,
    ) -> Extended {
        let Some(job) = self.jobs.get_mut(id).filter(|job| job.open) else {
            return Extended::Over;
        };
        let Some(total) = job.total.checked_add(more) else {
            self.end_too_long(id, now, fx);
            return Extended::TooMany;
        };
        let first = job.total;
        job.total = total;
        job.open = !last;
        let mut late = false;
        match job.stop {
            Stop::Stopped(why) if more > 0 => {
                self.counters.cancelled += u64::from(more);
                fx.cancelled(id, first, more, why);
            }
            Stop::Stopped(_) => {}
            Stop::Never | Stop::OnFailure if start_by <= now && more > 0 => {
                late = true;
                self.come_late(id, first, total, fx);
            }
            Stop::Never | Stop::OnFailure => {
                if job.queued == 0 {
                    job.since = now;
                }
                job.queued += more;
                job.unresolved += more;
                if start_by != NEVER && more > 0 {
                    self.begin_by(id, total, start_by);
                }
                self.enqueue(id, first..total, now, fx);
                self.start_missing(now, fx);
            }
        }
        self.settle(id, fx);
        if late {
            // Workers may have been left with nothing of the items before them.
            self.pump(now, fx);
            self.steal(now, fx);
        }
        Extended::Taken
    }

    /// For tests of that without as many items: every job that is open takes so many more.
    #[cfg(test)]
    pub(crate) fn leave_room_for(&mut self, items: u32) {
        self.jobs.leave_room_for(items);
    }

    /// A job of more items than can be counted ends with those it has.
    #[cold]
    fn end_too_long(&mut self, id: JobId, now: Nanos, fx: &mut impl Effects) {
        let Some(job) = self.jobs.get_mut(id) else {
            return;
        };
        job.open = false;
        if job.stop == Stop::OnFailure {
            self.stop_job(id, Cancelled::StoppedByFailure, fx);
        }
        self.settle(id, fx);
        self.pump(now, fx);
        self.steal(now, fx);
    }

    /// Ends a job all of whose items are resolved and to which none will be added.
    #[inline]
    pub(super) fn settle(&mut self, id: JobId, fx: &mut impl Effects) {
        if self.jobs.get(id).is_some_and(Job::is_over) {
            fx.finished(id);
            self.jobs.remove(id);
            self.stop_when_drained(fx);
        }
    }
}
