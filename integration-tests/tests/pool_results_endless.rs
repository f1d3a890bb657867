//! Maps of inputs without end: they read on until their outcome is decided, and no further.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use procession::{Pool, Progress, TaskErrorKind};
use procession_integration_tests::pool_scene::{
    LONG, Scratch, assert_usable, error_of, finish, scene, until, warm,
};

procession::init_before_main!();

/// Panics at 7.
fn picky(n: u64) -> u64 {
    assert_ne!(n, 7, "not this one");
    n
}

fn sleep(ms: u64) -> u64 {
    std::thread::sleep(Duration::from_millis(ms));
    ms
}

/// Counts what is read, and tells that nothing more will be.
#[derive(Debug, Default)]
struct Watched {
    read: AtomicU64,
    dropped: AtomicBool,
}

struct Endless<'a>(&'a Watched);

impl Iterator for Endless<'_> {
    type Item = u64;

    fn next(&mut self) -> Option<u64> {
        Some(self.0.read.fetch_add(1, Ordering::Relaxed))
    }
}

impl Drop for Endless<'_> {
    fn drop(&mut self) {
        self.0.dropped.store(true, Ordering::Relaxed);
    }
}

impl Watched {
    fn input(&self) -> Endless<'_> {
        self.dropped.store(false, Ordering::Relaxed);
        self.read.store(0, Ordering::Relaxed);
        Endless(self)
    }

    fn was_dropped(&self) -> bool {
        self.dropped.load(Ordering::Relaxed)
    }
}

/// One item that fails decides a map, whatever comes after it; in a pool without workers too.
#[test]
fn failed_item_ends_a_map_of_endless_input() {
    scene(|| {
        for workers in [0, 2] {
            let pool = Pool::new(workers).unwrap();
            let input = Watched::default();
            let kind = TaskErrorKind::Panicked;
            let error = error_of(pool.map(picky, input.input()), kind);
            assert_eq!(error.item(), Some(7));
            assert!(input.was_dropped());

            let handle = pool.map_async(picky, input.input());
            assert!(input.was_dropped(), "it is read before the verb returns");
            assert_eq!(error_of(handle.get(), kind).item(), Some(7));

            let pairs = input.input().map(|n| (n, 1));
            let divide = |n: u64, by: u64| picky(n) / by;
            assert_eq!(error_of(pool.starmap(divide, pairs), kind).item(), Some(7));
            let pairs = input.input().map(|n| (n, 1));
            let handle = pool.starmap_async(divide, pairs);
            assert_eq!(error_of(handle.get(), kind).item(), Some(7));

            let kept = pool.filter_map(|n: u64| Some(picky(n)), input.input());
            assert_eq!(error_of(kept, kind).item(), Some(7));

            let mut last = Progress::default();
            let call = pool.call(picky).on_progress(|p| last = p);
            error_of(call.map(input.input()), kind);
            assert_eq!(last.ended(), last.total);
            assert!(last.failed >= 1 && last.total >= 8, "{last:?}");
            assert_usable(&pool);
            finish(pool);
        }
    });
}

/// Whoever ends a map ends its reading.
#[test]
fn map_of_endless_input_ends_with_its_pool_and_when_it_is_cancelled() {
    scene(|| {
        for terminates in [true, false] {
            for waits in [true, false] {
                let pool = warm(2);
                let input = Watched::default();
                let outcome = std::thread::scope(|threads| {
                    let mapping = threads.spawn(|| {
                        let call = pool.call(|n: u64| n);
                        if waits {
                            call.map(input.input())
                        } else {
                            call.map_async(input.input()).get()
                        }
                    });
                    until("it reads", || input.read.load(Ordering::Relaxed) > 1_000);
                    if terminates {
                        pool.terminate();
                    } else {
                        assert_eq!(pool.cancel_all(), 1);
                    }
                    mapping.join().unwrap()
                });
                let kind = if terminates {
                    TaskErrorKind::Terminated
                } else {
                    TaskErrorKind::Cancelled
                };
                error_of(outcome, kind);
                assert!(input.was_dropped());
                if !terminates {
                    assert_usable(&pool);
                }
                pool.close();
                pool.join().unwrap();
            }
        }
    });
}

