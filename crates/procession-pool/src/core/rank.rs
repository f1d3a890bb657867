//! Jobs of different priorities: which there are, and what waits in links and is taken back for the sake of order.
//! It must not hand anything out.
//!
//! While jobs of one priority are live nothing here is looked at. With several:
//!
//! 1. A frame goes to a worker that has none, or behind frames of its own priority. What has its turn before higher ones
//!    waits for a worker that has none.
//! 2. Before something is handed out, what waits in links at a lower priority than the highest in the queue comes back, and
//!    if a READY worker is free, what waits at a higher one than that does.
//! 3. So no worker begins an item while one of a higher priority waits, in the queue or in a link, but for turns, for what
//!    was begun meanwhile, and for links that take nothing.

use std::collections::BTreeMap;

use super::own::Source;
use super::{Core, Effects, JobId};

/// Frames in one worker while several priorities are live: more would have to be taken back too often.
const AHEAD: usize = 32;

/// How many live jobs have which priority, but for the usual one.
#[derive(Debug, Default)]
pub(super) struct Ranks {
    jobs: BTreeMap<i32, u32>,
    count: usize,
}

impl Ranks {
    pub(super) fn enter(&mut self, priority: i32) {
        if priority != 0 {
            *self.jobs.entry(priority).or_insert(0) += 1;
            self.count += 1;
        }
    }

    pub(super) fn leave(&mut self, priority: i32) {
        if let Some(jobs) = self.jobs.get_mut(&priority) {
            *jobs -= 1;
            self.count -= 1;
            if *jobs == 0 {
                self.jobs.remove(&priority);
            }
        }
    }

    /// Whether `live` jobs have more than one priority among them.
    pub(super) fn differ(&self, live: usize) -> bool {
        match self.jobs.len() {
            0 => false,
            1 => self.count < live,
            _ => true,
        }
    }
}

impl Core {
    fn priority_of(&self, id: JobId) -> Option<i32> {
        self.jobs.get(id).map(|job| job.priority)
    }

    /// Whether the order of priorities allows a frame of this job behind what the worker has.
    pub(super) fn may_follow(&self, slot: usize, id: JobId, from: Source) -> bool {
        let frames = self.workers.get(slot).map(|worker| &worker.frames);
        let Some((newest, count)) = frames.and_then(|all| Some((all.back()?, all.len()))) else {
            return true;
        };
        if !self.jobs.differ() {
            return true;
        }
        let has_its_turn = match from {
            Source::Common => self.queue.is_out_of_turn(),
            Source::Own => self.own_queue(slot).is_some_and(|own| own.is_out_of_turn()),
        };
        !has_its_turn && count < AHEAD && self.priority_of(newest.job) == self.priority_of(id)
    }

    /// Takes back what waits in links and is not to begin next, by the second rule; false when there is no such thing.
    pub(super) fn make_way(&mut self, fx: &mut impl Effects) -> bool {
        if self.waiting == 0 || !self.jobs.differ() {
            return false;
        }
        // Not one that boots: of two of them each would take it from the other.
        let free = !self.idle.is_empty();
        let common = self.queue.highest();
        let mut came_back = false;
        for slot in 0..self.workers.len() {
            let Some(worker) = self.workers.get(slot).filter(|w| w.waiting() > 0) else {
                continue;
            };
            // Those of one link are of one priority, by the first rule.
            let newest = worker
                .frames
                .back()
                .and_then(|frame| self.jobs.get(frame.job));
            let Some(job) = newest else { continue };
            let own = self.own_queue(slot).and_then(|own| own.highest());
            let lower = common.max(own) > Some(job.priority);
            let wanted = free && common.is_some_and(|front| front < job.priority);
            let wanted = wanted && self.movable_work(slot).is_some();
            if lower || wanted {
                let before = worker.frames.len();
                self.take_back(slot, fx, |_| true);
                let left = self.workers.get(slot).map_or(0, |w| w.frames.len());
                came_back |= left < before;
                self.list_if_empty(slot);
            }
        }
        came_back
    }
}
