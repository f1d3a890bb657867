//! A core, a fake driver and a hand on the clock; every step ends with the sanity check.

use super::super::place::Duty;
use super::super::worker::WorkerState;
use super::super::{
    Chunk, Core, CoreConfig, Extended, Fault, JobId, JobSpec, LifeConfig, Nanos, Refused, Slot,
    Sticky, Terms, Verdict, WorkerRef,
};
use super::fake::{Fake, Outcome};

pub(super) const US: Nanos = 1_000;
pub(super) const MS: Nanos = 1_000_000;

#[derive(Debug)]
pub(super) struct Scene {
    pub(super) core: Core,
    pub(super) fx: Fake,
    pub(super) now: Nanos,
}

/// A map of so many items.
pub(super) fn map(items: u32) -> JobSpec {
    JobSpec {
        items,
        open: false,
        chunk: Chunk::Auto,
        stop_on_failure: false,
        profile: 0,
        priority: 0,
        terms: Terms::default(),
    }
}

/// A plain call.
pub(super) fn call() -> JobSpec {
    map(1)
}

impl Scene {
    /// Opened, no start answered.
    pub(super) fn new(workers: u32) -> Scene {
        Scene::living(workers, LifeConfig::default())
    }

    /// The same with workers that do not serve for ever.
    pub(super) fn living(workers: u32, life: LifeConfig) -> Scene {
        let config = CoreConfig {
            life,
            ..CoreConfig::new(workers)
        };
        let mut scene = Scene {
            core: Core::new(config),
            fx: Fake::new(workers),
            now: 1,
        };
        scene.fx.now = scene.now;
        scene.fx.quota = (life.quota > 0).then_some(life.quota + life.jitter);
        scene.core.open(scene.now, &mut scene.fx);
        scene.check();
        scene
    }

    /// Every worker READY.
    pub(super) fn ready(workers: u32) -> Scene {
        let mut scene = Scene::new(workers);
        scene.boot_all();
        scene
    }

    /// The core and the links agree, and the core with itself.
    pub(super) fn check(&mut self) {
        self.core.sanity_check();
        self.look_round();
        for (slot, link) in self.fx.links.iter().enumerate() {
            if let Some(front) = self.core.front(Slot(slot as u32)) {
                let sent = link
                    .frames
                    .front()
                    .expect("a frame the core knows is on the link");
                assert_eq!(front, sent.known_as());
            }
        }
    }

    /// The core has what links and effects say that it has, and all of it is in order.
    pub(super) fn look_round(&mut self) {
        let (counts, core) = (self.fx.seen.counts(), &self.core);
        let queued = (counts.common, counts.own, counts.held);
        assert_eq!(queued, (core.queue.items(), core.own.items, core.held));
        for (link, worker) in self.fx.links.iter_mut().zip(&core.workers) {
            link.ready = worker.state == WorkerState::Ready;
        }
        self.fx.check_order();
    }

    /// The process of this worker is about to be lost: what waits for its index is for anyone if no other one is there and
    /// the next start has to pause.
    pub(super) fn may_pause(&mut self, slot: Slot, begun: u32) {
        let Some(worker) = self.core.workers.get(slot.index()) else {
            return;
        };
        let half_replied = worker.frames.front().is_some_and(|frame| frame.begun);
        let nothing_done = begun == 0 && !half_replied;
        let pauses = match worker.state {
            WorkerState::Starting | WorkerState::Booting => nothing_done,
            WorkerState::Ready => nothing_done && !worker.used && worker.setbacks > 0,
            WorkerState::Down { .. } | WorkerState::Stopping | WorkerState::Killed => false,
        };
        let index = worker.index;
        let mut others = self.core.workers.iter().enumerate();
        let served = others.any(|(other, w)| {
            let has_it = matches!(w.duty, Duty::Serves | Duty::Succeeds) && w.index == index;
            other != slot.index() && has_it && w.is_live()
        });
        if pauses && !served {
            self.fx.seen.given_up(index);
        }
    }

