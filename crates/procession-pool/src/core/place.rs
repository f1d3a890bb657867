//! Which place serves under which index; must not decide when a worker is to come or to go.
//!
//! An index is what a worker is called by: there are as many as the pool is large. A place is where a process lives. There
//! may be more places than indexes: while a worker finishes, its successor comes up beside it.

use super::worker::{Worker, WorkerState};
use super::{Core, Effects, Nanos, Slot, respawn};

/// What a place is there for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Duty {
    /// Nothing: no process lives here, and none is started.
    Spare,
    /// Serves under its index; while there is no process, one is started.
    Serves,
    /// Will serve under its index when there is more to do; no process is started before.
    Rests,
    /// Will take over from the place that serves under the same index, and has nothing to do until then.
    Succeeds,
    /// Has lost its index: what it has begun is finished, then the place is spare.
    Leaves,
}

impl Worker {
    /// No process, though there is to be one.
    #[inline]
    pub(super) fn is_lacking(&self) -> bool {
        match (self.duty, self.state) {
            (Duty::Serves | Duty::Succeeds, WorkerState::Down { .. }) => true,
            (Duty::Serves | Duty::Succeeds, _) | (Duty::Spare | Duty::Rests | Duty::Leaves, _) => {
                false
            }
        }
    }
}

impl Core {
    /// The place that serves under this index, or would.
    pub(crate) fn holder(&self, index: u32) -> Option<Slot> {
        let holds = |w: &Worker| matches!(w.duty, Duty::Serves | Duty::Rests) && w.index == index;
        // Without successors and new sizes every index is the place it was given first.
        if self.workers.get(index as usize).is_some_and(holds) {
            return Some(Slot(index));
        }
        let slot = self.workers.iter().position(holds)?;
        Some(Slot(slot as u32))
    }

    /// Workers aimed at: indexes are below it.
    pub(crate) fn size(&self) -> u32 {
        self.size
    }

    /// Gives a place another duty.
    pub(super) fn assign(&mut self, slot: usize, duty: Duty) {
        let Some(worker) = self.workers.get_mut(slot) else {
            return;
        };
        let lacked = worker.is_lacking();
        let rested = worker.duty == Duty::Rests;
        worker.duty = duty;
        self.lacking = self.lacking + u32::from(worker.is_lacking()) - u32::from(lacked);
        self.resting = self.resting + u32::from(duty == Duty::Rests) - u32::from(rested);
    }

    /// Gives an index to a place that has none.
    pub(super) fn settle_in(&mut self, slot: usize, index: u32, duty: Duty) {
        if let Some(worker) = self.workers.get_mut(slot) {
            worker.index = index;
            worker.anew = true;
            worker.setbacks = 0;
            worker.state = WorkerState::Down { not_before: 0 };
        }
        self.assign(slot, duty);
    }

    /// A place without a process and an index. There are twice as many places as workers and two more, so that processes
    /// that take long to end do not add up.
    pub(super) fn spare_place(&mut self) -> Option<usize> {
        let spare = |w: &Worker| w.duty == Duty::Spare;
        if let Some(slot) = self.workers.iter().position(spare) {
            return Some(slot);
        }
        (self.workers.len() < 2 * self.size as usize + 2).then(|| self.another_place())
    }

    /// One more place, with nothing in it.
    pub(super) fn another_place(&mut self) -> usize {
        self.workers.push(Worker::new(0, Duty::Spare));
        self.down += 1;
        self.workers.len() - 1
    }

    /// The place that is to take over from this one.
    pub(super) fn successor(&self, slot: usize) -> Option<usize> {
        let index = self.workers.get(slot)?.index;
        let succeeds = |w: &Worker| w.duty == Duty::Succeeds && w.index == index;
        self.workers.iter().position(succeeds)
    }

    /// Has a successor started for this place, unless there is one, or no room for one: then the place itself starts the
    /// next process when this one has ended.
    pub(super) fn appoint(&mut self, slot: usize, now: Nanos, fx: &mut impl Effects) {
        if self.successor(slot).is_some() {
            return;
        }
        let Some((index, setbacks)) = self.workers.get(slot).map(|w| (w.index, w.setbacks)) else {
            return;
        };
        let Some(spare) = self.spare_place() else {
            return;
        };
        self.settle_in(spare, index, Duty::Succeeds);
        if let Some(successor) = self.workers.get_mut(spare) {
            // Where workers end with nothing done, the next one takes the same pauses wherever it lives.
            successor.setbacks = setbacks;
            successor.state = WorkerState::Down {
                not_before: now.saturating_add(respawn::back_off(setbacks)),
            };
        }
        self.start_missing(now, fx);
    }

    /// A successor takes over, whatever became of its process.
    pub(super) fn promote(&mut self, slot: usize) {
        self.assign(slot, Duty::Serves);
        let Some(worker) = self.workers.get_mut(slot) else {
            return;
        };
        if worker.is_live() {
            worker.left = std::mem::take(&mut worker.kept);
            self.life.look_at(worker.retire_at);
            self.list_if_empty(slot);
        }
    }

    fn inherit_setbacks(&mut self, from: usize, to: usize) {
        let setbacks = self.workers.get(from).map_or(0, |worker| worker.setbacks);
        if let Some(successor) = self.workers.get_mut(to) {
            successor.setbacks = successor.setbacks.max(setbacks);
        }
    }

    /// There is no process here any more: who comes next?
    pub(super) fn after_the_end(&mut self, slot: usize) {
        match self.workers.get(slot).map(|worker| worker.duty) {
            Some(Duty::Serves) => {
                if let Some(successor) = self.successor(slot) {
                    self.counters.restarts += 1;
                    self.inherit_setbacks(slot, successor);
                    self.assign(slot, Duty::Spare);
                    self.promote(successor);
                }
            }
            Some(Duty::Succeeds) => {
                let index = self.workers.get(slot).map_or(0, |worker| worker.index);
                let still = self
                    .holder(index)
                    .and_then(|holder| self.workers.get(holder.index()));
                // What it was to do may have been taken back from its predecessor.
                if still.is_some_and(|holder| holder.left > 0) {
                    self.assign(slot, Duty::Spare);
                }
            }
            Some(Duty::Leaves) => self.assign(slot, Duty::Spare),
            Some(Duty::Spare | Duty::Rests) | None => {}
        }
    }
}
