//! How a thread waits for an outcome: it drains the links itself, so that a round trip costs two wake-ups, not four.
//!
//! One thread at a time is the *drainer*. It polls while its task is expected soon and a CPU is free, else it
//! sleeps on the links it has asked to ring. Others park, and are woken by completion or by the drainer leaving.
//! When nobody waits, bells go to the pool's own thread. It must never return before the outcome or the deadline.
//!
//! Why no reply is left alone: a link with work always has (a) a bell request stored before the call was
//! published, or (b) a drainer that polls. The drainer asks for its bells, fences, and looks once more (also at
//! replies staged but unpublished) before it sleeps; a worker stages, fences, and looks for a request after each
//! frame. One of the two sees the other.

use std::sync::MutexGuard;
use std::sync::atomic::Ordering;
use std::time::Duration;

use procession_worker::handle::Bell;
use procession_worker::handle::{Worker, now_ns};
use procession_worker::nap::{self, MAX_LINKS, Nap};

use super::bells::{Flush, Hearing};
use super::{Awaited, Driver, Shared};
use crate::cell::Cell;
use crate::core::{JobId, Slot};

/// A drainer polls at most this long before it sleeps: about what a sleep and its wake-up cost.
const SPIN_NS: u64 = 50_000;
/// Tasks expected to take longer than this are not polled for.
const POLL_BELOW_NS: u64 = 100_000;

thread_local! {
    static MARK: u8 = const { 0 };
}

/// A number for the calling thread, unique among living threads.
fn me() -> usize {
    MARK.with(|mark| std::ptr::from_ref(mark) as usize)
}

/// How long a drainer has polled in vain.
#[derive(Default)]
struct Turn {
    polling_since: Option<u64>,
    rounds: u32,
}

impl Shared {
    /// Waits until one of `cells` is done; false when `deadline` (monotonic nanoseconds) came first, and at once in a copy made
    /// by `fork`.
    ///
    /// `job` is what they wait for, if it is one. `between` runs after news, with no lock held: it may take its
    /// time, another thread drains meanwhile if there is one.
    pub(crate) fn wait(
        &self,
        cells: &[&Cell],
        job: Option<JobId>,
        deadline: Option<u64>,
        mut between: Option<&mut dyn FnMut()>,
    ) -> bool {
        let done = || cells.iter().any(|cell| cell.is_done());
        let me = me();
        // Leaves however this ends: `between` is user code and may panic.
        let _leave = Leave { shared: self, me };
        let mut turn = Turn::default();
        loop {
            // Whatever ran since the last look, `between` or a waker, may have made this a copy, where nothing comes.
            if !self.is_ours() {
                return done();
            }
            let mut driver = self.lock();
            if deadline.is_none() {
                // A submission that said "I shall drain" is answered for, also when its outcome is there.
                driver.drainer.get_or_insert(me);
            }
            if past(deadline) && !done() {
                driver.collect_all(true, now_ns());
            }
            // Whoever collects replies holds the lock, so what is not done here is not done unnoticed.
            if done() || past(deadline) {
                self.unlock(driver);
                return done();
            }
            if driver.drainer.is_some_and(|thread| thread != me) && !driver.away {
                self.park(driver, me, cells, deadline);
                continue;
            }
            driver.drainer = Some(me);
            driver.sleeping = false;
            driver.away = false;
            driver.wake_up();
            let news = self.drain_once(driver, job, &mut turn, deadline);
            if let Some(between) = between.as_mut().filter(|_| news) {
                self.step_away();
                between();
            }
        }
    }

    /// The drainer is about to do something else: a parked thread may take over. Futures and callbacks, which have no
    /// thread here, are the pool's own thread's meanwhile; those that come later see that the drainer is away.
    fn step_away(&self) {
        let mut driver = self.lock();
        driver.away = true;
        if let Some((_, thread)) = driver.parked.last() {
            thread.unpark();
        } else if driver.prompt {
            driver.hand_to_loop();
            self.unlock(driver);
        }
    }

