//! A bug in the pool's own thread, made to order. Must not exist outside of tests.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use procession_worker::TaskErrorKind;

use crate::events::Event;
use crate::pool::Pool;

procession_worker::init_before_main!();

/// Where the thread may be told to panic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// At its next step, with the lock held.
    Step = 1,
    /// While it cleans up after that.
    GivingUp = 2,
}

/// Where it is to panic, one bit for each place.
#[derive(Debug, Default)]
pub(super) struct Fault(AtomicU8);

impl Fault {
    pub(super) fn strike(&self, place: Place) {
        let told = self.0.load(Ordering::Acquire) & place as u8 != 0;
        assert!(!told, "a fault at {place:?}, made to order");
    }
}

const LONG: Duration = Duration::from_secs(60);

/// Never ends by itself.
fn stay(n: u64) -> u64 {
    loop {
        std::thread::park_timeout(Duration::from_secs(n));
    }
}

/// Whoever waits for a pool whose thread panics at `places` gets an answer, and nothing is left of its workers.
fn everything_resolves(places: &[Place]) {
    let pool = Arc::new(
        Pool::builder()
            .workers(2)
            .max_queued(2)
            .build()
            .expect("a pool"),
    );
    let pids = pool.worker_pids();
    let events = pool.events();
    let (called_back, callback) = std::sync::mpsc::channel();
    let long = pool
        .call(stay)
        .on_complete(move |outcome: &Result<u64, _>| {
            called_back.send(outcome.is_err()).expect("heard")
        })
        .apply_async((60,));
    let waits: Vec<std::thread::JoinHandle<TaskErrorKind>> = vec![
        spawn(&pool, |pool| kind(pool.map(stay, [60, 60]))),
        spawn(&pool, |pool| kind(pool.apply(stay, (60,)))),
        spawn(&pool, |pool| {
            let mut all = pool.imap(stay, [60, 60]);
            kind(all.next().expect("two outcomes"))
        }),
        spawn(&pool, |pool| {
            while pool.wait_for_room(LONG) {
                std::thread::yield_now();
            }
            TaskErrorKind::Broken
        }),
    ];
    while pool.stats().running < 2 {
        std::thread::yield_now();
    }

    let shared = pool.shared.as_ref().expect("workers");
    let bits = places.iter().fold(0, |bits, place| bits | *place as u8);
    shared.fault.0.store(bits, Ordering::Release);
    shared.watch.notify();

    let outcome = long.get_timeout(LONG).expect("an outcome");
    let error = outcome.expect_err("a fault");
    assert_eq!(error.kind(), TaskErrorKind::Broken);
    assert!(error.to_string().contains("internal error"), "{error}");
    assert!(callback.recv_timeout(LONG).expect("a callback"));
    for wait in waits {
        let kind = wait.join().expect("no panic of its own");
        assert!(
            matches!(kind, TaskErrorKind::Broken | TaskErrorKind::Cancelled),
            "{kind:?}"
        );
    }
    assert!(
        events
            .filter(|event| matches!(event, Event::Missed { .. }))
            .count()
            == 0
    );
    let refused = pool.apply(stay, (1,)).expect_err("no workers");
    assert_eq!(refused.kind(), TaskErrorKind::Broken);
    pool.close();
    assert!(pool.join_timeout(LONG).expect("closed"), "it ends");
    for pid in pids {
        assert!(
            !std::path::Path::new(&format!("/proc/{pid}")).exists(),
            "{pid}"
        );
    }
    // What is left is as harmless as any pool that has ended.
    let _ = std::panic::catch_unwind(AssertUnwindSafe(|| pool.stats())).expect("stats");
}

fn spawn(
    pool: &Arc<Pool>,
    wait: impl FnOnce(&Pool) -> TaskErrorKind + Send + 'static,
) -> std::thread::JoinHandle<TaskErrorKind> {
    let pool = Arc::clone(pool);
    std::thread::spawn(move || wait(&pool))
}

fn kind<R: std::fmt::Debug>(outcome: Result<R, procession_worker::TaskError>) -> TaskErrorKind {
    outcome.expect_err("a fault").kind()
}

/// FAULTS 84
#[test]
fn pool_whose_thread_panics_resolves_everything() {
    everything_resolves(&[Place::Step]);
}

/// FAULTS 84: also when the scheduler is of no more use.
#[test]
fn pool_whose_thread_panics_twice_resolves_everything() {
    everything_resolves(&[Place::Step, Place::GivingUp]);
}
