//! Inputs that fail: iterators that panic, values that cannot be encoded, items that fail. The pool serves on.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use procession::{Pool, TaskErrorKind};
use procession_integration_tests::pool_scene::{
    Scratch, assert_usable, error_of, finish, meet, scene, warm,
};
use serde::ser::Error as _;
use serde::{Deserialize, Serialize, Serializer};

procession::init_before_main!();

/// Encodes unless it is negative.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
struct Shy(i64);

impl Serialize for Shy {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.0 < 0 {
            return Err(S::Error::custom("too shy to be sent"));
        }
        serializer.serialize_i64(self.0)
    }
}

fn unwrap_shy(shy: Shy) -> i64 {
    shy.0
}

/// PO07, CR10
#[test]
fn an_argument_that_cannot_be_encoded_is_that_handle_s_error_at_once() {
    scene(|| {
        let pool = warm(2);
        let handle = pool.apply_async(unwrap_shy, (Shy(-1),));
        assert!(handle.ready());
        assert_eq!(handle.successful(), Some(false));
        let error = error_of(handle.get(), TaskErrorKind::EncodeArgs);
        assert!(error.to_string().contains("too shy to be sent"), "{error}");
        assert!(error.task_name().contains("unwrap_shy"), "{error}");
        error_of(
            pool.apply(unwrap_shy, (Shy(-1),)),
            TaskErrorKind::EncodeArgs,
        );
        assert_usable(&pool);
        finish(pool);
    });
}

/// CR10
#[test]
fn bad_arguments_among_good_ones_harm_none() {
    scene(|| {
        let pool = warm(2);
        let handles: Vec<_> = (0..200i64)
            .map(|i| {
                let shy = if i % 2 == 0 { Shy(i) } else { Shy(-i) };
                pool.apply_async(unwrap_shy, (shy,))
            })
            .collect();
        for (i, handle) in handles.into_iter().enumerate() {
            if i % 2 == 0 {
                assert_eq!(handle.get().unwrap(), i as i64);
            } else {
                error_of(handle.get(), TaskErrorKind::EncodeArgs);
            }
        }
        finish(pool);
    });
}

/// PO07: in a map.
#[test]
fn a_map_with_an_item_that_cannot_be_encoded_names_it() {
    scene(|| {
        let pool = warm(2);
        let items = || (0..100).map(|i| Shy(if i == 57 { -1 } else { i }));
        for chunk in [1, 10, 1_000] {
            let call = pool.call(unwrap_shy).chunk_size(chunk);
            assert_eq!(
                error_of(call.map(items()), TaskErrorKind::EncodeArgs).item(),
                Some(57)
            );
            assert_eq!(
                error_of(call.map_async(items()).get(), TaskErrorKind::EncodeArgs).item(),
                Some(57)
            );
            for (at, outcome) in call.try_map(items()).into_iter().enumerate() {
                match at {
                    57 => assert_eq!(
                        error_of(outcome, TaskErrorKind::EncodeArgs).item(),
                        Some(57)
                    ),
                    _ => assert_eq!(outcome.unwrap(), at as i64),
                }
            }
        }
        assert_usable(&pool);
        finish(pool);
    });
}

/// Yields 0, 1, … and panics in place of `at`.
fn failing_at(at: u32) -> impl Iterator<Item = u32> {
    (0..).inspect(move |i| assert!(*i != at, "the input has no item {at}"))
}

/// PO09, FAULTS 105
#[test]
fn an_input_that_panics_at_once_is_the_caller_s_panic_every_time() {
    scene(|| {
        let pool = warm(2);
        for _ in 0..3 {
            let caught = catch_unwind(AssertUnwindSafe(|| pool.map(|x: u32| x, failing_at(0))));
            let payload = caught.expect_err("a panic");
            assert!(
                payload
                    .downcast_ref::<String>()
                    .unwrap()
                    .contains("no item 0")
            );
            let caught = catch_unwind(AssertUnwindSafe(|| {
                pool.map_async(|x: u32| x, failing_at(0))
            }));
            assert!(caught.is_err());
            let caught = catch_unwind(AssertUnwindSafe(|| pool.try_map(|x: u32| x, failing_at(0))));
            assert!(caught.is_err());
        }
        assert_usable(&pool);
        finish(pool);
    });
}