    /// One look at the links, then a pause or a sleep if there was nothing. True when there was.
    fn drain_once(
        &self,
        mut driver: MutexGuard<'_, Driver>,
        job: Option<JobId>,
        turn: &mut Turn,
        deadline: Option<u64>,
    ) -> bool {
        driver.flush(Flush::Now);
        if driver.collect_all(false, now_ns()) {
            if turn.rounds > 0 {
                driver.vain_polls = 0;
            }
            *turn = Turn::default();
            self.unlock(driver);
            return true;
        }
        if driver.may_poll(job) && !turn.is_over(driver.poll_limit()) {
            if turn.rounds == 0 {
                driver.ask_busy(Bell::Poller, awaited(job));
            }
            drop(driver);
            nap::spin_hint(turn.rounds);
            turn.rounds += 1;
            return false;
        }
        if turn.rounds > 0 {
            driver.vain_polls = driver.vain_polls.saturating_add(1);
        }
        *turn = Turn::default();
        self.sleep(driver, job, deadline)
    }

    /// Sleeps on every link that has work. True when there was news instead.
    fn sleep(
        &self,
        mut driver: MutexGuard<'_, Driver>,
        job: Option<JobId>,
        deadline: Option<u64>,
    ) -> bool {
        let now = now_ns();
        driver.timer(now);
        let mut naps = Nap::default();
        let by_loop = self.no_nap.load(Ordering::Relaxed) || driver.busy_links() > MAX_LINKS;
        if by_loop {
            driver.ask_busy(Bell::Loop, awaited(job));
        } else {
            driver.watch_busy(&mut naps);
            driver.ask_busy(Bell::Waiter, awaited(job));
        }
        Worker::fence();
        driver.sleeping = true;
        driver.flush(Flush::Now);
        if driver.collect_all(true, now) {
            driver.sleeping = false;
            self.unlock(driver);
            return true;
        }
        let expected = self.own.load(Ordering::Acquire);
        let timeout = earliest(deadline, driver.core.next_timer())
            .map(|at| Duration::from_nanos(at.saturating_sub(now)));
        self.unlock(driver);
        if by_loop {
            nap::sleep_on(&self.own, expected, timeout);
        } else if !naps.sleep(&self.own, expected, timeout) {
            self.no_nap.store(true, Ordering::Relaxed);
        }
        false
    }

    /// Parks until the outcome, the deadline, or the drainer's leaving.
    fn park<'a>(
        &'a self,
        mut driver: MutexGuard<'a, Driver>,
        me: usize,
        cells: &[&Cell],
        deadline: Option<u64>,
    ) {
        let thread = std::thread::current();
        if cells.iter().all(|cell| cell.wake_thread(thread.clone())) {
            driver.parked.push((me, thread));
            driver.be_prompt();
            self.unlock(driver);
            match deadline {
                Some(at) => {
                    std::thread::park_timeout(Duration::from_nanos(at.saturating_sub(now_ns())))
                }
                None => std::thread::park(),
            }
            driver = self.lock();
            driver.parked.retain(|(thread, _)| *thread != me);
        }
    }
}

/// Gives up draining, if this thread does: to a parked thread, else to the pool's own.
struct Leave<'a> {
    shared: &'a Shared,
    me: usize,
}

impl Drop for Leave<'_> {
    fn drop(&mut self) {
        if !self.shared.is_ours() {
            return;
        }
        let mut driver = self.shared.lock();
        if driver.drainer != Some(self.me) {
            // It may have been woken to take the place of a drainer that is away.
            if let Some((_, thread)) = driver.parked.last().filter(|_| driver.away) {
                thread.unpark();
            }
            return;
        }
        driver.drainer = None;
        driver.sleeping = false;
        driver.away = false;
        let next = driver.parked.pop();
        driver.hand_to_loop();
        self.shared.unlock(driver);
        if let Some((_, thread)) = next {
            thread.unpark();
        }
    }
}

