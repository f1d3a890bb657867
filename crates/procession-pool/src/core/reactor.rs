//! The core's state and its entry for every event of a healthy pool; must not act except through `Effects`.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

use super::alarm::NEVER;
use super::expiry;
use super::job::{Jobs, Stop};
use super::own::Own;
use super::place::Duty;
use super::profile::Profiles;
use super::queue::Queue;
use super::respawn::StartBudget;
use super::retire::{Life, LifeConfig};
use super::stats::Counters;
use super::worker::{Feed, Worker, WorkerState};
use super::{Cancelled, Effects, JobId, Nanos, Slot, WorkerRef};
use crate::histogram::Histogram;

/// What a pool is made with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CoreConfig {
    /// How many workers; 0 counts as 1.
    pub(crate) workers: u32,
    /// Starts that fail in a row, while no worker is READY, before the pool is broken.
    pub(crate) start_budget: u32,
    /// Time a cancelled item has to return before its worker is ended.
    pub(crate) cancel_grace: Nanos,
    /// The same for an item that has run longer than its limit.
    pub(crate) timeout_grace: Nanos,
    /// Time from the order to end at once, until SIGKILL, to the start of another worker in place of one that does not end.
    pub(crate) undying: Nanos,
    /// How long they serve.
    pub(crate) life: LifeConfig,
}

impl CoreConfig {
    /// So many workers, five failed starts, 50 ms, none, a second.
    pub(crate) fn new(workers: u32) -> CoreConfig {
        CoreConfig {
            workers,
            start_budget: 5,
            cancel_grace: 50_000_000,
            timeout_grace: 0,
            undying: 1_000_000_000,
            life: LifeConfig::default(),
        }
    }
}

/// What the pool accepts and aims at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PoolState {
    /// Accepts jobs.
    Open,
    /// Finishes what it has.
    Closing,
    /// Resolved everything and kills its workers.
    Terminating,
    /// Could not start workers; resolved everything and kills what lives.
    Broken,
}

/// Why a job was not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// After `close`.
    Closed,
    /// After `terminate`.
    Terminated,
    /// After too many failed starts.
    Broken,
}

/// The scheduler.
#[derive(Debug)]
pub(crate) struct Core {
    pub(super) state: PoolState,
    pub(super) workers: Vec<Worker>,
    /// How many of them serve, or rest: indexes are below it.
    pub(super) size: u32,
    pub(super) jobs: Jobs,
    /// What is for any worker.
    pub(super) queue: Queue,
    /// What is for the worker of one index.
    pub(super) own: Own,
    pub(super) profiles: Profiles,
    pub(super) budget: StartBudget,
    pub(super) counters: Counters,
    /// How long the items counted as done had waited.
    pub(super) waits: Histogram,
    /// READY workers without frames that may be fed; the most recently used is last.
    pub(super) idle: Vec<u32>,
    /// Booting workers without frames that may be fed; the first started is first.
    pub(super) vacant: VecDeque<u32>,
    /// Where the next search for a worker to feed ahead begins.
    pub(super) cursor: usize,
    /// The worker that was sent a frame last.
    pub(super) hot: usize,
    /// Workers in state Ready.
    pub(super) ready: u32,
    /// Workers in state Down.
    pub(super) down: u32,
    /// Those of them that are to be started.
    pub(super) lacking: u32,
    /// Indexes for which no process is wanted while there is little to do.
    pub(super) resting: u32,
    /// Workers that may have to be succeeded or stopped; empty between two calls of the core.
    pub(super) outgoing: Vec<u32>,
    pub(super) life: Life,
    /// Sum of `Worker::waiting`.
    pub(super) waiting: usize,
    /// The highest priority of what waits in links and may go elsewhere, while priorities differ; as `make_way` left it.
    pub(super) sent_ahead: Option<i32>,
    /// When waiting frames or an idle worker whose link took nothing are looked at again.
    pub(super) look_again: Option<Nanos>,
    /// Not after the earliest of what `alarm.rs` waits for.
    pub(super) alarm: Nanos,
    pub(super) cancel_grace: Nanos,
    pub(super) timeout_grace: Nanos,
    pub(super) undying: Nanos,
    /// Jobs of which the items below a number have to begin by a moment, the earliest first; some are over.
    pub(super) expiries: BinaryHeap<Reverse<(Nanos, JobId, u32)>>,
    /// When there are more of them, those of jobs that are over are thrown away.
    pub(super) most_expiries: usize,
    /// Items that wait to be tried again, the earliest first; some are resolved.
    pub(super) delayed: BinaryHeap<Reverse<(Nanos, JobId, u32)>>,
    /// Items that wait to be tried again or to be judged.
    pub(super) held: u64,
}

