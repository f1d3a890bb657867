//! What the pool remembers of its workers for statistics: their times, and how long items ran.
//!
//! Workers write these figures themselves, so each is brought into the bounds of what can be; it must never influence where
//! work goes.

use std::time::{Duration, Instant};

use procession_worker::handle::{Worker, is_stopped, now_ns};

use super::parts::{Parts, Seat};
use super::{Driver, Shared};
use crate::core::{CoreStats, Slot};
use crate::stats::{PoolStats, RunningTask, Transport, WorkerState, WorkerStats, WorkerTimes};

/// What is remembered of the worker in one place.
#[derive(Debug, Default)]
pub(crate) struct Account {
    /// When it was told to end.
    told_to_end: Option<u64>,
}

/// What is remembered under one index, of whatever processes served there.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Ledger {
    /// The times of those that ended.
    past: WorkerTimes,
    /// Processes that came.
    pub(crate) starts: u64,
}

impl Account {
    /// The worker is told to end.
    pub(crate) fn told(&mut self) {
        self.told_to_end.get_or_insert_with(now_ns);
    }

    /// What the life of this worker went into until now.
    fn times(&self, worker: &Worker, work_done: (u64, u64), now: u64) -> WorkerTimes {
        let born = worker.started_ns().min(now);
        let end = self.told_to_end.unwrap_or(now).clamp(born, now);
        let (booted, ready) = worker.boot_stamps();
        let stamp = |at: u64, after: u64| if at == 0 { end } else { at.clamp(after, end) };
        let booted = stamp(booted, born);
        let ready = stamp(ready, booted);
        let current = worker.is_at().map_or(0, |at| now.saturating_sub(at.since));
        let serving = end - ready;
        let (worked, _) = worker.work_done(work_done);
        let working = worked.saturating_add(current).min(serving);
        WorkerTimes {
            starting: Duration::from_nanos(booted - born),
            initializing: Duration::from_nanos(ready - booted),
            working: Duration::from_nanos(working),
            waiting: Duration::from_nanos(serving - working),
            ending: Duration::from_nanos(now - end),
        }
    }
}

impl Driver {
    /// Time and items of a worker since the last look, by its own account.
    #[inline]
    pub(super) fn note_work(&mut self, slot: Slot) -> Option<(u64, u32)> {
        let seat = self.parts.seats.get_mut(slot.index())?;
        let (busy, items) = seat.worker.as_ref()?.work_done(seat.work_done);
        let (busy_before, items_before) = std::mem::replace(&mut seat.work_done, (busy, items));
        let items = u32::try_from(items.saturating_sub(items_before)).unwrap_or(u32::MAX);
        let busy = busy.saturating_sub(busy_before);
        self.runs.record(busy, items);
        Some((busy, items))
    }

    /// A worker has ended and is about to be forgotten.
    pub(super) fn close_account(&mut self, slot: Slot, now: u64) {
        self.note_work(slot);
        let Parts { seats, ledgers, .. } = &mut self.parts;
        let Some(seat) = seats.get_mut(slot.index()) else {
            return;
        };
        let Some(worker) = &seat.worker else { return };
        let times = seat.account.times(worker, seat.work_done, now);
        if let Some(ledger) = ledgers.get_mut(seat.index as usize) {
            ledger.past.add(times);
        }
        seat.account.told_to_end = None;
        self.parts.keep_slowest(slot);
    }

    /// Items that have ended so far: with a value, and without one.
    pub(super) fn ended(&self, core: &CoreStats) -> (u64, u64) {
        let done = core.items_done.saturating_sub(self.failed_replies);
        (done, self.failed_replies + core.items_in_error())
    }

    pub(super) fn stats(&mut self, shared: &Shared) -> PoolStats {
        let now = now_ns();
        for at in 0..self.parts.seats.len() {
            let _ = self.note_work(Slot(at as u32));
        }
        let indexes = 0..self.core.size();
        let mut workers: Vec<_> = indexes
            .map(|index| self.stats_of(index, shared, now))
            .collect();
        let (mut running, mut wanted) = (0, 0);
        for at in 0..self.parts.seats.len() {
            // What was cancelled and still runs is over for the counts.
            wanted += u64::from(self.runs_in(Slot(at as u32)).is_some());
        }
        for seat in &mut self.parts.seats {
            running += u64::from(seat.is_busy());
            // A process that comes up or ends beside the one that serves is of the same index.
            if let (Some(worker), Some(of)) = (&seat.worker, workers.get_mut(seat.index as usize)) {
                of.times
                    .add(seat.account.times(worker, seat.work_done, now));
            }
        }
        let core = self.core.stats();
        let (done, failed) = self.ended(&core);
        PoolStats {
            queued: core.items_open().saturating_sub(wanted),
            retries: core.retries,
            running,
            idle: u64::from(core.idle),
            done,
            failed,
            restarts: core.restarts,
            undying: u64::from(core.undying),
            recycled: core.recycled,
            callback_panics: shared.callbacks.panicked() + shared.judges.panicked(),
            callbacks_due: shared.callbacks.due(),
            dropped_lines: shared.dropped_lines(),
            shares_sent: self.parts.seats.iter().map(|seat| seat.shares_sent).sum(),
            waits: self.core.waits().clone(),
            runs: self.runs.clone(),
            slowest: self.parts.slowest_of_all().into_tasks(),
            workers,
        }
    }