impl Turn {
    fn is_over(&mut self, limit: u64) -> bool {
        if !self.rounds.is_multiple_of(16) {
            return false;
        }
        let now = now_ns();
        now.saturating_sub(*self.polling_since.get_or_insert(now)) > limit
    }
}

impl Driver {
    pub(crate) fn timer(&mut self, now: u64) {
        if self.core.next_timer().is_some_and(|at| at <= now) {
            if self.core.decides_at(now) {
                // A result that is there comes before any decision about its task.
                self.collect_all(true, now);
            }
            self.core.timer(now, &mut self.parts);
        }
    }

    fn busy(&self) -> impl Iterator<Item = (Slot, &Worker)> {
        self.parts
            .seats
            .iter()
            .enumerate()
            .filter_map(|(at, seat)| {
                let worker = seat.worker.as_ref().filter(|worker| worker.frames() > 0)?;
                Some((Slot(at as u32), worker))
            })
    }

    pub(crate) fn busy_links(&self) -> usize {
        self.busy().count()
    }

    /// From here on bells are for the pool's own thread.
    fn hand_to_loop(&mut self) {
        if self.busy_links() > 0 {
            self.ask_busy(Bell::Loop, Awaited::Nothing);
            Worker::fence();
            self.collect_all(true, now_ns());
        }
    }

    fn watch_busy(&mut self, naps: &mut Nap) {
        for seat in &mut self.parts.seats {
            if let Some(worker) = seat.worker.as_ref().filter(|worker| worker.frames() > 0) {
                naps.watch(worker);
                seat.slept_on = true;
            }
        }
    }

    /// The drainer no longer sleeps on any link.
    fn wake_up(&mut self) {
        for seat in &mut self.parts.seats {
            seat.slept_on = false;
        }
    }

    /// Somebody besides the drainer waits: from here on every reply is to be heard of. A bell of the drainer that has
    /// rung is asked for again by the drainer, who sees that.
    pub(crate) fn be_prompt(&mut self) {
        let hearing = self.hearing();
        for seat in &self.parts.seats {
            let Some(worker) = seat.worker.as_ref().filter(|w| w.frames() > 0) else {
                continue;
            };
            match worker.asked() {
                Bell::Silent if hearing != Hearing::Loop => {}
                bell if hearing.hears(bell, seat.slept_on) => worker.ask(bell, 0),
                Bell::Silent | Bell::Loop | Bell::Waiter | Bell::Poller => {
                    worker.ask(Bell::Loop, 0)
                }
            }
        }
        Worker::fence();
        self.collect_all(true, now_ns());
    }

    /// Asks every worker that has work for a bell.
    pub(crate) fn ask_busy(&self, bell: Bell, awaited: Awaited) {
        for (slot, worker) in self.busy() {
            worker.ask(bell, self.bell_at(slot, awaited));
        }
    }

    /// How long to poll: little once it was in vain a few times, until it is not.
    fn poll_limit(&self) -> u64 {
        if self.vain_polls > 3 {
            SPIN_NS / 10
        } else {
            SPIN_NS
        }
    }

    /// Whether polling is worth it: a CPU is free for it, and the task is expected to end soon.
    fn may_poll(&self, job: Option<JobId>) -> bool {
        let estimate = job.and_then(|job| self.core.estimate(job));
        let soon = estimate.is_none_or(|ns| ns < POLL_BELOW_NS);
        let moving = || self.busy().any(|(_, worker)| worker.is_moving());
        (soon || moving()) && self.busy_links() < self.cpus
    }
}

fn awaited(job: Option<JobId>) -> Awaited {
    job.map_or(Awaited::Anything, Awaited::Job)
}

fn past(deadline: Option<u64>) -> bool {
    deadline.is_some_and(|at| now_ns() >= at)
}

fn earliest(a: Option<u64>, b: Option<u64>) -> Option<u64> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}
