//! Maps of more items than can be counted, without as many items. Must not exist outside of tests.

use procession_worker::TaskErrorKind;

use crate::pool::Pool;

/// Those of the first portion are handed in when it is set; the second one is too many.
const HANDED_IN: usize = 32;

fn half(n: u64) -> u64 {
    n / 2
}

/// An input in the middle of which the map is found to be nearly full.
fn too_many(pool: &Pool, items: u64) -> impl Iterator<Item = u64> {
    (0..items).inspect(move |n| {
        if *n == 40 {
            let shared = pool.shared.as_ref().expect("workers");
            shared.lock().core.leave_room_for(3);
        }
    })
}

#[test]
fn map_of_too_many_items_ends_with_that() {
    let pool = Pool::new(2).expect("a pool");
    let outcomes = [
        pool.map(half, too_many(&pool, u64::MAX)),
        pool.map_async(half, too_many(&pool, u64::MAX)).get(),
        pool.call(half)
            .on_progress(drop)
            .map(too_many(&pool, u64::MAX)),
    ];
    for outcome in outcomes {
        let error = outcome.expect_err("too many");
        assert_eq!(error.kind(), TaskErrorKind::TooLarge, "{error}");
        assert_eq!(error.item(), Some(HANDED_IN));
        assert!(error.to_string().contains("4294967295 items"), "{error}");
    }
    assert_eq!(pool.map(half, [2, 4]).expect("it serves on"), [1, 2]);
    pool.close();
    pool.join().expect("no map is left open");
}

#[test]
fn items_that_are_too_many_say_so_each() {
    let pool = Pool::new(2).expect("a pool");
    let each = pool.try_map(half, too_many(&pool, 1_000));
    assert_eq!(each.len(), 1_000);
    for (at, outcome) in each.into_iter().enumerate() {
        if at < HANDED_IN {
            assert_eq!(outcome.expect("a half"), at as u64 / 2);
        } else {
            let error = outcome.expect_err("too many");
            assert_eq!(error.kind(), TaskErrorKind::TooLarge, "{error}");
            assert_eq!(error.item(), Some(at));
        }
    }
    pool.close();
    pool.join().expect("no map is left open");
}
