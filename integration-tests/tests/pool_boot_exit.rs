//! The exit hook: once in each worker that ends in good order, and its outcome is a value whatever it did.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use procession::{Bytes, Pool, PoolBuilder, TaskErrorKind};
use procession_integration_tests::pool_scene::{
    LONG, Scratch, assert_usable, die_by, error_of, finish, meet, murder, own_pid, scene, until,
};
use rustix::process::Signal;

procession::init_before_main!();

static COUNT: AtomicU64 = AtomicU64::new(0);

fn count(n: u64) -> u64 {
    COUNT.fetch_add(n, Ordering::SeqCst)
}

fn counted() -> (u32, u64) {
    (own_pid(), COUNT.load(Ordering::SeqCst))
}

fn sleep_for_ever() {
    std::thread::sleep(Duration::from_secs(3600));
}

fn ended(pool: &Pool) {
    pool.close();
    assert!(pool.join_timeout(LONG).unwrap(), "a closed pool joins");
}

/// A pool of one whose hook this is, after one call.
fn after_one_call(change: impl FnOnce(PoolBuilder) -> PoolBuilder) -> Pool {
    let pool = change(Pool::builder().workers(1)).build().unwrap();
    assert_eq!(pool.apply(|x: u32| x, (1,)).unwrap(), 1);
    ended(&pool);
    pool
}

/// WL15
#[test]
fn the_hook_runs_once_in_each_worker_and_its_values_are_collected() {
    scene(|| {
        let pool = Pool::builder()
            .workers(3)
            .exit_hook(counted, ())
            .build()
            .unwrap();
        let pids = {
            let here = Scratch::new();
            let come = |directory: String, me: u32| {
                meet(&directory, me, 3);
                own_pid()
            };
            let args = (0..3).map(|me| (here.text(), me));
            pool.call(come).chunk_size(1).starmap(args).unwrap()
        };
        pool.map(count, vec![1; 300]).unwrap();
        assert!(pool.exit_results::<(u32, u64)>().is_empty());
        ended(&pool);
        let results: Vec<(u32, u64)> = pool
            .exit_results()
            .into_iter()
            .collect::<Result<_, _>>()
            .unwrap();
        let of = |pid: &u32| results.iter().filter(|(by, _)| by == pid).count();
        assert_eq!(pids.iter().map(of).collect::<Vec<_>>(), [1, 1, 1]);
        assert_eq!(results.iter().map(|(_, n)| n).sum::<u64>(), 300);
        assert_eq!(pool.exit_results::<(u32, u64)>().len(), 3, "asked again");
        drop(pool);
    });
}

/// WL15: also in workers that had nothing to do, and with arguments.
#[test]
fn idle_workers_run_it_too() {
    scene(|| {
        let pool = Pool::builder()
            .workers(2)
            .exit_hook(|a: u32, b: String| format!("{a}{b}"), (7, "x".to_owned()))
            .build()
            .unwrap();
        until("both are ready", || pool.stats().idle == 2);
        ended(&pool);
        let results = pool.exit_results::<String>();
        assert_eq!(results.len(), 2);
        assert!(results.into_iter().all(|result| result.unwrap() == "7x"));
        drop(pool);
    });
}

/// WL15
#[test]
fn ten_megabytes_arrive_whole_from_each() {
    scene(|| {
        let large = || Bytes::from(vec![own_pid().to_le_bytes()[0]; 10 << 20]);
        let pool = Pool::builder()
            .workers(4)
            .exit_hook(large, ())
            .build()
            .unwrap();
        until("all are ready", || pool.stats().idle == 4);
        ended(&pool);
        let results = pool.exit_results::<Bytes>();
        assert_eq!(results.len(), 4);
        for result in results {
            let bytes = result.unwrap();
            assert!(bytes.len() == 10 << 20 && bytes.iter().all(|byte| *byte == bytes[0]));
        }
        drop(pool);
    });
}

/// WL16
#[test]
fn a_panicking_hook_is_an_error_among_the_results() {
    scene(|| {
        let panics = || -> u32 {
            assert!(procession::worker::index() != Some(0), "no farewell");
            5
        };
        let pool = Pool::builder()
            .workers(2)
            .exit_hook(panics, ())
            .build()
            .unwrap();
        until("both are ready", || pool.stats().idle == 2);
        ended(&pool);
        let (good, bad): (Vec<_>, Vec<_>) = pool
            .exit_results::<u32>()
            .into_iter()
            .partition(Result::is_ok);
        assert_eq!(good.len(), 1);
        let error = error_of(bad.into_iter().next().unwrap(), TaskErrorKind::Panicked);
        assert_eq!(error.panic().unwrap().message(), "no farewell");
        assert!(error.to_string().contains("pool_boot_exit.rs"), "{error}");
        drop(pool);
    });
}

