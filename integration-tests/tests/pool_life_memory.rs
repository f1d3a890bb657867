//! Workers that are replaced when they have grown too large: no task pays for a leak, and none runs on a worker known to be
//! too large.

use std::collections::BTreeMap;

use procession::{Pool, PoolBuilder};
use procession_integration_tests::pool_scene::{LONG, finish, scene, until};

procession::init_before_main!();

const MIB: u64 = 1 << 20;

fn pool(workers: usize, bytes: u64) -> PoolBuilder {
    Pool::builder().workers(workers).recycle_above(bytes)
}

fn resident() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").expect("statm");
    let pages = statm.split(' ').nth(1).and_then(|n| n.parse::<u64>().ok());
    pages.expect("a number") * rustix::param::page_size() as u64
}

/// Leaks so many MiB; what was there before, and who.
fn leak(n: u32, mib: u64) -> (u32, u32, u64) {
    let before = resident();
    std::mem::forget(std::hint::black_box(vec![1u8; (mib * MIB) as usize]));
    (n, std::process::id(), before)
}

/// WL26, FAULTS 57
#[test]
fn leaking_function_is_kept_in_bounds_and_no_task_is_lost() {
    scene(|| {
        let pool = pool(1, 64 * MIB).build().unwrap();
        let mut tasks = BTreeMap::new();
        for n in 0..60 {
            let (same, pid, before) = pool.apply(leak, (n, 16)).unwrap();
            assert_eq!(same, n);
            assert!(before <= 64 * MIB, "{before} bytes before task {n}");
            *tasks.entry(pid).or_insert(0) += 1;
        }
        assert!(tasks.values().all(|n| (1..=4).contains(n)), "{tasks:?}");
        let stats = pool.stats();
        assert_eq!((stats.done, stats.failed, stats.restarts), (60, 0, 0));
        assert!(stats.recycled >= 14, "{stats:?}");
        finish(pool);
    });
}

/// FAULTS 57
#[test]
fn many_leaking_calls_and_chunks_at_once_all_succeed() {
    scene(|| {
        let pool = pool(2, 48 * MIB).build().unwrap();
        let handles: Vec<_> = (0..100).map(|n| pool.apply_async(leak, (n, 2))).collect();
        let chunks = pool.call(|n: u32| leak(n, 2).0).chunk_size(4);
        assert_eq!(chunks.map(0..100).unwrap(), (0..100).collect::<Vec<_>>());
        for (n, handle) in (0..100).zip(handles) {
            assert_eq!(handle.get_timeout(LONG).expect("an outcome").unwrap().0, n);
        }
        let stats = pool.stats();
        assert_eq!((stats.done, stats.failed, stats.restarts), (200, 0, 0));
        assert!(stats.recycled > 2, "{stats:?}");
        finish(pool);
    });
}

#[test]
fn limit_below_what_a_worker_needs_replaces_it_after_each_call() {
    scene(|| {
        let pool = pool(2, 1).build().unwrap();
        let handles: Vec<_> = (0..20u32)
            .map(|n| pool.apply_async(|n: u32| n, (n,)))
            .collect();
        for (n, handle) in (0..20).zip(handles) {
            assert_eq!(handle.get_timeout(LONG).expect("an outcome").unwrap(), n);
        }
        until("some have gone", || {
            assert_eq!(pool.apply(|n: u32| n, (7,)).unwrap(), 7);
            pool.stats().recycled >= 5
        });
        assert_eq!(pool.stats().restarts, 0);
        finish(pool);
    });
}

#[test]
fn functions_that_do_not_leak_keep_their_worker() {
    scene(|| {
        let pool = pool(1, 1 << 40).build().unwrap();
        for n in 0..50 {
            assert_eq!(pool.apply(leak, (n, 1)).unwrap().0, n);
        }
        assert_eq!(pool.stats().recycled, 0);
        finish(pool);
    });
}

#[test]
fn limit_of_nothing_is_an_error_that_says_so() {
    let error = pool(1, 0).build().unwrap_err();
    assert!(error.to_string().contains("recycle_above"), "{error}");
    let inline = pool(0, 1).build().unwrap();
    assert_eq!(inline.map(|n: u32| n, 0..5).unwrap().len(), 5);
}
