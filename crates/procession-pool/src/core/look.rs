//! Questions the driver asks to place its bells; must not change anything.

use super::chunk;
use super::profile::UNKNOWN;
use super::reactor::Core;
use super::worker::WorkerState;
use super::{JobId, Nanos, Slot};

impl Core {
    /// Whether anything waits to be handed out.
    pub(crate) fn has_queued(&self) -> bool {
        self.has_work()
    }

    /// Whether this job waits for more items, and would have them run.
    pub(crate) fn takes_more(&self, job: JobId) -> bool {
        let job = self.jobs.get(job);
        job.is_some_and(|job| job.open && !job.is_stopped())
    }

    /// A worker that serves lives there.
    pub(crate) fn is_ready(&self, slot: Slot) -> bool {
        self.workers
            .get(slot.index())
            .is_some_and(|worker| worker.state == WorkerState::Ready)
    }

    /// Items presumed not begun: those not handed out, those that wait to be tried again, and those on links, but for the
    /// first of each ready worker.
    pub(crate) fn waiting_items(&self) -> u64 {
        let on_links = self.workers.iter().map(|worker| {
            let items: u64 = worker.frames.iter().map(|f| u64::from(f.count)).sum();
            items - (worker.frames.len() - worker.waiting()).min(1) as u64
        });
        self.work_items() + self.held + on_links.sum::<u64>()
    }

    /// Which of the frames in flight in `slot`, counted from the oldest, is the last of `job`.
    pub(crate) fn frame_of(&self, job: JobId, slot: Slot) -> Option<usize> {
        self.workers
            .get(slot.index())?
            .frames
            .iter()
            .rposition(|frame| frame.job == job)
    }

    /// How many items of this function together make a chunk worth sending; at least 1.
    pub(crate) fn worth_sending(&self, profile: u32) -> u32 {
        chunk::aim(self.profiles.estimate(profile)).max(1)
    }

    /// How long one item of this job is expected to run, once its function is known.
    pub(crate) fn estimate(&self, job: JobId) -> Option<Nanos> {
        let job = self.jobs.get(job)?;
        Some(self.profiles.estimate(job.profile))
            .filter(|ns| *ns != UNKNOWN)
            .map(Nanos::from)
    }
}
