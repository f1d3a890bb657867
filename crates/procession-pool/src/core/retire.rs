//! Workers that have served long enough make room for their successors; must not lose or repeat an item on the way.
//!
//! 1. A worker whose quota is handed out, or that is retired, is given nothing more. Its successor is started once it is
//!    READY itself.
//! 2. When its last reply has been counted it has nothing in its link: it is stopped in good order, and the successor takes
//!    over, booted or not. Until then the successor has nothing to do, so no more items run at a time than there are indexes.
//! 3. What is taken back from a worker gives it its quota back. A successor it has by then waits.
//! 4. If it dies before, its successor takes over at once. If the successor dies, it is replaced as any worker that dies.

use super::alarm::NEVER;
use super::place::Duty;
use super::worker::{Worker, WorkerState};
use super::{Core, Effects, Nanos, PoolState, WorkerRef};

/// More items than anybody has.
const UNBOUNDED: u64 = u64::MAX / 2;

/// How long workers serve; without end by default.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LifeConfig {
    /// Items a worker is given; 0: as many as there are.
    pub(crate) quota: u64,
    /// Up to so many more, drawn anew for each worker.
    pub(crate) jitter: u64,
    /// What the draws come from.
    pub(crate) seed: u64,
    /// How long a worker may have lived and be given more; [`NEVER`]: without end.
    pub(crate) lifetime: Nanos,
    /// How long a worker may be idle before it is stopped; [`NEVER`]: without end.
    pub(crate) idle: Nanos,
    /// Workers that are there whatever there is to do; `None`: all.
    pub(crate) least: Option<u32>,
}

impl Default for LifeConfig {
    fn default() -> LifeConfig {
        LifeConfig {
            quota: 0,
            jitter: 0,
            seed: 0,
            lifetime: NEVER,
            idle: NEVER,
            least: None,
        }
    }
}

/// The configuration, and what follows from it for the pool as a whole.
#[derive(Debug)]
pub(super) struct Life {
    pub(super) config: LifeConfig,
    /// So many workers are not idle too long, however long they are idle: somebody waits for them all to be READY.
    pub(super) held: u32,
    /// Not after the first moment at which a worker is too old or was idle too long.
    pub(super) look: Nanos,
}

impl Life {
    pub(super) fn new(config: LifeConfig) -> Life {
        Life {
            config,
            held: 0,
            look: NEVER,
        }
    }

    pub(super) fn look_at(&mut self, when: Nanos) {
        self.look = self.look.min(when);
    }

    /// The quota of the next worker.
    fn draw(&mut self) -> u64 {
        let LifeConfig { quota, jitter, .. } = self.config;
        if quota == 0 {
            return UNBOUNDED;
        }
        if jitter == 0 {
            return quota;
        }
        // SplitMix64.
        self.config.seed = self.config.seed.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = self.config.seed;
        let z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        quota.saturating_add((z ^ (z >> 31)) % jitter.saturating_add(1))
    }
}

impl Worker {
    /// Given all it was to get, and done with it.
    pub(super) fn may_go(&self) -> bool {
        let gets_none = match self.duty {
            Duty::Serves | Duty::Leaves => self.left == 0,
            Duty::Spare | Duty::Rests | Duty::Succeeds => false,
        };
        gets_none && self.frames.is_empty() && self.is_live()
    }

    /// Serves, and may be told to make room. One that boots may not: that it comes up is to be known before another one is
    /// started for it, or workers that do not come up would follow each other without a pause.
    pub(super) fn may_retire(&self) -> bool {
        self.duty == Duty::Serves && self.state == WorkerState::Ready && !self.retired
    }

    /// Gives back what was counted against the quota of a worker that did not come to it.
    pub(super) fn spare_quota(&mut self, items: u32) {
        if self.retired {
            self.kept += u64::from(items);
        } else {
            self.left += u64::from(items);
        }
    }
}

