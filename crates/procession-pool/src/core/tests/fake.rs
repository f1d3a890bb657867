//! A driver without processes: links as queues, items as a table; must not accept anything the contract forbids.

use std::collections::{HashMap, VecDeque};

use super::super::{Cancelled, Effects, Fate, JobId, NEVER, Nanos, Overrun, Slot, WorkerRef};
use super::in_order::Turns;
use super::whereabouts::Whereabouts;

/// How an item ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Done,
    Failed,
    Lost,
    TimedOut,
    /// By whoever judged its last failure.
    GivenUp,
    Cancelled(Cancelled),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sent {
    pub(super) job: JobId,
    pub(super) first: u32,
    pub(super) count: u32,
    /// It goes before higher priorities.
    pub(super) in_turn: bool,
    /// Its item overran and has its outcome, or is tried again elsewhere: it counts for nothing any more.
    pub(super) ghost: bool,
}

impl Sent {
    /// What the core calls it.
    pub(super) fn known_as(&self) -> (JobId, u32, u32) {
        let job = if self.ghost { JobId::NONE } else { self.job };
        (job, self.first, self.count)
    }
}

/// The far end of one link.
#[derive(Debug, Default)]
pub(super) struct Link {
    pub(super) who: Option<WorkerRef>,
    /// What the worker is called by.
    pub(super) index: u32,
    /// Frames not completely replied, the oldest first.
    pub(super) frames: VecDeque<Sent>,
    /// The worker has claimed the oldest one.
    pub(super) begun: bool,
    /// Items this worker was given and not taken back.
    pub(super) given: u64,
    /// Items this link still takes.
    pub(super) room: Option<u32>,
    /// Most frames it ever held.
    pub(super) most: usize,
    /// Items it ever ran.
    pub(super) ran: u64,
    /// Times its frames were taken back.
    pub(super) robbed: u32,
    /// The last job the worker was told is cancelled.
    pub(super) told: Option<JobId>,
    pub(super) killed: bool,
    /// When the oldest frame was begun.
    pub(super) started: Nanos,
    /// The worker breaks the protocol.
    pub(super) lies: bool,
    /// The core knows that it is.
    pub(super) ready: bool,
    /// Items it ran whose replies are not counted.
    pub(super) uncounted: u32,
}

#[derive(Debug)]
pub(super) struct JobRecord {
    pub(super) announced: u32,
    pub(super) open: bool,
    pub(super) finished: bool,
    /// Its owner wants none of it, running or not.
    pub(super) revoked: bool,
    pub(super) outcomes: Vec<Option<Outcome>>,
    /// How often each item was begun by a worker.
    pub(super) begun: Vec<u32>,
    /// How often each item failed and was not resolved by that.
    pub(super) failures: Vec<u32>,
    /// Items that are being judged.
    pub(super) judged: Vec<u32>,
    /// When each item has to begin.
    pub(super) start_by: Vec<Nanos>,
    /// How long the items that come have for that.
    pub(super) wait: Option<Nanos>,
}

#[derive(Debug, Default)]
pub(super) struct Fake {
    pub(super) links: Vec<Link>,
    pub(super) jobs: HashMap<JobId, JobRecord>,
    pub(super) starts: VecDeque<Slot>,
    pub(super) stops: Vec<Slot>,
    pub(super) kills: Vec<Slot>,
    pub(super) sends: u64,
    /// Items a worker may be given at most.
    pub(super) quota: Option<u64>,
    /// The time, as a worker reads it.
    pub(super) now: Nanos,
    /// The latest incarnation in each place, kept by the simulation.
    pub(super) incarnations: HashMap<Slot, u32>,
    /// Links that got something since somebody looked.
    pub(super) rung: Vec<Slot>,
    /// Where everything is.
    pub(super) seen: Whereabouts,
    pub(super) turns: Turns,
}

impl Fake {
    pub(super) fn new(workers: u32) -> Fake {
        Fake {
            links: (0..workers).map(|_| Link::default()).collect(),
            seen: Whereabouts::new(workers),
            ..Fake::default()
        }
    }

