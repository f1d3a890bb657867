//! Lazy maps whose items or inputs fail, and pools that end under them: every item has its one outcome all the same.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use procession::{Pool, TaskError, TaskErrorKind};
use procession_integration_tests::pool_scene::{
    Scratch, assert_usable, error_of, finish, murder, own_pid, scene, until, warm,
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

/// Yields 0, 1, … and panics in place of `at`.
fn failing_at(at: u32) -> impl Iterator<Item = u32> + Send {
    (0..).inspect(move |i| assert!(*i != at, "the input has no item {at}"))
}

fn small(x: u32) -> u32 {
    assert!(x % 10 != 3, "{x} is bad");
    x
}

/// LZ09, FU12: better than those, which end or lose the rest of the chunk.
#[test]
fn a_failing_item_is_its_own_error_and_the_others_go_on() {
    scene(|| {
        for pool in [warm(2), Pool::new(0).expect("an inline pool")] {
            for chunk in [1, 4, 100] {
                let outcomes: Vec<_> = pool.call(small).chunk_size(chunk).imap(0..200).collect();
                assert_eq!(outcomes.len(), 200);
                for (at, outcome) in outcomes.into_iter().enumerate() {
                    if at % 10 == 3 {
                        let error = error_of(outcome, TaskErrorKind::Panicked);
                        assert_eq!(error.item(), Some(at));
                        assert!(error.to_string().contains("is bad"), "{error}");
                    } else {
                        assert_eq!(outcome.expect("a number"), at as u32);
                    }
                }
            }
            let outcomes: Vec<_> = pool.imap_unordered(small, 0..200).collect();
            let mut failed: Vec<_> = outcomes
                .iter()
                .filter_map(|r| r.as_ref().err()?.item())
                .collect();
            failed.sort_unstable();
            assert_eq!(failed, (0..20).map(|i| 10 * i + 3).collect::<Vec<_>>());
            assert_eq!(outcomes.iter().flatten().count(), 180);
            finish(pool);
        }
    });
}

/// A death costs the item that had begun.
#[test]
fn a_dying_item_is_its_own_error_and_the_others_go_on() {
    scene(|| {
        let pool = warm(2);
        for chunk in [1, 8] {
            let die = |x: u32| {
                if x % 50 == 20 {
                    std::process::abort()
                } else {
                    x
                }
            };
            for (at, outcome) in pool.call(die).chunk_size(chunk).imap(0..100).enumerate() {
                if at % 50 == 20 {
                    assert_eq!(
                        error_of(outcome, TaskErrorKind::WorkerDied).item(),
                        Some(at)
                    );
                } else {
                    assert_eq!(outcome.expect("a number"), at as u32);
                }
            }
        }
        assert_usable(&pool);
        finish(pool);
    });
}

/// Workers are killed from outside, again and again: no outcome is lost, and none comes twice.
#[test]
fn murders_lose_at_most_one_item_each() {
    scene(|| {
        let pool = warm(2);
        let mut murders = 0;
        let mut lost = 0;
        for (at, outcome) in pool
            .imap(
                |x: u64| {
                    std::thread::sleep(Duration::from_micros(200));
                    x
                },
                0..2_000,
            )
            .enumerate()
        {
            match outcome {
                Ok(x) => assert_eq!(x, at as u64),
                Err(e) => {
                    assert_eq!(
                        (e.kind(), e.item()),
                        (TaskErrorKind::WorkerDied, Some(at)),
                        "{e}"
                    );
                    lost += 1;
                }
            }
            if at % 200 == 100
                && let Some(pid) = pool.worker_pids().first()
            {
                murder(*pid);
                murders += 1;
            }
        }
        assert!(lost <= murders, "{lost} of {murders}");
        assert_usable(&pool);
        finish(pool);
    });
}

/// CR10: the place in the input is right, wherever unsendable items stand.
#[test]
fn an_item_that_cannot_be_encoded_is_its_own_error() {
    scene(|| {
        for pool in [warm(2), Pool::new(0).expect("an inline pool")] {
            let items = || (0..100).map(|i| Shy(if [0, 1, 57, 99].contains(&i) { -1 } else { i }));
            for chunk in [1, 10, 1_000] {
                let call = pool.call(|shy: Shy| shy.0).chunk_size(chunk);
                for (at, outcome) in call.imap(items()).enumerate() {
                    if [0, 1, 57, 99].contains(&at) {
                        let error = error_of(outcome, TaskErrorKind::EncodeArgs);
                        assert_eq!(error.item(), Some(at));
                    } else {
                        assert_eq!(outcome.expect("a number"), at as i64);
                    }
                }
                assert_eq!(
                    call.imap_unordered(items()).filter(Result::is_err).count(),
                    4
                );
            }
            let none = (0..1_000).map(|_| Shy(-1));
            assert_eq!(
                pool.imap(|shy: Shy| shy.0, none)
                    .filter(Result::is_err)
                    .count(),
                1_000
            );
            finish(pool);
        }
    });
}

/// PO09, FAULTS 105
#[test]
fn an_input_that_panics_at_once_is_the_caller_s_panic_every_time() {
    scene(|| {
        for pool in [warm(2), Pool::new(0).expect("an inline pool")] {
            for _ in 0..3 {
                let mut it = pool.imap(|x: u32| x, failing_at(0));
                let caught = catch_unwind(AssertUnwindSafe(|| it.next())).expect_err("a panic");
                let text = caught.downcast_ref::<String>().expect("a text");
                assert!(text.contains("no item 0"), "{text}");
                assert!(it.next().is_none());
                let mut it = pool.imap_unordered(|x: u32| x, failing_at(0));
                assert!(catch_unwind(AssertUnwindSafe(|| it.next())).is_err());
                assert!(it.next().is_none());
            }
            assert_usable(&pool);
            finish(pool);
        }
    });
}

/// PO10, FAULTS 105: all items before the panic are yielded, whatever the chunk.
#[test]
fn an_input_that_panics_later_comes_after_the_items_before_it() {
    scene(|| {
        for pool in [warm(2), Pool::new(0).expect("an inline pool")] {
            for (at, chunk) in [(3, 1), (7, 2), (7, 4), (500, 100)] {
                let mut it = pool.call(|x: u32| x).chunk_size(chunk).imap(failing_at(at));
                for x in 0..at {
                    assert_eq!(it.next().expect("more").expect("a number"), x);
                }
                assert!(catch_unwind(AssertUnwindSafe(|| it.next())).is_err());
                assert!(it.next().is_none());
                let mut it = pool
                    .call(|x: u32| x)
                    .chunk_size(chunk)
                    .imap_unordered(failing_at(at));
                let got: Vec<_> = it.by_ref().take(at as usize).flatten().collect();
                assert_eq!(got.len(), at as usize);
                assert!(catch_unwind(AssertUnwindSafe(|| it.next())).is_err());
                // A panic never asked for is dropped with the iterator.
                let mut it = pool.imap(|x: u32| x, failing_at(at));
                it.next().expect("more").expect("a number");
            }
            assert_usable(&pool);
            finish(pool);
        }
    });
}

/// SH01, SH05: what was read before the close is finished, what is read after it is refused; nothing hangs.
#[test]
fn closing_a_pool_ends_its_open_imaps_in_order() {
    scene(|| {
        let pool = warm(2);
        let mut it = pool.call(|x: u64| x).buffer_size(8).imap(0..);
        for x in 0..5 {
            assert_eq!(it.next().expect("endless").expect("a number"), x);
        }
        pool.close();
        // The iterator is open, and in nobody's way.
        pool.join().expect("a closed pool joins");
        let rest: Vec<Result<u64, TaskError>> = it.by_ref().take(20).collect();
        let refused = rest
            .iter()
            .position(Result::is_err)
            .expect("the pool is closed");
        assert!(refused <= 8, "{refused}");
        for (x, outcome) in rest.into_iter().enumerate() {
            if x < refused {
                assert_eq!(outcome.expect("a number"), 5 + x as u64);
            } else {
                let error = error_of(outcome, TaskErrorKind::Closed);
                assert_eq!(error.item(), Some(5 + x));
            }
        }
        drop(it);
        drop(pool);
    });
}

/// An inline pool says the same.
#[test]
fn closing_an_inline_pool_refuses_further_items() {
    scene(|| {
        let pool = Pool::new(0).expect("an inline pool");
        let mut it = pool.imap(own_pid_of, 0..);
        assert_eq!(it.next().expect("endless").expect("a pid"), own_pid());
        pool.close();
        error_of(it.next().expect("endless"), TaskErrorKind::Closed);
        drop(pool);
        error_of(it.next().expect("endless"), TaskErrorKind::Closed);
    });
}

fn own_pid_of(_: u64) -> u32 {
    own_pid()
}

/// An inline pool takes one item for each outcome.
#[test]
fn an_inline_pool_runs_item_by_item() {
    scene(|| {
        let pool = Pool::new(0).expect("an inline pool");
        let taken = AtomicU64::new(0);
        let input = (0..).inspect(|_| _ = taken.fetch_add(1, Ordering::Relaxed));
        let mut it = pool
            .call(|x: u64| 2 * x)
            .buffer_size(50)
            .chunk_size(7)
            .imap(input);
        for x in 0..20 {
            assert_eq!(it.next().expect("endless").expect("a number"), 2 * x);
            assert_eq!(taken.load(Ordering::Relaxed), x + 1);
        }
        assert_eq!(
            pool.imap_unordered(|x: u64| x, 0..10)
                .flatten()
                .sum::<u64>(),
            45
        );
    });
}

/// SH04: every item handed in is resolved at once.
#[test]
fn terminating_resolves_what_an_imap_waits_for() {
    scene(|| {
        let pool = warm(2);
        let long = |_: u64| std::thread::sleep(Duration::from_secs(3600));
        let mut it = pool.call(long).buffer_size(8).imap(0..10);
        std::thread::scope(|threads| {
            threads.spawn(|| {
                // What is read from the input after it would be refused.
                until("the window is full", || {
                    let stats = pool.stats();
                    stats.running == 2 && stats.queued == 6
                });
                pool.terminate();
            });
            let begun = Instant::now();
            let outcomes: Vec<_> = it.by_ref().collect();
            assert!(begun.elapsed() < Duration::from_secs(30));
            assert_eq!(outcomes.len(), 10);
            for (at, outcome) in outcomes.into_iter().enumerate() {
                let kind = if at < 8 {
                    TaskErrorKind::Terminated
                } else {
                    TaskErrorKind::Closed
                };
                assert_eq!(error_of(outcome, kind).item(), Some(at));
            }
        });
        drop(it);
        pool.join().expect("a terminated pool joins");
    });
}

/// A time limit is each item's own; a wait counts from when its item was read.
#[test]
fn items_are_held_to_the_call_s_times() {
    scene(|| {
        let pool = warm(2);
        let nap = |ms: u64| {
            std::thread::sleep(Duration::from_millis(ms));
            ms
        };
        let limited = pool.call(nap).timeout(Duration::from_millis(150));
        for (at, outcome) in limited.imap([1, 60_000, 2, 60_000]).enumerate() {
            if at % 2 == 1 {
                assert_eq!(error_of(outcome, TaskErrorKind::TimedOut).item(), Some(at));
            } else {
                assert_eq!(outcome.expect("a nap"), at as u64 / 2 + 1);
            }
        }
        let waits = pool.call(nap).chunk_size(1).buffer_size(1);
        let mut waits = waits.queue_deadline(Duration::from_secs(2)).imap([1; 5]);
        for _ in 0..5 {
            std::thread::sleep(Duration::from_millis(600));
            waits.next().expect("five").expect("none waited");
        }
        let mut none = pool.call(nap).timeout(Duration::ZERO).imap([1, 2]);
        error_of(none.next().expect("one"), TaskErrorKind::InvalidOption);
        assert!(none.next().is_none());
        assert_usable(&pool);
        finish(pool);
    });
}

/// A pool that cannot start workers says so for each item.
#[test]
fn a_broken_pool_is_every_item_s_error() {
    scene(|| {
        let pool = Pool::builder()
            .workers(1)
            .initializer(|| assert!(own_pid() == 0, "no start"), ())
            .build()
            .expect("a pool");
        for outcome in pool.imap(|x: u64| x, 0..5) {
            error_of(outcome, TaskErrorKind::Broken);
        }
        pool.terminate();
        pool.join().expect("it joins");
    });
}

/// Dropped at any moment, under any traffic, an imap leaves nothing behind.
#[test]
fn imaps_dropped_at_any_moment_leave_nothing() {
    scene(|| {
        let pool = warm(2);
        for round in 0..200u64 {
            let mut it = pool.imap(|x: u64| x, 0..);
            for x in 0..round % 37 {
                assert_eq!(it.next().expect("endless").expect("a number"), x);
            }
            drop(it);
            if round % 10 == 0 {
                assert_usable(&pool);
            }
        }
        // What the last one had begun runs to its end.
        until("nothing is left", || {
            let stats = pool.stats();
            (stats.queued, stats.running) == (0, 0)
        });
        finish(pool);
    });
}

/// The last item's notes are there: an imap that was read to its end ran every item once.
#[test]
fn every_item_runs_once() {
    scene(|| {
        let pool = warm(2);
        let scratch = Scratch::new();
        let note = |(x, directory): (u64, String)| {
            let path = format!("{directory}/{x}");
            std::fs::OpenOptions::new()
                .create_new(true)
                .write(true)
                .open(path)
                .is_ok()
        };
        let outcomes: Result<Vec<bool>, _> = pool
            .imap_unordered(note, (0..500).map(|x| (x, scratch.text())))
            .collect();
        assert!(outcomes.expect("notes").into_iter().all(|first| first));
        assert_eq!(scratch.count(), 500);
        finish(pool);
    });
}