/// Replies that were counted: of which worker, whose and how many they are, and from when on it can have been at them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Counted {
    pub(super) slot: usize,
    pub(super) id: JobId,
    pub(super) items: u32,
    pub(super) begun: Nanos,
}

impl Core {
    /// A pool without any process yet; `open` asks for them.
    pub(crate) fn new(config: CoreConfig) -> Core {
        let workers = config.workers.max(1);
        let least = config
            .life
            .least
            .map_or(workers, |least| least.min(workers));
        let place = |index| {
            let duty = if index < least {
                Duty::Serves
            } else {
                Duty::Rests
            };
            Worker::new(index, duty)
        };
        Core {
            state: PoolState::Open,
            workers: (0..workers).map(place).collect(),
            size: workers,
            jobs: Jobs::default(),
            queue: Queue::default(),
            own: Own::new(workers),
            profiles: Profiles::default(),
            budget: StartBudget::new(config.start_budget),
            counters: Counters::default(),
            waits: Histogram::default(),
            idle: Vec::with_capacity(workers as usize),
            vacant: VecDeque::new(),
            cursor: 0,
            hot: 0,
            ready: 0,
            down: workers,
            lacking: least,
            resting: workers - least,
            outgoing: Vec::new(),
            life: Life::new(config.life),
            waiting: 0,
            sent_ahead: None,
            look_again: None,
            alarm: NEVER,
            cancel_grace: config.cancel_grace,
            timeout_grace: config.timeout_grace,
            undying: config.undying,
            expiries: BinaryHeap::new(),
            most_expiries: expiry::STALE,
            delayed: BinaryHeap::new(),
            held: 0,
        }
    }

    /// Asks for every worker that is missing and due; the driver's first call.
    pub(crate) fn open(&mut self, now: Nanos, fx: &mut impl Effects) {
        self.start_missing(now, fx);
    }

    /// A process exists in this place; it may be given a frame at once, so its link must be there.
    pub(crate) fn started(&mut self, slot: Slot, now: Nanos, fx: &mut impl Effects) -> WorkerRef {
        let Some(worker) = self.workers.get_mut(slot.index()) else {
            return WorkerRef {
                slot,
                incarnation: 0,
            };
        };
        match worker.state {
            WorkerState::Starting => {
                worker.incarnation = worker.incarnation.wrapping_add(1);
                worker.used = false;
                worker.feed = Feed::Open;
                worker.state = WorkerState::Booting;
            }
            // Only a driver that answers twice gets here; the place keeps the worker it has.
            WorkerState::Down { .. }
            | WorkerState::Booting
            | WorkerState::Ready
            | WorkerState::Stopping
            | WorkerState::Killed => {
                return WorkerRef {
                    slot,
                    incarnation: worker.incarnation,
                };
            }
        }
        let who = WorkerRef {
            slot,
            incarnation: worker.incarnation,
        };
        let leaves = worker.duty == Duty::Leaves;
        match self.state {
            PoolState::Open | PoolState::Closing if leaves => self.send_away(slot, fx),
            PoolState::Open => {}
            PoolState::Closing if self.jobs.len() > 0 => {}
            PoolState::Closing => self.send_away(slot, fx),
            PoolState::Terminating | PoolState::Broken => {
                worker.state = WorkerState::Killed;
                fx.kill(slot);
            }
        }
        self.begin_service(slot.index(), now);
        self.list_if_empty(slot.index());
        self.pump(now, fx);
        who
    }

