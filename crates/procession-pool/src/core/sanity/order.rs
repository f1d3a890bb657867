//! The queues, and who would be served from them; must not change anything.

use super::super::Core;
use super::super::queue::Run;

impl Core {
    /// Everything that waits to be handed out, with its priority.
    pub(super) fn all_runs(&self) -> impl Iterator<Item = (i32, &Run)> {
        let own = self.own.iter().flat_map(|(_, queue)| queue.iter());
        self.queue.iter().chain(own)
    }

    pub(super) fn check_order(&self) {
        self.queue.sanity_check();
        for (index, queue) in self.own.iter() {
            queue.sanity_check();
            assert!(
                queue.is_empty() || index < self.size,
                "work of nobody, {index}"
            );
            for (_, run) in queue.iter() {
                let sticky = self.jobs.sticky(run.job);
                let owner = sticky.map(|sticky| sticky.index_of(run.first));
                assert_eq!(owner, Some(index), "whose is {run:?}");
            }
        }
        let own: u64 = self.own.iter().map(|(_, queue)| queue.items()).sum();
        assert_eq!(self.own.items, own, "items of indexes");
        for &slot in self.idle.iter().chain(&self.vacant) {
            let waits = self.own_queue(slot as usize).is_some();
            assert!(!waits, "worker {slot} does nothing beside its own work");
        }
        for (slot, worker) in self.workers.iter().enumerate() {
            let jobs = worker.frames.iter().filter_map(|f| self.jobs.get(f.job));
            let mut priorities: Vec<i32> = jobs.map(|job| job.priority).collect();
            priorities.dedup();
            assert!(
                priorities.len() <= 1,
                "priorities in worker {slot}: {priorities:?}"
            );
        }
        let ranked = self.jobs.iter().filter(|(_, job)| job.priority != 0);
        let stick = self
            .jobs
            .iter()
            .filter(|(id, _)| self.jobs.sticky(*id).is_some());
        let special = ranked.count() + stick.count();
        assert_eq!(self.jobs.special as usize, special, "special jobs");
    }
}
