//! Shared values on their way: to a worker before the first call that mentions them, and out of it when nothing can.
//! It must never keep a value alive: handles and jobs do.

use std::sync::{Mutex, PoisonError};

use procession_worker::handle::{Delivered, Parcel, Worker};
use procession_worker::watch::{Room, Watch};

use super::parts::Seat;
use super::{Driver, Shared};
use crate::broadcast::Mentions;
use crate::core::Slot;

/// Values that nobody can mention any more, for the pool's own thread. `None` once that has ended.
#[derive(Debug)]
pub(crate) struct Gone(Mutex<Option<Vec<Parcel>>>);

impl Default for Gone {
    fn default() -> Gone {
        Gone(Mutex::new(Some(Vec::new())))
    }
}

impl Gone {
    fn add(&self, parcel: Parcel) {
        let mut gone = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match &mut *gone {
            Some(gone) => gone.push(parcel),
            None => {
                // Its file is closed without the lock.
                drop(gone);
                drop(parcel);
            }
        }
    }

    /// What has gone since the last time.
    pub(super) fn take(&self) -> Vec<Parcel> {
        let mut gone = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        gone.as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// Nobody asks any more: every worker has ended.
    pub(super) fn close(&self) {
        let gone = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        drop(gone);
    }
}

impl Shared {
    /// A value's last handle and job are gone. This may run under the driver's lock.
    pub(crate) fn let_go(&self, parcel: Parcel) {
        self.gone.add(parcel);
        self.watch.notify();
    }
}

/// Sees to it that a worker has what the next frame mentions; false: there is no room to send it.
#[inline]
pub(super) fn provide(worker: &mut Worker, mentions: &Mentions, sent: &mut u64) -> bool {
    let Some(mentioned) = mentions else {
        return true;
    };
    let mut parcels = mentioned.iter().filter_map(|share| share.parcel());
    parcels.all(|parcel| {
        let delivered = worker.share(parcel);
        *sent += u64::from(delivered == Delivered::Now);
        delivered != Delivered::NoRoom
    })
}

impl Driver {
    /// Tells every worker that has one of these values to forget it.
    pub(super) fn forget(&mut self, gone: &[Parcel], watch: &Watch) {
        for (at, seat) in self.parts.seats.iter_mut().enumerate() {
            if let Some(worker) = &mut seat.worker {
                gone.iter().for_each(|parcel| worker.forget(parcel.id()));
                seat.tell_forgotten(Slot(at as u32), watch);
            }
        }
    }

    /// A worker's control socket has something, or room.
    pub(super) fn tell_forgotten(&mut self, slot: Slot, watch: &Watch) {
        if let Some(seat) = self.parts.seat(slot).filter(|seat| seat.wants_room) {
            seat.tell_forgotten(slot, watch);
        }
    }
}

impl Seat {
    /// Tells its worker what to forget, now or when there is room on its control socket.
    fn tell_forgotten(&mut self, slot: Slot, watch: &Watch) {
        let key = self.key(slot);
        let Some(worker) = &mut self.worker else {
            return;
        };
        let wants_room = !worker.tell_forgotten();
        if wants_room != self.wants_room {
            self.wants_room = wants_room;
            let room = if wants_room {
                Room::Wanted
            } else {
                Room::Enough
            };
            watch.look_for_room(worker, key, room);
        }
    }
}
