//! Workers coming and going: what a birth and a death mean for the links and the scheduler.
//!
//! A death is the pidfd and the exit status, never a closed channel alone.

use std::time::Duration;

use procession_worker::handle::{Worker, why_not_ready};
use procession_worker::watch::Watch;
use procession_worker::{Error, PanicReport};

use super::Driver;
use super::bells::Flush;
use super::parts::Parts;
use super::story::Story;
use crate::core::Slot;

impl Driver {
    /// A worker has ended: its last replies count, what it was running is lost, the rest goes elsewhere.
    pub(crate) fn worker_ended(&mut self, slot: Slot, now: u64) {
        self.collect(slot, true, now);
        self.take_last_output(slot);
        let Parts {
            seats,
            broken,
            leaving,
            patience,
            ..
        } = &mut self.parts;
        let Some(seat) = seats.get_mut(slot.index()) else {
            return;
        };
        let Some(worker) = &mut seat.worker else {
            return;
        };
        // What it has started and left in its group ends with it. The number of the group is still its own: it is not reaped.
        let _ = worker.child().kill_group();
        let status = match worker.reap() {
            Ok(Some(status)) => status,
            // Still there after all: the pidfd stays watched.
            Ok(None) => return,
            Err(_) => procession_worker::ExitStatus::lost(),
        };
        let claimed = if worker.frames() == 0 {
            Ok(0)
        } else {
            worker.begun_frames()
        };
        let violation = match &claimed {
            Ok(0 | 1) => seat.violation.take(),
            Ok(_) => Some("it claimed calls without replying to those before".into()),
            Err(e) => seat.violation.take().or_else(|| Some(e.to_string())),
        };
        // Without a claim to go by, the oldest call counts as begun: a task never runs twice.
        let begun = claimed.unwrap_or(1);
        // One that never served has no exit hook to run.
        let exit_due_for = worker.exit_due_for().filter(|_| seat.ready);
        let running = begun > 0 || !seat.ready || exit_due_for.is_some();
        let panic = if running {
            worker.last_panic(status).map(PanicReport::from_failure)
        } else {
            None
        };
        let death = worker.death(status, begun > 0);
        let death = match worker.stderr_tail() {
            Some(tail) => death.with_stderr_tail(tail),
            None => death,
        };
        let expected = seat.ending;
        if !seat.ready && !seat.ending {
            let why = match (seat.start_failure.take(), &panic, &violation) {
                (Some(why), ..) => why,
                (None, Some(panic), _) => format!("{death}: {panic}"),
                (None, None, Some(violation)) => format!("{death}: {violation}"),
                (None, None, None) => match death.hint() {
                    Some(hint) => format!("{death}: {}; {hint}", why_not_ready(status)),
                    None => format!("{death}: {}", why_not_ready(status)),
                },
            };
            *broken = Some(format!("{why}{}", death.last_lines()));
        }
        let story = Story {
            death,
            panic,
            violation,
        };
        if let Some(took) = exit_due_for.filter(|_| !seat.cut_short) {
            leaving.nothing_said(&story, took, Duration::from_nanos(patience.stop));
        }
        if exit_due_for.is_some() && seat.cut_short {
            leaving.interrupted();
        }
        seat.story = Some(story);
        let who = seat.incarnation;
        self.tell_death(slot, expected);
        self.close_account(slot, now);
        let Some(seat) = self.parts.seats.get_mut(slot.index()) else {
            return;
        };
        let worker = seat.worker.take();
        seat.kill_at = None;
        seat.work_done = (0, 0);
        if let Some(who) = who {
            self.core.lost(who, begun, now, &mut self.parts);
        }
        self.parts.ended.extend(worker);
    }

    /// Installs a started worker in its seat.
    pub(crate) fn seat_worker(
        &mut self,
        slot: Slot,
        worker: Worker,
        watch: &Watch,
        now: u64,
    ) -> Result<(), Error> {
        let patience = self.parts.patience;
        let Some(seat) = self.parts.seat(slot) else {
            return Ok(());
        };
        seat.starts += 1;
        let pid = worker.pid();
        watch.add(&worker, seat.key(slot))?;
        seat.worker = Some(worker);
        let index = seat.index as usize;
        seat.incarnation = None;
        seat.kill_at = Some(now.saturating_add(patience.start));
        seat.ready = false;
        seat.initializes = false;
        seat.ending = false;
        seat.cut_short = false;
        seat.closed = false;
        seat.start_failure = None;
        seat.violation = None;
        seat.wants_room = false;
        seat.work_done = (0, 0);
        if let Some(ledger) = self.parts.ledgers.get_mut(index) {
            ledger.starts += 1;
        }
        self.tell_birth(slot, pid);
        let incarnation = self.core.started(slot, now, &mut self.parts);
        if let Some(seat) = self.parts.seat(slot) {
            seat.incarnation = Some(incarnation);
        }
        self.flush(Flush::Now);
        Ok(())
    }
}
