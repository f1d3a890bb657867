//! Sticky chunks with real workers: the same items to the same worker, whatever becomes of it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use procession::{Pool, TaskErrorKind};
use procession_integration_tests::pool_scene::{
    LONG, assert_usable, error_of, finish, murder, own_pid, scene, until, warm,
};

procession::init_before_main!();

fn index(_: u32) -> usize {
    procession::worker::index().unwrap()
}

/// Where each of so many items belongs.
fn owners(items: usize, chunk: usize, workers: usize) -> Vec<usize> {
    (0..items).map(|item| item / chunk % workers).collect()
}

/// LZ12
#[test]
fn same_items_go_to_the_same_workers_map_after_map() {
    scene(|| {
        let pool = warm(3);
        for (items, chunk) in [(100, 7), (100, 1), (2, 1), (5, 100), (3_000, 2)] {
            let call = pool.call(index).chunk_size(chunk).sticky();
            let expected = owners(items, chunk, 3);
            for _ in 0..2 {
                assert_eq!(call.map(0..items as u32).unwrap(), expected);
            }
            assert_eq!(call.map_async(0..items as u32).get().unwrap(), expected);
            let each: Result<Vec<usize>, _> = call.try_map(0..items as u32).into_iter().collect();
            assert_eq!(each.unwrap(), expected);
        }
        let without = pool.call(index).sticky().map(0..60).unwrap();
        assert_eq!(without, owners(60, 1, 3), "a chunk of one item");
        assert_eq!(pool.stats().restarts, 0);
        finish(pool);
    });
}

/// LZ12: in portions, however the window cuts them.
#[test]
fn lazy_maps_keep_the_round() {
    scene(|| {
        let pool = warm(3);
        for (chunk, buffer) in [(1, None), (4, None), (10, Some(3)), (3, Some(100))] {
            let mut call = pool.call(index).chunk_size(chunk).sticky();
            if let Some(items) = buffer {
                call = call.buffer_size(items);
            }
            let expected = owners(500, chunk, 3);
            let lazy: Result<Vec<usize>, _> = call.imap(0..500).collect();
            assert_eq!(lazy.unwrap(), expected, "{chunk} {buffer:?}");
        }
        let bounded = Pool::builder().workers(2).max_queued(5).build().unwrap();
        let call = bounded.call(index).chunk_size(3).sticky();
        assert_eq!(call.map(0..60).unwrap(), owners(60, 3, 2));
        let lazy: Result<Vec<usize>, _> = call.imap(0..60).collect();
        assert_eq!(lazy.unwrap(), owners(60, 3, 2));
        finish(bounded);
        finish(pool);
    });
}

/// LZ12: what a worker keeps is of use again: no item is ever seen by another process.
#[test]
fn what_workers_keep_is_found_again() {
    static SEEN: AtomicU64 = AtomicU64::new(0);
    fn seen_before(item: u32) -> bool {
        let bit = 1 << item;
        SEEN.fetch_or(bit, Ordering::Relaxed) & bit != 0
    }
    scene(|| {
        let pool = warm(4);
        let call = pool.call(seen_before).sticky();
        assert!(call.map(0..64).unwrap().iter().all(|seen| !seen));
        assert!(call.map(0..64).unwrap().iter().all(|seen| *seen));
        finish(pool);
    });
}

/// LZ12: the replacement has the index, and with it the chunks.
#[test]
fn replacement_under_the_same_index_takes_the_rest() {
    scene(|| {
        let pool = warm(2);
        for _ in 0..5 {
            let dies_once = |item: u32| {
                if item == 4 {
                    std::process::exit(3);
                }
                (index(item), own_pid())
            };
            let each = pool.call(dies_once).chunk_size(2).sticky().try_map(0..40);
            let mut pids = [Vec::new(), Vec::new()];
            for (item, outcome) in each.into_iter().enumerate() {
                if item == 4 {
                    error_of(outcome, TaskErrorKind::WorkerDied);
                    continue;
                }
                let (index, pid) = outcome.unwrap();
                assert_eq!(index, item / 2 % 2, "item {item}");
                pids[index].push(pid);
            }
            pids.iter_mut().for_each(Vec::dedup);
            assert_eq!((pids[0].len(), pids[1].len()), (2, 1));
        }
        finish(pool);
    });
}

