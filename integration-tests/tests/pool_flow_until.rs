//! Maps whose tasks decide how much there is: they agree with the sequential steps, and stop early.

use std::ops::ControlFlow;
use std::time::Duration;

use procession::{Pool, Step, TaskErrorKind};
use procession_integration_tests::pool_scene::{
    Scratch, assert_usable, error_of, finish, own_pid, scene, warm,
};

procession::init_before_main!();

/// PO34
#[test]
fn break_ends_the_map_and_what_remains_is_not_started() {
    scene(|| {
        let pool = warm(2);
        let notes = Scratch::new();
        let items = (0..10_000u32).map(|n| (notes.text(), n));
        let task = |(directory, n): (String, u32)| {
            std::fs::write(format!("{directory}/{n}"), "").unwrap();
            std::thread::sleep(Duration::from_millis(1));
            match n {
                20 => Step::Break(format!("at {n}")),
                _ => Step::Continue(n),
            }
        };
        let outcome = pool.map_until(task, items).unwrap();
        assert_eq!(outcome, ControlFlow::Break("at 20".to_string()));
        assert_usable(&pool);
        let started = notes.count();
        assert!((1..5_000).contains(&started), "{started} were started");
        finish(pool);
    });
}

/// PO34: it does not wait for items before it.
#[test]
fn break_comes_before_slow_items_and_keeps_their_worker() {
    scene(|| {
        let pool = warm(2);
        let notes = Scratch::new();
        let slow_first = |(go, n): (String, u64)| {
            if n == 0 {
                for _ in 0..30_000 {
                    if std::path::Path::new(&go).exists() {
                        return Step::Continue(n);
                    }
                    std::thread::sleep(Duration::from_millis(1));
                }
            }
            Step::Break(n)
        };
        let pids = pool.worker_pids();
        let items = [0, 7].map(|n| (notes.at("go"), n));
        let outcome = pool.map_until(slow_first, items).unwrap();
        assert_eq!(outcome, ControlFlow::Break(7));
        std::fs::write(notes.at("go"), "").unwrap();
        assert!(pids.contains(&pool.apply(own_pid, ()).unwrap()));
        finish(pool);
    });
}

/// PO34
#[test]
fn map_without_a_break_is_a_map() {
    scene(|| {
        for workers in [0, 1, 3] {
            let pool = Pool::new(workers).unwrap();
            for count in [0u64, 1, 1_000] {
                let outcome = pool.map_until(|n: u64| Step::<(), u64>::Continue(n * n), 0..count);
                let squares: Vec<u64> = (0..count).map(|n| n * n).collect();
                assert_eq!(outcome.unwrap(), ControlFlow::Continue(squares));
            }
            let ends = |n: u64| match n {
                5 => Step::Break(n),
                _ => Step::Continue(()),
            };
            assert_eq!(pool.map_until(ends, 0..).unwrap(), ControlFlow::Break(5));
            finish(pool);
        }
    });
}

/// PO34
#[test]
fn failure_ends_the_map_too() {
    scene(|| {
        let pool = warm(2);
        let odd = |n: u32| {
            assert_ne!(n, 3, "three");
            Step::<(), u32>::Continue(n)
        };
        let error = error_of(pool.map_until(odd, 0..), TaskErrorKind::Panicked);
        assert_eq!(error.item(), Some(3));
        assert_usable(&pool);
        finish(pool);
    });
}

/// PO35
#[test]
fn searches_and_filters_agree_with_the_sequential_ones() {
    scene(|| {
        let pool = warm(2);
        let inputs: [Vec<i64>; 4] = [
            vec![],
            vec![3],
            (0..500).collect(),
            (-40..40).rev().collect(),
        ];
        for input in inputs {
            let items = || input.iter().copied();
            let even = |n: i64| n % 2 == 0;
            let half = |n: i64| (n % 2 == 0).then_some(n / 2);
            let below = |n: i64| -> Vec<i64> { (0..n % 4).collect() };
            assert_eq!(pool.any(even, items()).unwrap(), items().any(even));
            assert_eq!(pool.all(even, items()).unwrap(), items().all(even));
            let filtered: Vec<i64> = items().filter_map(half).collect();
            assert_eq!(pool.filter_map(half, items()).unwrap(), filtered);
            let flat: Vec<i64> = items().flat_map(below).collect();
            assert_eq!(pool.flat_map(below, items()).unwrap(), flat);
            let only = |n: i64| (n == 17).then_some(n * 10);
            assert_eq!(
                pool.find_map(only, items()).unwrap(),
                items().find_map(only)
            );
        }
        finish(pool);
    });
}

/// PO32: rows of a table in chunks, put together again in order.
#[test]
fn rows_in_chunks_keep_their_order() {
    scene(|| {
        let pool = warm(2);
        let (rows, columns) = (101, 7);
        let table: Vec<f64> = (0..rows * columns).map(f64::from).collect();
        let double = |rows: Vec<f64>| -> Vec<f64> { rows.into_iter().map(|x| 2.0 * x).collect() };
        let chunks = table
            .chunks(10 * usize::try_from(columns).unwrap())
            .map(<[f64]>::to_vec);
        let doubled = pool.flat_map(double, chunks).unwrap();
        assert_eq!(doubled, double(table));
        finish(pool);
    });
}

/// PO33: what goes in with a key comes out with it, in the order of the keys.
#[test]
fn maps_of_keys_and_values_keep_the_order_of_the_keys() {
    scene(|| {
        let pool = warm(2);
        let prices: std::collections::BTreeMap<String, u32> = ["pear", "fig", "apple"]
            .into_iter()
            .zip([3, 1, 2])
            .map(|(name, price)| (name.to_string(), price))
            .collect();
        let expected: Vec<_> = prices.iter().map(|(k, v)| (k.clone(), v * 10)).collect();
        let raised = pool.starmap(|name: String, price: u32| (name, price * 10), prices);
        assert_eq!(raised.unwrap(), expected);
        finish(pool);
    });
}
