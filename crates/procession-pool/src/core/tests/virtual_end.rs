//! How virtual workers end, late or not before everything else is at rest; must not start or feed them.
//!
//! What nobody can end, in the kernel's uninterruptible sleep, goes on here for a while, or for ever: until nothing else
//! can happen. Then all that is left is what waits for an index whose place is lost, while no other place is spare.

use super::super::place::Duty;
use super::super::{Nanos, PoolState, Slot, WorkerRef};
use super::scene::{MS, US};
use super::virtual_pool::{Event, Sim};

/// A worker that was killed and has not ended.
#[derive(Clone, Copy, Debug)]
pub(super) struct Killed {
    pub(super) who: WorkerRef,
    index: u32,
    /// From then on another one is to have its index.
    overdue: Nanos,
}

impl Sim {
    /// Those told to end do, sooner or later.
    pub(super) fn told_to_end(&mut self) {
        for slot in std::mem::take(&mut self.scene.fx.stops) {
            self.ends(slot);
        }
        for slot in std::mem::take(&mut self.scene.fx.kills) {
            let link = &self.scene.fx.links[slot.index()];
            self.killed.push(Killed {
                who: self.scene.who(slot.0),
                index: link.index,
                overdue: self.scene.now + self.scene.core.undying,
            });
            self.ends(slot);
        }
    }

    fn ends(&mut self, slot: Slot) {
        let who = self.scene.who(slot.0);
        let undying = self.scene.core.undying;
        let delay = match self.rng.percent(self.undead) {
            true if self.rng.percent(40) => return self.for_ever.push(who),
            true => self.between(US, 3 * undying),
            false => self.between(10 * US, MS),
        };
        self.at(delay, Event::Die(slot.0, who.incarnation));
    }

    /// Nothing can happen any more but the ends of those that never end; one of them does.
    pub(super) fn end_one_of_many(&mut self) -> bool {
        if self.for_ever.is_empty() {
            return false;
        }
        self.waits_for_nothing_else();
        let pick = self.rng.below(self.for_ever.len() as u64) as usize;
        self.die(self.for_ever[pick]);
        true
    }

    fn waits_for_nothing_else(&self) {
        let all_over = self.scene.fx.jobs.values().all(|job| job.finished);
        let holds = |who: &WorkerRef| {
            let index = self.scene.fx.links[who.slot.index()].index;
            self.scene.core.holder(index) == Some(who.slot)
        };
        assert!(
            all_over || self.for_ever.iter().any(holds) && !self.has_spare_place(),
            "jobs wait for workers that do not end although there is room for others"
        );
    }

    fn has_spare_place(&self) -> bool {
        let core = &self.scene.core;
        let places = core.workers.len() as u32;
        places < 2 * core.size() + 2 || core.workers.iter().any(|w| w.duty == Duty::Spare)
    }

    /// Between two calls of the core: who is overdue is missed, and nobody's end is taken for granted.
    pub(super) fn check_killed(&self) {
        let core = &self.scene.core;
        let stats = core.stats();
        let misses = match core.state() {
            PoolState::Open => true,
            PoolState::Closing => stats.jobs > 0,
            PoolState::Terminating | PoolState::Broken => false,
        };
        let overdue = self.killed.iter().filter(|k| k.overdue < self.scene.now);
        for killed in overdue {
            let index = killed.index;
            assert!(
                !misses || core.holder(index) != Some(killed.who.slot) || !self.has_spare_place(),
                "nobody else has index {index} although {killed:?} does not end"
            );
        }
        let due = self.killed.iter().filter(|k| k.overdue <= self.scene.now);
        assert!(stats.undying as usize <= due.count(), "replaced too early");
        let alive = self.scene.fx.links.iter().any(|link| link.who.is_some());
        assert!(!core.is_finished() || !alive, "over before the last end");
    }

    pub(super) fn die(&mut self, who: WorkerRef) {
        self.drain(who);
        self.for_ever.retain(|other| *other != who);
        let killed = self.killed.iter().position(|killed| killed.who == who);
        let killed = killed.map(|at| self.killed.swap_remove(at));
        let begun = self.scene.fx.dies(who.slot);
        self.scene.may_pause(who.slot, begun);
        let before = self.scene.core.stats();
        self.scene
            .core
            .lost(who, begun, self.scene.now, &mut self.scene.fx);
        if killed.is_some() {
            // What it was at was resolved, or is tried again, since it was killed.
            let after = self.scene.core.stats();
            assert_eq!(
                (before.items_lost, before.deaths, before.start_failures),
                (after.items_lost, after.deaths, after.start_failures),
                "the end of {killed:?} is a loss"
            );
            self.late_ends += u64::from(before.undying > after.undying);
        }
    }
}
