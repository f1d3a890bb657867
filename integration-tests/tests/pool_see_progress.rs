//! How far lazy maps, searches and handles are, as they tell it. One place for each promise.

use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use procession::{NotYet, Pool, Progress, Step, TaskErrorKind};
use procession_integration_tests::pool_scene::{
    LONG, Scratch, error_of, finish, scene, until, warm,
};

procession::init_before_main!();

/// Counts that add up.
#[track_caller]
fn adds_up(p: Progress) -> Progress {
    assert_eq!(p.done + p.failed + p.running + p.queued, p.total, "{p:?}");
    p
}

/// What was told: adding up, never going back, all of it ended at the end, and not too often.
#[track_caller]
fn well_told(told: &[Progress], took: Duration) -> Progress {
    assert!(told.is_sorted_by_key(|p| adds_up(*p).ended()), "{told:?}");
    assert!(told.len() <= 2 + took.as_millis() as usize / 50, "{told:?}");
    let last = *told.last().expect("an end");
    assert_eq!(last.ended(), last.total, "{told:?}");
    last
}

fn sleep(ms: u64) -> u64 {
    thread::sleep(Duration::from_millis(ms));
    ms
}

fn half(n: u64) -> u64 {
    assert!(n.is_multiple_of(2), "odd");
    n / 2
}

/// In a task: waits until there is such a file.
fn wait_for(file: String) {
    until("the file is there", || std::path::Path::new(&file).exists());
}

/// HY04: of a lazy map, with failures and without items, in order or not, and in a pool of no workers.
#[test]
fn progress_of_a_lazy_map_ends_with_all_of_its_items() {
    scene(|| {
        for workers in [0, 2] {
            let pool = Pool::new(workers).unwrap();
            let mut told = Vec::new();
            for items in [0, 1, 1_000] {
                let begun = Instant::now();
                told.clear();
                let ordered = pool.call(half).on_progress(|p| told.push(p)).imap(0..items);
                assert_eq!(
                    ordered.filter(Result::is_ok).count() as u64,
                    items.div_ceil(2)
                );
                let last = well_told(&told, begun.elapsed());
                assert_eq!((last.done, last.failed), (items.div_ceil(2), items / 2));

                told.clear();
                let call = pool.call(half).on_progress(|p| told.push(p));
                let unordered = call.imap_unordered(0..items);
                assert_eq!(unordered.filter(Result::is_err).count() as u64, items / 2);
                let last = well_told(&told, begun.elapsed());
                assert_eq!((last.done, last.failed), (items.div_ceil(2), items / 2));
            }
            finish(pool);
        }
    });
}

/// HY04: while there is nothing to yield, and through a limit of the consumer's.
#[test]
fn progress_of_a_lazy_map_is_told_while_it_waits() {
    scene(|| {
        let pool = warm(2);
        let begun = Instant::now();
        let mut told = Vec::new();
        let call = pool.call(sleep).chunk_size(10).buffer_size(20);
        let slept: Vec<u64> = call
            .on_progress(|p| told.push(p))
            .imap([50; 20])
            .map(Result::unwrap)
            .collect();
        assert_eq!(slept, [50; 20]);
        let last = well_told(&told, begun.elapsed());
        assert_eq!((last.done, last.total), (20, 20));
        let mut middle = told.iter().filter(|p| p.done > 0 && p.done < 20);
        assert!(middle.any(|p| p.running >= 1), "{told:?}");

        let scratch = Scratch::new();
        let gate = scratch.at("gate");
        told.clear();
        let mut waits = pool
            .call(wait_for)
            .on_progress(|p| told.push(p))
            .imap_unordered([gate.clone()]);
        assert!(matches!(
            waits.next_timeout(Duration::from_millis(200)),
            Err(NotYet)
        ));
        std::fs::write(&gate, "").unwrap();
        assert!(matches!(waits.next_timeout(LONG), Ok(Some(Ok(())))));
        assert!(matches!(waits.next_timeout(LONG), Ok(None)));
        assert!(waits.next().is_none());
        drop(waits);
        assert!(
            told.iter().any(|p| (p.running, p.total) == (1, 1)),
            "{told:?}"
        );
        let last = told.last().map(|p| (p.done, p.total));
        assert_eq!(last, Some((1, 1)), "{told:?}");
        finish(pool);
    });
}