/// WL16
#[test]
fn a_hook_that_dies_is_an_error_that_tells_the_death() {
    scene(|| {
        let pool = after_one_call(|pool| pool.exit_hook(|| die_by(Signal::SEGV), ()));
        let error = error_of(
            pool.exit_results::<()>().remove(0),
            TaskErrorKind::WorkerDied,
        );
        assert_eq!(
            error.death().unwrap().exit_status().signal(),
            Some(11),
            "{error}"
        );
        drop(pool);
        let pool = after_one_call(|pool| pool.exit_hook(|| -> () { std::process::exit(9) }, ()));
        let error = error_of(
            pool.exit_results::<()>().remove(0),
            TaskErrorKind::WorkerDied,
        );
        assert!(error.to_string().contains("exited with code 9"), "{error}");
        drop(pool);
    });
}

extern "C" fn cannot_unwind() {
    panic!("no way out");
}

/// WL16, FAULTS 10
#[test]
fn a_hook_whose_panic_aborts_keeps_its_message() {
    scene(|| {
        let pool = after_one_call(|pool| pool.exit_hook(|| cannot_unwind(), ()));
        let error = error_of(pool.exit_results::<()>().remove(0), TaskErrorKind::Panicked);
        assert!(error.to_string().contains("no way out"), "{error}");
        assert_eq!(error.death().unwrap().exit_status().signal(), Some(6));
        drop(pool);
    });
}

/// CT18
#[test]
fn a_hook_beyond_its_limit_is_ended_and_says_so() {
    scene(|| {
        let limit = Duration::from_millis(300);
        let pool = after_one_call(|pool| pool.exit_hook(sleep_for_ever, ()).exit_timeout(limit));
        let error = error_of(pool.exit_results::<()>().remove(0), TaskErrorKind::TimedOut);
        assert_eq!(error.time_limit(), Some(limit));
        assert!(error.ran_for().unwrap() >= limit);
        assert!(error.to_string().contains("sleep_for_ever"), "{error}");
        drop(pool);
    });
}

/// CT18: a longer limit than the usual one holds as well.
#[test]
fn a_hook_within_its_limit_is_waited_for() {
    scene(|| {
        let slow = || {
            std::thread::sleep(Duration::from_millis(5500));
            8
        };
        let limit = Duration::from_secs(60);
        let pool = after_one_call(|pool| pool.exit_hook(slow, ()).exit_timeout(limit));
        assert_eq!(pool.exit_results::<i32>().remove(0).unwrap(), 8);
        drop(pool);
    });
}

/// WL15: a worker that died ran no hook; its replacement does.
#[test]
fn workers_that_die_run_no_hook_and_their_replacements_do() {
    scene(|| {
        let pool = Pool::builder()
            .workers(1)
            .exit_hook(own_pid, ())
            .build()
            .unwrap();
        let first = pool.apply(own_pid, ()).unwrap();
        error_of(
            pool.apply(|| die_by(Signal::KILL), ()),
            TaskErrorKind::WorkerDied,
        );
        let second = pool.apply(own_pid, ()).unwrap();
        assert_ne!(first, second);
        ended(&pool);
        let results: Vec<u32> = pool
            .exit_results()
            .into_iter()
            .map(Result::unwrap)
            .collect();
        assert_eq!(results, [second]);
        drop(pool);
    });
}

/// WL15
#[test]
fn a_terminated_pool_runs_no_hook() {
    scene(|| {
        let notes = Scratch::new();
        let note =
            |directory: String| std::fs::write(format!("{directory}/{}", own_pid()), "").is_ok();
        let pool = Pool::builder()
            .workers(2)
            .exit_hook(note, (notes.text(),))
            .build()
            .unwrap();
        assert_usable(&pool);
        pool.terminate();
        pool.join().unwrap();
        assert!(pool.exit_results::<bool>().is_empty());
        drop(pool);
        assert_eq!(notes.count(), 0);
    });
}

/// WL16: terminated in the middle of it.
#[test]
fn a_hook_that_is_interrupted_says_terminated() {
    scene(|| {
        let notes = Scratch::new();
        let stay = |directory: String| {
            std::fs::write(format!("{directory}/{}", own_pid()), "").unwrap();
            sleep_for_ever();
        };
        let pool = Pool::builder()
            .workers(1)
            .exit_hook(stay, (notes.text(),))
            .exit_timeout(LONG)
            .build()
            .unwrap();
        assert_usable(&pool);
        pool.close();
        until("the hook runs", || notes.count() == 1);
        pool.terminate();
        pool.join().unwrap();
        error_of(
            pool.exit_results::<()>().remove(0),
            TaskErrorKind::Terminated,
        );
        drop(pool);
    });
}

