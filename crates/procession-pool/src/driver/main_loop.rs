//! The pool's own thread: starts, deaths, messages and timers, and replies when nobody else waits for them.
//!
//! It must never wait for anything but its watch; when it ends, every worker has ended and was reaped. Where it lets go of the
//! lock it calls user code, as every thread does there: wakers, drops of predicates, a subscriber of events. Such code may do
//! with the pool what it likes; what would wait for this thread is refused there (`waking`).

use std::panic::AssertUnwindSafe;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use procession_task::failure::Stage;
use procession_worker::handle::Bell;
use procession_worker::handle::{News, Worker, now_ns};
use procession_worker::watch::Seen;
use procession_worker::{Error, TaskError};

use super::bells::{Flush, Hearing};
use super::mending::Mending;
use super::{Awaited, Driver, Shared};
use crate::core::Slot;

/// Time a worker that closed its channel has to end.
const CLOSED_GRACE_NS: u64 = 100_000_000;

/// Runs until the scheduler has finished and every worker is reaped.
pub(crate) fn run(shared: &Arc<Shared>) {
    shared.settle_on_this_thread();
    let ended = std::panic::catch_unwind(AssertUnwindSafe(|| serve(shared)));
    if !shared.is_ours() {
        return;
    }
    shared.gone.close();
    if ended.is_err() {
        shared.give_up();
        shared.warmed.notify_all();
    }
    shared.end_events();
    *shared.ended.lock().unwrap_or_else(PoisonError::into_inner) = true;
    shared.ended_changed.notify_all();
}

fn serve(shared: &Shared) {
    let mut seen = Vec::new();
    let mut mending = Mending::default();
    loop {
        let gone = shared.gone.take();
        let mut driver = shared.lock();
        #[cfg(test)]
        shared.fault.strike(super::fault::Place::Step);
        driver.step(shared, &seen);
        if !gone.is_empty() {
            driver.forget(&gone, &shared.watch);
        }
        let to_start = std::mem::take(&mut driver.parts.to_start);
        let ended = std::mem::take(&mut driver.parts.ended);
        let exits = std::mem::take(&mut driver.parts.leaving.came);
        let finished = driver.core.is_finished();
        driver.flush(Flush::Now);
        let look = driver.next_look();
        driver.loop_looks_at = look.unwrap_or(u64::MAX);
        driver.parts.call_loop = false;
        if driver.warming > 0 {
            shared.warmed.notify_all();
        }
        shared.unlock_and_rouse(driver);
        if !shared.is_ours() {
            // A waker has forked: this thread is all there is of the copy.
            break;
        }
        if !ended.is_empty() {
            // Who waits was woken by the closed channel already, and queued behind this thread: the dying process was still on
            // the other processor. What follows takes longer than all before, so whoever waits goes first.
            std::thread::yield_now();
        }
        shared.exits.keep(exits, shared.spec.max_frame);
        // Their files are closed without the lock, and after those who wait were told.
        drop(gone);
        for worker in ended {
            shared.watch.remove(&worker);
        }
        if finished {
            break;
        }
        seen.clear();
        let look = [look, mending.look(shared)].into_iter().flatten().min();
        if to_start.is_empty() {
            let timeout = look.map(|at| Duration::from_nanos(at.saturating_sub(now_ns())));
            shared.watch.wait(timeout, &mut seen);
        }
        shared.start_more(to_start);
    }
}

impl Shared {
    /// As `unlock`, and wakes a sleeping drainer whatever changed: it looks at the facts again.
    pub(super) fn unlock_and_rouse(&self, driver: std::sync::MutexGuard<'_, Driver>) {
        let rouse = driver.is_sleeping();
        self.unlock(driver);
        if rouse {
            procession_worker::nap::rouse(&self.own);
        }
    }
}

impl Driver {
    fn is_sleeping(&self) -> bool {
        self.sleeping
    }

    /// Tells the scheduler how a start ended.
    pub(crate) fn started(
        &mut self,
        slot: Slot,
        started: Result<Worker, Error>,
        watch: &procession_worker::watch::Watch,
    ) {
        let now = now_ns();
        let seated = started.and_then(|worker| self.seat_worker(slot, worker, watch, now));
        if let Err(e) = seated {
            self.parts.broken = Some(e.to_string());
            if let Some(seat) = self.parts.seat(slot) {
                seat.worker = None;
            }
            self.core.start_failed(slot, now, &mut self.parts);
        }
    }

    /// Everything that has happened since the last step.
    fn step(&mut self, shared: &Shared, seen: &[Seen]) {
        let now = now_ns();
        for event in seen {
            match *event {
                Seen::Notified => {}
                Seen::Control(key) => {
                    if let Some(slot) = self.slot_of(key) {
                        self.hear(slot, shared, now);
                        self.tell_forgotten(slot, &shared.watch);
                    }
                }
                Seen::Output(key) => {
                    if let Some(slot) = self.slot_of(key) {
                        self.output_came(slot, shared);
                    }
                }
                Seen::Ended(key) => {
                    if let Some(slot) = self.slot_of(key) {
                        self.hear(slot, shared, now);
                        self.worker_ended(slot, now);
                    }
                }
            }
        }
        let asks = self.hearing() == Hearing::Loop;
        // Futures ask again when they are polled; without work there is nothing to be prompt about.
        self.prompt &= self.busy_links() > 0 || self.core.has_queued();
        loop {
            self.collect_all(true, now);
            self.flush(Flush::Now);
            if !asks {
                break;
            }
            self.ask_unheard();
            Worker::fence();
            if !self.collect_all(true, now) {
                break;
            }
        }
        self.timer(now);
        self.kill_overdue(now);
        self.pace_output(shared, now);
        self.tell_due(now);
    }

