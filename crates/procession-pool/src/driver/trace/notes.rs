//! What is noted, and how it is told to the subscriber. It must never call the subscriber while a lock is held.

use procession_worker::WorkerDeath;
use tracing::level_filters::LevelFilter;
use tracing::{debug, error, info, warn};

use super::super::Driver;
use super::super::parts::{JobData, Parts, known};
use super::super::starts::worker_name;
use super::spans::{TaskSpan, Whose, guard, tell};
use super::wanted;
use crate::core::{Cancelled, JobId, PoolState, Slot};

/// What was noted and not yet emitted.
#[derive(Debug, Default)]
pub(crate) struct Trace {
    notes: Vec<Note>,
    state: Option<PoolState>,
}

/// A task as its events name it, and its span, if it has one.
#[derive(Clone, Debug)]
struct Named {
    id: u64,
    name: &'static str,
    span: TaskSpan,
}

#[derive(Debug)]
enum Note {
    /// There is no more to tell: the span is to be dropped, which tells the end.
    Over(TaskSpan),
    Refused(TaskSpan),
    Extended(Named, u32),
    Started(Named, Items, Index),
    Lost(Named, u32, Index),
    TimedOut(Named, u32, Index),
    Cancelled(Named, Items, Cancelled),
    Born(Index, u32),
    Died(Index, Box<WorkerDeath>, bool),
    State(PoolState, Option<String>),
    CutOff(u64),
}

/// The index of a worker.
#[derive(Clone, Copy, Debug)]
struct Index(u32);

impl Index {
    fn name(self, pool: &str) -> String {
        worker_name(pool, self.0)
    }
}

#[derive(Clone, Copy, Debug)]
struct Items {
    first: u32,
    count: u32,
}

fn named(data: &JobData) -> Named {
    Named {
        id: data.id.0,
        name: data.task.name(),
        span: data.span.clone(),
    }
}

impl Trace {
    /// A task is over; its span outlives what was known of it.
    #[inline]
    pub(crate) fn ended(&mut self, data: &mut JobData) {
        if data.span.id().is_some() {
            self.notes.push(Note::Over(std::mem::take(&mut data.span)));
        }
    }

    pub(crate) fn born(&mut self, index: u32, pid: u32) {
        if wanted(LevelFilter::DEBUG) {
            self.notes.push(Note::Born(Index(index), pid));
        }
    }

    /// `expected`: it was told to end, which is of less interest.
    pub(crate) fn died(&mut self, index: u32, death: &WorkerDeath, expected: bool) {
        let level = if expected {
            LevelFilter::DEBUG
        } else {
            LevelFilter::WARN
        };
        if wanted(level) {
            let note = Note::Died(Index(index), Box::new(death.clone()), expected);
            self.notes.push(note);
        }
    }

    #[inline]
    pub(crate) fn take(&mut self) -> Trace {
        Trace {
            notes: std::mem::take(&mut self.notes),
            state: self.state,
        }
    }

    /// Tells the subscriber.
    #[inline]
    pub(crate) fn emit(self, pool: &str) {
        for note in self.notes {
            guard(|| note.emit(pool));
        }
    }
}

impl Parts {
    #[inline]
    fn note(&mut self, level: LevelFilter, job: JobId, note: impl FnOnce(&JobData, Named) -> Note) {
        if wanted(level)
            && let Some(data) = known(&self.jobs, job)
        {
            self.trace.notes.push(note(data, named(data)));
        }
    }

    pub(crate) fn trace_refused(&mut self, job: JobId) {
        if let Some(data) = self.job(job).filter(|data| data.span.id().is_some()) {
            let span = std::mem::take(&mut data.span);
            self.trace.notes.push(Note::Refused(span));
        }
    }

    pub(crate) fn trace_extended(&mut self, job: JobId, items: u32) {
        self.note(LevelFilter::DEBUG, job, |_, task| {
            Note::Extended(task, items)
        });
    }

    /// Workers are told by their indexes, whichever place they are in.
    fn called(&self, place: Slot) -> Index {
        let seat = self.seats.get(place.index());
        Index(seat.map_or(place.0, |seat| seat.index))
    }

    #[inline]
    pub(crate) fn trace_started(&mut self, to: Slot, job: JobId, first: u32, count: u32) {
        let to = self.called(to);
        self.note(LevelFilter::TRACE, job, |data, task| {
            let first = data.base.wrapping_add(first);
            Note::Started(task, Items { first, count }, to)
        });
    }

    pub(crate) fn trace_lost(&mut self, job: JobId, item: u32, by: Slot) {
        let by = self.called(by);
        self.note(LevelFilter::WARN, job, |data, task| {
            Note::Lost(task, data.base.wrapping_add(item), by)
        });
    }

