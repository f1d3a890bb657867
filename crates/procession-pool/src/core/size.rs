//! How many workers there are: a new size, more on demand, fewer when they are idle; must not end what has begun.

use super::alarm::NEVER;
use super::place::Duty;
use super::steal::PATIENCE;
use super::worker::{Worker, WorkerState};
use super::{Core, Effects, Nanos, PoolState};

impl Core {
    /// As many workers as this from here on. Those with the highest indexes go: what they have not begun is handed out
    /// elsewhere, what they have begun they finish. False: the pool is not open.
    pub(crate) fn resize(&mut self, size: u32, now: Nanos, fx: &mut impl Effects) -> bool {
        if self.state != PoolState::Open {
            return false;
        }
        let former = std::mem::replace(&mut self.size, size.max(1));
        self.own_up_to(self.size);
        for slot in 0..self.workers.len() {
            if self.workers.get(slot).is_some_and(|w| w.index >= self.size) {
                self.lay_off(slot, fx);
            }
        }
        for index in former..self.size {
            self.take_on(index, now, fx);
        }
        self.wake_up_to(self.least());
        self.use_spare_places(now, fx);
        self.pump(now, fx);
        self.start_missing(now, fx);
        self.steal(now, fx);
        true
    }

    /// So many workers, or all, are there or started, whatever there is to do, and stay until `cool`.
    pub(crate) fn warm(&mut self, workers: u32, now: Nanos, fx: &mut impl Effects) {
        if self.state == PoolState::Open {
            self.life.held = self.life.held.max(workers);
            self.wake_up_to(workers.min(self.size));
            self.start_missing(now, fx);
        }
    }

    /// Nobody waits for workers to be READY any more: those that are idle are so from here on.
    pub(crate) fn cool(&mut self, now: Nanos) {
        self.life.held = 0;
        for slot in self.idle.clone() {
            if let Some(worker) = self.workers.get_mut(slot as usize) {
                worker.idle_since = NEVER;
            }
            self.note_idle(slot as usize, now);
        }
    }

    /// Workers that serve and have said READY.
    pub(crate) fn warmed(&self) -> u32 {
        let serves = |w: &&Worker| w.duty == Duty::Serves && w.state == WorkerState::Ready;
        self.workers.iter().filter(serves).count() as u32
    }

    /// This place has lost its index.
    fn lay_off(&mut self, slot: usize, fx: &mut impl Effects) {
        let Some(worker) = self.workers.get(slot) else {
            return;
        };
        match (worker.duty, worker.state) {
            (Duty::Spare | Duty::Leaves, _) => {}
            (Duty::Serves | Duty::Rests | Duty::Succeeds, WorkerState::Down { .. }) => {
                self.assign(slot, Duty::Spare);
            }
            (
                Duty::Serves | Duty::Rests | Duty::Succeeds,
                WorkerState::Starting | WorkerState::Stopping | WorkerState::Killed,
            ) => self.assign(slot, Duty::Leaves),
            (
                Duty::Serves | Duty::Rests | Duty::Succeeds,
                WorkerState::Booting | WorkerState::Ready,
            ) => {
                self.lay_down(slot);
                self.take_back(slot, fx, |_| true);
                self.assign(slot, Duty::Leaves);
                self.outgoing.push(slot as u32);
            }
        }
    }

    /// Some place is to serve under this index: the one that did and is not done yet, else another one.
    fn take_on(&mut self, index: u32, now: Nanos, fx: &mut impl Effects) {
        let returns = |w: &Worker| w.duty == Duty::Leaves && w.index == index && w.is_live();
        if let Some(slot) = self.workers.iter().position(returns) {
            if let Some(worker) = self.workers.get_mut(slot) {
                worker.retired = false;
            }
            self.promote(slot);
            if self.workers.get(slot).is_some_and(|w| w.left == 0) {
                self.appoint(slot, now, fx);
            }
            return;
        }
        let slot = match self.spare_place() {
            Some(slot) => slot,
            None => self.another_place(),
        };
        self.settle_in(slot, index, Duty::Rests);
    }

    /// Workers that are there whatever there is to do.
    pub(super) fn least(&self) -> u32 {
        self.life
            .config
            .least
            .map_or(self.size, |least| least.min(self.size))
    }

    /// The lowest of the resting indexes serve until so many do; the caller starts them.
    fn wake_up_to(&mut self, workers: u32) {
        while self.resting > 0 && self.size - self.resting < workers {
            let rests = |(_, w): &(usize, &Worker)| w.duty == Duty::Rests;
            let places = self.workers.iter().enumerate().filter(rests);
            let lowest = places.min_by_key(|(_, w)| w.index).map(|(slot, _)| slot);
            let Some(slot) = lowest else { break };
            self.wake_place(slot);
        }
    }

