//! Jobs of different priorities: which there are, and what waits in links and is taken back for the sake of order.
//! It must not hand anything out.
//!
//! While jobs of one priority are live nothing here is looked at. With several:
//!
//! 1. A frame goes to a worker that has none, or behind frames of its own priority, if nothing higher waits in a link that
//!    may go elsewhere: whoever is free next is to have that. What has its turn before higher ones waits for a worker that
//!    has none, and is not taken back from it for the sake of order: it would lose its turn, each time, where workers are
//!    given what they have while they boot.
//! 2. Before something is handed out, what waits in links at a lower priority than the highest in the queue comes back, and
//!    if a READY worker is free, what waits at a higher one than what that worker would be given does.
//! 3. So no worker begins an item while one of a higher priority waits, in the queue or in a link, but for turns, for what
//!    was begun meanwhile, for links that take nothing, and for what a worker has while it boots: something higher may wait
//!    in another one's link by then.

use std::collections::BTreeMap;

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
    pub(super) fn may_follow(&self, slot: usize, id: JobId) -> bool {
        let frames = self.workers.get(slot).map(|worker| &worker.frames);
        let Some((newest, count)) = frames.and_then(|all| Some((all.back()?, all.len()))) else {
            return true;
        };
        if !self.jobs.differ() {
            return true;
        }
        let priority = self.priority_of(id);
        let outranked = self.highest_for(slot).max(self.sent_ahead) > priority;
        !outranked && count < AHEAD && self.priority_of(newest.job) == priority
    }

    /// The highest priority of what waits and may be given to this worker.
    fn highest_for(&self, slot: usize) -> Option<i32> {
        let own = self.own_queue(slot).and_then(|own| own.highest());
        self.queue.highest().max(own)
    }

    /// The lowest priority that a READY worker without frames would be given.
    fn least_wanted(&self) -> Option<i32> {
        if self.own.items == 0 {
            return self.queue.highest().filter(|_| !self.idle.is_empty());
        }
        let next = |slot: &u32| self.highest_for(*slot as usize);
        self.idle.iter().filter_map(next).min()
    }

    /// Whether something higher waits than this job, of which something is next for this worker: then it has its turn.
    pub(super) fn is_in_turn(&self, slot: usize, id: JobId) -> bool {
        self.jobs.differ() && self.highest_for(slot) > self.priority_of(id)
    }

    /// Takes back what waits in links and is not to begin next, by the second rule; false when there is no such thing.
    pub(super) fn make_way(&mut self, fx: &mut impl Effects) -> bool {
        self.sent_ahead = None;
        if self.waiting == 0 || !self.jobs.differ() {
            return false;
        }
        // Not one that boots: of two of them each would take it from the other.
        let least = self.least_wanted();
        let mut came_back = false;
        for slot in 0..self.workers.len() {
            let Some(worker) = self.workers.get(slot).filter(|w| w.waiting() > 0) else {
                continue;
            };
            // Those of one link are of one priority, by the first rule.
            let Some(newest) = worker.frames.back() else {
                continue;
            };
            let Some(job) = self.jobs.get(newest.job) else {
                continue;
            };
            let priority = job.priority;
            let lower = self.highest_for(slot) > Some(priority) && !newest.in_turn;
            let wanted = least.is_some_and(|least| least < priority);
            let wanted = wanted && self.has_movable_work(slot);
            if lower || wanted {
                let before = worker.frames.len();
                self.take_back(slot, fx, |_| true);
                let left = self.workers.get(slot).map_or(0, |w| w.frames.len());
                came_back |= left < before;
                self.list_if_empty(slot);
            } else if self.sent_ahead < Some(priority) && self.has_movable_work(slot) {
                self.sent_ahead = Some(priority);
            }
        }
        came_back
    }
}