    pub(super) fn submit(&mut self, spec: JobSpec) -> JobId {
        self.try_submit(spec).expect("the pool is open")
    }

    pub(super) fn submit_calls(&mut self, calls: u32) {
        for _ in 0..calls {
            let id = self.core.next_id();
            self.fx.announce(id, 1, false);
            self.fx.seen.enters(id, &call(), None);
            let given = self.core.submit(call(), self.now, &mut self.fx);
            assert_eq!(given, Ok(id));
        }
        self.check();
    }

    pub(super) fn try_submit(&mut self, spec: JobSpec) -> Result<JobId, Refused> {
        self.try_submit_chunks(spec, None)
    }

    pub(super) fn submit_chunks(&mut self, spec: JobSpec, sticky: Sticky) -> JobId {
        let taken = self.try_submit_chunks(spec, Some(sticky));
        taken.expect("the pool is open")
    }

    pub(super) fn try_submit_chunks(
        &mut self,
        spec: JobSpec,
        sticky: Option<Sticky>,
    ) -> Result<JobId, Refused> {
        let id = self.core.next_id();
        self.fx.announce(id, spec.items, spec.open);
        self.fx.announce_deadline(id, spec.terms.start_by);
        self.fx.seen.enters(id, &spec, sticky);
        let (now, fx) = (self.now, &mut self.fx);
        let result = match sticky {
            None => self.core.submit(spec, now, fx),
            Some(sticky) => self.core.submit_chunks(spec, sticky, now, fx),
        };
        match result {
            Ok(given) => assert_eq!(given, id, "the id was foretold"),
            Err(_) => {
                self.fx.jobs.remove(&id);
                self.fx.seen.leaves(id);
            }
        }
        self.check();
        result
    }

    pub(super) fn extend(&mut self, id: JobId, more: u32, last: bool) {
        self.extend_late(id, more, last, 0);
    }

    /// The new items have been on their way for so long.
    pub(super) fn extend_late(&mut self, id: JobId, more: u32, last: bool, on_their_way: Nanos) {
        self.extend_quietly(id, more, last, on_their_way);
        self.check();
    }

    /// Without the comparison of core and links, which replies on their way would fail.
    pub(super) fn extend_quietly(&mut self, id: JobId, more: u32, last: bool, on_their_way: Nanos) {
        let (now, fx) = (self.now, &mut self.fx);
        let start_by = fx.announce_more(id, more, last, on_their_way);
        let taken = self.core.extend(id, more, last, start_by, now, fx);
        assert_eq!(taken, Extended::Taken);
    }

    pub(super) fn cancel(&mut self, id: JobId) {
        if let Some(job) = self.fx.jobs.get_mut(&id) {
            job.open = false;
        }
        self.core.cancel(id, self.now, &mut self.fx);
        self.check();
    }

    pub(super) fn revoke(&mut self, id: JobId) -> bool {
        self.fx.revoke(id);
        let was = self.core.revoke(id, self.now, &mut self.fx);
        self.check();
        was
    }

    pub(super) fn revoke_all(&mut self) -> usize {
        let jobs: Vec<JobId> = self.fx.jobs.keys().copied().collect();
        jobs.into_iter().for_each(|id| self.fx.revoke(id));
        let count = self.core.revoke_all(self.now, &mut self.fx);
        self.check();
        count
    }

    pub(super) fn cancel_all(&mut self, ids: &[JobId]) {
        for id in ids {
            if let Some(job) = self.fx.jobs.get_mut(id) {
                job.open = false;
            }
        }
        self.core.cancel_all(ids, self.now, &mut self.fx);
        self.check();
    }

    /// Answers the oldest start that was asked for.
    pub(super) fn start_next(&mut self) -> WorkerRef {
        let slot = self.fx.starts.pop_front().expect("a start was asked for");
        self.start(slot)
    }