    pub(super) fn announce(&mut self, id: JobId, items: u32, open: bool) {
        let former = self.jobs.insert(
            id,
            JobRecord {
                announced: items,
                open,
                finished: false,
                revoked: false,
                outcomes: vec![None; items as usize],
                begun: vec![0; items as usize],
                failures: vec![0; items as usize],
                judged: Vec::new(),
                start_by: vec![NEVER; items as usize],
                wait: None,
            },
        );
        assert!(former.is_none(), "{id:?} used twice");
    }

    /// The items of a job that was announced have to begin by then, and those to come have as long from when they do.
    pub(super) fn announce_deadline(&mut self, id: JobId, start_by: Nanos) {
        let job = self.jobs.get_mut(&id).expect("announced job");
        job.start_by.fill(start_by);
        job.wait = (start_by != NEVER).then(|| start_by - self.now);
    }

    /// Says by when the new items have to begin, which have been on their way for so long.
    pub(super) fn announce_more(
        &mut self,
        id: JobId,
        more: u32,
        last: bool,
        on_their_way: Nanos,
    ) -> Nanos {
        let job = self.jobs.get_mut(&id).expect("extended job");
        let before = job.start_by.last().copied().unwrap_or(0);
        let start_by = job.wait.map_or(NEVER, |wait| {
            (self.now + wait).saturating_sub(on_their_way).max(before)
        });
        job.announced += more;
        job.start_by.resize(job.announced as usize, start_by);
        job.open = !last;
        job.outcomes.resize(job.announced as usize, None);
        job.begun.resize(job.announced as usize, 0);
        job.failures.resize(job.announced as usize, 0);
        self.seen.grows(id, more);
        start_by
    }

    pub(super) fn close_job(&mut self, id: JobId) {
        self.jobs.get_mut(&id).expect("open job").open = false;
    }

    /// The owner is about to revoke a job.
    pub(super) fn revoke(&mut self, id: JobId) {
        if let Some(job) = self.jobs.get_mut(&id)
            && !job.finished
        {
            job.open = false;
            job.revoked = true;
        }
    }

    pub(super) fn resolve(&mut self, id: JobId, item: u32, outcome: Outcome) {
        let job = self.jobs.get_mut(&id).expect("resolved job");
        if job.revoked && job.finished {
            // The reply to a ghost.
            return;
        }
        assert!(!job.finished, "{id:?} resolved after its end");
        let place = &mut job.outcomes[item as usize];
        assert_eq!(*place, None, "item {item} of {id:?} resolved twice");
        *place = Some(outcome);
        self.seen.is_over(id, item);
    }

    /// The worker claims its oldest frame, if it has one and has not.
    pub(super) fn begin(&mut self, slot: Slot) -> Option<Sent> {
        let link = &mut self.links[slot.index()];
        let sent = *link.frames.front()?;
        if !link.begun {
            link.begun = true;
            link.started = self.now;
            let told = link.told == Some(sent.job) && !self.jobs[&sent.job].finished;
            assert!(!told, "{sent:?} looks unwanted to its worker");
            self.begin_item(sent.job, sent.first);
        }
        Some(sent)
    }

    /// An item's function is entered.
    pub(super) fn begin_item(&mut self, id: JobId, item: u32) {
        self.seen.begins(id, item);
        let job = self.jobs.get_mut(&id).expect("job");
        let begun = &mut job.begun[item as usize];
        *begun += 1;
        let attempts = 1 + job.failures[item as usize];
        assert_eq!(*begun, attempts, "item {item} of {id:?} was run twice");
    }

    /// The worker ran the next item of its claimed frame and the reply arrived; `None`: it is still on its way.
    pub(super) fn ran_item(&mut self, slot: Slot, outcome: Option<Outcome>) -> (JobId, u32) {
        let link = &mut self.links[slot.index()];
        assert!(link.begun, "reply for a frame that was not begun");
        let frame = link.frames.front_mut().expect("frame");
        let (job, item, ghost) = (frame.job, frame.first, frame.ghost);
        frame.first += 1;
        frame.count -= 1;
        link.ran += 1;
        link.uncounted += 1;
        let next = (frame.count > 0).then_some(frame.first);
        if next.is_none() {
            link.frames.pop_front();
            link.begun = false;
        }
        if let Some(outcome) = outcome.filter(|_| !ghost) {
            self.resolve(job, item, outcome);
        }
        if let Some(next) = next {
            self.begin_item(job, next);
        }
        (job, item)
    }

