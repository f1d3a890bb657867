//! Ending a pool in the middle of things: crashes, transfers, starts. Nothing hangs and nothing is left.

use std::time::{Duration, Instant};

use procession::{Bytes, Event, Pool, TaskErrorKind};
use procession_integration_tests::audit::{Snapshot, alone, assert_all_end, snapshot};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

procession::init_before_main!();

const SOON: Duration = Duration::from_secs(20);

fn double(x: u64) -> u64 {
    x * 2
}

fn nap(ms: u64) {
    std::thread::sleep(Duration::from_millis(ms));
}

fn settled() -> Snapshot {
    drop(Pool::new(1).unwrap());
    snapshot()
}

/// SIGKILL, or nothing when it has ended.
fn kill(pid: u32) {
    let pid = Pid::from_raw(pid.cast_signed()).unwrap();
    if let Ok(pidfd) = pidfd_open(pid, PidfdFlags::empty()) {
        let _ = pidfd_send_signal(pidfd, Signal::KILL);
    }
}

fn all_ready(pool: &Pool, workers: u64) {
    while pool.stats().idle < workers {
        nap(2);
    }
}

/// SH03, SH20: every queued task runs, every worker exits with 0.
#[test]
fn close_finishes_everything_and_workers_exit_in_order() {
    let _alone = alone(120);
    let before = settled();
    let pool = Pool::new(3).unwrap();
    all_ready(&pool, 3);
    let mut workers = pool.worker_pids();
    assert_eq!(workers.len(), 3);
    let events = pool.events();
    let handles: Vec<_> = (0..300).map(|i| pool.apply_async(double, (i,))).collect();
    let map = pool.map_async(double, 0..1000);
    pool.close();
    pool.join().unwrap();
    for (i, handle) in handles.into_iter().enumerate() {
        assert!(handle.ready());
        assert_eq!(handle.get().unwrap(), 2 * i as u64);
    }
    assert!(map.ready());
    assert_eq!(map.get().unwrap().iter().sum::<u64>(), 999_000);
    let ends = events.filter_map(|event| match event {
        Event::WorkerDied {
            death, expected, ..
        } => Some((death, expected)),
        Event::WorkerBorn { pid, .. } => panic!("{pid} was started to end the pool"),
        _ => None,
    });
    let mut ended = Vec::new();
    for (death, expected) in ends {
        // The pool alone collects here, so no status can be lost.
        assert!(expected && death.exit_status().success(), "{death}");
        ended.push(death.pid());
    }
    workers.sort_unstable();
    ended.sort_unstable();
    assert_eq!(ended, workers);
    drop(pool);
    before.assert_nothing_left();
}

/// SH07: closed behind the last submission: no worker has booted, and every result is there all the same.
#[test]
fn fifty_calls_and_an_immediate_end_lose_nothing() {
    let _alone = alone(120);
    let before = settled();
    for on_demand in [false, true] {
        for workers in [1, 2, 5] {
            let builder = Pool::builder().workers(workers);
            let builder = if on_demand {
                builder.min_workers(0)
            } else {
                builder
            };
            let pool = builder.build().unwrap();
            let handles: Vec<_> = (0..50).map(|i| pool.apply_async(double, (i,))).collect();
            pool.close();
            pool.join().unwrap();
            for (i, handle) in handles.into_iter().enumerate() {
                assert!(handle.ready());
                assert_eq!(handle.get().unwrap(), 2 * i as u64);
            }
        }
    }
    before.assert_nothing_left();
}

/// SH15
#[test]
fn a_worker_that_crashes_while_the_pool_closes_fails_its_task_only() {
    let _alone = alone(120);
    let before = settled();
    for round in 0..10 {
        let pool = Pool::new(2).unwrap();
        let handles: Vec<_> = (0..20)
            .map(|i| {
                pool.apply_async(
                    |i: u64| if i == 7 { std::process::abort() } else { i },
                    (i,),
                )
            })
            .collect();
        nap(round);
        pool.close();
        assert!(pool.join_timeout(SOON).unwrap(), "round {round}");
        for (i, handle) in handles.into_iter().enumerate() {
            match handle.get() {
                Ok(value) => assert!(value == i as u64 && i != 7),
                Err(error) => assert!(
                    i == 7 && error.kind() == TaskErrorKind::WorkerDied,
                    "{error}"
                ),
            }
        }
    }
    before.assert_nothing_left();
}