/// HY04: of maps that leave out, multiply or stop: what has no value when they end has failed.
#[test]
fn progress_of_a_map_that_stops_early_ends_with_what_was_read() {
    scene(|| {
        for workers in [0, 2] {
            let pool = Pool::new(workers).unwrap();
            let mut last = Progress::default();
            let mut tell = |p| last = adds_up(p);
            let even = |n: u64| n.is_multiple_of(2).then_some(n);
            let kept = pool.call(even).on_progress(&mut tell).filter_map(0..10);
            assert_eq!(kept.unwrap(), [0, 2, 4, 6, 8]);
            let twice = pool
                .call(|n: u64| vec![n, n])
                .on_progress(&mut tell)
                .flat_map(0..2);
            assert_eq!(twice.unwrap(), [0, 0, 1, 1]);
            assert_eq!((last.done, last.total), (2, 2));

            let step = |n: u64| match n {
                7 => Step::Break(n),
                _ => Step::Continue(n),
            };
            let mut tell = |p| last = adds_up(p);
            let broke = pool.call(step).on_progress(&mut tell).map_until(0..);
            assert_eq!(broke.unwrap(), ControlFlow::Break(7));
            assert_eq!(last.ended(), last.total);
            assert!(last.done >= 1 && last.total >= 8, "{last:?}");
            let mut tell = |p| last = adds_up(p);
            let went_on = pool.call(step).on_progress(&mut tell).map_until(0..3);
            assert_eq!(went_on.unwrap(), ControlFlow::Continue(vec![0, 1, 2]));
            assert_eq!((last.done, last.total), (3, 3));

            let mut tell = |p| last = adds_up(p);
            let found = |n: u64| (n == 5).then_some(n);
            let five = pool.call(found).on_progress(&mut tell).find_map(0..);
            assert_eq!(five.unwrap(), Some(5));
            assert_eq!(last.ended(), last.total);
            let mut tell = |p| last = adds_up(p);
            assert!(
                pool.call(|n: u64| n > 5)
                    .on_progress(&mut tell)
                    .any(0..)
                    .unwrap()
            );
            assert!(
                !pool
                    .call(|n: u64| n < 5)
                    .on_progress(&mut tell)
                    .all(0..)
                    .unwrap()
            );
            assert_eq!(last.ended(), last.total);
            let mut tell = |p| last = adds_up(p);
            let odd_fails = |n: u64| Some(half(n)).filter(|_| n > 10);
            let failed = pool.call(odd_fails).on_progress(&mut tell).find_map([1]);
            error_of(failed, TaskErrorKind::Panicked);
            assert_eq!(last.ended(), last.total);
            finish(pool);
        }
    });
}

/// HY04: of a handle, whether somebody waits for it or not.
#[test]
fn progress_of_a_handle_is_told_while_nobody_waits() {
    scene(|| {
        let pool = warm(2);
        let (report, reports) = mpsc::channel();
        let begun = Instant::now();
        let call = pool.call(sleep).chunk_size(1);
        let handle = call
            .on_progress(move |p| report.send(p).unwrap())
            .map_async([35; 24]);
        // The channel ends with the function, which is dropped after the end was told.
        let told: Vec<Progress> = reports.iter().collect();
        assert!(handle.ready(), "the end comes after the outcome");
        let last = well_told(&told, begun.elapsed());
        assert_eq!((last.done, last.failed), (24, 0));
        let mut middle = told.iter().filter(|p| p.done > 0 && p.done < 24);
        assert!(middle.any(|p| p.running >= 1), "{told:?}");
        assert_eq!(handle.get().unwrap(), [35; 24]);

        // While somebody waits, of items that fail, and of none.
        for (items, done) in [(0..100, None), (0..0, Some(0))] {
            let (report, reports) = mpsc::channel();
            let begun = Instant::now();
            let call = pool
                .call(half)
                .on_progress(move |p| report.send(p).unwrap());
            let outcome = call.map_async(items).get();
            let told: Vec<Progress> = reports.iter().collect();
            let last = well_told(&told, begun.elapsed());
            match done {
                Some(done) => assert_eq!((last.done, outcome.unwrap().len()), (done, 0)),
                None => {
                    error_of(outcome, TaskErrorKind::Panicked);
                    assert!(last.failed >= 1, "{last:?}");
                }
            }
        }

        // A slow input is told of while it is read.
        let (report, reports) = mpsc::channel();
        let input = (0..200u64).inspect(|_| thread::sleep(Duration::from_millis(2)));
        let call = pool.call(|n: u64, m: u64| n + m);
        let call = call.on_progress(move |p| report.send(p).unwrap());
        let handle = call.starmap_async(input.map(|n| (n, 1)));
        assert_eq!(handle.get().unwrap().len(), 200);
        let told: Vec<Progress> = reports.iter().collect();
        assert!(told.iter().any(|p| adds_up(*p).total < 200), "{told:?}");
        finish(pool);
    });
}