    fn wake_place(&mut self, slot: usize) {
        let Some(worker) = self.workers.get_mut(slot) else {
            return;
        };
        worker.anew = true;
        let index = worker.index;
        let is_empty = worker.may_start_at().is_some();
        // Nobody waits for the end of the former process, if there is another place.
        let other = if is_empty { None } else { self.spare_place() };
        match other {
            Some(spare) => {
                self.assign(slot, Duty::Leaves);
                self.settle_in(spare, index, Duty::Serves);
            }
            None => self.assign(slot, Duty::Serves),
        }
    }

    /// More workers, if some rest although work waits and nobody is free for it.
    pub(super) fn meet_demand(&mut self, now: Nanos, fx: &mut impl Effects) {
        if self.own.items > 0 && self.wants_workers() {
            self.wake_owners(now, fx);
        }
        let work = !self.queue.is_empty() || self.waiting > 0;
        if !work || !self.wants_workers() || !self.idle.is_empty() {
            return;
        }
        let coming = |w: &&Worker| w.is_lacking() || w.state == WorkerState::Starting;
        let coming = self.workers.iter().filter(coming).count() as u64;
        let waiting = match self.queue.items() {
            0 if coming == 0 && self.waits_in_vain(now) => 1,
            queued => queued,
        };
        let more = waiting.saturating_sub(coming).min(u64::from(self.resting)) as u32;
        if more > 0 {
            self.wake_up_to(self.size - self.resting + more);
            self.start_missing(now, fx);
        }
    }

    /// Work that is theirs wakes those that rest.
    fn wake_owners(&mut self, now: Nanos, fx: &mut impl Effects) {
        for slot in 0..self.workers.len() {
            let rests = |w: &&Worker| w.duty == Duty::Rests && self.is_needed(w);
            if self.workers.get(slot).filter(rests).is_some() {
                self.wake_place(slot);
            }
        }
        self.start_missing(now, fx);
    }

    /// Whether a frame has waited behind others for longer than its estimate accounts for; else notes when it will have.
    fn waits_in_vain(&mut self, now: Nanos) -> bool {
        if self.waiting == 0 || !self.vacant.is_empty() {
            return false;
        }
        // Another worker would take as long to boot as one that boots.
        let ready = (0..self.workers.len()).filter(|slot| {
            let worker = self.workers.get(*slot);
            worker.is_some_and(|w| w.state == WorkerState::Ready)
        });
        let movable = ready.filter_map(|slot| self.movable_work(slot));
        let sent = movable.map(|(_, sent)| sent);
        let Some(oldest) = sent.min() else {
            return false;
        };
        let due = oldest.saturating_add(PATIENCE);
        if due > now {
            self.look_again_at(due);
        }
        due <= now
    }

    /// Notes since when a worker is idle.
    pub(super) fn note_idle(&mut self, slot: usize, now: Nanos) {
        if self.life.config.idle == NEVER {
            return;
        }
        let Some(worker) = self.workers.get_mut(slot) else {
            return;
        };
        if worker.listed && worker.state == WorkerState::Ready && worker.idle_since == NEVER {
            worker.idle_since = now;
            self.life.look_at(now.saturating_add(self.life.config.idle));
        }
    }

    /// Stops workers that were idle too long, the highest indexes first, down to the least there are to be.
    pub(super) fn rest_the_idle(&mut self, now: Nanos, fx: &mut impl Effects) {
        let patience = self.life.config.idle;
        if patience == NEVER || self.state != PoolState::Open {
            return;
        }
        let mut idle = self.idle.clone();
        let index = |slot: &u32| self.workers.get(*slot as usize).map(|worker| worker.index);
        idle.sort_unstable_by_key(|slot| std::cmp::Reverse(index(slot)));
        for slot in idle {
            let slot = slot as usize;
            self.note_idle(slot, now);
            if self.size - self.resting <= self.least().max(self.life.held) {
                break;
            }
            let since = self.workers.get(slot).map_or(now, |w| w.idle_since);
            let due = since.saturating_add(patience);
            if due > now {
                self.life.look_at(due);
            } else {
                self.rest(slot, now, fx);
            }
        }
    }

    fn rest(&mut self, slot: usize, now: Nanos, fx: &mut impl Effects) {
        self.unlist(slot);
        self.dismiss(slot, WorkerState::Stopping, fx);
        if self.successor(slot).is_some() {
            // It had one because its quota was handed out, and taken back later.
            self.hand_over(slot, now, fx);
        } else {
            self.assign(slot, Duty::Rests);
        }
    }
}
