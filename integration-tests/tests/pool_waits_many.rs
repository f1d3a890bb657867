//! Waiting for many handles: one, all, each in order, of several pools, from several threads. Crashes are tested elsewhere.

use std::sync::Barrier;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use procession::{
    AsyncResult, Bytes, Pool, TaskErrorKind, as_completed, as_completed_timeout, wait_all, wait_any,
};
use procession_integration_tests::pool_scene::{
    LONG, Scratch, error_of, finish, scene, until, warm,
};

procession::init_before_main!();

fn sleep_ms(ms: u64) -> u64 {
    std::thread::sleep(Duration::from_millis(ms));
    ms
}

/// In a task: returns once the file is there.
fn wait_for(file: String) -> u64 {
    until("the file is there", || std::path::Path::new(&file).exists());
    7
}

/// FU05
#[test]
fn wait_any_returns_with_the_first_and_counts_what_is_done() {
    scene(|| {
        let pool = warm(2);
        let scratch = Scratch::new();
        let mut handles = [
            pool.apply_async(wait_for, (scratch.at("go"),)),
            pool.apply_async(sleep_ms, (5,)),
        ];
        assert_eq!(wait_any(&mut handles, Some(LONG)), Some(1));
        assert!(!handles[0].ready());
        assert_eq!(wait_any(&mut handles, Some(Duration::ZERO)), Some(1));
        std::fs::write(scratch.at("go"), "").unwrap();
        assert_eq!(wait_any(&mut handles[..1], None), Some(0));
        assert_eq!(wait_any::<u64>(&mut [], None), None);
        finish(pool);
    });
}

/// In a task: fails, or returns once the file is there.
fn file_or_error(file: String) -> u64 {
    assert!(!file.is_empty(), "no file");
    wait_for(file)
}

fn each_of<const N: usize>(pool: &Pool, files: [String; N]) -> Vec<AsyncResult<u64>> {
    let each = files.map(|file| pool.apply_async(file_or_error, (file,)));
    each.into_iter().collect()
}

/// FU06: the first error ends a search among outcomes as they come, whatever succeeded before and does not end after.
#[test]
fn the_first_error_is_found_as_outcomes_come() {
    scene(|| {
        let pool = warm(2);
        let scratch = Scratch::new();
        std::fs::write(scratch.at("there"), "").unwrap();
        let files = [scratch.at("go"), scratch.at("there"), String::new()];
        let mut seen = Vec::new();
        let outcomes = as_completed_timeout(each_of(&pool, files), LONG);
        for one in outcomes {
            let (index, outcome) = one.expect("an error in time");
            seen.push(index);
            if let Err(error) = outcome {
                assert_eq!(error.kind(), TaskErrorKind::Panicked, "{error}");
                break;
            }
        }
        assert_eq!(seen.last(), Some(&2), "the one that waits was never told");
        std::fs::write(scratch.at("go"), "").unwrap();
        finish(pool);
    });
}

/// FU06: an error that is there before anybody looks is found without waiting.
#[test]
fn an_error_from_before_is_found_at_once() {
    scene(|| {
        let pool = warm(2);
        let scratch = Scratch::new();
        let calls = each_of(&pool, [scratch.at("go"), String::new()]);
        calls[1].wait();
        let mut outcomes = as_completed_timeout(calls, Duration::ZERO);
        let (index, outcome) = outcomes.next().unwrap().expect("it is there");
        error_of(outcome, TaskErrorKind::Panicked);
        assert_eq!(index, 1);
        assert_eq!(outcomes.next().unwrap().unwrap_err().count(), 1);
        std::fs::write(scratch.at("go"), "").unwrap();
        finish(pool);
    });
}

/// FU06: without an error the search ends with the last outcome, and no earlier.
#[test]
fn a_search_for_an_error_that_is_not_there_sees_every_outcome() {
    scene(|| {
        let pool = warm(2);
        let scratch = Scratch::new();
        let calls = each_of(&pool, [(); 4].map(|()| scratch.at("go")));
        std::thread::scope(|threads| {
            let go = || {
                std::thread::sleep(Duration::from_millis(20));
                std::fs::write(scratch.at("go"), "").unwrap();
            };
            threads.spawn(go);
            let mut seen = 0;
            let mut outcomes = as_completed(calls).inspect(|_| seen += 1);
            assert!(outcomes.all(|(_, outcome)| outcome.is_ok()));
            assert_eq!(seen, 4);
        });
        finish(pool);
    });
}

