//! Long byte strings as arguments: they are shared on both sides, and nobody sees another's changes.

use std::fs::File;
use std::path::Path;
use std::sync::Mutex;

use procession::{Bytes, Pool};
use procession_integration_tests::pool_scene::{Scratch, die_by, finish, scene, warm};
use rustix::process::Signal;

procession::init_before_main!();

const LONG: usize = 1 << 20;

fn bytes(seed: u8, len: usize) -> Bytes {
    (0..len)
        .map(|i| (i as u8).wrapping_mul(31).wrapping_add(seed))
        .collect()
}

fn sum(bytes: &[u8]) -> u64 {
    bytes.iter().map(|b| u64::from(*b)).sum()
}

#[test]
fn what_the_caller_changes_after_the_call_is_not_seen_by_the_task() {
    scene(|| {
        let pool = warm(1);
        let mut mine = bytes(1, LONG);
        let before = sum(&mine);
        let handles: Vec<_> = (0..4)
            .map(|_| {
                let handle = pool.apply_async(|b: Bytes| sum(&b), (mine.clone(),));
                mine[0] = mine[0].wrapping_add(1);
                handle
            })
            .collect();
        for (changed, handle) in handles.into_iter().enumerate() {
            assert_eq!(handle.get().unwrap(), before + changed as u64);
        }
        // Nobody else has them any more.
        let place = mine.as_ptr();
        let vec = mine.into_vec();
        assert_eq!(vec.as_ptr(), place);
        finish(pool);
    });
}

static KEPT: Mutex<Vec<Bytes>> = Mutex::new(Vec::new());

/// What a task keeps is not the buffer that the next call comes in.
#[test]
fn what_a_task_keeps_stays_as_it_was() {
    scene(|| {
        let pool = warm(1);
        let keep = |b: Bytes| KEPT.lock().unwrap().push(b);
        for seed in 0..8 {
            pool.apply(keep, (bytes(seed, LONG),)).unwrap();
            pool.apply(
                |mut b: Bytes| {
                    b.fill(0);
                    let vec = b.into_vec();
                    assert_eq!(sum(&vec), 0);
                },
                (bytes(seed, LONG),),
            )
            .unwrap();
        }
        let sums = pool
            .apply(
                || -> Vec<u64> { KEPT.lock().unwrap().iter().map(|b| sum(b)).collect() },
                (),
            )
            .unwrap();
        let expected: Vec<u64> = (0..8).map(|seed| sum(&bytes(seed, LONG))).collect();
        assert_eq!(sums, expected);
        finish(pool);
    });
}

#[test]
fn several_long_ones_beside_short_ones_arrive_in_their_places() {
    scene(|| {
        for workers in [0, 1] {
            let pool = Pool::new(workers).unwrap();
            let back = pool
                .apply(
                    |a: u8, b: Bytes, c: String, d: Vec<Bytes>, e: Bytes| (e, d, c, b, a),
                    (
                        7,
                        bytes(1, LONG),
                        "in between".to_string(),
                        vec![bytes(2, 10), bytes(3, 65_536), bytes(4, 65_535)],
                        bytes(5, LONG + 3),
                    ),
                )
                .unwrap();
            let expected = (
                bytes(5, LONG + 3),
                vec![bytes(2, 10), bytes(3, 65_536), bytes(4, 65_535)],
                "in between".to_string(),
                bytes(1, LONG),
                7,
            );
            assert!(back == expected);
            finish(pool);
        }
    });
}

/// A second attempt sends the same bytes, although the caller has changed its own since.
#[test]
fn a_death_in_the_middle_of_a_long_call_is_tried_again_with_the_same_bytes() {
    scene(|| {
        let pool = warm(1);
        let place = Scratch::new();
        let mut mine = bytes(1, 8 << 20);
        let expected = sum(&mine);
        let handle = pool
            .call(dies_at_first)
            .retries(1)
            .retry_on_death()
            .apply_async((place.text(), mine.clone()));
        mine.fill(0);
        assert_eq!(handle.get().unwrap(), expected);
        finish(pool);
    });
}

fn dies_at_first(place: String, bytes: Bytes) -> u64 {
    if File::create_new(Path::new(&place).join("begun")).is_ok() {
        die_by(Signal::KILL);
    }
    sum(&bytes)
}