    /// Answers a start that is not in the list any more.
    pub(super) fn start(&mut self, slot: Slot) -> WorkerRef {
        let link = &mut self.fx.links[slot.index()];
        let incarnation = link.who.map_or(0, |who| who.incarnation);
        link.who = Some(WorkerRef { slot, incarnation });
        link.given = 0;
        let who = self.core.started(slot, self.now, &mut self.fx);
        self.fx.links[slot.index()].who = Some(who);
        self.check();
        who
    }

    pub(super) fn fail_start(&mut self) {
        let slot = self.fx.starts.pop_front().expect("a start was asked for");
        self.may_pause(slot, 0);
        self.core.start_failed(slot, self.now, &mut self.fx);
        self.check();
    }

    pub(super) fn say_ready(&mut self, who: WorkerRef) {
        self.fx.links[who.slot.index()].ready = true;
        self.core.ready(who, self.now, &mut self.fx);
        self.check();
    }

    pub(super) fn boot_all(&mut self) {
        while !self.fx.starts.is_empty() {
            let who = self.start_next();
            self.say_ready(who);
        }
    }

    pub(super) fn who(&self, slot: u32) -> WorkerRef {
        self.fx.links[slot as usize]
            .who
            .expect("somebody lives here")
    }

    pub(super) fn begin(&mut self, slot: u32) {
        self.fx.begin(Slot(slot)).expect("something to begin");
    }

    /// The worker replies `items` items of its oldest frame, the last one with `outcome`.
    pub(super) fn reply(&mut self, slot: u32, items: u32, outcome: Outcome) {
        self.begin(slot);
        let (_, first, _) = self.core.front(Slot(slot)).expect("something to reply to");
        for item in 1..=items {
            let outcome = if item < items { Outcome::Done } else { outcome };
            self.fx.ran_item(Slot(slot), Some(outcome));
        }
        self.fx.counted(Slot(slot), items);
        let failed = (outcome == Outcome::Failed).then_some(first + items - 1);
        self.core
            .replied(self.who(slot), items, failed, self.now, &mut self.fx);
        self.check();
    }

    /// The worker replies to the next item of its oldest frame with a failure after which it may be tried again.
    pub(super) fn fail(&mut self, slot: u32) {
        self.fail_by(slot, Fault::Error);
    }

    pub(super) fn fail_by(&mut self, slot: u32, fault: Fault) {
        self.begin(slot);
        self.fx.ran_item(Slot(slot), None);
        self.fx.counted(Slot(slot), 1);
        self.core
            .failed(self.who(slot), fault, self.now, &mut self.fx);
        self.check();
    }

    /// Says what is to become of the oldest failure of this job that is being judged.
    pub(super) fn judge(&mut self, id: JobId, verdict: Verdict) {
        let item = self.fx.jobs.get_mut(&id).expect("job").judged.remove(0);
        if verdict == Verdict::Again {
            self.fx.seen.worth_another(id, item, self.now);
        }
        self.core.judged(id, item, verdict, self.now, &mut self.fx);
        self.check();
    }

    /// Every failure that is being judged is tried again.
    fn judge_all(&mut self) -> bool {
        let judged: Vec<JobId> = self
            .fx
            .jobs
            .iter()
            .flat_map(|(id, job)| job.judged.iter().map(|_| *id))
            .collect();
        let any = !judged.is_empty();
        judged
            .into_iter()
            .for_each(|id| self.judge(id, Verdict::Again));
        any
    }

    pub(super) fn done(&mut self, slot: u32, items: u32) {
        self.reply(slot, items, Outcome::Done);
    }

    pub(super) fn measured(&mut self, slot: u32, item: Nanos) {
        self.core.measured(self.who(slot), 0, 1, item);
    }

    /// The function of profile 0 is known to take this long.
    pub(super) fn known(&mut self, item: Nanos) {
        let slot = self
            .fx
            .links
            .iter()
            .position(|link| link.who.is_some())
            .expect("a worker");
        (0..64).for_each(|_| self.measured(slot as u32, item));
    }

