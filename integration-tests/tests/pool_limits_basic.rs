//! Time limits and queue deadlines: what overruns is ended, and nothing else.
//!
//! # Safety
//! One task changes the disposition of a signal in its worker; no handler of ours runs there.
#![expect(unsafe_code, reason = "a task that does not want to end")]

use std::time::{Duration, Instant};

use procession::{Pool, TaskErrorKind};
use procession_integration_tests::pool_scene::{
    LONG, assert_usable, error_of, finish, own_pid, scene, until, warm,
};
use rustix::process::Signal;

procession::init_before_main!();

const LIMIT: Duration = Duration::from_millis(150);

fn sleep(ms: u64) -> u64 {
    std::thread::sleep(Duration::from_millis(ms));
    ms
}

fn spin() {
    loop {
        std::hint::spin_loop();
    }
}

/// CT07, FAULTS 16
#[test]
fn endless_loop_is_ended_at_its_limit_and_the_next_call_runs_in_another_process() {
    scene(|| {
        let pool = warm(1);
        let before = pool.worker_pids();
        let asked = Instant::now();
        let handle = pool.call(spin).timeout(LIMIT).apply_async(());
        let id = handle.id();
        let outcome = handle.get_timeout(LONG).expect("an outcome");
        let took = asked.elapsed();
        let error = error_of(outcome, TaskErrorKind::TimedOut);
        assert_eq!(
            (error.task_id(), error.time_limit()),
            (Some(id), Some(LIMIT))
        );
        assert!(error.ran_for().unwrap() >= LIMIT, "{error}");
        assert!(
            error.to_string().contains("of 150 ms (it ran for 1"),
            "{error}"
        );
        assert!(took >= LIMIT && took < Duration::from_secs(10), "{took:?}");
        assert!(!before.contains(&pool.apply(own_pid, ()).unwrap()));
        finish(pool);
    });
}

/// CT07: what runs beside it and what waits behind it has its value, and the other worker stays.
#[test]
fn calls_beside_one_that_overruns_are_unaffected() {
    scene(|| {
        let pool = warm(2);
        let before = pool.worker_pids();
        let slow = |ms: u64| (sleep(ms), own_pid());
        let beside = pool.apply_async(slow, (600,));
        until("it runs", || pool.stats().running == 1);
        let overruns = pool.call(spin).timeout(LIMIT).apply_async(());
        let behind: Vec<_> = (0..20).map(|_| pool.apply_async(slow, (1,))).collect();
        error_of(
            overruns.get_timeout(LONG).expect("an outcome"),
            TaskErrorKind::TimedOut,
        );
        let (ms, other) = beside.get_timeout(LONG).expect("an outcome").unwrap();
        assert!(ms == 600 && before.contains(&other));
        for call in behind {
            let (ms, pid) = call.get_timeout(LONG).expect("an outcome").unwrap();
            assert!(ms == 1 && (pid == other || !before.contains(&pid)));
        }
        until("it was replaced", || {
            let after = pool.worker_pids();
            after.len() == 2 && after.iter().filter(|pid| before.contains(pid)).count() == 1
        });
        let stats = pool.stats();
        assert_eq!((stats.failed, stats.restarts), (1, 1), "{stats:?}");
        finish(pool);
    });
}

/// CT07: a machine that is busy may be late now and then, the pool may not.
#[test]
fn limit_is_kept_to_a_tenth_of_a_second() {
    scene(|| {
        let pool = warm(1);
        let limit = Duration::from_millis(100);
        let latest = Duration::from_millis(200);
        let mut took = Vec::new();
        while took.last().is_none_or(|last| *last > latest) {
            assert!(took.len() < 20, "{took:?}");
            let asked = Instant::now();
            let outcome = pool.call(spin).timeout(limit).apply(());
            took.push(asked.elapsed());
            let error = error_of(outcome, TaskErrorKind::TimedOut);
            assert!(error.ran_for().unwrap() >= limit, "{error}");
        }
        finish(pool);
    });
}

/// CT08
#[test]
fn time_counts_from_the_start_not_from_the_submission() {
    scene(|| {
        let pool = warm(1);
        let handles: Vec<_> = (0..5)
            .map(|_| {
                pool.call(sleep)
                    .timeout(Duration::from_millis(800))
                    .apply_async((300,))
            })
            .collect();
        for handle in handles {
            let value = handle.get_timeout(LONG).expect("an outcome");
            assert_eq!(value.unwrap(), 300);
        }
        finish(pool);
    });
}