    pub(crate) fn trace_timed_out(&mut self, job: JobId, item: u32, by: Slot) {
        let by = self.called(by);
        self.note(LevelFilter::WARN, job, |data, task| {
            Note::TimedOut(task, data.base.wrapping_add(item), by)
        });
    }

    pub(crate) fn trace_cancelled(&mut self, job: JobId, first: u32, count: u32, why: Cancelled) {
        self.note(LevelFilter::DEBUG, job, |data, task| {
            let first = data.base.wrapping_add(first);
            Note::Cancelled(task, Items { first, count }, why)
        });
    }
}

impl Driver {
    /// The pool is dropped; what has no outcome is cut off.
    pub(crate) fn trace_drop(&mut self) {
        if wanted(LevelFilter::WARN) {
            let items = self.core.stats().items_open();
            if items > 0 {
                self.parts.trace.notes.push(Note::CutOff(items));
            }
        }
    }

    /// What the pool accepts and aims at, if that is not what it was.
    #[inline]
    pub(crate) fn trace_state(&mut self) {
        let state = self.core.state();
        if self.parts.trace.state != Some(state) {
            self.parts.trace.state = Some(state);
            if wanted(LevelFilter::ERROR) {
                let why = self.parts.broken.clone();
                self.parts.trace.notes.push(Note::State(state, why));
            }
        }
    }
}

impl Named {
    fn whose<'a>(&self, pool: &'a str) -> Whose<'a> {
        Whose {
            pool,
            task: self.id,
            name: self.name,
            within: self.span.within(),
        }
    }
}

impl Note {
    /// Warnings stand for themselves: who takes warnings alone has no span, also beside somebody who has.
    fn emit(self, pool: &str) {
        match self {
            Note::Over(span) => drop(span),
            Note::Refused(span) => span.refused(),
            Note::Extended(of, items) => {
                tell!(debug, of.whose(pool), "task extended", items = items);
            }
            Note::Started(of, Items { first, count }, by) => {
                tell!(
                    trace,
                    of.whose(pool),
                    "task started",
                    first = first,
                    items = count,
                    worker = by.name(pool)
                );
            }
            Note::Cancelled(of, Items { first, count }, why) => {
                tell!(
                    debug,
                    of.whose(pool),
                    "task cancelled",
                    first = first,
                    items = count,
                    why = reason(why)
                );
            }
            Note::Lost(of, item, by) => {
                let Whose {
                    pool,
                    task,
                    name,
                    within,
                } = of.whose(pool);
                warn!(target: "procession", parent: within, pool, task, name, item, worker = by.name(pool), "task lost");
            }
            Note::TimedOut(of, item, by) => {
                let Whose {
                    pool,
                    task,
                    name,
                    within,
                } = of.whose(pool);
                warn!(target: "procession", parent: within, pool, task, name, item, worker = by.name(pool), "task timed out");
            }
            of_pool => of_pool.emit_of_pool(pool),
        }
    }

    /// What concerns no task, and so belongs to no span.
    fn emit_of_pool(self, pool: &str) {
        match self {
            Note::Born(worker, pid) => {
                debug!(target: "procession", parent: None, pool, worker = worker.name(pool), index = worker.0, pid, "worker born");
            }
            Note::Died(worker, death, true) => {
                debug!(target: "procession", parent: None, pool, worker = worker.name(pool), index = worker.0, pid = death.pid(), %death, "worker ended");
            }
            Note::Died(worker, death, false) => {
                warn!(target: "procession", parent: None, pool, worker = worker.name(pool), index = worker.0, pid = death.pid(), %death, "worker died");
            }
            Note::State(PoolState::Open, _) => {
                info!(target: "procession", parent: None, pool, "pool opened")
            }
            Note::State(PoolState::Closing, _) => {
                info!(target: "procession", parent: None, pool, "pool closed")
            }
            Note::State(PoolState::Terminating, _) => {
                info!(target: "procession", parent: None, pool, "pool terminated");
            }
            Note::State(PoolState::Broken, why) => {
                let why = why.unwrap_or_default();
                error!(target: "procession", parent: None, pool, why, "pool broken");
            }
            Note::CutOff(items) => {
                warn!(target: "procession", parent: None, pool, items, "pool dropped with unfinished work");
            }
            // Those of tasks.
            Note::Over(..)
            | Note::Refused(..)
            | Note::Extended(..)
            | Note::Started(..)
            | Note::Lost(..)
            | Note::TimedOut(..)
            | Note::Cancelled(..) => {}
        }
    }
}

fn reason(why: Cancelled) -> &'static str {
    match why {
        Cancelled::StoppedByFailure => "another item failed",
        Cancelled::ByOwner => "its owner cancelled it",
        Cancelled::Expired => "it did not begin in time",
        Cancelled::Terminated => "the pool was terminated",
        Cancelled::Broken => "the pool is broken",
    }
}
