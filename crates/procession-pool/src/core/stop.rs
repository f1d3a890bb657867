//! One job is stopped: its items that have not begun are cancelled; must not touch items that have.

use super::job::Stop;
use super::queue::Run;
use super::{Cancelled, Core, Effects, JobId, Nanos};

impl Core {
    /// Cancels what has not begun and takes nothing more into the job; items in begun frames run to their end and
    /// count. A job that is over or was never there is left alone.
    #[cfg_attr(
        not(test),
        expect(dead_code, reason = "called when a stream of results is dropped")
    )]
    pub(crate) fn cancel(&mut self, id: JobId, now: Nanos, fx: &mut impl Effects) {
        let Some(job) = self.jobs.get_mut(id) else {
            return;
        };
        job.open = false;
        self.stop_job(id, Cancelled::ByOwner, fx);
        self.settle(id, fx);
        self.pump(now, fx);
        self.steal(now, fx);
    }

    /// Cancels every item that is not resolved, begun ones too. What runs is told, and its worker is ended when it has
    /// not returned after the grace; its reply is of no interest. False: there is no such job, or it is over.
    pub(crate) fn revoke(&mut self, id: JobId, now: Nanos, fx: &mut impl Effects) -> bool {
        let Some(job) = self.jobs.get_mut(id) else {
            return false;
        };
        job.open = false;
        self.stop_job(id, Cancelled::ByOwner, fx);
        self.abandon(id, now, fx);
        self.settle(id, fx);
        if self.cancel_grace == 0 {
            self.sound_alarm(now, fx);
        }
        self.pump(now, fx);
        self.steal(now, fx);
        true
    }

    /// Revokes every job there is, as `revoke` does one; nothing of any of them is handed out meanwhile. Says how many.
    pub(crate) fn revoke_all(&mut self, now: Nanos, fx: &mut impl Effects) -> usize {
        let ids: Vec<JobId> = self.jobs.iter().map(|(id, _)| id).collect();
        // The queue at once: job by job, each would look through all of it.
        self.cancel_queue(fx);
        for slot in 0..self.workers.len() {
            let worker = self.workers.get(slot);
            if worker.is_some_and(|worker| worker.is_live() && !worker.frames.is_empty()) {
                self.take_back(slot, fx, |_| true);
                self.list_if_empty(slot);
            }
        }
        self.cancel_queue(fx);
        for &id in &ids {
            if let Some(job) = self.jobs.get_mut(id) {
                job.open = false;
                self.stop_job(id, Cancelled::ByOwner, fx);
                self.abandon(id, now, fx);
                self.settle(id, fx);
            }
        }
        if self.cancel_grace == 0 {
            self.sound_alarm(now, fx);
        }
        // Whoever was to leave with its last items has none.
        self.pump(now, fx);
        ids.len()
    }

    /// Resolves everything that waits in the queue; the caller settles the jobs.
    fn cancel_queue(&mut self, fx: &mut impl Effects) {
        while let Some(run) = self.next_of_all() {
            self.counters.cancelled += u64::from(run.count);
            fx.cancelled(run.job, run.first, run.count, Cancelled::ByOwner);
            if let Some(job) = self.jobs.get_mut(run.job) {
                job.queued -= run.count;
                job.unresolved -= run.count;
            }
        }
    }

    /// Cancels several jobs as `cancel` does one; nothing of any of them is handed out meanwhile.
    pub(crate) fn cancel_all(&mut self, ids: &[JobId], now: Nanos, fx: &mut impl Effects) {
        for &id in ids {
            if let Some(job) = self.jobs.get_mut(id) {
                job.open = false;
                self.stop_job(id, Cancelled::ByOwner, fx);
            }
        }
        for &id in ids {
            self.settle(id, fx);
        }
        self.pump(now, fx);
        self.steal(now, fx);
    }

    /// Cancels the job's queued items, those held, and those in frames not begun. The caller settles the job and pumps.
    pub(super) fn stop_job(&mut self, id: JobId, why: Cancelled, fx: &mut impl Effects) {
        let sticky = self.jobs.sticky(id);
        let Some(job) = self.jobs.get_mut(id) else {
            return;
        };
        job.stop = Stop::Stopped(why);
        let mut cancelled = 0;
        if job.queued > 0 {
            job.queued = 0;
            let mut cancel = |run: Run| {
                cancelled += run.count;
                fx.cancelled(id, run.first, run.count, why);
            };
            self.queue.remove_job(id, job.priority, &mut cancel);
            if sticky.is_some() {
                self.own.remove_job(id, job.priority, &mut cancel);
            }
        }
        for slot in 0..self.workers.len() {
            let mut frames = self
                .workers
                .get(slot)
                .filter(|worker| worker.is_live())
                .into_iter();
            if !frames.any(|worker| worker.frames.iter().any(|frame| frame.job == id)) {
                continue;
            }
            for run in self.take_back(slot, fx, |run| run.job != id) {
                cancelled += run.count;
                fx.cancelled(id, run.first, run.count, why);
            }
            self.list_if_empty(slot);
        }
        cancelled += self.cancel_held(id, why, fx);
        self.counters.cancelled += u64::from(cancelled);
        if let Some(job) = self.jobs.get_mut(id) {
            job.unresolved -= cancelled;
        }
    }
}