/// CT09
#[test]
fn call_that_does_not_begin_in_time_expires_and_its_worker_lives() {
    scene(|| {
        let pool = warm(1);
        let before = pool.worker_pids();
        let busy = pool.apply_async(sleep, (600,));
        let asked = Instant::now();
        let waits = pool.call(sleep).queue_deadline(LIMIT).apply_async((1,));
        error_of(
            waits.get_timeout(LONG).expect("an outcome"),
            TaskErrorKind::Expired,
        );
        assert!(asked.elapsed() >= LIMIT);
        assert_eq!(busy.get().unwrap(), 600);
        assert_eq!(
            pool.call(sleep).queue_deadline(LONG).apply((1,)).unwrap(),
            1
        );
        assert_eq!(pool.worker_pids(), before);
        finish(pool);
    });
}

/// CT12: also when the items were to travel together.
#[test]
fn only_the_slow_items_of_a_map_time_out() {
    scene(|| {
        let pool = warm(2);
        let items: Vec<u64> = (0..40)
            .map(|n| if n % 13 == 5 { 60_000 } else { 1 })
            .collect();
        let each = pool
            .call(sleep)
            .timeout(LIMIT)
            .chunk_size(10)
            .try_map(items.clone());
        assert_eq!(each.len(), items.len());
        for (at, (outcome, item)) in each.into_iter().zip(items).enumerate() {
            if item == 1 {
                assert_eq!(outcome.unwrap(), 1, "item {at}");
            } else {
                let error = error_of(outcome, TaskErrorKind::TimedOut);
                assert_eq!(error.item(), Some(at));
            }
        }
        assert_usable(&pool);
        finish(pool);
    });
}

/// CT13, FAULTS 18
#[test]
fn call_that_ignores_sigterm_times_out_all_the_same() {
    scene(|| {
        let pool = warm(1);
        let stubborn = || {
            // SAFETY: SIG_IGN is a valid disposition for SIGTERM.
            unsafe { libc::signal(libc::SIGTERM, libc::SIG_IGN) };
            spin();
        };
        let outcome = pool.call(stubborn).timeout(LIMIT).apply(());
        error_of(outcome, TaskErrorKind::TimedOut);
        assert_usable(&pool);
        finish(pool);
    });
}

/// FAULTS 15
#[test]
fn stopped_worker_times_out() {
    scene(|| {
        let pool = warm(1);
        let stop = || {
            let me = rustix::process::getpid();
            rustix::process::kill_process(me, Signal::STOP).unwrap();
        };
        let error = error_of(
            pool.call(stop).timeout(LIMIT).apply(()),
            TaskErrorKind::TimedOut,
        );
        assert!(error.to_string().contains("was stopped (T)"), "{error}");
        assert_usable(&pool);
        finish(pool);
    });
}

/// CT21
#[test]
fn limits_of_nothing_are_errors() {
    scene(|| {
        let pool = warm(1);
        let none = pool.call(sleep).timeout(Duration::ZERO).apply((1,));
        error_of(none, TaskErrorKind::InvalidOption);
        let none = pool.call(sleep).queue_deadline(Duration::ZERO).map([1]);
        error_of(none, TaskErrorKind::InvalidOption);
        assert!(
            Pool::builder()
                .task_timeout(Duration::ZERO)
                .build()
                .is_err()
        );
        let ever = pool
            .call(sleep)
            .timeout(Duration::MAX)
            .queue_deadline(Duration::MAX);
        assert_eq!(ever.map([1, 2]).unwrap(), [1, 2]);
        finish(pool);
    });
}

/// A pool's limit holds for every verb; a call may have its own.
#[test]
fn limit_of_the_pool_holds_for_calls_that_name_none() {
    scene(|| {
        let pool = Pool::builder()
            .workers(2)
            .task_timeout(LIMIT)
            .build()
            .unwrap();
        error_of(pool.apply(sleep, (60_000,)), TaskErrorKind::TimedOut);
        error_of(pool.map(sleep, [1, 60_000]), TaskErrorKind::TimedOut);
        let longer = pool.call(sleep).timeout(LONG);
        assert_eq!(longer.apply((400,)).unwrap(), 400);
        finish(pool);
    });
}

/// The arguments of a call are no part of its time.
#[test]
fn long_arguments_do_not_count() {
    scene(|| {
        let pool = warm(1);
        let bytes = || procession::Bytes::from(vec![7; 48 << 20]);
        for _ in 0..3 {
            let len = pool
                .call(|bytes: procession::Bytes| bytes.len())
                .timeout(Duration::from_secs(20))
                .apply((bytes(),));
            assert_eq!(len.unwrap(), 48 << 20);
        }
        finish(pool);
    });
}

/// Closing pools wait for a limited call no longer than its limit.
#[test]
fn closing_pool_ends_at_the_limit() {
    scene(|| {
        let pool = warm(2);
        let handle = pool.call(spin).timeout(LIMIT).apply_async(());
        pool.close();
        assert!(pool.join_timeout(LONG).unwrap());
        error_of(handle.get(), TaskErrorKind::TimedOut);
    });
}