    /// An attempt that had begun has failed.
    fn attempt_failed(&mut self, id: JobId, item: u32, outcome: Outcome, fate: Fate) {
        let job = self.jobs.get_mut(&id).expect("job");
        let at = item as usize;
        assert_eq!(
            job.begun[at],
            job.failures[at] + 1,
            "item {item} of {id:?} failed before it began"
        );
        assert_eq!(job.outcomes[at], None);
        match fate {
            Fate::Final => return self.resolve(id, item, outcome),
            Fate::Judged => job.judged.push(item),
            Fate::Again => {}
        }
        job.failures[at] += 1;
        self.seen.failed(id, item, fate, self.now);
    }

    /// These replies of a worker are about to be counted.
    pub(super) fn counted(&mut self, slot: Slot, items: u32) {
        let link = &mut self.links[slot.index()];
        link.uncounted -= items;
        link.ready = true;
    }

    /// The worker ends; says how many of its frames had begun.
    pub(super) fn dies(&mut self, slot: Slot) -> u32 {
        self.seen.dies(slot);
        // What it was told may be for its last replies.
        self.stops.retain(|stopped| *stopped != slot);
        self.kills.retain(|killed| *killed != slot);
        let link = &mut self.links[slot.index()];
        link.who = None;
        link.frames.clear();
        link.killed = false;
        link.ready = false;
        link.uncounted = 0;
        u32::from(std::mem::take(&mut link.begun))
    }

    pub(super) fn outcomes(&self, id: JobId) -> Vec<Outcome> {
        self.jobs[&id]
            .outcomes
            .iter()
            .map(|o| o.expect("resolved item"))
            .collect()
    }

    pub(super) fn is_finished(&self, id: JobId) -> bool {
        self.jobs[&id].finished
    }
}

impl Effects for Fake {
    fn send(&mut self, to: Slot, job: JobId, first: u32, count: u32) -> u32 {
        assert!(count > 0, "empty frame sent");
        let record = &self.jobs[&job];
        assert!(!record.finished, "{job:?} sent after its end");
        for item in first as usize..(first + count) as usize {
            let in_time = self.now <= record.start_by[item];
            assert!(
                in_time || record.failures[item] > 0,
                "item {item} of {job:?} sent too late"
            );
        }
        assert!(
            first + count <= record.announced,
            "{job:?} has no such items"
        );
        let link = &mut self.links[to.index()];
        if let Some(sticky) = self.seen.sticky(job) {
            let most = sticky.rest_of_chunk(first);
            assert!(count <= most, "two chunks in one frame");
        }
        assert!(link.who.is_some(), "sent to nobody");
        assert!(!link.killed, "sent to a worker that is ended");
        let taken = link.room.map_or(count, |room| room.min(count));
        if let Some(room) = &mut link.room {
            *room -= taken;
        }
        link.given += u64::from(taken);
        assert!(
            self.quota.is_none_or(|quota| link.given <= quota),
            "given more than its quota"
        );
        let index = link.index;
        let at_work =
            |other: &Link| other.who.is_some() && !other.killed && !other.frames.is_empty();
        let others = (0..self.links.len()).filter(|slot| *slot != to.index());
        let mut namesakes = others.filter(|slot| self.links[*slot].index == index);
        assert!(
            !namesakes.any(|slot| at_work(&self.links[slot])),
            "two at work under index {index}"
        );
        if taken > 0 {
            let from = self.seen.leaving(job, first, taken, self.now);
            let in_turn = self.check_hand_out(to, job, &from);
            self.seen.sent(job, first, taken, to);
            let link = &mut self.links[to.index()];
            link.frames.push_back(Sent {
                job,
                first,
                count: taken,
                in_turn,
                ghost: false,
            });
            link.most = link.most.max(link.frames.len());
            self.sends += 1;
            self.rung.push(to);
        }
        taken
    }

    fn take_back(&mut self, from: Slot) -> u32 {
        let link = &mut self.links[from.index()];
        assert!(link.who.is_some(), "taken from nobody");
        let keep = usize::from(link.begun);
        let taken = link.frames.len() - keep;
        let mut items = 0;
        for sent in link.frames.drain(keep..) {
            items += sent.count;
            self.seen.wait(sent.job, sent.first, sent.count);
        }
        link.given -= u64::from(items);
        link.room = link.room.map(|room| room + items);
        link.robbed += 1;
        taken as u32
    }

