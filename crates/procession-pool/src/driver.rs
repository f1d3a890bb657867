//! The driver: the scheduler's core and the real links behind one lock, and the steps that move them.
//!
//! Every source of news (a reply, a death, a timer, a submission) becomes one call of the core here. It must
//! never run user code, block, or sleep while the lock is held.

pub(crate) mod main_loop;
pub(crate) mod parts;
mod shutdown;
mod wait;

use std::sync::atomic::{AtomicBool, AtomicU32};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::Thread;

use procession_task::descriptor::TaskRef;
use procession_worker::handle::Bell;
use procession_worker::handle::{Replies, Worker, WorkerSpec, now_ns, why_not_ready};
use procession_worker::watch::Watch;
use procession_worker::{Error, PanicReport, TaskId};

use crate::cell::{Cell, Raw};
use crate::core::{Chunk, Core, JobId, JobSpec, Refused, Slot};
use parts::{JobData, Parts, Payload, Segment, Story};

/// How long a worker may take from its start until it is ready, initializer included.
const START_LIMIT_NS: u64 = 60_000_000_000;
/// How long a worker that ran dry may spin for the next call while a CPU is free for it.
const WORKER_SPIN: std::time::Duration = std::time::Duration::from_micros(50);

/// What all handles of one pool share.
#[derive(Debug)]
pub(crate) struct Shared {
    driver: Mutex<Driver>,
    pub(crate) watch: Watch,
    /// The word the draining thread sleeps on besides the links.
    own: AtomicU32,
    /// The kernel cannot wait on several words: the pool's own thread drains for everyone.
    no_nap: AtomicBool,
    /// True once the pool's own thread has ended, and with it every worker.
    pub(crate) ended: Mutex<bool>,
    pub(crate) ended_changed: Condvar,
    pub(crate) spec: WorkerSpec,
    owner: u32,
}

/// The state behind the lock.
#[derive(Debug)]
pub(crate) struct Driver {
    pub(crate) core: Core,
    pub(crate) parts: Parts,
    /// The thread that drains the links: it polls or sleeps on them.
    drainer: Option<usize>,
    /// The drainer sleeps, so whoever changes something wakes it.
    sleeping: bool,
    /// The drainer does something else for a while: any thread may take its place.
    away: bool,
    /// Threads that wait for something while another one drains.
    parked: Vec<(usize, Thread)>,
    next_task: u64,
    cpus: usize,
    /// Task and profile of the last submission: tasks repeat.
    last_profile: (i64, u32),
    /// When the pool's own thread looks at its timers next, if nothing wakes it before.
    loop_looks_at: u64,
    /// Polls in a row that ended in a sleep.
    vain_polls: u32,
    /// Futures wait: bells for the pool's own thread are for every reply.
    prompt: bool,
    /// Replies that carried an error.
    failed_replies: u64,
    max_frame: usize,
}

/// What a thread that asks for bells waits for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Awaited {
    /// Nothing of its own: work is to go on.
    Nothing,
    /// The end of one job.
    Job(JobId),
    /// Any outcome at all.
    Anything,
}

/// A submission, encoded.
pub(crate) struct Submission {
    pub(crate) task: TaskRef,
    pub(crate) payload: Payload,
    pub(crate) spec: JobSpec,
    pub(crate) cell: Arc<Cell>,
    /// The submitting thread is about to wait for it.
    pub(crate) waits: bool,
}

impl Shared {
    pub(crate) fn new(core: Core, seats: usize, watch: Watch, spec: WorkerSpec) -> Shared {
        let cpus = procession_worker::cpu_count();
        let mut parts = Parts::default();
        parts.seats.resize_with(seats, Default::default);
        let driver = Driver {
            core,
            parts,
            drainer: None,
            sleeping: false,
            away: false,
            parked: Vec::new(),
            next_task: 1,
            cpus,
            last_profile: (0, u32::MAX),
            loop_looks_at: 0,
            vain_polls: 0,
            prompt: false,
            failed_replies: 0,
            max_frame: spec.max_frame,
        };
        Shared {
            driver: Mutex::new(driver),
            watch,
            own: AtomicU32::new(0),
            no_nap: AtomicBool::new(false),
            ended: Mutex::new(false),
            ended_changed: Condvar::new(),
            spec,
            owner: std::process::id(),
        }
    }

