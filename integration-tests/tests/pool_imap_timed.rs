//! Lazy maps whose consumer has a limit: "not yet" is no outcome and not the end, and costs nothing. One place for each
//! promise.

use std::time::{Duration, Instant};

use procession::{NotYet, Pool, TaskError, TaskErrorKind};
use procession_integration_tests::pool_scene::{LONG, Scratch, error_of, finish, scene, warm};

procession::init_before_main!();

type Timed = Result<Option<Result<u64, TaskError>>, NotYet>;

/// The value of an outcome that is there.
#[track_caller]
fn value(outcome: Timed) -> u64 {
    outcome
        .expect("in time")
        .expect("not the end")
        .expect("a value")
}

/// In a task: the length of the file's name, once there is such a file.
fn wait_for(file: String) -> u64 {
    let deadline = Instant::now() + LONG;
    while !std::path::Path::new(&file).exists() {
        assert!(Instant::now() < deadline, "waited in vain for {file}");
        std::thread::sleep(Duration::from_millis(1));
    }
    file.len() as u64
}

/// FU13
#[test]
fn a_lazy_map_with_a_time_for_all_gives_what_is_in_time_then_not_yet() {
    scene(|| {
        let pool = warm(3);
        for ordered in [true, false] {
            let scratch = Scratch::new();
            let files = ["now", "now", "never"].map(|name| scratch.at(name));
            let lengths = files.clone().map(|file| file.len() as u64);
            std::fs::write(scratch.at("now"), "").unwrap();
            let mut imap = pool.imap(wait_for, files.clone());
            let mut unordered = pool.imap_unordered(wait_for, files);
            let deadline = Instant::now() + Duration::from_millis(1_500);
            let mut next = |limit| match ordered {
                true => imap.next_timeout(limit),
                false => unordered.next_timeout(limit),
            };
            let left = || deadline.saturating_duration_since(Instant::now());
            assert_eq!(value(next(left())), lengths[0]);
            assert_eq!(value(next(left())), lengths[1]);
            assert!(matches!(next(left()), Err(NotYet)));
            assert!(Instant::now() >= deadline, "too early");
            assert!(matches!(next(left()), Err(NotYet)), "again");
            // Nothing was cancelled, and nothing is lost.
            std::fs::write(scratch.at("never"), "").unwrap();
            assert_eq!(value(next(LONG)), lengths[2]);
            assert!(matches!(next(Duration::ZERO), Ok(None)));
            assert!(matches!(next(LONG), Ok(None)));
        }
        finish(pool);
    });
}

/// Asking without waiting gets everything in the end, each once, in order.
#[test]
fn asking_without_waiting_loses_nothing() {
    scene(|| {
        let pool = warm(2);
        for chunk in [None, Some(1), Some(7)] {
            let call = pool.call(|n: u64| n * n);
            let call = match chunk {
                Some(items) => call.chunk_size(items),
                None => call,
            };
            let mut squares = call.imap(0..2_000);
            let (mut got, mut in_vain) = (Vec::new(), 0_u64);
            loop {
                match squares.next_timeout(Duration::ZERO) {
                    Ok(Some(square)) => got.push(square.unwrap()),
                    Ok(None) => break,
                    Err(NotYet) => in_vain += 1,
                }
                // What is asked for in between, with and without a limit, is the same iteration.
                if in_vain % 5 == 4 {
                    in_vain += 1;
                    got.extend(squares.next().map(|square| square.unwrap()));
                }
            }
            assert_eq!(got, (0..2_000).map(|n| n * n).collect::<Vec<u64>>());
        }
        finish(pool);
    });
}

/// A pool that is full holds nobody up beyond the limit, and what was read is handed in later.
#[test]
fn a_full_pool_is_not_waited_for_beyond_the_limit() {
    scene(|| {
        let pool = Pool::builder().workers(1).max_queued(2).build().unwrap();
        let scratch = Scratch::new();
        let gate = scratch.at("gate");
        let mut blocked: Vec<_> = (0..2)
            .map(|_| pool.apply_async(wait_for, (gate.clone(),)))
            .collect();
        blocked.extend(pool.try_apply_async(wait_for, (gate.clone(),)).ok());
        let mut doubled = pool.call(|n: u64| 2 * n).chunk_size(2).imap(0..20);
        for _ in 0..3 {
            let begun = Instant::now();
            let limit = Duration::from_millis(20);
            assert!(matches!(doubled.next_timeout(limit), Err(NotYet)));
            assert!(begun.elapsed() >= limit);
        }
        std::fs::write(&gate, "").unwrap();
        let all: Vec<u64> = (0..20).map(|_| value(doubled.next_timeout(LONG))).collect();
        assert_eq!(all, (0..20).map(|n| 2 * n).collect::<Vec<u64>>());
        assert!(matches!(doubled.next_timeout(LONG), Ok(None)));
        for handle in blocked {
            handle.get().unwrap();
        }
        // One that is dropped while it has something that was never handed in.
        let gate = scratch.at("another gate");
        let blocked = pool.apply_async(wait_for, (gate.clone(),));
        let another = pool.apply_async(wait_for, (gate.clone(),));
        let mut dropped = pool.call(|n: u64| n).chunk_size(2).imap(0..);
        assert!(matches!(dropped.next_timeout(Duration::ZERO), Err(NotYet)));
        drop(dropped);
        std::fs::write(&gate, "").unwrap();
        blocked.get().unwrap();
        another.get().unwrap();
        finish(pool);
    });
}

/// An end of the pool is an outcome, a panic of the input is a panic, and an inline pool has each at once.
#[test]
fn ends_come_through_a_limit_as_they_are() {
    scene(|| {
        let pool = warm(1);
        let mut asleep = pool.imap(
            |ms: u64| std::thread::sleep(Duration::from_millis(ms)),
            600_000..,
        );
        assert!(matches!(
            asleep.next_timeout(Duration::from_millis(1)),
            Err(NotYet)
        ));
        pool.terminate();
        let outcome = asleep.next_timeout(LONG).expect("in time").expect("an end");
        error_of(outcome, TaskErrorKind::Terminated);
        pool.join().unwrap();
        drop(asleep);

        for workers in [0, 1] {
            let pool = Pool::new(workers).unwrap();
            let input = (0..2).chain(std::iter::from_fn(|| panic!("no more")));
            let mut same = pool.imap(|n: u64| n, input);
            assert_eq!(value(same.next_timeout(LONG)), 0);
            assert_eq!(value(same.next_timeout(LONG)), 1);
            let panics = std::panic::AssertUnwindSafe(|| same.next_timeout(LONG));
            assert!(std::panic::catch_unwind(panics).is_err());
            assert!(matches!(same.next_timeout(LONG), Ok(None)));
            drop(same);
            finish(pool);
        }
        let pool = Pool::new(0).unwrap();
        let mut same = pool.imap_unordered(|n: u64| n, [4]);
        assert_eq!(value(same.next_timeout(Duration::ZERO)), 4);
        drop(same);
        finish(pool);
    });
}
