//! Callbacks of the items of maps and searches that wait for their end.

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;

use procession::{Pool, Step, TaskError, TaskErrorKind};
use procession_integration_tests::pool_scene::{finish, scene};

procession::init_before_main!();

fn seven(n: usize) -> bool {
    n % 100 == 7
}

fn found(n: usize) -> Option<usize> {
    seven(n).then_some(n)
}

fn step(n: usize) -> Step<usize, usize> {
    match found(n) {
        Some(n) => Step::Break(n),
        None => Step::Continue(n),
    }
}

fn halves(n: u32) -> Vec<u32> {
    assert!(n < 100, "{n} is large");
    vec![n / 2; (n % 3) as usize]
}

/// What several items give together is what is called back: all of it, or the error.
#[test]
fn what_flat_verbs_return_is_called_back() {
    scene(|| {
        for workers in [0, 2] {
            let pool = Pool::new(workers).expect("a pool");
            for (items, expected) in [(0..40, true), (0..101, false), (0..0, true)] {
                let (tell, told) = mpsc::channel();
                let hear = move |all: &Result<Vec<u32>, TaskError>| {
                    let _ = tell.send(all.clone());
                };
                let flat: Vec<u32> = items
                    .clone()
                    .filter(|n| *n < 100)
                    .flat_map(halves)
                    .collect();
                let all = pool.call(halves).on_complete(hear).flat_map(items);
                let heard = told.recv().expect("it is called");
                assert!(told.recv().is_err(), "once");
                if expected {
                    assert_eq!(all.as_ref().expect("no error"), &flat);
                    assert_eq!(heard.expect("no error"), flat);
                } else {
                    let kinds = [all, heard].map(|r| r.expect_err("100 is large").kind());
                    assert_eq!(kinds, [TaskErrorKind::Panicked; 2]);
                }
            }
            let (tell, told) = mpsc::channel();
            let sevens = pool
                .call(found)
                .on_complete(move |all: &Result<Vec<usize>, TaskError>| {
                    let _ = tell.send(all.as_ref().ok().cloned());
                })
                .filter_map(0..250);
            assert_eq!(sevens.expect("no error"), [7, 107, 207]);
            assert_eq!(told.recv().expect("it is called"), Some(vec![7, 107, 207]));
            finish(pool);
        }
    });
}

type Kinds = mpsc::Receiver<Option<TaskErrorKind>>;

/// A callback, and the kinds of the errors it has heard.
fn hears_kinds<R>() -> (impl FnMut(&Result<R, TaskError>) + Send, Kinds) {
    let (tell, told) = mpsc::channel();
    let hear = move |r: &Result<R, TaskError>| {
        let _ = tell.send(r.as_ref().err().map(TaskError::kind));
    };
    (hear, told)
}

/// Verbs of which each item has an outcome: every one that was read is called back once.
#[test]
fn items_of_verbs_that_wait_call_back_once() {
    scene(|| {
        for workers in [0, 2] {
            let pool = Pool::new(workers).expect("a pool");
            let read = AtomicU64::new(0);
            let count = |n: &usize| read.store(*n as u64 + 1, Ordering::Relaxed);
            let items = || (0..).inspect(count);

            let (hear, each) = hears_kinds();
            let outcomes = pool.call(no_seven).on_complete(hear).try_map(0..100);
            assert_eq!(outcomes.iter().flatten().count(), 98);
            let (hear, any) = hears_kinds();
            assert!(
                pool.call(seven)
                    .on_complete(hear)
                    .any(items())
                    .expect("it is")
            );
            let (hear, all) = hears_kinds();
            let all_are = pool.call(seven).on_complete(hear).all(items());
            assert!(!all_are.expect("they are not"));
            let (hear, first) = hears_kinds();
            let first_found = pool.call(found).on_complete(hear).find_map(items());
            assert!(seven(
                first_found.expect("no error").expect("there are many")
            ));
            let (hear, until) = hears_kinds();
            let broken = pool.call(step).on_complete(hear).map_until(items());
            assert!(matches!(broken, Ok(ControlFlow::Break(n)) if seven(n)));
            finish(pool);

            let each: Vec<_> = each.try_iter().collect();
            assert_eq!(each.len(), 100);
            let panicked = each
                .iter()
                .flatten()
                .filter(|k| **k == TaskErrorKind::Panicked);
            assert_eq!(panicked.count(), 2);
            let searched = [any, all, first, until].map(|heard| {
                let kinds: Vec<_> = heard.try_iter().collect();
                let cancelled = kinds.iter().flatten();
                assert!(
                    cancelled
                        .clone()
                        .all(|kind| *kind == TaskErrorKind::Cancelled)
                );
                kinds.len()
            });
            assert!(searched.iter().all(|called| *called >= 1), "{searched:?}");
            // Of the last one, every item that was read.
            assert_eq!(searched[3] as u64, read.into_inner());
        }
    });
}

fn no_seven(n: usize) -> usize {
    assert_ne!(n % 50, 7, "seven");
    n
}