/// FU07
#[test]
fn wait_all_splits_what_is_done_from_what_is_not() {
    scene(|| {
        let pool = warm(2);
        let scratch = Scratch::new();
        let handles = [
            pool.apply_async(sleep_ms, (1,)),
            pool.apply_async(wait_for, (scratch.at("go"),)),
            pool.apply_async(sleep_ms, (2,)),
        ];
        let begun = Instant::now();
        assert!(!wait_all(&handles, Some(Duration::from_millis(300))));
        assert!(begun.elapsed() >= Duration::from_millis(300));
        let ready: Vec<bool> = handles.iter().map(AsyncResult::ready).collect();
        assert_eq!(ready, [true, false, true]);
        std::fs::write(scratch.at("go"), "").unwrap();
        assert!(wait_all(&handles, Some(LONG)));
        assert!(wait_all(&handles, None));
        finish(pool);
    });
}

/// FU08: a handle cannot be given twice; none at all is an end at once.
#[test]
fn waiting_for_no_handles_ends_at_once() {
    scene(|| {
        assert!(wait_all::<u64>(&[], None));
        assert_eq!(as_completed::<u64>(Vec::new()).count(), 0);
        assert_eq!(as_completed_timeout::<u64>(Vec::new(), LONG).count(), 0);
        // Several handles of equal calls are several: each is yielded once.
        let pool = warm(1);
        let twice = vec![
            pool.apply_async(sleep_ms, (1,)),
            pool.apply_async(sleep_ms, (1,)),
        ];
        let mut indices: Vec<_> = as_completed(twice).map(|(index, _)| index).collect();
        indices.sort_unstable();
        assert_eq!(indices, [0, 1]);
        finish(pool);
    });
}

/// FU09
#[test]
fn as_completed_yields_in_order_of_completion() {
    scene(|| {
        let pool = warm(2);
        let scratch = Scratch::new();
        let file = scratch.at("go");
        let slow = pool.apply_async(wait_for, (file.clone(),));
        let quick = pool.apply_async(sleep_ms, (1,));
        quick.on_complete(move |_| std::fs::write(&file, "").unwrap());
        let completed = as_completed(vec![slow, quick]);
        // Both are there before the first is asked for: the order is that of their ends all the same.
        pool.close();
        pool.join().unwrap();
        let order: Vec<_> = completed.map(|(index, r)| (index, r.unwrap())).collect();
        assert_eq!(order, [(1, 1), (0, 7)]);
        finish(pool);
    });
}

/// FU09
#[test]
fn no_time_yields_what_has_finished_then_says_what_has_not() {
    scene(|| {
        let pool = warm(2);
        let scratch = Scratch::new();
        let mut handles: Vec<_> = (0..4).map(|ms| pool.apply_async(sleep_ms, (ms,))).collect();
        assert!(wait_all(&handles, Some(LONG)));
        handles.push(pool.apply_async(wait_for, (scratch.at("go"),)));
        let mut completed = as_completed_timeout(handles, Duration::ZERO);
        for index in 0..4 {
            assert_eq!(completed.next().unwrap().unwrap().0, index);
        }
        let unfinished = completed.next().unwrap().unwrap_err();
        assert_eq!(unfinished.to_string(), "1 (of 5) unfinished after 0ns");
        assert!(completed.next().is_none());
        std::fs::write(scratch.at("go"), "").unwrap();
        for (index, handle) in unfinished.into_handles() {
            assert_eq!((index, handle.get().unwrap()), (4, 7));
        }
        finish(pool);
    });
}

/// A value that is counted in this process from its decoding to its end.
#[derive(Debug, serde::Serialize)]
struct Counted(Bytes);

static COUNTED: AtomicUsize = AtomicUsize::new(0);

