//! What the core costs per task; must not assert a time.
//!
//! `PROCESSION_CORE_COST=1 cargo test --release -p procession-pool --lib cost -- --nocapture` prints the figures; without
//! the variable a few rounds show that the measured loops leave nothing over.

use std::hint::black_box;
use std::time::Instant;

use super::super::{
    Cancelled, Core, CoreConfig, Effects, Fate, JobId, Nanos, Overrun, Slot, WorkerRef,
};
use super::scene::{US, call, map};

/// Takes everything and remembers only who was to be started.
#[derive(Debug, Default)]
struct Sink {
    starts: Vec<Slot>,
    finished: u64,
    sends: u64,
}

impl Effects for Sink {
    fn send(&mut self, _: Slot, _: JobId, _: u32, count: u32) -> u32 {
        self.sends += 1;
        count
    }
    fn take_back(&mut self, _: Slot) -> u32 {
        0
    }
    fn lost_item(&mut self, _: JobId, _: u32, _: Slot, _: Fate) {}
    fn failed_item(&mut self, _: JobId, _: u32, _: Fate) {}
    fn give_up(&mut self, _: JobId, _: u32) {}
    fn cancelled(&mut self, _: JobId, _: u32, _: u32, _: Cancelled) {}
    fn begun_at(&mut self, _: Slot, _: JobId, _: u32) -> Option<Nanos> {
        None
    }
    fn timed_out(&mut self, _: JobId, _: u32, _: Slot, _: Overrun, _: Fate) {}
    fn tell_unwanted(&mut self, _: Slot, _: JobId) {}
    fn tell_wanted(&mut self, _: Slot) {}
    fn finished(&mut self, _: JobId) {
        self.finished += 1;
    }
    fn start(&mut self, slot: Slot, _: u32) {
        self.starts.push(slot);
    }
    fn stop(&mut self, _: Slot) {}
    fn kill(&mut self, _: Slot) {}
}

fn pool(workers: u32) -> (Core, Sink, Vec<WorkerRef>) {
    let (mut core, mut fx) = (Core::new(CoreConfig::new(workers)), Sink::default());
    core.open(0, &mut fx);
    let starts = std::mem::take(&mut fx.starts);
    let who: Vec<WorkerRef> = starts
        .into_iter()
        .map(|slot| core.started(slot, 0, &mut fx))
        .collect();
    who.iter().for_each(|who| core.ready(*who, 0, &mut fx));
    (0..64).for_each(|_| core.measured(who[0], 0, 1, US));
    (core, fx, who)
}

fn reply_all(core: &mut Core, fx: &mut Sink, who: &[WorkerRef]) -> u64 {
    let mut replies = 0;
    for &who in who {
        while let Some((_, _, left)) = core.front(who.slot) {
            core.measured(who, 0, left, US * u64::from(left));
            core.replied(who, left, None, 1, fx);
            replies += 1;
        }
    }
    replies
}

/// Calls submitted `burst` at a time, then replied; nanoseconds per call in the best of `slices` slices, which is what
/// the core costs while nothing else has the processor.
fn calls(workers: u32, slices: u32, burst: u32) -> f64 {
    let (mut core, mut fx, who) = pool(workers);
    let rounds = (4_096 / burst).max(1);
    let mut best = f64::MAX;
    for _ in 0..slices {
        let start = Instant::now();
        for _ in 0..rounds {
            for _ in 0..burst {
                black_box(core.submit(black_box(call()), 1, &mut fx)).expect("open");
            }
            reply_all(&mut core, &mut fx, &who);
        }
        best = best.min(start.elapsed().as_nanos() as f64);
    }
    assert_eq!(fx.finished, u64::from(slices * rounds * burst));
    core.sanity_check();
    best / f64::from(rounds * burst)
}

/// One map; nanoseconds per frame and items per frame.
fn maps(workers: u32, items: u32) -> (f64, f64) {
    let (mut core, mut fx, who) = pool(workers);
    let start = Instant::now();
    core.submit(map(items), 1, &mut fx).expect("open");
    while fx.finished == 0 {
        reply_all(&mut core, &mut fx, &who);
    }
    let took = start.elapsed().as_nanos() as f64;
    core.sanity_check();
    (took / fx.sends as f64, f64::from(items) / fx.sends as f64)
}

#[test]
fn measured_loops_leave_nothing_over() {
    let print = std::env::var_os("PROCESSION_CORE_COST").is_some();
    let (slices, items) = if print {
        (2_000, 10_000_000)
    } else {
        (2, 2_000)
    };
    for (workers, burst) in [
        (1, 1),
        (4, 1),
        (64, 1),
        (4, 100),
        (4, 1_000),
        (64, 1_000),
        (4, 10_000),
    ] {
        let cost = calls(workers, slices, burst);
        if print {
            println!("{workers} workers, {burst} calls at a time: {cost:.1} ns per call");
        }
    }
    for workers in [4, 64] {
        let (cost, per_frame) = maps(workers, items);
        if print {
            println!("{workers} workers, map: {cost:.1} ns per frame of {per_frame:.0} items");
        }
    }
}