    /// False in a copy of the process made by `fork`: its links and children belong to the original.
    pub(crate) fn is_ours(&self) -> bool {
        !procession_worker::is_forked_copy()
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Driver> {
        self.driver.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets go of the lock, then wakes whom the changes made under it concern.
    pub(crate) fn unlock(&self, mut driver: MutexGuard<'_, Driver>) {
        driver.flush(None);
        if let Some(at) = driver.core.next_timer()
            && at < driver.loop_looks_at
        {
            driver.loop_looks_at = at;
            driver.parts.call_loop = true;
        }
        let wakes = std::mem::take(&mut driver.parts.wakes);
        let call_loop = std::mem::take(&mut driver.parts.call_loop);
        let changed = std::mem::take(&mut driver.parts.changed);
        let rouse = driver.sleeping && changed;
        drop(driver);
        if call_loop {
            self.watch.notify();
        }
        if rouse {
            procession_worker::nap::rouse(&self.own);
        }
        wakes.perform();
    }

    /// Hands a job to the scheduler.
    ///
    /// `spare` is exchanged for a buffer of a finished job, if there is one: reused memory is several times
    /// faster than fresh memory, whose page faults cost more than the copy.
    pub(crate) fn submit(
        &self,
        submission: Submission,
        spare: &mut Vec<u8>,
    ) -> Result<(JobId, TaskId), Refused> {
        let mut driver = self.lock();
        let waits = submission.waits;
        let id = TaskId(driver.next_task);
        let job = driver.submit(submission, id)?;
        if spare.capacity() == 0 {
            *spare = std::mem::take(&mut driver.parts.spare);
        }
        if waits && driver.drainer.is_none() {
            driver.flush(Some(Awaited::Job(job)));
        }
        self.unlock(driver);
        Ok((job, id))
    }

    /// Adds items to a map; `last` closes it.
    pub(crate) fn extend(&self, job: JobId, segment: Segment, items: u32, last: bool) {
        let mut driver = self.lock();
        let now = now_ns();
        if items > 0 {
            driver.parts.append(job, segment);
        }
        let Driver { core, parts, .. } = &mut *driver;
        core.extend(job, items, last, now, parts);
        driver.collect_all(false, now);
        self.unlock(driver);
    }
}

impl Driver {
    fn submit(&mut self, submission: Submission, id: TaskId) -> Result<JobId, Refused> {
        let now = now_ns();
        let Submission {
            task,
            payload,
            mut spec,
            cell,
            ..
        } = submission;
        spec.profile = self.profile(task);
        let profile = spec.profile;
        // Effects may name the job before `submit` returns, so its place is filled in first.
        let place = self.core.next_id();
        self.parts.settle(
            place,
            JobData {
                job: place,
                task,
                profile,
                id,
                payload,
                cell,
            },
        );
        let job = self.core.submit(spec, now, &mut self.parts);
        if job.is_err() {
            self.parts.unsettle(place);
        }
        self.next_task += 1;
        if self.next_task.is_multiple_of(32) && self.drainer.is_none() {
            self.collect_all(false, now);
        }
        job
    }

    fn profile(&mut self, task: TaskRef) -> u32 {
        if self.last_profile.0 != task.offset() {
            let next = self.parts.profiles.len() as u32;
            let profile = *self.parts.profiles.entry(task.offset()).or_insert(next);
            self.last_profile = (task.offset(), profile);
        }
        self.last_profile.1
    }

    /// Publishes what was written since the last flush. A link nobody watches gets a bell first, so that its
    /// replies are never left alone: the worker that sees the calls sees the bell.
    ///
    /// `waiting_for`: the calling thread is about to drain, and waits for this job.
    pub(crate) fn flush(&mut self, waiting_for: Option<Awaited>) {
        if self.parts.dirty.is_empty() {
            return;
        }
        let spin = self.spin_allowed();
        let polled = self.drainer.is_some() && !self.sleeping;
        for at in std::mem::take(&mut self.parts.dirty) {
            let slot = Slot(at);
            let bell_at = self.bell_at(slot, waiting_for.unwrap_or(Awaited::Nothing));
            let Some(seat) = self.parts.seat(slot) else {
                continue;
            };
            seat.dirty = false;
            let Some(worker) = &mut seat.worker else {
                continue;
            };
            // What is left of an earlier request may have nobody behind it: a sleeper that has gone, or one that
            // does not sleep on this link.
            let attended = match worker.asked() {
                Bell::Silent => false,
                Bell::Loop => true,
                Bell::Waiter => seat.slept_on,
                Bell::Poller => polled,
            };
            if waiting_for.is_some() {
                worker.ask(Bell::Poller, bell_at);
            } else if !attended {
                worker.ask(Bell::Loop, bell_at);
            }
            worker.allow_spin(if spin {
                WORKER_SPIN
            } else {
                std::time::Duration::ZERO
            });
            worker.flush();
        }
    }

    /// Whether there is a free CPU for one more spinning thread beside every worker that has work.
    fn spin_allowed(&self) -> bool {
        let busy = self
            .parts
            .seats
            .iter()
            .filter(|s| s.worker.as_ref().is_some_and(|w| w.frames() > 0));
        busy.count() < self.cpus
    }

    /// From which call on a bell is wanted: when what is awaited is done, or in time to hand out more, or else
    /// when the worker runs dry.
    fn bell_at(&self, slot: Slot, awaited: Awaited) -> u64 {
        let seat = self.parts.seats.get(slot.index());
        let Some(worker) = seat.and_then(|seat| seat.worker.as_ref()) else {
            return u64::MAX;
        };
        if self.prompt || !self.parked.is_empty() {
            return 0;
        }
        let middle = || worker.end_of(worker.frames() / 2).unwrap_or(0);
        let more = if self.core.has_queued() {
            middle()
        } else {
            u64::MAX
        };
        match awaited {
            Awaited::Anything => 0,
            Awaited::Job(job) => match self.core.frame_of(job, slot) {
                Some(frame) => worker.end_of(frame).unwrap_or(0).min(more),
                None => more,
            },
            Awaited::Nothing => more,
        }
    }

    /// Collects the replies of every worker that has work; true when anything came or went.
    pub(crate) fn collect_all(&mut self, staged: bool, now: u64) -> bool {
        let mut progress = false;
        for at in 0..self.parts.seats.len() {
            let busy = self
                .parts
                .seats
                .get(at)
                .and_then(|s| s.worker.as_ref())
                .is_some_and(|w| w.frames() > 0);
            if busy {
                progress |= self.collect(Slot(at as u32), staged, now);
            }
        }
        progress
    }

    /// Collects the replies of one worker and continues what is streamed to it.
    pub(crate) fn collect(&mut self, slot: Slot, staged: bool, now: u64) -> bool {
        let Some(worker) = self.parts.seat(slot).and_then(|s| s.worker.as_mut()) else {
            return false;
        };
        let pumped = worker.is_streaming() && worker.pump() > 0;
        match worker.collect(staged) {
            Ok(0) => pumped,
            Ok(_) => {
                let inbox = worker.take_inbox();
                let used = self.deliver(slot, &inbox, now);
                if let Some(worker) = self.parts.seat(slot).and_then(|s| s.worker.as_mut()) {
                    worker.put_inbox(inbox, used);
                }
                true
            }
            Err(e) => {
                self.parts.violate(slot, e.to_string());
                pumped
            }
        }
    }

    /// Hands the whole frames in `inbox` to the jobs they answer; returns the bytes used.
    fn deliver(&mut self, slot: Slot, inbox: &[u8], now: u64) -> usize {
        let Some(who) = self.parts.seat(slot).and_then(|s| s.incarnation) else {
            return inbox.len();
        };
        self.measure(slot);
        let Driver { core, parts, .. } = self;
        let mut replies = Replies::new(inbox);
        let (mut used, mut failures) = (0, 0);
        // Calls handed out below come after these replies: none of them is an answer to those.
        let mut given = parts.frames(slot);
        while used < inbox.len() {
            let Some((job, first, left)) = core.front(slot).filter(|_| given > 0) else {
                parts.violate(slot, "it replied to a call it was not given".into());
                used = inbox.len();
                break;
            };
            let (mut count, mut failed, mut last) = (0, None, (true, &[][..]));
            while count < left
                && let Some(reply) = replies.next()
            {
                if !reply.0 {
                    failed = failed.or(Some(first + count));
                    failures += 1;
                }
                last = reply;
                count += 1;
            }
            if count == 0 {
                break;
            }
            let frames = inbox.get(used..replies.consumed()).unwrap_or_default();
            used = replies.consumed();
            if let Some(data) = parts.known_job(job) {
                match data.payload {
                    Payload::Many(_) => data.cell.add_run(first, count, frames),
                    Payload::Short(_) | Payload::Long(_) => data.cell.set(data.one_reply(last)),
                }
            }
            if count == left
                && let Some(worker) = parts.seat(slot).and_then(|s| s.worker.as_mut())
            {
                worker.frame_replied();
                given -= 1;
            }
            core.replied(who, count, failed, now, parts);
        }
        if replies.is_strange() {
            parts.violate(slot, "it sent a reply of an unknown kind".into());
        }
        let wanted = replies.wanted();
        self.failed_replies += failures;
        if wanted > self.max_reply() {
            self.parts
                .violate(slot, "it announced a result above the size limit".into());
        }
        used
    }

    fn max_reply(&self) -> usize {
        self.max_frame + 64 * 1024
    }

    /// Passes on how long the items took since the last look, by the worker's own account.
    fn measure(&mut self, slot: Slot) {
        let Some((job, _, _)) = self.core.front(slot) else {
            return;
        };
        let Some(profile) = self.parts.known_job(job).map(|data| data.profile) else {
            return;
        };
        let Some(seat) = self.parts.seats.get_mut(slot.index()) else {
            return;
        };
        let (Some(worker), Some(who)) = (&seat.worker, seat.incarnation) else {
            return;
        };
        let (busy, items) = worker.work_done();
        let (busy_before, items_before) = std::mem::replace(&mut seat.work_done, (busy, items));
        let items = u32::try_from(items.saturating_sub(items_before)).unwrap_or(u32::MAX);
        if items > 0 {
            self.core
                .measured(who, profile, items, busy.saturating_sub(busy_before));
        }
    }

    /// A worker has ended: its last replies count, what it was running is lost, the rest goes elsewhere.
    pub(crate) fn worker_ended(&mut self, slot: Slot, watch: &Watch, now: u64) {
        self.collect(slot, true, now);
        let Parts { seats, broken, .. } = &mut self.parts;
        let Some(seat) = seats.get_mut(slot.index()) else {
            return;
        };
        let Some(worker) = &mut seat.worker else {
            return;
        };
        let status = match worker.reap() {
            Ok(Some(status)) => status,
            // Still there after all: the pidfd stays watched.
            Ok(None) => return,
            Err(_) => procession_worker::ExitStatus::lost(),
        };
        watch.remove(worker);
        let begun = if worker.frames() == 0 {
            Ok(0)
        } else {
            worker.begun_frames()
        };
        let violation = match &begun {
            Err(e) => Some(seat.violation.take().unwrap_or_else(|| e.to_string())),
            Ok(_) => seat.violation.take(),
        };
        let begun = begun.unwrap_or(1);
        let panic = if begun > 0 {
            worker.last_panic(status).map(PanicReport::from_failure)
        } else {
            None
        };
        let death = worker.death(status, begun > 0);
        if !seat.ready && broken.is_none() {
            let hint = violation
                .as_deref()
                .unwrap_or_else(|| why_not_ready(death.exit_status()));
            *broken = Some(format!("{death}: {hint}"));
        }
        seat.story = Some(Story {
            death,
            panic,
            violation,
        });
        let who = seat.incarnation;
        // The worker is dropped after the core has looked at its frames: they are counted in the core alone.
        let worker = seat.worker.take();
        seat.kill_at = None;
        seat.work_done = (0, 0);
        if let Some(who) = who {
            self.core.lost(who, begun, now, &mut self.parts);
        }
        drop(worker);
    }

    /// Installs a started worker in its seat.
    pub(crate) fn seat_worker(
        &mut self,
        slot: Slot,
        worker: Worker,
        watch: &Watch,
        now: u64,
    ) -> Result<(), Error> {
        let Some(seat) = self.parts.seat(slot) else {
            return Ok(());
        };
        seat.starts += 1;
        watch.add(&worker, (u64::from(seat.starts) << 24) | u64::from(slot.0))?;
        seat.worker = Some(worker);
        seat.incarnation = None;
        seat.kill_at = Some(now + START_LIMIT_NS);
        seat.ready = false;
        seat.ending = false;
        seat.closed = false;
        seat.violation = None;
        seat.work_done = (0, 0);
        let incarnation = self.core.started(slot, now, &mut self.parts);
        if let Some(seat) = self.parts.seat(slot) {
            seat.incarnation = Some(incarnation);
        }
        self.flush(None);
        Ok(())
    }
}

impl JobData {
    fn one_reply(&self, (ok, payload): (bool, &[u8])) -> Result<Raw, procession_worker::TaskError> {
        if ok {
            Ok(Raw::new(payload))
        } else {
            Err(crate::result::failure_error(self.task.name(), payload).with_id(self.id))
        }
    }
}

/// One item, with the length before it as calls carry it.
pub(crate) fn payload_of(item: Vec<u8>) -> Payload {
    match Raw::short(&item) {
        Some(raw) => Payload::Short(raw),
        None => Payload::Long(Arc::new(item)),
    }
}

/// The specification of a plain call.
pub(crate) fn single() -> JobSpec {
    JobSpec {
        items: 1,
        open: false,
        chunk: Chunk::Auto,
        stop_on_failure: false,
        profile: 0,
    }
}