    fn lost_item(&mut self, job: JobId, item: u32, _by: Slot, fate: Fate) {
        self.attempt_failed(job, item, Outcome::Lost, fate);
    }

    fn failed_item(&mut self, job: JobId, item: u32, fate: Fate) {
        self.attempt_failed(job, item, Outcome::Failed, fate);
    }

    fn give_up(&mut self, job: JobId, item: u32) {
        self.resolve(job, item, Outcome::GivenUp);
    }

    fn begun_at(&mut self, slot: Slot, job: JobId, item: u32) -> Option<Nanos> {
        let link = &self.links[slot.index()];
        let runs = link.frames.front().filter(|_| link.begun)?;
        let at_it = (runs.job, runs.first) == (job, item);
        Some(if at_it { link.started } else { self.now })
    }

    fn timed_out(&mut self, job: JobId, item: u32, by: Slot, over: Overrun, fate: Fate) {
        let limit = over.limit;
        assert!(over.ran >= limit, "item {item} of {job:?} had time left");
        let link = &self.links[by.index()];
        if link.begun && link.frames.front().is_some_and(|runs| runs.job == job) {
            assert!(self.now - link.started >= limit, "it had time left");
        }
        self.attempt_failed(job, item, Outcome::TimedOut, fate);
        let link = &mut self.links[by.index()];
        assert_eq!(link.told, Some(job), "it was not told");
        // Without one it has returned, and the reply is on its way.
        let runs = link.frames.front_mut().filter(|_| link.begun);
        if let Some(runs) = runs.filter(|runs| (runs.job, runs.first) == (job, item)) {
            runs.ghost = true;
        }
    }

    fn cancelled(&mut self, job: JobId, first: u32, count: u32, why: Cancelled) {
        for item in first..first + count {
            match why {
                Cancelled::ByOwner if self.jobs[&job].revoked => {}
                Cancelled::StoppedByFailure | Cancelled::ByOwner | Cancelled::Expired => {
                    let record = &self.jobs[&job];
                    let begun = record.begun[item as usize];
                    let failed = match why {
                        Cancelled::Expired => {
                            let start_by = record.start_by[item as usize];
                            assert!(self.now >= start_by, "it had time to begin");
                            0
                        }
                        _ => record.failures[item as usize],
                    };
                    assert_eq!(
                        begun, failed,
                        "item {item} of {job:?} was cancelled after it began"
                    );
                }
                Cancelled::Terminated | Cancelled::Broken => {}
            }
            self.resolve(job, item, Outcome::Cancelled(why));
        }
    }

    fn tell_unwanted(&mut self, to: Slot, job: JobId) {
        // The worker may be past it, when its reply is on the way: it compares.
        self.links[to.index()].told = Some(job);
    }

    fn tell_wanted(&mut self, to: Slot) {
        self.links[to.index()].told = None;
    }

    fn finished(&mut self, job: JobId) {
        let record = self.jobs.get_mut(&job).expect("finished job");
        assert!(!record.finished, "{job:?} finished twice");
        assert!(
            record.outcomes.iter().all(Option::is_some),
            "{job:?} finished with items left"
        );
        record.finished = true;
        self.seen.leaves(job);
    }

    fn start(&mut self, slot: Slot, index: u32) {
        if self.links.len() <= slot.index() {
            self.links.resize_with(slot.index() + 1, Link::default);
        }
        let link = &mut self.links[slot.index()];
        (link.index, link.told) = (index, None);
        assert!(link.who.is_none(), "started where somebody lives");
        assert!(!self.starts.contains(&slot), "started twice");
        self.starts.push_back(slot);
    }

    fn stop(&mut self, slot: Slot) {
        assert!(
            self.links[slot.index()].frames.is_empty(),
            "stopped with frames"
        );
        self.stops.push(slot);
    }

    fn kill(&mut self, slot: Slot) {
        assert!(!self.kills.contains(&slot), "killed twice");
        let link = &mut self.links[slot.index()];
        link.killed = true;
        if let Some(runs) = link.frames.front().filter(|_| link.begun && !link.lies) {
            let outcome = self.jobs[&runs.job].outcomes[runs.first as usize];
            assert!(
                outcome.is_some() || runs.ghost,
                "an innocent item is killed: {runs:?}"
            );
        }
        self.kills.push(slot);
    }
}