/// Also when nothing of it was under way when the pool ended.
#[test]
fn map_that_has_all_outcomes_so_far_ends_as_its_pool_does() {
    scene(|| {
        for terminates in [true, false] {
            let pool = warm(2);
            let items = (0..u64::MAX).inspect(|n| {
                if *n == 200 {
                    let handed_in = 32 + 64 + 8;
                    until("all is done", || pool.stats().done >= handed_in);
                    if terminates {
                        pool.terminate();
                    } else {
                        assert_eq!(pool.cancel_all(), 1);
                    }
                }
            });
            let outcome = pool.map(|n: u64| n, items);
            let kind = if terminates {
                TaskErrorKind::Terminated
            } else {
                TaskErrorKind::Cancelled
            };
            error_of(outcome, kind);
            pool.close();
            pool.join().unwrap();
        }
    });
}

#[test]
fn map_of_endless_input_ends_when_its_pool_breaks() {
    scene(|| {
        let fails = || -> () { panic!("no worker becomes ready, as the test wants") };
        let pool = Pool::builder()
            .workers(1)
            .max_queued(1_000)
            .initializer(fails, ())
            .build()
            .unwrap();
        let input = Watched::default();
        let error = error_of(pool.map(picky, input.input()), TaskErrorKind::Broken);
        assert!(error.to_string().contains("as the test wants"), "{error}");
        assert!(input.was_dropped());
        pool.terminate();
        pool.join().unwrap();
    });
}

/// An item that expires decides a map, as any failed one does.
#[test]
fn expired_item_ends_a_map_of_endless_input() {
    scene(|| {
        let pool = Pool::builder().workers(1).max_queued(100).build().unwrap();
        let busy = pool.apply_async(sleep, (600_000,));
        until("it runs", || pool.stats().running == 1);
        let input = Watched::default();
        let call = pool.call(picky).queue_deadline(Duration::from_millis(50));
        error_of(call.map(input.input()), TaskErrorKind::Expired);
        assert!(input.was_dropped());
        assert!(busy.cancel());
        finish(pool);
    });
}

/// `try_map` has an outcome for each item, so it reads on: each says what has become of it.
#[test]
fn try_map_reads_all_of_its_input_whatever_happens() {
    scene(|| {
        for terminates in [true, false] {
            let pool = warm(2);
            let items = (0..10_000u64).inspect(|n| {
                if *n == 1_000 {
                    if terminates {
                        pool.terminate();
                    } else {
                        pool.cancel_all();
                    }
                }
            });
            let each = pool.try_map(|n: u64| n, items);
            assert_eq!(each.len(), 10_000);
            let kind = if terminates {
                TaskErrorKind::Terminated
            } else {
                TaskErrorKind::Cancelled
            };
            for (at, outcome) in each.into_iter().enumerate() {
                match outcome {
                    Ok(n) => assert!(n == at as u64 && at < 1_000),
                    Err(_) => assert_eq!(error_of(outcome, kind).item(), Some(at)),
                }
            }
            pool.close();
            pool.join().unwrap();
        }
    });
}

/// What the input panics with reaches the caller while the outcome is open.
#[test]
fn panic_of_the_input_reaches_the_caller() {
    scene(|| {
        let pool = warm(2);
        let late = |n: u64, gate: String| {
            if n == 7 {
                until("it may fail", || std::path::Path::new(&gate).exists());
            }
            picky(n)
        };
        let scratch = Scratch::new();
        for round in 0..3 {
            let gate = scratch.at(&format!("gate {round}"));
            let items = (7..).map(|n| (n, gate.clone()));
            let items = items.inspect(|(n, _)| assert!(*n < 100, "no more"));
            let caught = catch_unwind(AssertUnwindSafe(|| match round {
                0 => drop(pool.starmap(late, items)),
                1 => drop(pool.starmap_async(late, items)),
                _ => drop(pool.call(late).on_progress(drop).starmap(items)),
            }));
            assert!(caught.is_err());
            std::fs::write(gate, "").unwrap();
            assert_usable(&pool);
        }
        assert_usable(&pool);
        pool.close();
        assert!(pool.join_timeout(LONG).unwrap());
    });
}