    /// The worker's process ends, by itself or as it was told.
    pub(super) fn die(&mut self, slot: u32) {
        let who = self.who(slot);
        let begun = self.fx.dies(Slot(slot));
        self.may_pause(Slot(slot), begun);
        self.core.lost(who, begun, self.now, &mut self.fx);
        self.check();
    }

    /// Those told to end do.
    pub(super) fn reap(&mut self) {
        let told: Vec<Slot> = self
            .fx
            .stops
            .iter()
            .chain(&self.fx.kills)
            .copied()
            .collect();
        for slot in told {
            if self.fx.links[slot.index()].who.is_some() {
                self.die(slot.0);
            }
        }
    }

    pub(super) fn advance(&mut self, by: Nanos) {
        self.now += by;
        self.fx.now = self.now;
        self.core.timer(self.now, &mut self.fx);
        self.fx.seen.release(self.now);
        self.check();
    }

    pub(super) fn resize(&mut self, workers: u32) {
        self.fx.seen.resized(workers);
        assert!(self.core.resize(workers, self.now, &mut self.fx));
        self.check();
    }

    /// The driver has found that the worker is to be replaced.
    pub(super) fn retire(&mut self, slot: u32) -> bool {
        let who = self.who(slot);
        let does = self.core.retire(who, self.now, &mut self.fx);
        self.check();
        does
    }

    pub(super) fn close(&mut self) {
        self.core.close(self.now, &mut self.fx);
        self.check();
    }

    pub(super) fn terminate(&mut self) {
        self.core.terminate(self.now, &mut self.fx);
        self.check();
    }

    /// Healthy workers until nothing moves.
    pub(super) fn run(&mut self) {
        loop {
            self.boot_all();
            self.reap();
            let mut moved = self.judge_all();
            for slot in 0..self.fx.links.len() as u32 {
                self.fx.links[slot as usize].room = None;
                if self.fx.links[slot as usize].who.is_some()
                    && let Some((_, _, count)) = self.core.front(Slot(slot))
                {
                    self.done(slot, count);
                    moved = true;
                } else if let Some(who) = self.fx.links[slot as usize].who {
                    // One that boots, and has nothing to reply to, is READY some day.
                    self.say_ready(who);
                    moved |= self.core.stats().frames_in_flight > 0;
                }
            }
            if !moved && self.fx.starts.is_empty() {
                match self.core.next_timer() {
                    Some(when) => self.advance(when.saturating_sub(self.now)),
                    None => break,
                }
            }
        }
    }

    /// Close, run to the end, nothing left over.
    pub(super) fn end(mut self) -> Fake {
        self.close();
        let open: Vec<JobId> = self
            .fx
            .jobs
            .iter()
            .filter(|(_, job)| job.open && !job.finished)
            .map(|(id, _)| *id)
            .collect();
        open.into_iter().for_each(|id| self.extend(id, 0, true));
        self.run();
        self.nothing_left()
    }

    pub(super) fn nothing_left(mut self) -> Fake {
        self.reap();
        assert!(
            self.core.is_finished(),
            "not finished: {:?}",
            self.core.stats()
        );
        assert_eq!(self.core.next_timer(), None);
        assert!(self.fx.links.iter().all(|link| link.who.is_none()));
        assert!(self.fx.starts.is_empty() && self.fx.stops.is_empty() && self.fx.kills.is_empty());
        assert!(
            self.fx.jobs.values().all(|job| job.finished),
            "a job is left: {:?}",
            self.fx.jobs
        );
        let stats = self.core.stats();
        assert_eq!(
            (
                stats.jobs,
                stats.queued_items,
                stats.items_in_flight,
                stats.held_items
            ),
            (0, 0, 0, 0)
        );
        self.core.sanity_check();
        self.fx
    }
}