/// HY04: each end of a pool is the end of what it had, and `join` returns after it was told.
#[test]
fn progress_of_a_handle_ends_however_its_pool_does() {
    scene(|| {
        for end in ["close", "terminate", "cancel", "drop"] {
            let pool = warm(1);
            let (report, reports) = mpsc::channel();
            let call = pool.call(sleep).chunk_size(1);
            let call = call.on_progress(move |p| report.send(adds_up(p)).unwrap());
            let handle = match end {
                "close" => call.map_async([1; 20]),
                _ => call.map_async([0, 600_000, 0]),
            };
            match end {
                "close" => pool.close(),
                "terminate" => pool.terminate(),
                "cancel" => {
                    assert!(handle.cancel());
                    pool.close();
                }
                _ => {}
            }
            if end != "drop" {
                pool.join().unwrap();
                let last = reports
                    .try_iter()
                    .last()
                    .expect("told before join returned");
                assert_eq!(last.ended(), last.total, "{end}");
                assert_eq!(last.failed == 0, end == "close", "{last:?}");
            }
            drop(pool);
            let _ = handle.get();
            assert!(reports.iter().all(|p| p.ended() == p.total));
        }

        // What was refused, and what panicked on its way, tells nothing; an inline pool tells before the verb returns.
        let (report, reports) = mpsc::channel();
        let pool = Pool::new(0).unwrap();
        let sender = report.clone();
        let call = pool
            .call(half)
            .on_progress(move |p| sender.send(adds_up(p)).unwrap());
        let handle = call.map_async([2, 4]);
        let last = reports.try_iter().last().expect("told");
        assert_eq!((last.done, last.total), (2, 2));
        assert_eq!(handle.get().unwrap(), [1, 2]);
        finish(pool);
        let pool = warm(1);
        let sender = report.clone();
        let call = pool
            .call(half)
            .on_progress(move |p| sender.send(p).unwrap());
        let panics = || call.map_async((0..2).chain(std::iter::from_fn(|| panic!("no more"))));
        assert!(catch_unwind(AssertUnwindSafe(panics)).is_err());
        pool.close();
        let call = pool
            .call(half)
            .on_progress(move |p| report.send(p).unwrap());
        error_of(call.map_async([2]).get(), TaskErrorKind::Closed);
        pool.join().unwrap();
        assert_eq!(reports.iter().collect::<Vec<_>>(), []);
    });
}

/// A progress function that panics costs no outcome, and is heard of once on the callbacks' thread.
#[test]
fn progress_function_that_panics_costs_no_outcome() {
    scene(|| {
        let pool = warm(2);
        let mut slept = pool
            .call(sleep)
            .on_progress(|_| panic!("enough"))
            .imap([150, 0, 0, 0]);
        let mut panics = 0;
        let mut got = Vec::new();
        loop {
            match catch_unwind(AssertUnwindSafe(|| slept.next())) {
                Ok(Some(ms)) => got.push(ms.unwrap()),
                Ok(None) => break,
                Err(_) => panics += 1,
            }
        }
        assert_eq!(got, [150, 0, 0, 0]);
        assert!(
            panics >= 2,
            "once while it waited, once at the end: {panics}"
        );
        drop(slept);

        let before = pool.stats().callback_panics;
        let call = pool.call(sleep).chunk_size(1);
        let handle = call.on_progress(|_| panic!("enough")).map_async([200; 4]);
        assert_eq!(handle.get().unwrap(), [200; 4]);
        pool.close();
        pool.join().unwrap();
        assert_eq!(pool.stats().callback_panics, before + 1);
    });
}
