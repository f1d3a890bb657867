//! A pool for the length of a function: how it ends. What a pool does meanwhile is tested elsewhere.

use std::panic::AssertUnwindSafe;
use std::time::{Duration, Instant};

use procession::{Pool, TaskErrorKind};
use procession_integration_tests::pool_scene::{Scratch, error_of, scene};

procession::init_before_main!();

/// D15: what nobody waited for has run.
#[test]
fn a_scope_that_ends_finishes_everything() {
    scene(|| {
        let scratch = Scratch::new();
        let write = |file: String| {
            std::thread::sleep(Duration::from_millis(20));
            std::fs::write(file, "").is_ok()
        };
        let later = Pool::scope(2, |pool| {
            for n in 0..9 {
                drop(pool.apply_async(write, (scratch.at(&n.to_string()),)));
            }
            pool.apply_async(write, (scratch.at("last"),))
        })
        .unwrap();
        assert_eq!(scratch.count(), 10);
        assert!(later.ready());
        assert!(later.get().unwrap());
    });
}

/// D15
#[test]
fn a_scope_that_unwinds_terminates() {
    scene(|| {
        let mut left = None;
        let begun = Instant::now();
        let ended = std::panic::catch_unwind(AssertUnwindSafe(|| {
            Pool::scope(1, |pool| {
                left = Some(pool.apply_async(std::thread::sleep, (Duration::from_secs(3600),)));
                panic!("the scope panics, as the test wants");
            })
        }));
        assert!(ended.is_err());
        assert!(begun.elapsed() < Duration::from_secs(30));
        error_of(left.unwrap().get(), TaskErrorKind::Terminated);
    });
}

/// D15: the body may end the pool itself, and returns what it likes.
#[test]
fn a_scope_may_be_ended_from_inside() {
    scene(|| {
        let first: Result<u32, String> = Pool::builder()
            .workers(1)
            .name("scoped")
            .scope(|pool| {
                let endless = pool.apply_async(std::thread::sleep, (Duration::from_secs(3600),));
                pool.terminate();
                error_of(endless.get(), TaskErrorKind::Terminated);
                Err("early".to_string())
            })
            .unwrap();
        assert_eq!(first.unwrap_err(), "early");
        Pool::scope(1, |pool| {
            pool.close();
            pool.join().unwrap();
        })
        .unwrap();
    });
}

/// D15: scopes nest, and an inline one is a scope as well.
#[test]
fn scopes_nest() {
    scene(|| {
        let sum = Pool::scope(1, |outer| {
            let inner = Pool::scope(0, |inner| inner.apply(|n: u32| n + 1, (1,)).unwrap()).unwrap();
            outer.apply(|n: u32| n * 10, (inner,)).unwrap()
        });
        assert_eq!(sum.unwrap(), 20);
    });
}
