//! Virtual workers and a clock that jumps; must not use anything but its seed.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, HashSet, VecDeque};

use super::super::stats::CoreStats;
use super::super::{Fault, JobId, LifeConfig, Nanos, Slot, Verdict, WorkerRef};
use super::fake::Outcome;
use super::scene::{MS, Scene, US};
use super::virtual_end::Killed;
use super::virtual_user::Rng;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Event {
    User,
    Started(u32),
    Booted(u32, u32),
    Wake(u32, u32),
    ItemDone(u32, u32),
    Drain(u32, u32),
    Die(u32, u32),
    Judged(u64),
}

/// What one worker does; events of a former incarnation are dropped.
#[derive(Debug, Default)]
pub(super) struct Virtual {
    pub(super) booted: bool,
    running: bool,
    /// Replies on their way: items of one frame, the lowest failed one, the time they took.
    outbox: VecDeque<(JobId, u32, Option<u32>, Nanos)>,
}

/// How a run went.
#[derive(Debug)]
pub(super) struct Ran {
    pub(super) stats: CoreStats,
    pub(super) late_ends: u64,
    pub(super) late_returns: u64,
}

#[derive(Debug)]
pub(super) struct Sim {
    pub(super) scene: Scene,
    pub(super) rng: Rng,
    heap: BinaryHeap<Reverse<(Nanos, u64, Event)>>,
    sequence: u64,
    pub(super) workers: Vec<Virtual>,
    /// Replies were not counted before the last decision.
    pub(super) late: bool,
    pub(super) open: Vec<JobId>,
    /// Jobs that may be revoked.
    pub(super) owned: Vec<JobId>,
    pub(super) kinds: HashMap<JobId, u32>,
    /// Jobs whose items may be tried again.
    pub(super) retried: HashSet<JobId>,
    judging: HashMap<u64, (JobId, u32)>,
    pub(super) actions: u64,
    /// Per cent of starts, boots and items that go wrong.
    pub(super) bad_starts: u64,
    pub(super) bad_boots: u64,
    bad_items: u64,
    pub(super) murders: u64,
    /// Per cent of those told to end that take long, or for ever.
    pub(super) undead: u64,
    /// Killed and not ended.
    pub(super) killed: Vec<Killed>,
    /// Told to end, and will when nothing else can happen.
    pub(super) for_ever: Vec<WorkerRef>,
    /// Ends of workers that had been replaced.
    pub(super) late_ends: u64,
    /// Items that overran and returned before their workers were ended for it.
    late_returns: u64,
    pub(super) small_links: bool,
    /// Jobs have priorities; chunks belong to indexes.
    pub(super) ranked: bool,
    pub(super) sticks: bool,
}

fn life(rng: &mut Rng) -> LifeConfig {
    let mut life = LifeConfig::default();
    if rng.percent(40) {
        (life.quota, life.jitter, life.seed) = (1 + rng.below(30), rng.below(4), rng.next());
    }
    if rng.percent(20) {
        life.lifetime = rng.below(30 * MS);
    }
    if rng.percent(30) {
        (life.idle, life.least) = (rng.below(5 * MS), Some(rng.below(3) as u32));
    } else if rng.percent(20) {
        life.least = Some(rng.below(3) as u32);
    }
    life
}

impl Sim {
    pub(super) fn new(seed: u64) -> Sim {
        let mut rng = Rng(seed);
        let workers = 1 + rng.below(5) as u32;
        let rare = |rng: &mut Rng, most: u64| if rng.percent(40) { rng.below(most) } else { 0 };
        let mut sim = Sim {
            scene: Scene::living(workers, life(&mut rng)),
            heap: BinaryHeap::new(),
            sequence: 0,
            workers: (0..workers).map(|_| Virtual::default()).collect(),
            late: false,
            open: Vec::new(),
            owned: Vec::new(),
            kinds: HashMap::new(),
            retried: HashSet::new(),
            judging: HashMap::new(),
            actions: 5 + rng.below(40),
            bad_starts: rare(&mut rng, 60),
            bad_boots: if rng.percent(5) {
                100
            } else {
                rare(&mut rng, 60)
            },
            bad_items: rare(&mut rng, 5),
            murders: rare(&mut rng, 30),
            undead: rare(&mut rng, 100),
            killed: Vec::new(),
            for_ever: Vec::new(),
            late_ends: 0,
            late_returns: 0,
            small_links: rng.percent(30),
            ranked: rng.percent(40),
            sticks: rng.percent(40),
            rng,
        };
        if sim.rng.percent(30) {
            sim.scene.core.cancel_grace = 0;
        }
        if sim.rng.percent(60) {
            sim.scene.core.timeout_grace = sim.between(10 * US, 30 * MS);
        }
        if sim.undead > 0 {
            sim.scene.core.undying = sim.between(US, 30 * MS);
        }
        sim.at(0, Event::User);
        sim.after();
        sim
    }

