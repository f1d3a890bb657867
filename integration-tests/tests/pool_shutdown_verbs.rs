//! `close`, `terminate` and `join`: what each refuses, finishes, resolves, and that saying it twice changes nothing.

use std::time::{Duration, Instant};

use procession::{AsyncResult, Pool, TaskErrorKind};
use procession_integration_tests::audit::{Snapshot, alone, snapshot};

procession::init_before_main!();

/// Far above what the promise says: machines that run tests are busy.
const SOON: Duration = Duration::from_secs(20);

fn double(x: u64) -> u64 {
    x * 2
}

fn nap(ms: u64) -> u64 {
    std::thread::sleep(Duration::from_millis(ms));
    ms
}

/// A snapshot after what lives as long as the process is there.
fn settled() -> Snapshot {
    drop(Pool::new(1).unwrap());
    snapshot()
}

fn kind_of<R: std::fmt::Debug>(handle: AsyncResult<R>) -> TaskErrorKind {
    handle.get().unwrap_err().kind()
}

fn refuses_everything(pool: &Pool) {
    let closed = TaskErrorKind::Closed;
    assert_eq!(pool.apply(double, (1,)).unwrap_err().kind(), closed);
    assert_eq!(kind_of(pool.apply_async(double, (1,))), closed);
    assert_eq!(pool.map(double, 0..4).unwrap_err().kind(), closed);
    assert_eq!(kind_of(pool.map_async(double, 0..4)), closed);
    assert_eq!(pool.starmap(double, [(1,)]).unwrap_err().kind(), closed);
    assert_eq!(kind_of(pool.starmap_async(double, [(1,)])), closed);
    assert_eq!(pool.call(double).apply((1,)).unwrap_err().kind(), closed);
    for outcome in pool.try_map(double, 0..4) {
        assert_eq!(outcome.unwrap_err().kind(), closed);
    }
}

/// SH01, PO21, FAULTS 100: also once it has been joined, so a finished pool is not opened again.
#[test]
fn a_closed_pool_refuses_every_verb() {
    let _alone = alone(120);
    let before = settled();
    for workers in [0, 2] {
        let pool = Pool::new(workers).unwrap();
        assert_eq!(pool.apply(double, (4,)).unwrap(), 8);
        pool.close();
        refuses_everything(&pool);
        pool.join().unwrap();
        refuses_everything(&pool);
    }
    before.assert_nothing_left();
}

/// SH01
#[test]
fn a_terminated_pool_refuses_every_verb() {
    let _alone = alone(120);
    let before = settled();
    for workers in [0, 2] {
        let pool = Pool::new(workers).unwrap();
        pool.terminate();
        refuses_everything(&pool);
        pool.join().unwrap();
        refuses_everything(&pool);
    }
    before.assert_nothing_left();
}

/// SH02, FAULTS 101
#[test]
fn joining_an_open_pool_is_an_error() {
    let _alone = alone(120);
    for workers in [0, 2] {
        let pool = Pool::new(workers).unwrap();
        let error = pool.join().unwrap_err().to_string();
        assert!(error.contains("neither closed nor terminated"), "{error}");
        assert!(
            pool.join_timeout(Duration::from_secs(60)).is_err(),
            "at once"
        );
        assert_eq!(pool.apply(double, (4,)).unwrap(), 8, "it still works");
        pool.close();
        pool.join().unwrap();
    }
}

/// SH04: what ran and what waited resolve alike; what was done before stands.
#[test]
fn terminate_resolves_everything_at_once() {
    let _alone = alone(120);
    let before = settled();
    let pool = Pool::new(2).unwrap();
    let done = pool.apply_async(double, (21,));
    done.wait();
    let running: Vec<_> = (0..2).map(|_| pool.apply_async(nap, (600_000,))).collect();
    while pool.stats().running < 2 {
        std::thread::sleep(Duration::from_millis(2));
    }
    let queued: Vec<_> = (0..50).map(|_| pool.apply_async(nap, (600_000,))).collect();
    let map = pool.map_async(nap, vec![600_000; 50]);
    let start = Instant::now();
    pool.terminate();
    for handle in running.into_iter().chain(queued) {
        let error = handle.get().unwrap_err();
        assert_eq!(error.kind(), TaskErrorKind::Terminated, "{error}");
        assert!(
            error.to_string().contains("the pool was terminated before"),
            "{error}"
        );
    }
    assert_eq!(kind_of(map), TaskErrorKind::Terminated);
    assert_eq!(done.get().unwrap(), 42);
    pool.join().unwrap();
    assert!(start.elapsed() < SOON, "{:?}", start.elapsed());
    drop(pool);
    before.assert_nothing_left();
}

