//! What a virtual user does, by a seed; must not look into the core but through its calls.

use super::super::{
    After, Asks, Chunk, Extended, JobSpec, NEVER, Nanos, PoolState, Retry, Sticky, Terms,
};
use super::scene::{MS, US};
use super::virtual_pool::{Event, Sim};

/// SplitMix64.
#[derive(Debug)]
pub(super) struct Rng(pub(super) u64);

impl Rng {
    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    pub(super) fn below(&mut self, n: u64) -> u64 {
        self.next() % n.max(1)
    }

    pub(super) fn percent(&mut self, chance: u64) -> bool {
        self.below(100) < chance
    }
}

impl Sim {
    pub(super) fn user(&mut self) {
        if self.actions == 0 {
            self.scene.core.close(self.scene.now, &mut self.scene.fx);
            return self.close_open_jobs();
        }
        self.actions -= 1;
        match self.rng.below(20) {
            0 if !self.open.is_empty() => {
                let job = self
                    .open
                    .swap_remove(self.rng.below(self.open.len() as u64) as usize);
                if !self.scene.fx.is_finished(job) {
                    self.scene.fx.close_job(job);
                }
                self.scene
                    .core
                    .cancel(job, self.scene.now, &mut self.scene.fx);
            }
            1 if self.rng.percent(5) => self
                .scene
                .core
                .terminate(self.scene.now, &mut self.scene.fx),
            2 if !self.owned.is_empty() => {
                let pick = self.rng.below(self.owned.len() as u64) as usize;
                self.revoke(pick);
            }
            3 if self.rng.percent(30) => self.life(),
            2..6 => self.extend(),
            _ => self.submit(),
        }
        let delay = self.between(0, MS);
        self.at(delay, Event::User);
    }

    /// Another size, workers that are to be there or need not be, or one found to have served long enough.
    fn life(&mut self) {
        let workers = 1 + self.rng.below(6) as u32;
        let pick = self.rng.below(self.workers.len() as u64) as usize;
        let (now, fx) = (self.scene.now, &mut self.scene.fx);
        match (self.rng.below(3), fx.links[pick].who) {
            (0, _) => {
                if self.scene.core.state() == PoolState::Open {
                    fx.seen.resized(workers);
                }
                self.scene.core.resize(workers, now, fx);
            }
            (1, Some(who)) => drop(self.scene.core.retire(who, now, fx)),
            _ if workers == 1 => self.scene.core.cool(now),
            _ => self.scene.core.warm(workers, now, fx),
        }
    }

    fn submit(&mut self) {
        let kind = self.rng.below(6) as u32;
        let most = if kind == 3 || kind == 5 { 8 } else { 60 };
        let items = if self.rng.percent(50) {
            1
        } else {
            self.rng.below(most) as u32
        };
        let open = self.rng.percent(20);
        let mut chunk = if self.rng.percent(70) {
            Chunk::Auto
        } else {
            Chunk::Fixed(self.rng.below(9) as u32)
        };
        let stop_on_failure = self.rng.percent(40);
        let mut terms = Terms::default();
        if self.rng.percent(25) {
            terms.limit = self.between(10 * US, 30 * MS);
        }
        if self.rng.percent(10) {
            let wait = self.rng.percent(90).then(|| self.between(0, 20 * MS));
            terms.start_by = self.scene.now + wait.unwrap_or(0);
        }
        terms.retry = self.retries();
        let mut priority = 0;
        if self.ranked && self.rng.percent(60) {
            priority = self.rng.below(4) as i32 - 1;
        }
        let mut sticky = None;
        if self.sticks && self.rng.percent(50) {
            let size = 1 + self.rng.below(5) as u32;
            sticky = Some(Sticky {
                indexes: 1 + self.rng.below(6) as u32,
                chunk: size,
                from: self.rng.below(7),
            });
            chunk = Chunk::Fixed(size);
        }
        let id = self.scene.core.next_id();
        if terms.retry.times > 0 {
            self.retried.insert(id);
        }
        self.kinds.insert(id, kind);
        self.scene.fx.announce(id, items, open);
        self.scene.fx.announce_deadline(id, terms.start_by);
        let spec = JobSpec {
            items,
            open,
            chunk,
            stop_on_failure,
            profile: kind,
            priority,
            terms,
        };
        let (now, fx) = (self.scene.now, &mut self.scene.fx);
        fx.seen.enters(id, &spec, sticky);
        let taken = match sticky {
            None => self.scene.core.submit(spec, now, fx),
            Some(sticky) => self.scene.core.submit_chunks(spec, sticky, now, fx),
        };
        match taken {
            Ok(_) => {
                if open {
                    self.open.push(id);
                }
                self.owned.push(id);
            }
            Err(_) => {
                assert_ne!(self.scene.core.state(), PoolState::Open);
                self.scene.fx.jobs.remove(&id);
                self.scene.fx.seen.leaves(id);
            }
        }
    }

    fn retries(&mut self) -> Retry {
        if self.rng.percent(60) {
            return Retry::default();
        }
        Retry {
            times: 1 + self.rng.below(3) as u32,
            after: if self.rng.percent(30) {
                After::Death
            } else {
                After::AnyFault
            },
            asks: if self.rng.percent(40) {
                Asks::Judge
            } else {
                Asks::Nobody
            },
            delay: if self.rng.percent(40) {
                self.between(US, 20 * MS)
            } else {
                0
            },
        }
    }

    /// As the driver does it: what was replied is counted first, or else is on its way.
    fn revoke(&mut self, pick: usize) {
        let job = self.owned.swap_remove(pick);
        if self.rng.percent(50) {
            self.drain_all();
        } else if self.scene.core.cancel_grace == 0 {
            // It decides at once; what it does not know by then is counted before the next decision.
            self.late = true;
        }
        self.scene.fx.revoke(job);
        let finished = self.scene.fx.is_finished(job);
        let was = self
            .scene
            .core
            .revoke(job, self.scene.now, &mut self.scene.fx);
        assert_eq!(was, !finished);
        assert!(self.scene.fx.is_finished(job), "revoked means over");
        self.open.retain(|open| *open != job);
    }

    fn extend(&mut self) {
        if let Some(&job) = self.open.last() {
            let more = self.rng.below(20) as u32;
            if self.scene.fx.is_finished(job) {
                let (now, fx) = (self.scene.now, &mut self.scene.fx);
                let over = self.scene.core.extend(job, more, false, NEVER, now, fx);
                assert_eq!(over, Extended::Over);
                self.open.pop();
            } else {
                let on_their_way = self.on_their_way();
                self.scene.extend_quietly(job, more, false, on_their_way);
            }
        }
    }

    fn close_open_jobs(&mut self) {
        for job in std::mem::take(&mut self.open) {
            if !self.scene.fx.is_finished(job) {
                self.scene.extend_quietly(job, 2, true, 0);
            }
        }
    }

    /// How long items have waited to be let in.
    fn on_their_way(&mut self) -> Nanos {
        if self.rng.percent(70) {
            0
        } else {
            self.between(0, 30 * MS)
        }
    }
}