/// WL16: killed in the middle of it, by hand.
#[test]
fn a_worker_killed_in_its_hook_is_reported() {
    scene(|| {
        let notes = Scratch::new();
        let stay = |directory: String| {
            std::fs::write(format!("{directory}/{}", own_pid()), "").unwrap();
            sleep_for_ever();
        };
        let pool = Pool::builder()
            .workers(1)
            .exit_hook(stay, (notes.text(),))
            .exit_timeout(LONG)
            .build()
            .unwrap();
        assert_usable(&pool);
        let pid = pool.worker_pids()[0];
        pool.close();
        until("the hook runs", || notes.count() == 1);
        murder(pid);
        pool.join().unwrap();
        let error = error_of(
            pool.exit_results::<()>().remove(0),
            TaskErrorKind::WorkerDied,
        );
        assert_eq!(error.death().unwrap().pid(), pid);
        drop(pool);
    });
}

/// Leaves a note of this process in `directory`.
fn note(directory: String) {
    std::fs::write(format!("{directory}/{}", own_pid()), "").unwrap();
}

/// WL15: as many results as starts, also of successors that came too late to do anything.
#[test]
fn every_worker_that_was_recycled_has_left_its_result() {
    scene(|| {
        for items in [1, 3] {
            let starts = Scratch::new();
            let pool = Pool::builder()
                .workers(2)
                .max_tasks_per_worker(items)
                .initializer(note, (starts.text(),))
                .exit_hook(own_pid, ())
                .build()
                .unwrap();
            let mut ran = pool.map(|_: u32| own_pid(), 0..20).unwrap();
            ended(&pool);
            let left: Result<BTreeSet<u32>, _> = pool.exit_results::<u32>().into_iter().collect();
            let left = left.unwrap();
            assert_eq!(left.len(), pool.exit_results::<u32>().len(), "twice");
            assert_eq!(left.len(), starts.count(), "{:?}", pool.stats());
            ran.sort_unstable();
            ran.dedup();
            assert!(ran.len() >= 20 / items, "{} workers", ran.len());
            assert!(ran.iter().all(|pid| left.contains(pid)));
            drop(pool);
        }
    });
}

/// WL15: another type is an error, an error of the hook stays one.
#[test]
fn asking_for_another_type_is_an_error_value() {
    scene(|| {
        let pool = after_one_call(|pool| pool.exit_hook(own_pid, ()));
        let error = error_of(
            pool.exit_results::<Vec<u8>>().remove(0),
            TaskErrorKind::DecodeResult,
        );
        let text = error.to_string();
        assert!(
            text.contains("it returns u32, not alloc::vec::Vec<u8>"),
            "{text}"
        );
        assert!(pool.exit_results::<u32>()[0].is_ok());
        drop(pool);
        let pool = after_one_call(|pool| pool);
        assert!(pool.exit_results::<u32>().is_empty());
        finish(pool);
    });
}

/// WL15: an `Err` that the hook returns is a value.
#[test]
fn a_result_is_a_value() {
    scene(|| {
        let fails = || Err::<u32, String>("no".into());
        let pool = after_one_call(|pool| pool.exit_hook(fails, ()));
        let result = pool.exit_results::<Result<u32, String>>().remove(0);
        assert_eq!(result.unwrap(), Err("no".into()));
        drop(pool);
    });
}

/// WL15: long arguments of initializer and hook at once.
#[test]
fn long_arguments_arrive_whole() {
    scene(|| {
        let bytes = |n: u8, len: usize| Bytes::from(vec![n; len]);
        for (one, two) in [
            (20_000, 20_000),
            (100_000, 100_000),
            (10, 100_000),
            (100_000, 10),
        ] {
            let check = |b: Bytes, n: u8, len: usize| {
                assert!(b.len() == len && b.iter().all(|byte| *byte == n));
            };
            let pool = after_one_call(|pool| {
                pool.initializer(check, (bytes(1, one), 1, one))
                    .exit_hook(check, (bytes(2, two), 2, two))
            });
            assert!(pool.exit_results::<()>().remove(0).is_ok());
            drop(pool);
        }
    });
}

/// WL15, PO37
#[test]
fn an_inline_pool_runs_it_in_its_first_close() {
    let pool = Pool::builder()
        .workers(0)
        .exit_hook(own_pid, ())
        .build()
        .unwrap();
    assert!(pool.exit_results::<u32>().is_empty());
    pool.close();
    pool.close();
    pool.join().unwrap();
    let results: Vec<u32> = pool
        .exit_results()
        .into_iter()
        .map(Result::unwrap)
        .collect();
    assert_eq!(results, [own_pid()]);
    let pool = Pool::builder()
        .workers(0)
        .exit_hook(|| -> () { panic!("no") }, ())
        .build()
        .unwrap();
    pool.close();
    error_of(pool.exit_results::<()>().remove(0), TaskErrorKind::Panicked);
    let pool = Pool::builder()
        .workers(0)
        .exit_hook(own_pid, ())
        .build()
        .unwrap();
    pool.terminate();
    pool.close();
    assert!(pool.exit_results::<u32>().is_empty());
}
