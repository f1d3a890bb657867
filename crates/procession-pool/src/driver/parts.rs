//! What the scheduler's effects do to real links, jobs and cells.
//!
//! It carries out; it must never decide (that is `core`) and never run user code: wake-ups are collected in
//! [`Wakes`] and performed by whoever held the lock, after it let go.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use procession_task::descriptor::TaskRef;
use procession_task::frame::CallHeader;
use procession_worker::handle::Bell;
use procession_worker::handle::{Sent, Worker, now_ns};
use procession_worker::{TaskError, TaskErrorKind, TaskId};

use super::Patience;
use super::accounts::{Account, Ledger};
use super::again::{Again, Answer};
use super::collect::Reply;
use super::exits::Leaving;
pub(crate) use super::payload::{Mentioning, Payload, Segment, Spent};
use super::shares::provide;
use super::slow::{Overran, SlowArgs, Slowest};
use super::story::Story;
use super::trace::{TaskSpan, Trace};
use crate::cell::{Cell, Told, Wakes};
use crate::core::{Cancelled, Effects, Fate, JobId, Overrun, Slot, WorkerRef};
use crate::describe::Described;

/// Buffers up to this capacity are kept for reuse, one for each pool and one for each thread that submits.
pub(crate) const KEEP_SPARE: usize = 32 << 20;

/// What the driver knows of a job besides its schedule.
#[derive(Debug)]
pub(crate) struct JobData {
    pub(crate) job: JobId,
    pub(crate) task: TaskRef,
    pub(crate) profile: u32,
    pub(crate) id: TaskId,
    pub(crate) payload: Payload,
    pub(crate) cell: Arc<Cell>,
    /// What the job's first item is called in the cell, which several jobs share if they are parts of one stream.
    pub(crate) base: u32,
    /// Present if items may be tried again.
    pub(crate) again: Option<Box<Again>>,
    /// The arguments as text, if they are described.
    pub(crate) described: Option<Arc<Described>>,
    pub(crate) span: TaskSpan,
}

impl JobData {
    pub(super) fn is_map(&self) -> bool {
        matches!(self.payload, Payload::Many(_))
    }

    pub(super) fn error(&self, kind: TaskErrorKind, item: u32) -> TaskError {
        self.dress(TaskError::new(kind, self.task.name()), item)
    }

    pub(super) fn fail(&self, item: u32, error: TaskError) -> Told {
        if self.is_map() {
            self.cell.add_failure(self.base.wrapping_add(item), error)
        } else {
            self.cell.set(Err(error));
            None
        }
    }
}

/// A worker's place in the pool.
#[derive(Debug, Default)]
pub(crate) struct Seat {
    pub(crate) worker: Option<Worker>,
    /// What the worker here is called by.
    pub(crate) index: u32,
    pub(crate) incarnation: Option<WorkerRef>,
    pub(crate) story: Option<Story>,
    /// What it did against the protocol.
    pub(crate) violation: Option<String>,
    /// The drainer sleeps on this link's bell.
    pub(crate) slept_on: bool,
    /// Why its start failed, by its own account.
    pub(crate) start_failure: Option<String>,
    /// It closed its channel.
    pub(crate) closed: bool,
    /// It has said READY.
    pub(crate) ready: bool,
    /// Its initializer runs, and has a limit of its own that comes before that of the start.
    pub(crate) initializes: bool,
    /// It was told to end.
    pub(crate) ending: bool,
    /// It was told to end at once before it was known to be ready.
    pub(crate) cut_short: bool,
    /// When SIGKILL follows.
    pub(crate) kill_at: Option<u64>,
    /// Its own account of work done, as of the last look.
    pub(crate) work_done: (u64, u64),
    pub(crate) dirty: bool,
    /// Workers started here so far.
    pub(crate) starts: u32,
    pub(crate) account: Account,
    pub(crate) slow_args: SlowArgs,
    pub(crate) overran: Overran,
    /// Something has to be said on its control socket, which is full.
    pub(crate) wants_room: bool,
    /// Shared values sent to workers here so far.
    pub(crate) shares_sent: u64,
}

impl Seat {
    /// What the worker that sits here is watched under.
    pub(crate) fn key(&self, slot: Slot) -> u64 {
        (u64::from(self.starts) << 24) | u64::from(slot.0)
    }
}

