//! The driver: the scheduler's core and the real links behind one lock, and the steps that move them.
//!
//! Every source of news (a reply, a death, a timer, a submission) becomes one call of the core here. It must
//! never run user code, block, or sleep while the lock is held.

mod accounts;
pub(crate) mod again;
mod bells;
mod burst;
mod collect;
mod exits;
#[cfg(test)]
mod fault;
mod giving_up;
mod life;
mod listeners;
mod logs;
#[cfg(test)]
mod long_map;
pub(crate) mod main_loop;
mod mending;
mod output;
pub(crate) mod parts;
mod patience;
mod payload;
mod room;
mod seats;
mod shares;
mod shutdown;
mod slow;
mod starts;
mod story;
pub(crate) mod stream;
mod tellings;
mod trace;
mod wait;
mod waking;

use std::sync::atomic::{AtomicBool, AtomicU32};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::Thread;

use procession_task::bytes::{Encoded, Pieces};
use procession_task::descriptor::TaskRef;
use procession_worker::TaskId;
use procession_worker::handle::{Short, WorkerSpec, now_ns};
use procession_worker::watch::Watch;

use crate::broadcast::Mentions;
use crate::callbacks::Callbacks;
use crate::cell::{Cell, Raw};
use crate::core::{Chunk, Core, Extended, JobId, JobSpec, NEVER, Refused, Sticky, Terms};
use crate::describe::Described;
use crate::exits::Exits;
use crate::histogram::Histogram;
use crate::output::Delivery;
use again::Again;
use bells::Flush;
use burst::BurstClock;
pub(crate) use life::NOT_OPEN;
use listeners::Listeners;
pub(crate) use listeners::Note;
use parts::{JobData, Mentioning, Parts, Payload, Segment, Spent};
pub(crate) use patience::Patience;
use room::Load;
pub(crate) use room::{NotTaken, Room};
use tellings::Tellings;
pub(crate) use trace::TaskSpan;

/// Calls expected to be shorter than this may be published a few at a time.
const HOLD_BELOW_NS: u64 = 5_000;

/// What all handles of one pool share.
#[derive(Debug)]
pub(crate) struct Shared {
    driver: Mutex<Driver>,
    pub(crate) watch: Arc<Watch>,
    /// The word the draining thread sleeps on besides the links.
    own: AtomicU32,
    /// The kernel cannot wait on several words: the pool's own thread drains for everyone.
    no_nap: AtomicBool,
    /// True once the pool's own thread has ended, and with it every worker.
    pub(crate) ended: Mutex<bool>,
    pub(crate) ended_changed: Condvar,
    /// Told by the pool's own thread when it has seen something, if somebody waits for workers to be ready.
    warmed: Condvar,
    pub(crate) spec: WorkerSpec,
    pub(crate) callbacks: Arc<Callbacks>,
    /// Where failures are judged: not among the callbacks, which may wait for what is judged.
    judges: Arc<Callbacks>,
    pub(crate) exits: Arc<Exits>,
    /// Where captured lines go.
    output: Option<Arc<Delivery>>,
    /// Where the workers' log records go.
    #[cfg(feature = "log")]
    logs: Arc<crate::logs::Logs>,
    gone: shares::Gone,
    #[cfg(test)]
    fault: fault::Fault,
    owner: u32,
}

/// The state behind the lock.
#[derive(Debug)]
pub(crate) struct Driver {
    pub(crate) core: Core,
    pub(crate) parts: Parts,
    room: Room,
    listeners: Listeners,
    tellings: Tellings,
    /// The thread that drains the links: it polls or sleeps on them.
    drainer: Option<usize>,
    /// The drainer sleeps, so whoever changes something wakes it.
    sleeping: bool,
    /// The drainer does something else for a while: any thread may take its place.
    away: bool,
    /// Threads that wait for something while another one drains.
    parked: Vec<(usize, Thread)>,
    next_task: u64,
    clock: BurstClock,
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
    /// How long items ran.
    runs: Histogram,
    /// Resident memory above which a worker is replaced.
    pub(crate) largest: Option<u64>,
    max_frame: usize,
    /// Where captured lines go.
    output: Option<Arc<Delivery>>,
    /// Threads that wait for workers to be ready.
    warming: u32,
}

/// What a thread that asks for bells waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Awaited {
    /// Nothing of its own: work is to go on.
    Nothing,
    /// The end of one job.
    Job(JobId),
    /// Any outcome at all.
    Anything,
}