/// SH15, FAULTS 111: killed from outside at any moment of the shutdown, replies that are there included.
#[test]
fn workers_killed_while_the_pool_closes() {
    let _alone = alone(120);
    let before = settled();
    for round in 0..10u64 {
        let pool = Pool::new(2).unwrap();
        let handles: Vec<_> = (0..50).map(|i| pool.apply_async(double, (i,))).collect();
        let pids = pool.worker_pids();
        pool.close();
        std::thread::sleep(Duration::from_micros(round * 300));
        pids.into_iter().for_each(kill);
        assert!(pool.join_timeout(SOON).unwrap(), "round {round}");
        let died = handles
            .into_iter()
            .filter_map(|handle| handle.get().err())
            .inspect(|error| {
                assert_eq!(error.kind(), TaskErrorKind::WorkerDied, "{error}");
            });
        assert!(died.count() <= 2, "one task for each kill");
    }
    before.assert_nothing_left();
}

/// SH17
#[test]
fn terminate_on_dead_workers_and_on_workers_that_never_started() {
    let _alone = alone(120);
    let before = settled();
    let pool = Pool::new(3).unwrap();
    all_ready(&pool, 3);
    pool.worker_pids().into_iter().for_each(kill);
    pool.terminate();
    pool.terminate();
    pool.join().unwrap();
    drop(pool);
    // Terminated at once: not one worker has said a word yet.
    let pool = Pool::new(3).unwrap();
    pool.terminate();
    pool.join().unwrap();
    drop(pool);
    before.assert_nothing_left();
}

/// FAULTS 98: the pool ends at any moment of its start, and of a replacement's.
#[test]
fn a_shutdown_at_any_moment_of_a_start() {
    let _alone = alone(120);
    let before = settled();
    for round in 0..30u64 {
        let pool = Pool::new(2).unwrap();
        if round % 2 == 1 {
            all_ready(&pool, 2);
            pool.worker_pids().into_iter().for_each(kill);
        }
        std::thread::sleep(Duration::from_micros(round * 100));
        if round % 4 < 2 {
            pool.close()
        } else {
            pool.terminate()
        }
        assert!(pool.join_timeout(SOON).unwrap(), "round {round}");
    }
    before.assert_nothing_left();
}

/// SH19: a hundred megabytes on their way, in either direction.
#[test]
fn terminate_during_a_long_transfer() {
    let _alone = alone(120);
    let before = settled();
    for delay in [0, 1, 5, 20] {
        let pool = Pool::new(2).unwrap();
        let there = pool.apply_async(
            |bytes: Bytes| bytes.len(),
            (Bytes::from(vec![7; 100 << 20]),),
        );
        let back = pool.apply_async(|n: usize| Bytes::from(vec![7; n]), (100 << 20,));
        nap(delay);
        let start = Instant::now();
        pool.terminate();
        pool.join().unwrap();
        assert!(start.elapsed() < SOON, "{:?}", start.elapsed());
        match there.get() {
            Ok(length) => assert_eq!(length, 100 << 20),
            Err(error) => assert_eq!(error.kind(), TaskErrorKind::Terminated),
        }
        match back.get() {
            Ok(bytes) => assert!(bytes.len() == 100 << 20 && bytes.iter().all(|byte| *byte == 7)),
            Err(error) => assert_eq!(error.kind(), TaskErrorKind::Terminated),
        }
    }
    before.assert_nothing_left();
}

/// FAULTS 88, PO22
#[test]
fn dropping_a_pool_resolves_what_it_had() {
    let _alone = alone(120);
    let before = settled();
    let pool = Pool::new(2).unwrap();
    let pids = pool.worker_pids();
    let handles: Vec<_> = (0..20).map(|_| pool.apply_async(nap, (600_000,))).collect();
    let waiting = pool.apply_async(nap, (600_000,));
    let waiter = std::thread::spawn(move || waiting.get());
    nap(50);
    let start = Instant::now();
    drop(pool);
    assert!(start.elapsed() < SOON, "{:?}", start.elapsed());
    assert_all_end(&pids, Duration::ZERO);
    let kinds = handles
        .into_iter()
        .map(|handle| handle.get().unwrap_err().kind());
    assert!(
        kinds
            .into_iter()
            .all(|kind| kind == TaskErrorKind::Terminated)
    );
    assert_eq!(
        waiter.join().unwrap().unwrap_err().kind(),
        TaskErrorKind::Terminated
    );
    before.assert_nothing_left();
}

/// SH20, HY12: many pools, one after the other and side by side.
#[test]
fn a_hundred_pools_leave_nothing() {
    let _alone = alone(240);
    let before = settled();
    for _ in 0..40 {
        let pool = Pool::new(1).unwrap();
        assert_eq!(pool.apply(double, (1,)).unwrap(), 2);
    }
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                for _ in 0..20 {
                    let pool = Pool::new(2).unwrap();
                    assert_eq!(pool.map(double, 0..100).unwrap().len(), 100);
                    pool.close();
                    pool.join().unwrap();
                }
            });
        }
    });
    before.assert_nothing_left();
}