    /// Until nothing can happen any more; then nothing is left over.
    pub(super) fn run(mut self) -> Ran {
        for _ in 0..1_000_000 {
            let timer = self.scene.core.next_timer();
            let next = self.heap.peek().map(|Reverse((when, _, _))| *when);
            match (next, timer) {
                (None, None) if self.end_one_of_many() => {}
                (None, None) => {
                    let ran = Ran {
                        stats: self.scene.core.stats(),
                        late_ends: self.late_ends,
                        late_returns: self.late_returns,
                    };
                    self.scene.nothing_left();
                    return ran;
                }
                (next, Some(when)) if next.is_none_or(|next| when <= next) => {
                    let by = when.saturating_sub(self.scene.now);
                    self.scene.now += by;
                    self.scene.fx.now = self.scene.now;
                    if self.scene.core.decides_at(self.scene.now) {
                        // A reply that comes after the count is counted the next time.
                        self.late = !self.late && self.rng.percent(50);
                        if !self.late {
                            self.drain_all();
                        }
                    }
                    self.scene.core.timer(self.scene.now, &mut self.scene.fx);
                    self.scene.fx.seen.release(self.scene.now);
                }
                _ => {
                    let Some(Reverse((when, _, event))) = self.heap.pop() else {
                        continue;
                    };
                    self.scene.now = self.scene.now.max(when);
                    self.scene.fx.now = self.scene.now;
                    self.happens(event);
                }
            }
            self.after();
        }
        panic!("no end: {:?}", self.scene.core.stats());
    }

    pub(super) fn at(&mut self, delay: Nanos, event: Event) {
        self.sequence += 1;
        self.heap
            .push(Reverse((self.scene.now + delay, self.sequence, event)));
    }

    pub(super) fn between(&mut self, low: Nanos, high: Nanos) -> Nanos {
        low + self.rng.below(high - low)
    }

    /// What the core asked for becomes events.
    fn after(&mut self) {
        self.scene.core.sanity_check();
        self.scene.look_round();
        while let Some(slot) = self.scene.fx.starts.pop_front() {
            let places = self.scene.fx.links.len();
            self.workers.resize_with(places, Virtual::default);
            let delay = self.between(50 * US, MS);
            self.at(delay, Event::Started(slot.0));
        }
        self.told_to_end();
        self.check_killed();
        self.call_judges();
        for slot in std::mem::take(&mut self.scene.fx.rung) {
            if let Some(who) = self.scene.fx.links[slot.index()].who {
                let delay = self.between(US, 60 * US);
                self.at(delay, Event::Wake(slot.0, who.incarnation));
            }
        }
    }

    /// Whoever judges takes its time; the pool goes on.
    fn call_judges(&mut self) {
        let jobs = self.scene.fx.jobs.iter_mut();
        let mut called: Vec<(JobId, u32)> = jobs
            .flat_map(|(id, job)| job.judged.drain(..).map(|item| (*id, item)))
            .collect();
        called.sort_unstable();
        for asked in called {
            self.judging.insert(self.sequence + 1, asked);
            let delay = self.between(US, 5 * MS);
            self.at(delay, Event::Judged(self.sequence + 1));
        }
    }

    fn judged(&mut self, number: u64) {
        let (job, item) = self.judging.remove(&number).expect("asked");
        let verdict = if self.rng.percent(60) {
            self.scene.fx.seen.worth_another(job, item, self.scene.now);
            Verdict::Again
        } else {
            Verdict::GiveUp
        };
        self.scene
            .core
            .judged(job, item, verdict, self.scene.now, &mut self.scene.fx);
    }

    fn happens(&mut self, event: Event) {
        match event {
            Event::Judged(number) => self.judged(number),
            Event::User => self.user(),
            Event::Started(slot) => self.started(Slot(slot)),
            Event::Booted(slot, incarnation) => self.if_current(slot, incarnation, Sim::booted),
            Event::Wake(slot, incarnation) => self.if_current(slot, incarnation, Sim::wake),
            Event::ItemDone(slot, incarnation) => {
                self.if_current(slot, incarnation, Sim::item_done)
            }
            Event::Drain(slot, incarnation) => self.if_current(slot, incarnation, Sim::drain),
            Event::Die(slot, incarnation) => self.if_current(slot, incarnation, Sim::die),
        }
    }

