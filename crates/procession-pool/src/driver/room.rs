//! Room: how many items may wait to be begun, together with the callbacks that are due, and who waits to hand in more.
//!
//! It must never let a thread wait that makes room: a callback is let in always, and so is what the pool's own thread calls,
//! which hears of deaths. Who waits for room drains as any
//! waiting thread does, on a cell of its own; `unlock`, through which every change goes, sets the cell. The callbacks'
//! thread comes by before each callback.

use std::sync::{Arc, MutexGuard};
use std::task::{Poll, Waker};

use procession_worker::TaskId;
use procession_worker::handle::now_ns;

use super::{Driver, Shared, Submission};
use crate::callbacks::Callbacks;
use crate::cell::Cell;
use crate::core::{JobId, NEVER, PoolState, Refused};

/// What is to be handed in.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Load {
    /// A job with so many items; a pool that takes none refuses it, room or not.
    Job(u32),
    /// More items of a job that has been accepted.
    More(JobId, u32),
}

impl Load {
    fn items(self) -> u64 {
        match self {
            Load::Job(items) | Load::More(_, items) => u64::from(items),
        }
    }
}

/// Why a call was not taken.
#[derive(Clone, Copy, Debug)]
pub(crate) enum NotTaken {
    Full,
    Refused(Refused),
}

#[derive(Debug, Default)]
pub(crate) struct Room {
    /// Most items that may wait.
    limit: Option<u64>,
    /// So many more there was room for at the last look, less what has come since. Items begin and end on their own,
    /// so it is never too much, but for what a death puts back, and for the callbacks of the items that ran then.
    known: u64,
    asking: Vec<Asking>,
    /// Those of a pool with a limit.
    callbacks: Option<Arc<Callbacks>>,
}

#[derive(Debug)]
struct Asking {
    load: Load,
    cell: Arc<Cell>,
}

impl Room {
    pub(crate) fn new(limit: Option<usize>) -> Room {
        Room {
            limit: limit.map(|items| items as u64),
            ..Room::default()
        }
    }

    /// Callbacks that take room. While there is no thread to call them, which may never come, they take none.
    fn callbacks_due(&self) -> u64 {
        let callbacks = self.callbacks.as_ref();
        let callbacks = callbacks.filter(|callbacks| !callbacks.is_missing());
        callbacks.map_or(0, |callbacks| callbacks.due())
    }

    /// Everyone who waits for room.
    pub(super) fn take_all(&mut self) -> impl Iterator<Item = Arc<Cell>> + use<> {
        std::mem::take(&mut self.asking)
            .into_iter()
            .map(|asking| asking.cell)
    }

    /// True when nobody may have to be told.
    #[inline]
    pub(super) fn is_quiet(&self) -> bool {
        self.asking.is_empty()
    }
}

impl Driver {
    /// Whether `load` may be handed in now. Items in a portion above the limit go in when nothing waits.
    fn has_room(&mut self, load: Load) -> bool {
        let Some(limit) = self.room.limit else {
            return true;
        };
        let items = load.items();
        if items <= self.room.known {
            return true;
        }
        match (self.core.state(), load) {
            // They will not wait there, but are resolved at once.
            (_, Load::More(job, _)) if !self.core.takes_more(job) => true,
            (PoolState::Open, _) | (PoolState::Closing, Load::More(..)) => {
                let waiting = self.core.waiting_items() + self.room.callbacks_due();
                self.room.known = limit.saturating_sub(waiting);
                items <= self.room.known || waiting == 0
            }
            // Nor will it wait there: it is refused.
            (PoolState::Closing, Load::Job(_))
            | (PoolState::Terminating | PoolState::Broken, _) => true,
        }
    }

    fn use_room(&mut self, load: Load) {
        self.room.known = self.room.known.saturating_sub(load.items());
    }

    fn ask_for_room(&mut self, load: Load) -> Arc<Cell> {
        let cell = Arc::new(Cell::pending());
        self.room.asking.push(Asking {
            load,
            cell: Arc::clone(&cell),
        });
        cell
    }

    fn withdraw(&mut self, asked: Option<Arc<Cell>>) {
        if let Some(cell) = asked {
            let asking = &mut self.room.asking;
            asking.retain(|other| !Arc::ptr_eq(&other.cell, &cell));
        }
    }

    /// Tells everyone for whom there is room. Everyone, because who is told may have gone: nobody is to sleep beside
    /// room that another did not take.
    pub(super) fn give_room(&mut self) {
        for asking in std::mem::take(&mut self.room.asking) {
            if self.has_room(asking.load) {
                asking.cell.finish(&mut self.parts.wakes);
                self.parts.changed = true;
            } else {
                self.room.asking.push(asking);
            }
        }
    }
}

impl Shared {
    /// Where there is a limit, callbacks count too from here on, and who waits for room hears of each that begins.
    pub(crate) fn count_callbacks(self: &Arc<Self>) {
        let mut driver = self.lock();
        if driver.room.limit.is_some() {
            driver.room.callbacks = Some(Arc::clone(&self.callbacks));
            let pool = Arc::downgrade(self);
            self.callbacks.tell_of_begins(move || {
                if let Some(shared) = pool.upgrade() {
                    shared.callback_begins();
                }
            });
        }
    }

    fn callback_begins(&self) {
        let driver = self.lock();
        if !driver.room.is_quiet() {
            self.unlock(driver);
        }
    }