/// PO10, FAULTS 105: later, with items already out; close still comes to an end.
#[test]
fn an_input_that_panics_later_leaves_the_pool_usable() {
    scene(|| {
        for (at, chunk) in [(3, 1), (7, 2), (7, 4), (5_000, 100), (100_000, 1_000)] {
            let pool = warm(2);
            let call = pool.call(|x: u32| x).chunk_size(chunk);
            let caught = catch_unwind(AssertUnwindSafe(|| call.map(failing_at(at))));
            assert!(caught.is_err(), "{at}");
            let caught = catch_unwind(AssertUnwindSafe(|| call.map_async(failing_at(at))));
            assert!(caught.is_err(), "{at}");
            assert_usable(&pool);
            finish(pool);
        }
    });
}

/// PO18
#[test]
fn a_task_s_error_tells_its_place_and_the_input_s_has_none() {
    scene(|| {
        let pool = warm(1);
        let place = format!("pool_results_inputs.rs:{}:", line!() + 1);
        let task = |x: u32| assert!(x != 2, "no twos");
        let error = error_of(pool.map(task, 0..5), TaskErrorKind::Panicked);
        let text = error.to_string();
        assert!(text.contains(&place), "{text}");
        assert!(
            text.contains("no twos") && text.contains("item 2"),
            "{text}"
        );
        let error = error_of(pool.map(unwrap_shy, [Shy(-1)]), TaskErrorKind::EncodeArgs);
        assert!(error.panic().is_none() && error.death().is_none());
        assert!(!error.to_string().contains(".rs:"), "{error}");
        finish(pool);
    });
}

/// FAULTS 103
#[test]
fn a_map_reports_its_failing_item_and_stops() {
    scene(|| {
        let pool = warm(2);
        let scratch = Scratch::new();
        let items = (0..500).map(|i| (scratch.at(&i.to_string()), i));
        let task = |file: String, i: u32| {
            assert_ne!(i, 5, "item five");
            std::thread::sleep(Duration::from_millis(5));
            std::fs::write(file, "").unwrap();
        };
        let error = error_of(
            pool.call(task).chunk_size(1).starmap(items),
            TaskErrorKind::Panicked,
        );
        assert_eq!(error.item(), Some(5));
        // What had begun may end; what had not is cancelled.
        assert!(scratch.count() < 400, "{} items ran", scratch.count());
        assert_usable(&pool);
        finish(pool);
    });
}

/// FAULTS 103: of two failing items, the lower one, whichever fails first.
#[test]
fn a_map_reports_the_lowest_failing_item() {
    scene(|| {
        let pool = warm(2);
        for _ in 0..20 {
            let scratch = Scratch::new();
            let task = |place: String, i: u32| -> () {
                meet(&place, i, 2);
                if i == 0 {
                    std::thread::sleep(Duration::from_millis(3));
                }
                panic!("item {i}");
            };
            let items = (0..2).map(|i| (scratch.text(), i));
            let outcome: Result<Vec<()>, _> = pool.call(task).chunk_size(1).starmap(items);
            let error = error_of(outcome, TaskErrorKind::Panicked);
            assert_eq!(error.item(), Some(0), "{error}");
        }
        finish(pool);
    });
}

/// PO09: an input may use the pool that reads it.
#[test]
fn an_input_may_submit_to_the_same_pool() {
    scene(|| {
        let pool = Pool::new(1).unwrap();
        let asked = Cell::new(0);
        let items = (0..50u32).map(|i| {
            asked.set(asked.get() + 1);
            pool.apply(|x: u32| x + 1, (i,)).unwrap()
        });
        assert_eq!(
            pool.map(|x: u32| x * 10, items).unwrap(),
            (1..=50).map(|x| x * 10).collect::<Vec<_>>()
        );
        assert_eq!(asked.get(), 50);
        finish(pool);
    });
}