    fn if_current(&mut self, slot: u32, incarnation: u32, act: fn(&mut Sim, WorkerRef)) {
        match self.scene.fx.links[slot as usize].who {
            Some(who) if who.incarnation == incarnation => act(self, who),
            Some(_) | None => {}
        }
    }

    pub(super) fn wake(&mut self, who: WorkerRef) {
        let index = who.slot.index();
        if !self.workers[index].booted || self.workers[index].running {
            return;
        }
        if let Some(sent) = self.scene.fx.begin(who.slot) {
            self.workers[index].running = true;
            self.run_item(who, sent.job);
        }
    }

    fn run_item(&mut self, who: WorkerRef, job: JobId) {
        // Told between items, a worker runs none of the rest.
        let told = self.scene.fx.links[who.slot.index()].told == Some(job);
        let duration = match self.kinds[&job] {
            _ if told => 200,
            0 => self.between(200, 2 * US),
            1 => self.between(10 * US, 30 * US),
            2 => self.between(300 * US, 700 * US),
            3 => self.between(3 * MS, 20 * MS),
            // It listens to nobody.
            5 => self.between(20 * MS, 300 * MS),
            _ if self.rng.percent(3) => 20 * MS,
            _ => US,
        };
        let fate: fn(u32, u32) -> Event = if self.rng.percent(self.bad_items) {
            Event::Die
        } else {
            Event::ItemDone
        };
        self.at(duration, fate(who.slot.0, who.incarnation));
    }

    fn item_done(&mut self, who: WorkerRef) {
        let index = who.slot.index();
        let (job, item) = self.scene.fx.ran_item(who.slot, None);
        let failed = self.rng.percent(1).then_some(item);
        let replies = &mut self.workers[index].outbox;
        let more = self.scene.fx.links[index].begun;
        match replies.back_mut() {
            Some((former, items, lowest, _)) if *former == job && item > 0 && more => {
                *items += 1;
                *lowest = lowest.or(failed);
            }
            Some(_) | None => replies.push_back((job, 1, failed, US)),
        }
        let delay = self.between(0, 100 * US);
        self.at(delay, Event::Drain(who.slot.0, who.incarnation));
        if more {
            self.run_item(who, job);
        } else {
            self.workers[index].running = false;
            self.wake(who);
        }
    }

    /// The driver counts what arrived from everyone.
    pub(super) fn drain_all(&mut self) {
        for slot in 0..self.workers.len() {
            if let Some(who) = self.scene.fx.links[slot].who {
                self.drain(who);
            }
        }
    }

    /// The driver counts what arrived.
    pub(super) fn drain(&mut self, who: WorkerRef) {
        while let Some((job, mut items, failed, busy)) =
            self.workers[who.slot.index()].outbox.pop_front()
        {
            if self.small_links {
                self.scene.fx.links[who.slot.index()].room = Some(self.rng.below(20) as u32 + 1);
            }
            self.scene
                .core
                .measured(who, self.kinds[&job], items, busy * Nanos::from(items));
            while items > 0 {
                let Some((front, first, left)) = self.scene.core.front(who.slot) else {
                    break;
                };
                assert!(front == job || front == JobId::NONE);
                self.late_returns += u64::from(front == JobId::NONE);
                let now = items.min(left);
                let now = if self.retried.contains(&job) { 1 } else { now };
                self.scene.fx.counted(who.slot, now);
                let ghost = self.scene.fx.is_finished(job) || front == JobId::NONE;
                if failed == Some(first) && self.retried.contains(&job) && !ghost {
                    self.scene
                        .core
                        .failed(who, Fault::Error, self.scene.now, &mut self.scene.fx);
                    self.scene.core.sanity_check();
                    items -= 1;
                    continue;
                }
                for item in (first..first + now).filter(|_| !ghost) {
                    let outcome = if failed == Some(item) {
                        Outcome::Failed
                    } else {
                        Outcome::Done
                    };
                    self.scene.fx.resolve(job, item, outcome);
                }
                let failed = failed.filter(|item| (first..first + now).contains(item));
                self.scene
                    .core
                    .replied(who, now, failed, self.scene.now, &mut self.scene.fx);
                self.scene.core.sanity_check();
                items -= now;
            }
        }
    }
}