    /// The lock, once there is room for `load`, and the room is used then; or once its time to begin is over, and it needs
    /// none: the scheduler gives up at once what comes too late.
    #[inline]
    pub(super) fn lock_with_room(&self, load: Load, start_by: u64) -> MutexGuard<'_, Driver> {
        let driver = self.lock();
        if driver.room.limit.is_none() {
            return driver;
        }
        self.await_room(driver, load, start_by)
    }

    /// As `lock_with_room`; none when `by` came before room and the end of its time.
    pub(super) fn lock_with_room_by(
        &self,
        load: Load,
        start_by: u64,
        by: Option<u64>,
    ) -> Option<MutexGuard<'_, Driver>> {
        let driver = self.lock();
        if driver.room.limit.is_none() {
            return Some(driver);
        }
        let Some(by) = by.filter(|by| *by < start_by) else {
            return Some(self.await_room(driver, load, start_by));
        };
        let is_late = || now_ns() >= start_by;
        let with_room = self.await_room_by(driver, load, Some(by));
        with_room.or_else(|| is_late().then(|| self.lock()))
    }

    /// While a callback waits, no other one runs, and one of them may be what makes room.
    fn makes_room_here(&self) -> bool {
        self.calls_back_here() || self.is_own_thread()
    }

    fn await_room<'a>(
        &'a self,
        driver: MutexGuard<'a, Driver>,
        load: Load,
        start_by: u64,
    ) -> MutexGuard<'a, Driver> {
        let by = (start_by != NEVER).then_some(start_by);
        let with_room = self.await_room_by(driver, load, by);
        with_room.unwrap_or_else(|| self.lock())
    }

    fn await_room_by<'a>(
        &'a self,
        mut driver: MutexGuard<'a, Driver>,
        load: Load,
        by: Option<u64>,
    ) -> Option<MutexGuard<'a, Driver>> {
        while !self.makes_room_here() && !driver.has_room(load) {
            let cell = driver.ask_for_room(load);
            self.unlock(driver);
            let told = self.wait(&[&cell], None, by, None);
            driver = self.lock();
            if !told {
                let asking = &mut driver.room.asking;
                asking.retain(|other| !Arc::ptr_eq(&other.cell, &cell));
                if !driver.has_room(load) {
                    self.unlock(driver);
                    return None;
                }
            }
        }
        driver.use_room(load);
        Some(driver)
    }

    /// As `submit`, unless it had to wait for room.
    pub(crate) fn try_submit(
        &self,
        submission: &mut Submission,
        spare: &mut Vec<u8>,
    ) -> Result<(JobId, TaskId), NotTaken> {
        let load = Load::Job(submission.spec.items);
        let mut driver = self.lock_if_room(load).ok_or(NotTaken::Full)?;
        if submission.span.is_due() {
            self.begin_span_of(driver, submission);
            let Some(again) = self.lock_if_room(load) else {
                submission.span.refused();
                return Err(NotTaken::Full);
            };
            driver = again;
        }
        driver.use_room(load);
        self.submit_to(driver, submission, spare)
            .map_err(NotTaken::Refused)
    }

    /// The lock, if there is room for `load` now.
    fn lock_if_room(&self, load: Load) -> Option<MutexGuard<'_, Driver>> {
        let mut driver = self.lock();
        if !driver.has_room(load) {
            // Replies that are there make room, whoever was to collect them.
            driver.collect_all(true, now_ns());
            if !driver.has_room(load) && !self.calls_back_here() {
                self.unlock(driver);
                return None;
            }
        }
        Some(driver)
    }

    /// Waits until a call could be handed in without waiting, which a callback always can; false when the deadline came
    /// first, or the pool takes nothing more.
    pub(crate) fn wait_for_room(&self, deadline: Option<u64>) -> bool {
        let load = Load::Job(1);
        loop {
            let mut driver = self.lock();
            driver.collect_all(true, now_ns());
            let open = driver.core.state() == PoolState::Open;
            let room = driver.has_room(load) || self.makes_room_here();
            if !open || room || deadline.is_some_and(|at| now_ns() >= at) {
                self.unlock(driver);
                return open && room;
            }
            let cell = driver.ask_for_room(load);
            self.unlock(driver);
            if !self.wait(&[&cell], None, deadline, None) {
                let mut driver = self.lock();
                let asking = &mut driver.room.asking;
                asking.retain(|other| !Arc::ptr_eq(&other.cell, &cell));
            }
        }
    }

    /// As `wait_for_room` for a future: `asked` is what it waits by, to be withdrawn when it is dropped.
    pub(crate) fn poll_room(&self, asked: &mut Option<Arc<Cell>>, waker: &Waker) -> Poll<bool> {
        let load = Load::Job(1);
        loop {
            let mut driver = self.lock();
            driver.withdraw(asked.take());
            driver.collect_all(true, now_ns());
            let open = driver.core.state() == PoolState::Open;
            let room = driver.has_room(load) || self.calls_back_here();
            if !open || room {
                self.unlock(driver);
                return Poll::Ready(open && room);
            }
            let cell = driver.ask_for_room(load);
            self.unlock(driver);
            // Room that came in between is looked at again.
            let waits = cell.wake_future(waker);
            *asked = Some(cell);
            if waits {
                self.attend();
                return Poll::Pending;
            }
        }
    }

    /// Nobody waits by this any more.
    pub(crate) fn withdraw_from_room(&self, asked: Option<Arc<Cell>>) {
        if asked.is_some() {
            let mut driver = self.lock();
            driver.withdraw(asked);
            self.unlock(driver);
        }
    }

    /// Most items a map hands in at a time.
    pub(crate) fn portion(&self) -> u32 {
        let limit = self.lock().room.limit;
        limit.map_or(u32::MAX, |items| {
            u32::try_from(items.div_ceil(2)).unwrap_or(u32::MAX)
        })
    }
}
