//! The workers' captured outputs: read when a pipe tells, before replies are handed on, and when a worker has ended.
//!
//! It reads what is there and hands it in; it must never wait for a pipe, nor call anyone.

use std::sync::Arc;

use procession_worker::handle::{Line, Worker};

use super::{Driver, Shared};
use crate::core::Slot;
use crate::output::{Delivery, Pace, Sink};

impl Shared {
    /// Sees to it that captured lines get to `sink`. Before the pool has workers.
    pub(crate) fn capture(&mut self, sink: Sink) {
        let callbacks = Arc::clone(&self.callbacks);
        let delivery = Arc::new(Delivery::new(callbacks, Arc::clone(&self.watch), sink));
        self.lock().output = Some(Arc::clone(&delivery));
        self.output = Some(delivery);
    }

    /// The pool is there: so is the thread that takes the lines.
    pub(crate) fn prepare_output(&self) {
        if self.output.is_some() {
            self.callbacks.prepare();
        }
    }

    /// Lines that nobody took.
    pub(crate) fn dropped_lines(&self) -> u64 {
        self.output.as_ref().map_or(0, |output| output.dropped())
    }

    /// An outcome is there: waits until the lines that were there before it have been taken. In a copy made by `fork` nobody
    /// takes them, and whoever holds the lock may not be there.
    pub(crate) fn settle(&self, deadline: Option<u64>) {
        if let Some(delivery) = self.output.as_ref().filter(|_| self.is_ours()) {
            delivery.settle(deadline);
        }
    }
}

impl Driver {
    /// A worker's pipe has something, or its end.
    pub(crate) fn output_came(&mut self, slot: Slot, shared: &Shared) {
        let muted = self.output.as_ref().is_none_or(|output| output.is_muted());
        if !muted {
            self.take_output(slot);
        }
        let Some(worker) = self.parts.seat(slot).and_then(|seat| seat.worker.as_ref()) else {
            return;
        };
        if muted {
            shared.watch.mute(worker);
        } else {
            shared.watch.mute_ended(worker);
        }
    }

    /// Hands on what a worker has written up to now.
    pub(crate) fn take_output(&mut self, slot: Slot) {
        self.take_lines(slot, Worker::read_output);
    }

    /// Hands on all that a worker has written, which has ended.
    pub(crate) fn take_last_output(&mut self, slot: Slot) {
        self.take_lines(slot, Worker::last_output);
    }

    fn take_lines(&mut self, slot: Slot, read: impl FnOnce(&mut Worker, &mut Vec<Line>)) {
        let Some(output) = &self.output else { return };
        let Some(seat) = self.parts.seats.get_mut(slot.index()) else {
            return;
        };
        let index = seat.index as usize;
        let Some(worker) = &mut seat.worker else {
            return;
        };
        let mut lines = Vec::new();
        read(worker, &mut lines);
        if !lines.is_empty() {
            output.hand_in(worker, index, lines);
        }
    }

    /// Stops or resumes the reading of pipes, as lines are taken.
    pub(crate) fn pace_output(&mut self, shared: &Shared, now: u64) {
        let pace = self.output.as_ref().map_or(Pace::Same, |o| o.pace(now));
        if pace == Pace::Same {
            return;
        }
        for (at, seat) in self.parts.seats.iter().enumerate() {
            let Some(worker) = &seat.worker else { continue };
            if pace == Pace::Mute {
                shared.watch.mute(worker);
            } else {
                // Without memory for it, the lines come with the next replies.
                let _ = shared.watch.listen(worker, seat.key(Slot(at as u32)));
            }
        }
    }
}
