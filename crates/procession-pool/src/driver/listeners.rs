//! Who wants to hear of births, deaths and changed counts.
//!
//! Everything here is told under the driver's lock, so it must never block, and never keep more than a fixed number of
//! notes for a reader that does not come.

use std::sync::Arc;

use procession_worker::handle::now_ns;

use super::parts::Parts;
use super::{Driver, Shared};
use crate::cell::Cell;
use crate::core::{JobId, Slot};
use crate::events::Event;
use crate::progress::Progress;

/// Births and deaths kept for one reader.
const KEPT: usize = 256;

/// What a reader is told.
#[derive(Debug)]
pub(crate) enum Note {
    Event(Event),
    /// The counts have changed since it looked.
    News,
}

/// Everyone who listens.
#[derive(Debug, Default)]
pub(crate) struct Listeners {
    all: Vec<Listener>,
    next_id: u64,
    /// Somebody wants to know when this is not so any more.
    pub(super) since: Option<Mark>,
    over: bool,
}

/// What changes whenever a count does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mark {
    moved: [u64; 5],
    failed_replies: u64,
}

#[derive(Debug)]
struct Listener {
    id: u64,
    /// `None` when the pool has ended.
    to: Option<flume::Sender<Note>>,
    /// Births and deaths there was no room for.
    missed: Option<(u64, u64)>,
}

/// What a reader sees.
pub(crate) struct Look {
    pub(crate) progress: Progress,
    /// Births and deaths it was not told of.
    pub(crate) missed: Option<(u64, u64)>,
}

impl Listeners {
    fn tell(&mut self, event: &Event, born: u64) {
        for listener in &mut self.all {
            let note = Note::Event(event.clone());
            let Some(to) = &listener.to else { continue };
            if matches!(to.try_send(note), Err(flume::TrySendError::Full(_))) {
                let (births, deaths) = listener.missed.unwrap_or_default();
                listener.missed = Some((births + born, deaths + (1 - born)));
            }
        }
    }
}

impl Driver {
    /// A worker process is there.
    pub(super) fn tell_birth(&mut self, slot: Slot, pid: u32) {
        let seat = self.parts.seats.get(slot.index());
        let index = seat.map_or(0, |seat| seat.index as usize);
        self.listeners.tell(&Event::WorkerBorn { index, pid }, 1);
        self.parts.trace.born(index as u32, pid);
    }

    /// A worker process has ended.
    pub(super) fn tell_death(&mut self, slot: Slot, expected: bool) {
        let Parts { seats, trace, .. } = &mut self.parts;
        let seat = seats.get(slot.index());
        let index = seat.map_or(0, |seat| seat.index as usize);
        let story = seat.and_then(|seat| seat.story.as_ref());
        if let Some(story) = story {
            trace.died(index as u32, &story.death, expected);
        }
        if let Some(story) = story.filter(|_| !self.listeners.all.is_empty()) {
            let death = story.death.clone();
            let event = Event::WorkerDied {
                index,
                death,
                expected,
            };
            self.listeners.tell(&event, 0);
        }
    }

    fn mark(&self) -> Mark {
        Mark {
            moved: self.core.moved(),
            failed_replies: self.failed_replies,
        }
    }

    /// Tells that counts have changed, if they have.
    #[cold]
    pub(super) fn tell_news(&mut self) {
        if self.listeners.since == Some(self.mark()) {
            return;
        }
        self.listeners.since = None;
        for to in self.listeners.all.iter().filter_map(|one| one.to.as_ref()) {
            // One whose channel is full has something to read, and looks when it has read it.
            let _ = to.try_send(Note::News);
        }
    }

    fn progress(&mut self) -> Progress {
        let core = self.core.stats();
        let (done, failed) = self.ended(&core);
        let open = core.items_open();
        let slots = (0..self.parts.seats.len()).map(|at| Slot(at as u32));
        let running = slots.filter(|slot| self.runs_in(*slot).is_some()).count() as u64;
        let running = running.min(open);
        Progress {
            done,
            failed,
            running,
            queued: open - running,
            total: done + failed + open,
        }
    }

    /// The job a worker is at, unless that is over here.
    pub(super) fn runs_in(&mut self, slot: Slot) -> Option<JobId> {
        let (job, ..) = self.core.front(slot)?;
        self.parts.known_job(job)?;
        let worker = self.parts.seat(slot)?.worker.as_mut()?;
        matches!(worker.begun_frames(), Ok(1..)).then_some(job)
    }
}

impl Shared {
    /// A new reader: its number, and where it is told.
    pub(crate) fn listen(&self) -> (u64, flume::Receiver<Note>) {
        let (to, from) = flume::bounded(KEPT);
        let mut driver = self.lock();
        let listeners = &mut driver.listeners;
        let id = listeners.next_id;
        listeners.next_id += 1;
        listeners.all.push(Listener {
            id,
            to: (!listeners.over).then_some(to),
            missed: None,
        });
        (id, from)
    }

    /// A reader is gone.
    pub(crate) fn unlisten(&self, id: u64) {
        self.lock().listeners.all.retain(|one| one.id != id);
    }

    /// The counts as they are, replies that are there included. The reader is told when they change.
    pub(crate) fn look(&self, id: u64) -> Look {
        let mut driver = self.lock();
        driver.collect_all(true, now_ns());
        let progress = driver.progress();
        // Another reader may wait for what this one has just seen.
        if driver.listeners.since.is_some() {
            driver.tell_news();
        }
        driver.listeners.since = Some(driver.mark());
        let mut all = driver.listeners.all.iter_mut();
        let reader = all.find(|one| one.id == id);
        let missed = reader.and_then(|reader| reader.missed.take());
        self.unlock(driver);
        Look { progress, missed }
    }

    /// How many workers are at this job.
    pub(crate) fn running_of(&self, job: JobId) -> u64 {
        self.running_where(|_, other| other == job)
    }

    /// How many workers are at a job with this cell.
    pub(crate) fn running_of_cell(&self, cell: &Arc<Cell>) -> u64 {
        self.running_where(|parts, job| {
            let data = parts.known_job(job);
            data.is_some_and(|data| Arc::ptr_eq(&data.cell, cell))
        })
    }

    fn running_where(&self, mut counts: impl FnMut(&mut Parts, JobId) -> bool) -> u64 {
        let mut driver = self.lock();
        let slots = (0..driver.parts.seats.len()).map(|at| Slot(at as u32));
        let running = slots.filter(|slot| {
            let job = driver.runs_in(*slot);
            job.is_some_and(|job| counts(&mut driver.parts, job))
        });
        running.count() as u64
    }

    /// The pool has ended: nothing more will be told.
    pub(super) fn end_events(&self) {
        let mut driver = self.lock();
        driver.listeners.over = true;
        driver
            .listeners
            .all
            .iter_mut()
            .for_each(|one| one.to = None);
    }
}