/// A submission, encoded. It is handed on by reference: what is stored in parts and loaded whole costs more than the store.
pub(crate) struct Submission {
    pub(crate) task: TaskRef,
    pub(crate) payload: Payload,
    pub(crate) spec: JobSpec,
    /// Whose its chunks are, if not anyone's.
    pub(crate) owners: Option<Sticky>,
    pub(crate) cell: Arc<Cell>,
    /// See [`JobData::base`].
    pub(crate) base: u32,
    /// See [`JobData::again`].
    pub(crate) again: Option<Box<Again>>,
    /// See [`JobData::described`].
    pub(crate) described: Option<Arc<Described>>,
    /// The submitting thread is about to wait for it.
    pub(crate) waits: bool,
    pub(crate) span: TaskSpan,
}

/// What became of more items of a map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum More {
    /// They are under way, or have their outcome. Others may follow.
    Wanted,
    /// So it is with these; the map's outcome is decided, or it was closed.
    Decided,
    /// The map is over, and has none of these.
    Over,
    /// The map has none of these, nor any others: there are too many.
    TooMany,
}

impl Shared {
    pub(crate) fn new(
        core: Core,
        seats: usize,
        watch: Watch,
        spec: WorkerSpec,
        room: Room,
    ) -> Shared {
        let cpus = procession_worker::cpu_count();
        let mut parts = Parts::default();
        parts.seats.resize_with(seats, Default::default);
        let driver = Driver {
            core,
            parts,
            room,
            listeners: Listeners::default(),
            tellings: Tellings::default(),
            drainer: None,
            sleeping: false,
            away: false,
            parked: Vec::new(),
            next_task: 1,
            clock: BurstClock::default(),
            cpus,
            last_profile: (0, u32::MAX),
            loop_looks_at: 0,
            vain_polls: 0,
            prompt: false,
            failed_replies: 0,
            runs: Histogram::default(),
            largest: None,
            max_frame: spec.max_frame,
            output: None,
            warming: 0,
        };
        Shared {
            driver: Mutex::new(driver),
            watch: Arc::new(watch),
            own: AtomicU32::new(0),
            no_nap: AtomicBool::new(false),
            ended: Mutex::new(false),
            ended_changed: Condvar::new(),
            warmed: Condvar::new(),
            spec,
            callbacks: Arc::new(Callbacks::new("procession-callbacks")),
            judges: Arc::new(Callbacks::new("procession-judges")),
            exits: Arc::default(),
            output: None,
            #[cfg(feature = "log")]
            logs: Arc::default(),
            gone: shares::Gone::default(),
            #[cfg(test)]
            fault: fault::Fault::default(),
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
    pub(crate) fn unlock(&self, driver: MutexGuard<'_, Driver>) {
        self.unlock_and(driver, Flush::Now);
    }

    fn unlock_and(&self, mut driver: MutexGuard<'_, Driver>, flush: Flush) {
        if !driver.room.is_quiet() {
            driver.give_room();
        }
        driver.flush(flush);
        if driver.listeners.since.is_some() {
            driver.tell_news();
        }
        if let Some(at) = driver.core.next_timer()
            && at < driver.loop_looks_at
        {
            driver.loop_looks_at = at;
            driver.parts.call_loop = true;
        }
        driver.trace_state();
        let trace = driver.parts.trace.take();
        let wakes = driver.parts.wakes.take();
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
        if let Some(wakes) = wakes {
            self.perform(wakes);
        }
        trace.emit(&self.spec.name);
    }

    /// Hands a job to the scheduler.
    ///
    /// `spare` is exchanged for a buffer of a finished job, if there is one: reused memory is several times
    /// faster than fresh memory, whose page faults cost more than the copy.
    pub(crate) fn submit(
        &self,
        submission: &mut Submission,
        spare: &mut Vec<u8>,
    ) -> Result<(JobId, TaskId), Refused> {
        let (load, start_by) = (
            Load::Job(submission.spec.items),
            submission.spec.terms.start_by,
        );
        let mut driver = self.lock_with_room(load, start_by);
        if submission.span.is_due() {
            self.begin_span_of(driver, submission);
            driver = self.lock_with_room(load, start_by);
        }
        self.submit_to(driver, submission, spare)
    }

    fn submit_to(
        &self,
        mut driver: MutexGuard<'_, Driver>,
        submission: &mut Submission,
        spare: &mut Vec<u8>,
    ) -> Result<(JobId, TaskId), Refused> {
        let waits = submission.waits;
        let id = submission.span.id().unwrap_or_else(|| driver.number());
        let job = match driver.submit(submission, id) {
            Ok(job) => job,
            Err(refused) => {
                self.unlock(driver);
                return Err(refused);
            }
        };
        if spare.capacity() == 0 {
            *spare = std::mem::take(&mut driver.parts.spare);
        }
        let flush = if waits && driver.drainer.is_none() {
            Flush::For(Awaited::Job(job))
        } else if !waits
            && driver
                .core
                .estimate(job)
                .is_some_and(|ns| ns < HOLD_BELOW_NS)
        {
            Flush::MayHold
        } else {
            Flush::Now
        };
        self.unlock_and(driver, flush);
        Ok((job, id))
    }

    /// Adds items to a map, which have to begin by `start_by`; `last` closes it. One that is over needs no closing. Gives
    /// memory of earlier items for later ones.
    pub(crate) fn extend(
        &self,
        job: JobId,
        segment: Segment,
        items: u32,
        last: bool,
        start_by: u64,
    ) -> (More, Option<Spent>) {
        let mut driver = self.lock_with_room(Load::More(job, items), start_by);
        let now = now_ns();
        let spent = if items > 0 {
            driver.parts.append(job, segment)
        } else {
            None
        };
        let Driver { core, parts, .. } = &mut *driver;
        let taken = core.extend(job, items, last, start_by, now, parts);
        driver.collect_all(false, now);
        let more = match taken {
            Extended::Taken if driver.core.takes_more(job) => More::Wanted,
            Extended::Taken => More::Decided,
            Extended::Over => More::Over,
            Extended::TooMany => More::TooMany,
        };
        self.unlock(driver);
        (more, spent)
    }
}

impl Driver {
    /// The number of a task.
    fn number(&mut self) -> TaskId {
        let id = TaskId(self.next_task);
        self.next_task += 1;
        id
    }

    fn submit(&mut self, submission: &mut Submission, id: TaskId) -> Result<JobId, Refused> {
        let now = if submission.spec.terms.start_by == NEVER {
            self.clock.read()
        } else {
            // An older reading would let in what is too late.
            let now = now_ns();
            self.clock.saw(now);
            now
        };
        let task = submission.task;
        let profile = self.profile(task);
        submission.spec.profile = profile;
        // Effects may name the job before `submit` returns, so its place is filled in first.
        let place = self.core.next_id();
        let cell = Arc::clone(&submission.cell);
        if let Some(empty @ None) = self.parts.place(place) {
            // Written where it stays: a copy of what was just written waits for the store.
            *empty = Some(JobData {
                job: place,
                task,
                profile,
                id,
                payload: std::mem::take(&mut submission.payload),
                cell,
                base: submission.base,
                again: submission.again.take(),
                described: submission.described.take(),
                span: std::mem::take(&mut submission.span),
            });
        }
        let Driver { core, parts, .. } = self;
        let job = match submission.owners {
            None => core.submit(submission.spec, now, parts),
            Some(owners) => core.submit_chunks(submission.spec, owners, now, parts),
        };
        if job.is_err() {
            self.parts.trace_refused(place);
            self.parts.unsettle(place);
        }
        if id.0.is_multiple_of(32) && self.drainer.is_none() {
            self.collect_all(false, now);
        }
        job
    }

    fn profile(&mut self, task: TaskRef) -> u32 {
        if self.last_profile.0 != task.offset() {
            let next = self.parts.profiles.len() as u32;
            let known = self.parts.profiles.entry(task.offset());
            let (profile, _) = *known.or_insert_with(|| (next, task.name()));
            self.last_profile = (task.offset(), profile);
        }
        self.last_profile.1
    }
}

/// One item, with the length before it as calls carry it, and the shared values in it. A short one leaves its buffer.
#[inline]
pub(crate) fn payload_of(item: &mut Vec<u8>, pieces: Pieces, mentions: Mentions) -> Payload {
    if mentions.is_none() && pieces.bytes() == 0 {
        if let Some(word) = Short::new(item) {
            return Payload::Word(word);
        }
        if let Some(raw) = Raw::short(item) {
            return Payload::Short(raw);
        }
    }
    let item = Arc::new(Encoded::new(std::mem::take(item), pieces));
    match mentions {
        None => Payload::Long(item),
        Some(_) => Payload::Mentioning(Box::new(Mentioning { item, mentions })),
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
        priority: 0,
        terms: Terms::default(),
    }
}
