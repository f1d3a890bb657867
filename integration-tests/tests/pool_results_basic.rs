//! What the verbs return. Looks at values and their order only; ends and errors have files of their own.

use procession::{Pool, TaskErrorKind};
use procession_integration_tests::pool_scene::{
    assert_usable, error_of, finish, own_pid, scene, warm,
};
use serde::{Deserialize, Serialize};

procession::init_before_main!();

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Options {
    width: u32,
    title: String,
    scale: Option<f64>,
}

fn square(x: u64) -> u64 {
    x * x
}

fn area(options: Options, height: u32) -> (u32, Options) {
    (options.width * height, options)
}

fn product(a: u64, b: u64) -> u64 {
    a * b
}

/// PO01
#[test]
fn apply_returns_what_the_function_returns() {
    scene(|| {
        let pool = Pool::new(2).unwrap();
        assert_eq!(pool.apply(square, (12,)).unwrap(), 144);
        assert_eq!(pool.apply_async(square, (13,)).get().unwrap(), 169);
        let options = Options {
            width: 3,
            title: "Straße \u{1f600}".into(),
            scale: Some(0.25),
        };
        assert_eq!(
            pool.apply(area, (options.clone(), 5)).unwrap(),
            (15, options)
        );
        assert_eq!(pool.apply(|| (), ()).unwrap(), ());
        let sum = |a: u8, b: u16, c: u32, d: u64, e: i8, f: i16, g: i32, h: i64| {
            i64::from(a)
                + i64::from(b)
                + i64::from(c)
                + d as i64
                + i64::from(e)
                + i64::from(f)
                + i64::from(g)
                + h
        };
        assert_eq!(pool.apply(sum, (1, 2, 3, 4, 5, 6, 7, 8)).unwrap(), 36);
        finish(pool);
    });
}

/// PO01: a task runs in another process, and `Err` is a value like any other.
#[test]
fn a_task_runs_elsewhere_and_may_return_err() {
    scene(|| {
        let pool = warm(2);
        let pid = pool.apply(own_pid, ()).unwrap();
        assert_ne!(pid, own_pid());
        assert!(pool.worker_pids().contains(&pid));
        let parsed = pool.apply(
            |text: String| text.parse::<u32>().map_err(|e| e.to_string()),
            ("x".to_string(),),
        );
        assert_eq!(
            parsed.unwrap(),
            Err("invalid digit found in string".to_string())
        );
        finish(pool);
    });
}

/// PO02
#[test]
fn map_equals_a_sequential_map() {
    scene(|| {
        let pool = Pool::new(3).unwrap();
        for items in [1u64, 10, 100, 5_000] {
            let expected: Vec<u64> = (0..items).map(square).collect();
            assert_eq!(pool.map(square, 0..items).unwrap(), expected);
            assert_eq!(
                pool.call(square).chunk_size(20).map(0..items).unwrap(),
                expected
            );
        }
        finish(pool);
    });
}

/// PO03
#[test]
fn starmap_spreads_each_tuple_over_the_parameters() {
    scene(|| {
        let pool = Pool::new(2).unwrap();
        let pairs: Vec<(u64, u64)> = (0..100).map(|i| (i, 100 - i)).collect();
        let expected: Vec<u64> = pairs.iter().map(|(a, b)| a * b).collect();
        assert_eq!(pool.starmap(product, pairs.clone()).unwrap(), expected);
        assert_eq!(
            pool.starmap_async(product, pairs.clone()).get().unwrap(),
            expected
        );
        assert_eq!(
            pool.call(product)
                .chunk_size(20)
                .starmap(pairs.clone())
                .unwrap(),
            expected
        );
        assert_eq!(
            pool.call(product)
                .chunk_size(20)
                .starmap_async(pairs)
                .get()
                .unwrap(),
            expected
        );
        finish(pool);
    });
}

/// PO04: without callbacks: the whole vector, or the error of the failing item.
#[test]
fn map_async_gives_the_whole_vector_or_one_error() {
    scene(|| {
        let pool = Pool::new(2).unwrap();
        assert_eq!(
            pool.map_async(square, 0..500).get().unwrap(),
            (0..500).map(square).collect::<Vec<_>>()
        );
        let failing = pool.map_async(|x: u32| assert_ne!(x, 3, "not three"), 0..8);
        let error = error_of(failing.get(), TaskErrorKind::Panicked);
        assert_eq!(error.item(), Some(3));
        assert!(error.panic().unwrap().message().contains("not three"));
        assert_usable(&pool);
        finish(pool);
    });
}

/// PO05
#[test]
fn an_empty_map_async_with_a_chunk_size_is_ready() {
    scene(|| {
        let pool = Pool::new(1).unwrap();
        let empty = pool.call(square).chunk_size(1).map_async(Vec::new());
        empty.wait();
        assert!(empty.ready());
        assert_eq!(empty.successful(), Some(true));
        assert_eq!(empty.get().unwrap(), Vec::<u64>::new());
        finish(pool);
    });
}

/// PO06, FAULTS 107: no items.
#[test]
fn every_map_over_nothing_is_empty() {
    scene(|| {
        let pool = Pool::new(2).unwrap();
        let none = std::iter::empty::<u64>;
        assert!(pool.map(square, none()).unwrap().is_empty());
        assert!(pool.map_async(square, none()).get().unwrap().is_empty());
        assert!(pool.starmap(product, Vec::new()).unwrap().is_empty());
        assert!(
            pool.starmap_async(product, Vec::new())
                .get()
                .unwrap()
                .is_empty()
        );
        assert!(pool.try_map(square, none()).is_empty());
        assert_usable(&pool);
        finish(pool);
    });
}

/// PO15, FAULTS 107: a size of zero.
#[test]
fn a_pool_has_exactly_as_many_workers_as_asked_for() {
    scene(|| {
        let pool = warm(3);
        let mut pids = pool.worker_pids();
        pids.sort_unstable();
        pids.dedup();
        assert_eq!(pids.len(), 3);
        let children = procession_integration_tests::audit::children_of(own_pid());
        assert_eq!(children.len(), 3, "{children:?}");
        finish(pool);

        let inline = Pool::new(0).unwrap();
        assert!(inline.worker_pids().is_empty());
        assert_eq!(inline.apply(own_pid, ()).unwrap(), own_pid());
    });
}

/// PO15: a size beyond the bound is an error that names it.
#[test]
fn a_pool_too_large_is_refused_with_the_bound() {
    scene(|| {
        let error = Pool::new(usize::MAX).unwrap_err().to_string();
        assert!(error.contains("16384"), "{error}");
    });
}