/// SH05
#[test]
fn join_with_a_time_limit_leaves_the_pool_as_it_is() {
    let _alone = alone(120);
    let before = settled();
    let pool = Pool::new(1).unwrap();
    let long = pool.apply_async(nap, (600_000,));
    let queued = pool.apply_async(double, (1,));
    pool.close();
    let start = Instant::now();
    assert!(!pool.join_timeout(Duration::from_millis(200)).unwrap());
    assert!(start.elapsed() >= Duration::from_millis(200));
    assert!(!pool.join_timeout(Duration::ZERO).unwrap());
    assert!(!long.ready() && !queued.ready());
    assert_eq!(pool.worker_pids().len(), 1);
    pool.terminate();
    assert!(pool.join_timeout(Duration::MAX).unwrap());
    assert_eq!(kind_of(long), TaskErrorKind::Terminated);
    assert_eq!(kind_of(queued), TaskErrorKind::Terminated);
    drop(pool);
    before.assert_nothing_left();
}

/// FAULTS 113: a stopped worker does not end in good order, and joining says so; SIGKILL ends it all the same.
#[test]
fn join_with_a_time_limit_returns_while_a_worker_is_stopped() {
    let _alone = alone(120);
    let before = settled();
    let pool = Pool::new(1).unwrap();
    let pid = pool.apply(std::process::id, ()).unwrap();
    let pid = rustix::process::Pid::from_raw(pid as i32).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::STOP).unwrap();
    let waits = pool.apply_async(double, (21,));
    pool.close();
    let limit = Duration::from_millis(100);
    let start = Instant::now();
    assert!(!pool.join_timeout(limit).unwrap());
    assert!(start.elapsed() >= limit);
    assert!(!pool.join_timeout(Duration::ZERO).unwrap());
    assert!(!waits.ready());
    pool.terminate();
    pool.join().unwrap();
    assert_eq!(kind_of(waits), TaskErrorKind::Terminated);
    drop(pool);
    before.assert_nothing_left();
}

/// SH06, FAULTS 102
#[test]
fn each_of_them_twice_and_in_any_order() {
    let _alone = alone(120);
    let before = settled();
    type Step = fn(&Pool);
    let close: Step = Pool::close;
    let terminate: Step = Pool::terminate;
    for steps in [
        [close, close, close],
        [terminate, terminate, terminate],
        [close, terminate, close],
        [terminate, close, terminate],
    ] {
        let pool = Pool::new(2).unwrap();
        let handles: Vec<_> = (0..20).map(|i| pool.apply_async(double, (i,))).collect();
        steps.iter().for_each(|step| step(&pool));
        pool.join().unwrap();
        pool.join().unwrap();
        assert!(pool.join_timeout(Duration::ZERO).unwrap());
        steps.iter().for_each(|step| step(&pool));
        pool.join().unwrap();
        for (i, handle) in handles.into_iter().enumerate() {
            match handle.get() {
                Ok(value) => assert_eq!(value, 2 * i as u64),
                Err(error) => assert_eq!(error.kind(), TaskErrorKind::Terminated),
            }
        }
        assert!(pool.worker_pids().is_empty());
    }
    before.assert_nothing_left();
}

/// FAULTS 102
#[test]
fn many_threads_end_one_pool() {
    let _alone = alone(120);
    let before = settled();
    for round in 0..10 {
        let pool = Pool::new(2).unwrap();
        let handles: Vec<_> = (0..200).map(|i| pool.apply_async(double, (i,))).collect();
        std::thread::scope(|scope| {
            for thread in 0..6 {
                let pool = &pool;
                scope.spawn(move || {
                    match (round + thread) % 3 {
                        0 => pool.close(),
                        1 => pool.terminate(),
                        _ => drop(pool.join_timeout(Duration::from_millis(1))),
                    }
                    // An error when nobody has said anything yet.
                    let _ = pool.join_timeout(SOON);
                });
            }
        });
        pool.join().unwrap();
        for handle in handles {
            assert!(handle.ready());
            let outcome = handle.get();
            assert!(outcome.is_ok() || outcome.unwrap_err().kind() == TaskErrorKind::Terminated);
        }
    }
    before.assert_nothing_left();
}