/// Number and name of each function handed in, by the place of its descriptor.
pub(crate) type Tasks = HashMap<i64, (u32, &'static str)>;

/// Everything that effects act on.
#[derive(Debug, Default)]
pub(crate) struct Parts {
    pub(crate) seats: Vec<Seat>,
    /// By index.
    pub(crate) ledgers: Vec<Ledger>,
    pub(crate) jobs: Vec<Option<JobData>>,
    pub(crate) dirty: Vec<u32>,
    /// Where workers are to be started, and under which index.
    pub(crate) to_start: Vec<(Slot, u32)>,
    /// Workers that have ended; the pool's own thread lets go of their files.
    pub(super) ended: Vec<Worker>,
    pub(crate) wakes: Wakes,
    pub(crate) profiles: Tasks,
    pub(super) slowest: Slowest,
    pub(super) trace: Trace,
    /// The buffer of a finished job, for the next long one.
    pub(crate) spare: Vec<u8>,
    /// Why the pool is broken.
    pub(crate) broken: Option<String>,
    /// The outcome of the plain call whose reply the scheduler is being told of.
    pub(super) arrived: Option<(JobId, Reply)>,
    /// What the scheduler is being told of as a failed attempt.
    pub(crate) answer: Option<Answer>,
    /// A job has ended or news of a stream came, which a sleeping drainer wants to know.
    pub(crate) changed: bool,
    /// Something the pool's own thread has to look at.
    pub(crate) call_loop: bool,
    pub(crate) patience: Patience,
    /// Workers that end in good order.
    pub(crate) leaving: Leaving,
}

impl Parts {
    pub(super) fn job(&mut self, job: JobId) -> Option<&mut JobData> {
        let data = self.jobs.get_mut(job.slot())?.as_mut();
        data.filter(|data| data.job == job)
    }

    /// The place of a job about to be submitted; empty, since whoever had it before is over.
    #[inline]
    pub(crate) fn place(&mut self, job: JobId) -> Option<&mut Option<JobData>> {
        let at = job.slot();
        self.jobs.resize_with(self.jobs.len().max(at + 1), || None);
        self.jobs.get_mut(at)
    }

    /// Empties the place of a job that is over, or was refused.
    #[inline]
    pub(crate) fn unsettle(&mut self, job: JobId) {
        if let Some(place) = self.jobs.get_mut(job.slot()) {
            *place = None;
        }
    }

    /// A job that is not over; another one may have its place.
    pub(crate) fn known_job(&self, job: JobId) -> Option<&JobData> {
        known(&self.jobs, job)
    }

    /// Adds items to a map; gives the memory of some that are over, if there are any.
    pub(crate) fn append(&mut self, job: JobId, segment: Segment) -> Option<Spent> {
        self.trace_extended(job, segment.items());
        self.job(job)?.payload.append(segment)
    }

    pub(crate) fn seat(&mut self, slot: Slot) -> Option<&mut Seat> {
        self.seats.get_mut(slot.index())
    }

    /// Notes whom news of a stream concern, a sleeping drainer among them.
    #[inline]
    pub(crate) fn tell(&mut self, told: Told) {
        if let Some(threads) = told {
            self.wakes.add(threads);
            self.changed = true;
        }
    }

    /// Marks a worker's link for the next flush.
    pub(crate) fn mark(&mut self, slot: Slot) {
        if let Some(seat) = self.seats.get_mut(slot.index())
            && !seat.dirty
        {
            seat.dirty = true;
            self.dirty.push(slot.index() as u32);
        }
    }

    /// How many frames a worker has not replied to.
    pub(crate) fn frames(&self, slot: Slot) -> usize {
        let seat = self.seats.get(slot.index());
        seat.and_then(|seat| seat.worker.as_ref())
            .map_or(0, Worker::frames)
    }

    /// Kills a worker that broke the protocol; its task's error will say how.
    pub(crate) fn violate(&mut self, slot: Slot, what: String) {
        if let Some(seat) = self.seat(slot)
            && let Some(worker) = &mut seat.worker
        {
            worker.kill();
            seat.violation.get_or_insert(what);
        }
    }

    fn put(&mut self, to: Slot, job: JobId, first: u32, count: u32) -> u32 {
        let Parts { seats, jobs, .. } = self;
        let Some(data) = jobs.get(job.slot()).and_then(Option::as_ref) else {
            return 0;
        };
        let Some(Seat {
            worker: Some(worker),
            shares_sent,
            ..
        }) = seats.get_mut(to.index())
        else {
            return 0;
        };
        let head = |count| CallHeader {
            offset: data.task.offset(),
            fingerprint: data.task.fingerprint(),
            task: data.id.0,
            first: data.base.wrapping_add(first),
            count,
        };
        let sent = |sent, count| if sent == Sent::Yes { count } else { 0 };
        match &data.payload {
            Payload::Word(word) => sent(worker.send_word(head(1), *word), 1),
            Payload::Short(raw) => sent(worker.send_short(head(1), raw.bytes()), 1),
            Payload::Long(bytes) => sent(worker.send_item(head(1), bytes), 1),
            Payload::Mentioning(call) => {
                let Mentioning { item, mentions } = &**call;
                if !provide(worker, mentions, shares_sent) {
                    return 0;
                }
                sent(worker.send_item(head(1), item), 1)
            }
            Payload::Many(segments) => {
                let after = segments.partition_point(|s| s.first <= first);
                let Some(segment) = after.checked_sub(1).and_then(|i| segments.get(i)) else {
                    return 0;
                };
                if !provide(worker, &segment.mentions, shares_sent) {
                    return 0;
                }
                let from = first - segment.first;
                let mut count =
                    segment.fitting(from, count.min(segment.items().saturating_sub(from)));
                while count > 0 {
                    let Some(range) = segment.range(from, count) else {
                        return 0;
                    };
                    if worker.send(head(count), &segment.bytes, range) == Sent::Yes {
                        return count;
                    }
                    count /= 2;
                }
                0
            }
        }
    }
}

pub(super) fn known(jobs: &[Option<JobData>], job: JobId) -> Option<&JobData> {
    let data = jobs.get(job.slot())?.as_ref();
    data.filter(|data| data.job == job)
}

impl Effects for Parts {
    fn send(&mut self, to: Slot, job: JobId, first: u32, count: u32) -> u32 {
        let sent = self.put(to, job, first, count);
        if sent > 0 {
            self.trace_started(to, job, first, sent);
            self.mark(to);
        }
        sent
    }

    fn take_back(&mut self, from: Slot) -> u32 {
        let taken = match self.seat(from).and_then(|seat| seat.worker.as_mut()) {
            None => return 0,
            Some(worker) => worker.take_back(),
        };
        taken.unwrap_or_else(|e| {
            self.violate(from, e.to_string());
            0
        })
    }

    fn lost_item(&mut self, job: JobId, item: u32, by: Slot, fate: Fate) {
        self.trace_lost(job, item, by);
        let seat = self.seats.get(by.index());
        let index = seat.map_or(0, |seat| seat.index);
        let story = seat.and_then(|seat| seat.story.clone());
        let Parts { jobs, slowest, .. } = self;
        let Some(data) = known(jobs, job) else { return };
        let kind = story
            .as_ref()
            .map_or(TaskErrorKind::WorkerDied, Story::kind);
        let mut error = data.error(kind, item);
        if let Some(story) = story {
            let ran_for = story.death.ran_for().unwrap_or_default();
            slowest.ended(data, item, index, ran_for);
            error = story.tell(error);
        }
        self.attempt_failed(job, item, fate, error);
    }

    fn failed_item(&mut self, job: JobId, item: u32, fate: Fate) {
        self.attempt_answered(job, item, fate);
    }

    fn give_up(&mut self, job: JobId, item: u32) {
        self.let_stand(job, item);
    }

    fn begun_at(&mut self, slot: Slot, job: JobId, item: u32) -> Option<u64> {
        let data = self.known_job(job)?;
        let (task, item) = (data.id.0, data.base.wrapping_add(item));
        let worker = self.seat(slot)?.worker.as_mut()?;
        // Claimed, but not all there: what is being received does not run.
        if worker.is_streaming() && worker.frames() == 1 {
            return None;
        }
        match worker.begun_frames() {
            Ok(0) => None,
            Ok(_) | Err(_) => Some(worker.started_at(task, item).unwrap_or_else(now_ns)),
        }
    }

    fn timed_out(&mut self, job: JobId, item: u32, by: Slot, over: Overrun, fate: Fate) {
        self.trace_timed_out(job, item, by);
        let Parts {
            seats,
            jobs,
            slowest,
            ..
        } = self;
        let Some(data) = known(jobs, job) else { return };
        let mut seat = seats.get_mut(by.index());
        let index = seat.as_ref().map_or(0, |seat| seat.index);
        let ran = Duration::from_nanos(over.ran);
        match seat.as_mut().filter(|_| over.grace > 0) {
            Some(seat) => seat.overran.may_return(data.slow(item, index, ran)),
            None => slowest.ended(data, item, index, ran),
        }
        let error = data.overran(item, over, seat.and_then(|seat| seat.worker.as_ref()));
        self.attempt_failed(job, item, fate, error);
    }

    fn cancelled(&mut self, job: JobId, first: u32, count: u32, why: Cancelled) {
        self.trace_cancelled(job, first, count, why);
        let broken = self.broken.clone();
        let Some(data) = self.job(job) else { return };
        let mut told = None;
        for item in first..first + count {
            let error = match why {
                Cancelled::StoppedByFailure | Cancelled::ByOwner => {
                    data.error(TaskErrorKind::Cancelled, item)
                }
                Cancelled::Expired => data.error(TaskErrorKind::Expired, item),
                Cancelled::Terminated => data.error(TaskErrorKind::Terminated, item),
                Cancelled::Broken => {
                    let error = data.error(TaskErrorKind::Broken, item);
                    match &broken {
                        Some(cause) => error.with_detail(cause.clone()),
                        None => error,
                    }
                }
            };
            // Whoever waits is named once: with the first of them.
            let news = data.fail(item, error);
            told = told.or(news);
        }
        self.tell(told);
    }

    fn tell_unwanted(&mut self, to: Slot, job: JobId) {
        let Some(task) = self.known_job(job).map(|data| data.id) else {
            return;
        };
        if let Some(worker) = self.seat(to).and_then(|seat| seat.worker.as_ref()) {
            worker.cancel(task.0);
        }
    }

    fn tell_wanted(&mut self, to: Slot) {
        if let Some(worker) = self.seat(to).and_then(|seat| seat.worker.as_ref()) {
            worker.cancel_nothing();
        }
        self.has_returned(to);
    }

    fn finished(&mut self, job: JobId) {
        let data = self.jobs.get_mut(job.slot()).and_then(Option::as_mut);
        let Some(data) = data else { return };
        self.trace.ended(data);
        match &self.arrived {
            Some((of, Reply::Short(value))) if *of == job => {
                data.cell.complete_short(*value, &mut self.wakes);
            }
            Some((of, _)) if *of == job => {
                if let Some((_, Reply::Long(outcome))) = self.arrived.take() {
                    data.cell.complete(outcome, &mut self.wakes);
                }
            }
            Some(_) | None => data.cell.finish(&mut self.wakes),
        }
        self.changed = true;
        if let Some(predicate) = data.again.take().and_then(|again| again.into_predicate()) {
            self.wakes.leave(predicate);
        }
        if let Payload::Long(item) = &mut data.payload
            && let Some(item) = Arc::get_mut(item)
        {
            let (bytes, pieces) = std::mem::take(item).into_parts();
            if (self.spare.capacity()..=KEEP_SPARE).contains(&bytes.capacity()) {
                self.spare = bytes;
            }
            self.wakes.free(pieces);
        }
        self.unsettle(job);
    }

    fn start(&mut self, slot: Slot, index: u32) {
        if self.seats.len() <= slot.index() {
            self.seats.resize_with(slot.index() + 1, Seat::default);
        }
        if let Some(seat) = self.seat(slot) {
            seat.index = index;
        }
        if self.ledgers.len() <= index as usize {
            self.ledgers
                .resize_with(index as usize + 1, Ledger::default);
        }
        self.to_start.push((slot, index));
        self.call_loop = true;
    }

    fn stop(&mut self, slot: Slot) {
        self.call_loop = true;
        let patience = self.patience;
        let Some(seat) = self.seat(slot) else { return };
        let Some(worker) = &mut seat.worker else {
            return;
        };
        worker.ask(Bell::Silent, 0);
        // The scheduler stops only workers with nothing in flight, so the ring has room.
        let grace = if worker.stop() { patience.stop } else { 0 };
        seat.ending = true;
        seat.account.told();
        seat.kill_at = Some(now_ns().saturating_add(grace));
    }

    fn kill(&mut self, slot: Slot) {
        self.call_loop = true;
        let grace = self.patience.term;
        let Parts { seats, leaving, .. } = self;
        let Some(seat) = seats.get_mut(slot.index()) else {
            return;
        };
        let Some(worker) = &mut seat.worker else {
            return;
        };
        if grace == 0 {
            worker.kill();
        } else {
            worker.terminate();
        }
        if !seat.ready {
            // It may have said READY, and nobody has read it yet: whether it had a hook to run is known at its end.
            seat.cut_short = true;
        } else if worker.forget_exit() {
            leaving.interrupted();
        }
        seat.ending = true;
        seat.account.told();
        seat.kill_at = (grace > 0).then(|| now_ns().saturating_add(grace));
    }
}