    fn stats_of(&mut self, index: u32, shared: &Shared, now: u64) -> WorkerStats {
        // Every index below the size is held by one place.
        let slot = self.core.holder(index).unwrap_or(Slot(index));
        let index = index as usize;
        let ledger = self.parts.ledgers.get(index).copied().unwrap_or_default();
        let ready = self.core.is_ready(slot);
        let busy = self.parts.seat(slot).is_some_and(Seat::is_busy);
        let current = self.running_in(slot, now).filter(|_| busy);
        let seat = self.parts.seats.get(slot.index());
        let worker = seat.and_then(|seat| seat.worker.as_ref());
        let state = match (worker, seat) {
            (None, _) | (_, None) => WorkerState::Absent,
            (Some(_), Some(seat)) if seat.ending => WorkerState::Ending,
            (Some(_), Some(_)) if busy => WorkerState::Busy,
            (Some(_), Some(_)) if ready => WorkerState::Idle,
            (Some(_), Some(_)) => WorkerState::Starting,
        };
        WorkerStats {
            index,
            pid: worker.map(Worker::pid),
            name: format!("{}/{}", shared.spec.name, index + 1),
            state,
            busy,
            current,
            done: seat.map_or(0, |seat| seat.work_done.1),
            stopped: false,
            started: worker.and_then(|worker| {
                let ago = Duration::from_nanos(now.saturating_sub(worker.started_ns()));
                Instant::now().checked_sub(ago)
            }),
            restarts: ledger.starts.saturating_sub(1),
            times: ledger.past,
            transport: worker.map(|worker| match worker.is_on_system_v() {
                true => Transport::SystemV,
                false => Transport::Memfd,
            }),
        }
    }

    /// What a worker is at, if it is what the scheduler thinks: a cancelled task is over here.
    fn running_in(&self, slot: Slot, now: u64) -> Option<RunningTask> {
        let at = self
            .parts
            .seats
            .get(slot.index())?
            .worker
            .as_ref()?
            .is_at()?;
        let (job, ..) = self.core.front(slot)?;
        let data = self.parts.known_job(job)?;
        (data.id.0 == at.task).then(|| RunningTask {
            name: data.task.name(),
            id: data.id,
            item: at.item as usize,
            running_for: Duration::from_nanos(now.saturating_sub(at.since)),
            args: data.args_of(at.item),
        })
    }
}

impl Driver {
    /// The workers that serve and have been given something, by index and process id.
    pub(super) fn at_work(&self) -> Vec<(usize, u32)> {
        let indexes = 0..self.core.size();
        let given = indexes.filter_map(|index| {
            let worker = self.holder(index)?.worker.as_ref()?;
            (worker.frames() > 0).then(|| (index as usize, worker.pid()))
        });
        given.collect()
    }
}

impl Shared {
    /// Adds which of these workers are stopped. The kernel is asked with no lock held: it takes its time for each.
    pub(super) fn note_stopped(&self, mut at_work: Vec<(usize, u32)>, stats: &mut PoolStats) {
        at_work.retain(|(_, pid)| is_stopped(*pid));
        if at_work.is_empty() {
            return;
        }
        // Who is there still was there all the time, and its number nobody else's.
        let there = self.lock().at_work();
        for worker in &mut stats.workers {
            let pid = worker.pid.unwrap_or_default();
            let same = (worker.index, pid);
            worker.stopped = at_work.contains(&same) && there.contains(&same);
        }
    }
}

impl Seat {
    /// Its worker runs something that counts: one that was told to end does not.
    fn is_busy(&mut self) -> bool {
        let worker = self.worker.as_mut().filter(|_| !self.ending);
        worker.is_some_and(|w| w.frames() > 0 && matches!(w.begun_frames(), Ok(1..)))
    }
}
