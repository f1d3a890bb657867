//! Chunks: their size never shows in the results, only in how work moves.

use procession::TaskErrorKind;
use procession_integration_tests::pool_scene::{
    Scratch, assert_usable, die_by, error_of, finish, meet, own_pid, scene, warm,
};
use rustix::process::Signal;

procession::init_before_main!();

/// LZ05
#[test]
fn every_chunk_size_gives_the_same_output() {
    scene(|| {
        let pool = warm(3);
        let expected: Vec<u32> = (0..40).map(|x| x * 3).collect();
        for size in [1, 2, 4, 6, 40, 50, usize::MAX] {
            let triple = |x: u32| x * 3;
            assert_eq!(
                pool.call(triple).chunk_size(size).map(0..40).unwrap(),
                expected,
                "{size}"
            );
            assert_eq!(
                pool.call(triple)
                    .chunk_size(size)
                    .map_async(0..40)
                    .get()
                    .unwrap(),
                expected,
                "{size}"
            );
            let each: Result<Vec<u32>, _> = pool
                .call(triple)
                .chunk_size(size)
                .try_map(0..40)
                .into_iter()
                .collect();
            assert_eq!(each.unwrap(), expected, "{size}");
        }
        finish(pool);
    });
}

/// LZ05, FAULTS 107: a chunk of nothing.
#[test]
fn a_chunk_of_no_items_is_an_error() {
    scene(|| {
        let pool = warm(1);
        let call = pool.call(|x: u32| x).chunk_size(0);
        let error = error_of(call.map(0..4), TaskErrorKind::InvalidOption);
        assert!(error.to_string().contains("chunk_size"), "{error}");
        error_of(call.map_async(0..4).get(), TaskErrorKind::InvalidOption);
        let each = call.try_map(0..4);
        assert_eq!(each.len(), 4);
        for (at, outcome) in each.into_iter().enumerate() {
            assert_eq!(
                error_of(outcome, TaskErrorKind::InvalidOption).item(),
                Some(at)
            );
        }
        assert_usable(&pool);
        finish(pool);
    });
}

/// LZ09
#[test]
fn a_failing_item_of_a_chunk_is_the_only_one_lost() {
    scene(|| {
        let pool = warm(2);
        let each = pool
            .call(|x: u32| {
                assert_ne!(x, 3, "not three");
                x
            })
            .chunk_size(4)
            .try_map(0..12);
        for (at, outcome) in each.into_iter().enumerate() {
            if at == 3 {
                assert_eq!(error_of(outcome, TaskErrorKind::Panicked).item(), Some(3));
            } else {
                assert_eq!(outcome.unwrap() as usize, at);
            }
        }
        assert_eq!(pool.stats().restarts, 0);
        finish(pool);
    });
}

/// CR22
#[test]
fn an_item_that_kills_its_worker_is_the_only_one_lost_of_its_chunk() {
    scene(|| {
        let pool = warm(2);
        for _ in 0..5 {
            let each = pool
                .call(|x: u32| {
                    if x == 4 {
                        die_by(Signal::KILL);
                    }
                    x
                })
                .chunk_size(10)
                .try_map(0..30);
            for (at, outcome) in each.into_iter().enumerate() {
                if at == 4 {
                    let error = error_of(outcome, TaskErrorKind::WorkerDied);
                    assert_eq!(error.item(), Some(4));
                    assert_eq!(error.death().unwrap().exit_status().signal(), Some(9));
                } else {
                    assert_eq!(outcome.unwrap() as usize, at);
                }
            }
        }
        finish(pool);
    });
}

/// CR22: every third item of every chunk kills.
#[test]
fn many_deaths_within_chunks_cost_their_items_alone() {
    scene(|| {
        let pool = warm(2);
        for size in [1, 7, 30] {
            let each = pool
                .call(|x: u32| {
                    if x % 3 == 2 {
                        std::process::exit(5);
                    }
                    x
                })
                .chunk_size(size)
                .try_map(0..30);
            for (at, outcome) in each.into_iter().enumerate() {
                if at % 3 == 2 {
                    assert_eq!(
                        error_of(outcome, TaskErrorKind::WorkerDied).item(),
                        Some(at)
                    );
                } else {
                    assert_eq!(outcome.unwrap() as usize, at);
                }
            }
        }
        finish(pool);
    });
}

/// LZ11: tiny items travel together: neighbours run in the same worker.
#[test]
fn tiny_items_travel_in_chunks() {
    scene(|| {
        let pool = warm(2);
        let pids = pool.map(|_: u32| own_pid(), 0..100_000).unwrap();
        assert_eq!(pids.len(), 100_000);
        let borders = pids.windows(2).filter(|pair| pair[0] != pair[1]).count();
        assert!(
            borders < 25_000,
            "{borders} of 100,000 neighbours ran apart"
        );
        finish(pool);
    });
}

/// LZ11: of eight long items on four workers none waits behind another while a worker is idle: each four meet.
#[test]
fn long_items_spread_evenly() {
    scene(|| {
        let pool = warm(4);
        let (one, two) = (Scratch::new(), Scratch::new());
        let places: Vec<(String, u32)> = (0..8)
            .map(|i| (if i < 4 { one.text() } else { two.text() }, i))
            .collect();
        pool.starmap(|place: String, me: u32| meet(&place, me, 4), places)
            .unwrap();
        finish(pool);
    });
}

fn tiny_or_meeting(place: String, me: u32) -> u32 {
    if !place.is_empty() {
        meet(&place, me, 4);
    }
    me
}

/// LZ11: a worker gets several chunks of a function known as short; when one turns out long the idle ones take the rest.
/// Within a chunk that has begun nothing moves, so each item is one here.
#[test]
fn items_that_turn_out_long_move_to_idle_workers() {
    scene(|| {
        let pool = warm(4);
        let short = (0..2_000).map(|i| (String::new(), i));
        assert_eq!(pool.starmap(tiny_or_meeting, short).unwrap().len(), 2_000);
        let place = Scratch::new();
        let long = (0..4).map(|i| (place.text(), i));
        assert_eq!(
            pool.call(tiny_or_meeting)
                .chunk_size(1)
                .starmap(long)
                .unwrap(),
            [0, 1, 2, 3]
        );
        let place = Scratch::new();
        let handles: Vec<_> = (0..4)
            .map(|i| pool.apply_async(tiny_or_meeting, (place.text(), i)))
            .collect();
        for (i, handle) in handles.into_iter().enumerate() {
            assert_eq!(handle.get().unwrap() as usize, i);
        }
        finish(pool);
    });
}
