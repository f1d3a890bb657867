//! How virtual workers come up, or do not; must not feed them.

use super::super::{Slot, WorkerRef};
use super::fake::Link;
use super::scene::{MS, US};
use super::virtual_pool::{Event, Sim, Virtual};

impl Sim {
    pub(super) fn started(&mut self, slot: Slot) {
        if self.rng.percent(self.bad_starts) {
            self.scene.may_pause(slot, 0);
            return self
                .scene
                .core
                .start_failed(slot, self.scene.now, &mut self.scene.fx);
        }
        let index = self.scene.fx.links[slot.index()].index;
        self.scene.fx.links[slot.index()] = Link {
            index,
            ..Link::default()
        };
        self.workers[slot.index()] = Virtual::default();
        if self.small_links {
            self.scene.fx.links[slot.index()].room = Some(1 + self.rng.below(20) as u32);
        }
        let incarnation = self.scene.fx.incarnations.get(&slot).copied().unwrap_or(0);
        self.scene.fx.links[slot.index()].who = Some(WorkerRef { slot, incarnation });
        let who = self
            .scene
            .core
            .started(slot, self.scene.now, &mut self.scene.fx);
        assert_eq!(who.incarnation, incarnation + 1);
        self.scene.fx.incarnations.insert(slot, who.incarnation);
        self.scene.fx.links[slot.index()].who = Some(who);
        let delay = self.between(100 * US, 5 * MS);
        let fate: fn(u32, u32) -> Event = if self.rng.percent(self.bad_boots) {
            Event::Die
        } else {
            Event::Booted
        };
        self.at(delay, fate(slot.0, who.incarnation));
        if self.rng.percent(self.murders) {
            let delay = self.between(US, 20 * MS);
            self.at(delay, Event::Die(slot.0, who.incarnation));
        }
    }

    pub(super) fn booted(&mut self, who: WorkerRef) {
        self.workers[who.slot.index()].booted = true;
        // The first reply may overtake READY, and READY may come twice.
        if self.rng.percent(80) || self.scene.fx.links[who.slot.index()].frames.is_empty() {
            self.scene.fx.links[who.slot.index()].ready = true;
            self.scene
                .core
                .ready(who, self.scene.now, &mut self.scene.fx);
        }
        self.wake(who);
    }
}
