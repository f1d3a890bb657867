//! How long items may wait to begin; must not touch an item that has begun.
//!
//! The items of a job come in portions, each with a moment by which its items have to begin, none before that of the portion
//! before. So of a job whose first `n` items have had their time, no item below `n` waits to begin for the first time. An
//! item of a frame that was begun is none of those, unless it comes back because its worker died.

use std::cmp::Reverse;

use super::job::{Job, Stop};
use super::own::put_first;
use super::queue::Run;
use super::{Cancelled, Core, Effects, JobId, Nanos};

/// Up to so many deadlines are kept without a look for jobs that are over.
pub(super) const STALE: usize = 64;

impl Core {
    /// Items of this job below `end` have to begin by then; those after them have no less time.
    pub(super) fn begin_by(&mut self, id: JobId, end: u32, when: Nanos) {
        if self.expiries.len() > self.most_expiries {
            let jobs = &self.jobs;
            self.expiries.retain(|next| jobs.get(next.0.1).is_some());
            self.most_expiries = STALE.max(2 * self.expiries.len());
        }
        self.expiries.push(Reverse((when, id, end)));
        self.alarm = self.alarm.min(when);
    }

    /// Items that come after their time: no worker is offered them. Those before them have had no more time.
    pub(super) fn come_late(&mut self, id: JobId, first: u32, end: u32, fx: &mut impl Effects) {
        self.counters.cancelled += u64::from(end - first);
        fx.cancelled(id, first, end - first, Cancelled::Expired);
        self.have_expired(id, end, end - first, fx);
    }

    /// What has not begun by its time does not begin. Nobody is to look again for a job that is over.
    pub(super) fn expire(&mut self, now: Nanos, fx: &mut impl Effects) {
        while let Some(&Reverse((when, id, end))) = self.expiries.peek()
            && (when <= now || self.jobs.get(id).is_none())
        {
            self.expiries.pop();
            self.have_expired(id, end, 0, fx);
            self.settle(id, fx);
        }
    }

    /// The time of the items below `end` is over; so many of them are resolved. The caller settles the job and pumps.
    fn have_expired(&mut self, id: JobId, end: u32, resolved: u32, fx: &mut impl Effects) {
        if self.jobs.expire(id, end) {
            let resolved = resolved + self.drop_expired(id, fx);
            self.after_expiry(id, resolved, fx);
        }
    }

    /// Something of this job may have come back from a worker after its time.
    pub(super) fn expire_again(&mut self, id: JobId, fx: &mut impl Effects) {
        let goes_on = |job: &Job| !job.is_stopped();
        if self.jobs.expired(id) > 0 && self.jobs.get(id).is_some_and(goes_on) {
            let resolved = self.drop_expired(id, fx);
            self.after_expiry(id, resolved, fx);
            self.settle(id, fx);
        }
    }

    /// An item that expired is a failed item.
    fn after_expiry(&mut self, id: JobId, resolved: u32, fx: &mut impl Effects) {
        let stops = |job: &Job| job.stop == Stop::OnFailure;
        if resolved > 0 && self.jobs.get(id).is_some_and(stops) {
            self.stop_job(id, Cancelled::StoppedByFailure, fx);
        }
    }

    /// Resolves what has expired of a job in the queue and in frames not begun; says how many items that was.
    fn drop_expired(&mut self, id: JobId, fx: &mut impl Effects) -> u32 {
        let sticky = self.jobs.sticky(id);
        let Some(job) = self.jobs.get(id) else {
            return 0;
        };
        let (priority, late) = (job.priority, self.jobs.expired(id));
        let mut queued = 0;
        if job.queued > 0 {
            let mut thin = |run, kept: &mut Vec<Run>| queued += job.expire_run(run, late, kept, fx);
            self.queue.thin_job(id, priority, &mut thin);
            if sticky.is_some() {
                self.own.thin_job(id, priority, &mut thin);
            }
        }
        let (mut in_frames, mut kept) = (0, Vec::new());
        for slot in 0..self.workers.len() {
            let worker = self.workers.get(slot).filter(|worker| worker.is_live());
            let expires = |run: Run| run.job == id && run.first < late;
            let frames = worker.into_iter().flat_map(|worker| &worker.frames);
            if !frames.into_iter().any(|frame| expires(frame.run())) {
                continue;
            }
            // The newest comes first, so each goes before those that came before it.
            for run in self.take_back(slot, fx, |run| !expires(run)) {
                let Some(job) = self.jobs.get_mut(id) else {
                    continue;
                };
                in_frames += job.expire_run(run, late, &mut kept, fx);
                for run in kept.drain(..).rev() {
                    job.queued += run.count;
                    put_first((&mut self.queue, &mut self.own), sticky, priority, run);
                }
            }
            self.list_if_empty(slot);
        }
        self.counters.cancelled += u64::from(queued + in_frames);
        if let Some(job) = self.jobs.get_mut(id) {
            job.queued -= queued;
            job.unresolved -= queued + in_frames;
        }
        queued + in_frames
    }
}

impl Job {
    /// Resolves the items below `late` of a run that was not begun, but for those that have begun before: what is tried
    /// again does not expire. The others are added to `kept`. Says how many were resolved.
    fn expire_run(&self, run: Run, late: u32, kept: &mut Vec<Run>, fx: &mut impl Effects) -> u32 {
        let end = run.first + run.count;
        let late = late.clamp(run.first, end);
        let mut keep = |first, count| {
            let job = run.job;
            kept.push(Run { job, first, count });
        };
        let mut resolved = 0;
        if self.retries.is_none() && late > run.first {
            resolved = late - run.first;
            fx.cancelled(run.job, run.first, resolved, Cancelled::Expired);
        } else {
            for item in run.first..late {
                if self.has_failed(item) {
                    keep(item, 1);
                } else {
                    fx.cancelled(run.job, item, 1, Cancelled::Expired);
                    resolved += 1;
                }
            }
        }
        if late < end {
            keep(late, end - late);
        }
        resolved
    }
}