    /// The worker said READY. A reply says so too.
    pub(crate) fn ready(&mut self, who: WorkerRef, now: Nanos, fx: &mut impl Effects) {
        let Some(slot) = self.current(who) else {
            return;
        };
        self.becomes_ready(slot);
        self.pump(now, fx);
        self.steal(now, fx);
        self.note_idle(slot, now);
    }

    /// What the worker's next reply belongs to: job, item, and items left in its frame.
    #[inline]
    pub(crate) fn front(&self, slot: Slot) -> Option<(JobId, u32, u32)> {
        let frame = self.workers.get(slot.index())?.frames.front()?;
        Some((frame.job, frame.first, frame.count))
    }

    /// `items` replies arrived for the worker's front frame; never more than `front` said. `failed`: the lowest
    /// failed item among them.
    #[inline]
    pub(crate) fn replied(
        &mut self,
        who: WorkerRef,
        items: u32,
        failed: Option<u32>,
        now: Nanos,
        fx: &mut impl Effects,
    ) {
        let Some(counted) = self.count_replies(who, items, now) else {
            return;
        };
        let Counted { id, items, .. } = counted;
        if let Some(job) = self.jobs.get_mut(id) {
            self.counters.done += u64::from(items);
            let waited = counted.begun.saturating_sub(job.since);
            self.waits
                .record(waited.saturating_mul(u64::from(items)), items);
            job.unresolved -= items;
            if failed.is_some() && job.stop == Stop::OnFailure {
                self.stop_job(id, Cancelled::StoppedByFailure, fx);
            }
            self.settle(id, fx);
        } else {
            self.ghost_replied(counted.slot, fx);
        }
        self.after_reply(counted.slot, now, fx);
    }

    /// Counts replies of a worker against its oldest frame.
    #[inline]
    pub(super) fn count_replies(
        &mut self,
        who: WorkerRef,
        items: u32,
        now: Nanos,
    ) -> Option<Counted> {
        let slot = self.current(who)?;
        self.becomes_ready(slot);
        let worker = self.workers.get_mut(slot)?;
        if worker.state != WorkerState::Ready {
            return None;
        }
        let before = worker.waiting();
        let (id, items, begun) = worker.replied(items, now)?;
        self.waiting = self.waiting + worker.waiting() - before;
        worker.used = true;
        worker.setbacks = 0;
        worker.feed = Feed::Open;
        Some(Counted {
            slot,
            id,
            items,
            begun,
        })
    }

    /// A worker that has replied is given more.
    #[inline]
    pub(super) fn after_reply(&mut self, slot: usize, now: Nanos, fx: &mut impl Effects) {
        if self.jobs.limited > 0 {
            self.watch_oldest(slot, now);
        }
        self.refill(slot, now, fx);
    }

    /// The worker spent `busy` on `items` items of a function. Call before the `replied` of the same items.
    #[inline]
    pub(crate) fn measured(&mut self, who: WorkerRef, profile: u32, items: u32, busy: Nanos) {
        if self.current(who).is_some() {
            self.profiles.record(profile, items, busy);
        }
    }

    /// What the pool accepts and aims at.
    pub(crate) fn state(&self) -> PoolState {
        self.state
    }

    /// Not open any more, every job resolved, every worker reaped.
    pub(crate) fn is_finished(&self) -> bool {
        self.state != PoolState::Open
            && self.jobs.len() == 0
            && self.down as usize == self.workers.len()
    }

    /// The place of a worker that is the one living there, not a former one.
    #[inline]
    pub(super) fn current(&self, who: WorkerRef) -> Option<usize> {
        let index = who.slot.index();
        self.workers
            .get(index)
            .filter(|worker| worker.incarnation == who.incarnation)
            .map(|_| index)
    }
}