impl Core {
    /// Whether workers make room by themselves, after so many items or so much time.
    pub(crate) fn replaces(&self) -> bool {
        self.life.config.quota > 0 || self.life.config.lifetime != NEVER
    }

    /// This worker is given nothing more and makes room for another one when it has finished what it has. False: it does
    /// so already, or is not there any more.
    pub(crate) fn retire(&mut self, who: WorkerRef, now: Nanos, fx: &mut impl Effects) -> bool {
        let Some(slot) = self.current(who) else {
            return false;
        };
        if !self.workers.get(slot).is_some_and(Worker::may_retire) {
            return false;
        }
        self.retire_place(slot, now, fx);
        self.pump(now, fx);
        true
    }

    pub(super) fn retire_place(&mut self, slot: usize, now: Nanos, fx: &mut impl Effects) {
        self.lay_down(slot);
        self.appoint(slot, now, fx);
    }

    /// Nothing more is given to this worker.
    pub(super) fn lay_down(&mut self, slot: usize) {
        self.unlist(slot);
        let Some(worker) = self.workers.get_mut(slot).filter(|w| !w.retired) else {
            return;
        };
        worker.retired = true;
        worker.kept += std::mem::take(&mut worker.left);
        if worker.frames.is_empty() {
            self.outgoing.push(slot as u32);
        }
    }

    /// A process begins its service in this place.
    pub(super) fn begin_service(&mut self, slot: usize, now: Nanos) {
        let quota = self.life.draw();
        let retire_at = now.saturating_add(self.life.config.lifetime);
        let Some(worker) = self.workers.get_mut(slot) else {
            return;
        };
        worker.retire_at = retire_at;
        worker.retired = false;
        worker.idle_since = NEVER;
        if worker.duty == Duty::Serves && worker.is_live() {
            (worker.left, worker.kept) = (quota, 0);
            self.life.look_at(retire_at);
        } else {
            (worker.left, worker.kept) = (0, quota);
        }
    }

    /// Has successors started for the workers that were given all, and take over from those that have finished it.
    pub(super) fn see_off(&mut self, now: Nanos, fx: &mut impl Effects) {
        while let Some(slot) = self.outgoing.pop() {
            let slot = slot as usize;
            let Some(worker) = self.workers.get(slot) else {
                continue;
            };
            let serves = worker.duty == Duty::Serves;
            if worker.may_go() {
                self.dismiss(slot, WorkerState::Stopping, fx);
                if serves {
                    self.counters.recycled += 1;
                    // It may have done everything before it was known to be READY.
                    self.appoint(slot, now, fx);
                    self.hand_over(slot, now, fx);
                }
            } else if serves && worker.left == 0 && worker.state == WorkerState::Ready {
                self.appoint(slot, now, fx);
            }
        }
    }

    /// A worker was told to end: another place has its index from here on.
    pub(super) fn hand_over(&mut self, slot: usize, now: Nanos, fx: &mut impl Effects) {
        if let Some(successor) = self.successor(slot) {
            self.assign(slot, Duty::Leaves);
            self.promote(successor);
        } else if let Some(worker) = self.workers.get_mut(slot) {
            worker.anew = true;
        }
        self.start_missing(now, fx);
    }

    /// Retires who is too old, rests who was idle too long, and notes when to look again.
    pub(super) fn look_at_lives(&mut self, now: Nanos, fx: &mut impl Effects) {
        self.life.look = NEVER;
        match self.state {
            PoolState::Open | PoolState::Closing => {}
            PoolState::Terminating | PoolState::Broken => return,
        }
        for slot in 0..self.workers.len() {
            let Some(worker) = self.workers.get(slot) else {
                continue;
            };
            if !worker.may_retire() {
                continue;
            }
            if worker.retire_at <= now {
                self.retire_place(slot, now, fx);
            } else {
                self.life.look_at(worker.retire_at);
            }
        }
        self.rest_the_idle(now, fx);
        self.pump(now, fx);
        self.steal(now, fx);
    }
}