/// So do successors of workers that have served long enough, without a gap.
#[test]
fn recycled_workers_hand_their_chunks_on() {
    scene(|| {
        let pool = Pool::builder().workers(2).max_tasks_per_worker(5);
        let pool = pool.build().unwrap();
        let call = pool.call(index).chunk_size(4).sticky();
        assert_eq!(call.map(0..60).unwrap(), owners(60, 4, 2));
        until("some were replaced", || pool.stats().recycled >= 5);
        finish(pool);
    });
}

/// A smaller pool still does all of it, and a call beside it is not held up.
#[test]
fn chunks_of_indexes_that_are_gone_are_done_by_others() {
    scene(|| {
        let pool = warm(3);
        let slow = |item: u32| {
            std::thread::sleep(Duration::from_millis(2));
            (item, index(item))
        };
        let map = pool.call(slow).sticky().map_async(0..90);
        pool.resize(1).unwrap();
        assert_eq!(pool.apply(|x: u32| x, (7,)).unwrap(), 7);
        let done = map.get_timeout(LONG).expect("an outcome").unwrap();
        assert!(
            done.iter()
                .enumerate()
                .all(|(at, (item, _))| at == *item as usize)
        );
        assert!(done.iter().filter(|(_, index)| *index == 0).count() > 30);
        pool.resize(3).unwrap();
        let call = pool.call(index).sticky();
        assert_eq!(call.map(0..30).unwrap(), owners(30, 1, 3));
        finish(pool);
    });
}

/// Workers that rest are started for what is theirs, and nobody does it for them.
#[test]
fn workers_on_demand_come_for_their_chunks() {
    scene(|| {
        let pool = Pool::builder().workers(3).min_workers(0).build().unwrap();
        let call = pool.call(index).chunk_size(5).sticky();
        assert_eq!(call.map(0..60).unwrap(), owners(60, 5, 3));
        finish(pool);
    });
}

/// Killed again and again, cancelled and limited: each item has its outcome, and the pool serves on.
#[test]
fn nothing_is_stranded_while_workers_die() {
    scene(|| {
        let pool = warm(2);
        for round in 0..8u32 {
            let call = pool.call(|n: u32| n + 1).chunk_size(3).sticky();
            let call = call.retries(20).priority((round % 3) as i32);
            let map = call.map_async(0..2_000);
            let other = pool.call(|n: u32| n).sticky().map_async(0..500);
            pool.worker_pids().into_iter().for_each(murder);
            other.cancel();
            let values = map.get_timeout(LONG).expect("an outcome").unwrap();
            assert!(
                values
                    .iter()
                    .enumerate()
                    .all(|(at, value)| at as u32 + 1 == *value)
            );
            drop(other.get_timeout(LONG).expect("an outcome"));
        }
        let limited = pool.call(|_: u32| std::thread::sleep(LONG)).sticky();
        let limited = limited.timeout(Duration::from_millis(20));
        for outcome in limited.try_map(0..4) {
            error_of(outcome, TaskErrorKind::TimedOut);
        }
        assert_usable(&pool);
        finish(pool);
    });
}

/// Calls have no chunks, and an inline pool no workers.
#[test]
fn single_calls_and_inline_pools_take_no_notice() {
    scene(|| {
        let pool = warm(2);
        assert_eq!(pool.call(|x: u32| x + 1).sticky().apply((1,)).unwrap(), 2);
        finish(pool);
    });
    let inline = Pool::new(0).unwrap();
    assert_eq!(
        inline.call(|x: u32| x).sticky().map(0..3).unwrap(),
        [0, 1, 2]
    );
    let lazy: Result<Vec<u32>, _> = inline.call(|x: u32| x).sticky().imap(0..3).collect();
    assert_eq!(lazy.unwrap(), [0, 1, 2]);
}