impl<'de> serde::Deserialize<'de> for Counted {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Counted, D::Error> {
        let bytes = Bytes::deserialize(deserializer)?;
        COUNTED.fetch_add(1, Ordering::SeqCst);
        Ok(Counted(bytes))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        COUNTED.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Kilobytes of this process that are in memory.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let number = line.unwrap().trim().trim_end_matches("kB").trim();
    number.parse().unwrap()
}

/// FU10: a yielded outcome is the caller's alone, and so is its memory, while others are still waited for.
#[test]
fn as_completed_keeps_nothing_of_what_it_has_yielded() {
    const LARGE: usize = 16 << 20;
    scene(|| {
        let pool = warm(2);
        let scratch = Scratch::new();
        let make = |length: usize, file: String| {
            if length == 0 {
                wait_for(file);
            }
            Counted(Bytes::from(vec![7; length]))
        };
        let before = resident();
        // The last one is there when the others have been seen, so the iterator lives on.
        let lengths = [LARGE; 20].into_iter().chain([0]);
        let calls = lengths.map(|length| pool.apply_async(make, (length, scratch.at("go"))));
        let mut outcomes = as_completed(calls.collect());
        for seen in 0..20 {
            let (_, outcome) = outcomes.next().unwrap();
            assert_eq!(outcome.as_ref().unwrap().0.len(), LARGE);
            assert_eq!(COUNTED.load(Ordering::SeqCst), 1, "after {seen}");
            drop(outcome);
            assert_eq!(COUNTED.load(Ordering::SeqCst), 0, "after {seen}");
        }
        let kept = resident().saturating_sub(before) / 1024;
        assert!(kept < 160, "{kept} of 320 MiB are kept");
        std::fs::write(scratch.at("go"), "").unwrap();
        assert_eq!(outcomes.next().unwrap().0, 20);
        assert!(outcomes.next().is_none());
        finish(pool);
    });
}

/// FU10
#[test]
fn as_completed_dropped_early_leaves_the_tasks_alone() {
    scene(|| {
        let pool = warm(2);
        let scratch = Scratch::new();
        let write = |file: String| std::fs::write(file, "").is_ok();
        let handles = (0..50).map(|n| pool.apply_async(write, (scratch.at(&n.to_string()),)));
        let mut completed = as_completed(handles.collect());
        assert!(completed.next().unwrap().1.unwrap());
        drop(completed);
        finish(pool);
        assert_eq!(scratch.count(), 50);
    });
}

/// D41: handles of several pools, in every form of waiting.
#[test]
fn handles_of_several_pools_are_waited_for_together() {
    scene(|| {
        let pools = [warm(1), warm(1), warm(1)];
        let scratch = Scratch::new();
        for round in 0..30usize {
            let quick = round % 3;
            let file = scratch.at(&round.to_string());
            let start = || -> Vec<_> {
                pools
                    .iter()
                    .enumerate()
                    .map(|(n, pool)| match n == quick {
                        true => pool.apply_async(sleep_ms, (1,)),
                        false => pool.apply_async(wait_for, (file.clone(),)),
                    })
                    .collect()
            };
            let mut handles = start();
            assert_eq!(wait_any(&mut handles, Some(LONG)), Some(quick));
            assert!(!wait_all(&handles, Some(Duration::from_millis(1))));
            let mut completed = as_completed(handles);
            assert_eq!(completed.next().unwrap().0, quick);
            std::fs::write(&file, "").unwrap();
            assert!(completed.all(|(_, outcome)| outcome.unwrap() == 7));
        }
        let mut never: Vec<_> = pools
            .iter()
            .map(|pool| pool.apply_async(wait_for, (scratch.at("never"),)))
            .collect();
        let begun = Instant::now();
        assert_eq!(wait_any(&mut never, Some(Duration::from_millis(50))), None);
        assert!(begun.elapsed() >= Duration::from_millis(50));
        pools.iter().for_each(Pool::terminate);
        let ends = as_completed(never).map(|(_, outcome)| outcome.unwrap_err().kind());
        assert!(
            ends.into_iter()
                .all(|kind| kind == TaskErrorKind::Terminated)
        );
        pools.into_iter().for_each(finish);
    });
}

/// D41: a thousand outcomes while other threads wait on the same pool.
#[test]
fn as_completed_gives_each_of_many_once() {
    scene(|| {
        let pool = warm(2);
        let start = Barrier::new(3);
        std::thread::scope(|threads| {
            for _ in 0..3 {
                threads.spawn(|| {
                    start.wait();
                    let handles = (0..1000u64).map(|n| pool.apply_async(|n: u64| n, (n,)));
                    let mut seen = vec![false; 1000];
                    for (index, outcome) in as_completed(handles.collect()) {
                        assert_eq!(outcome.unwrap(), index as u64);
                        assert!(!std::mem::replace(&mut seen[index], true));
                    }
                    assert!(seen.into_iter().all(|seen| seen));
                });
            }
        });
        finish(pool);
    });
}