    /// Asks every busy worker whose bell has rung, or was asked for by somebody who has gone, for the next one.
    fn ask_unheard(&mut self) {
        let hearing = self.hearing();
        for (at, seat) in self.parts.seats.iter().enumerate() {
            if let Some(worker) = &seat.worker
                && worker.frames() > 0
                && !hearing.hears(worker.asked(), seat.slept_on)
            {
                worker.ask(Bell::Loop, self.bell_at(Slot(at as u32), Awaited::Nothing));
            }
        }
    }

    /// The seat a watch key names, unless another worker sits there by now.
    fn slot_of(&mut self, key: u64) -> Option<Slot> {
        let slot = Slot((key & 0xff_ffff) as u32);
        let incarnation = (key >> 24) as u32;
        let seat = self.parts.seat(slot)?;
        (seat.worker.is_some() && seat.starts == incarnation).then_some(slot)
    }

    /// Reads what a worker says on its control socket.
    fn hear(&mut self, slot: Slot, shared: &Shared, now: u64) {
        let initializer = self.parts.patience.initializer;
        // Bounded, so that a worker that talks without end cannot hold the others up.
        for _ in 0..64 {
            let Some(seat) = self.parts.seat(slot) else {
                return;
            };
            let Some(worker) = &mut seat.worker else {
                return;
            };
            if seat.closed {
                return;
            }
            match worker.news() {
                None => return,
                Some(News::Bell) => {}
                Some(News::Up) => {
                    let limit = now.saturating_add(initializer);
                    // What is told to end meanwhile has less time.
                    if !seat.ending && seat.kill_at.is_some_and(|at| at > limit) {
                        seat.kill_at = Some(limit);
                        seat.initializes = true;
                    }
                }
                Some(News::Ready) => {
                    seat.ready = true;
                    seat.kill_at = seat.kill_at.filter(|_| seat.ending);
                    let (ending, who) = (seat.ending, seat.incarnation);
                    if !ending {
                        // What kept former starts from this moment is no cause of anything later.
                        self.parts.broken = None;
                    }
                    self.take_output(slot);
                    if let Some(who) = who {
                        self.core.ready(who, now, &mut self.parts);
                    }
                }
                Some(News::StartFailed(failure)) => {
                    seat.start_failure = Some(match failure.stage {
                        Stage::Start => failure.message,
                        _ => TaskError::from_failure("initializer", failure).to_string(),
                    });
                }
                Some(News::Exits(said)) => self.parts.leaving.said(said),
                Some(News::Logs(batch)) => self.logged(slot, shared, batch),
                Some(News::Closed) => {
                    // Watched no longer: a closed socket is readable for ever. A worker that ends closes it a
                    // moment before its pidfd tells; one that lives on is killed.
                    shared.watch.hush(worker);
                    seat.closed = true;
                    seat.kill_at.get_or_insert(now + CLOSED_GRACE_NS);
                    return;
                }
                Some(News::Broken(what)) => {
                    shared.watch.hush(worker);
                    self.parts.violate(slot, what);
                    return;
                }
            }
        }
    }

    /// SIGKILL for every worker that outlived its grace.
    fn kill_overdue(&mut self, now: u64) {
        let patience = self.parts.patience;
        for seat in &mut self.parts.seats {
            if let (Some(worker), Some(at)) = (&mut seat.worker, seat.kill_at)
                && at <= now
            {
                // On a busy machine a worker that somebody killed may take long to be gone: no breach of the protocol.
                let dying = seat.closed && worker.is_ending();
                worker.kill();
                seat.kill_at = None;
                if seat.closed && !dying {
                    seat.violation
                        .get_or_insert_with(|| "it closed its channel".into());
                } else if !seat.closed && !seat.ready && !seat.ending {
                    let (what, limit) = if seat.initializes {
                        ("within its initializer timeout", patience.initializer)
                    } else {
                        ("within its start timeout", patience.start)
                    };
                    seat.start_failure = Some(format!(
                        "{} did not become ready {what} of {:?}",
                        worker.name(),
                        Duration::from_nanos(limit)
                    ));
                }
            }
        }
    }

    fn next_look(&self) -> Option<u64> {
        let kills = self.parts.seats.iter().filter_map(|seat| seat.kill_at);
        let output = self.output.as_ref().and_then(|output| output.next_look());
        let told = self.tellings.next();
        let others = self.core.next_timer().into_iter().chain(output).chain(told);
        kills.chain(others).min()
    }
}
