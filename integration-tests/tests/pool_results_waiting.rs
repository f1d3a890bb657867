//! Waiting for outcomes: time-outs, readiness, several threads, dropped handles. Deaths are tested elsewhere.

use std::sync::Barrier;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use procession::{TaskErrorKind, as_completed, wait_any};
use procession_integration_tests::pool_scene::{
    LONG, Scratch, error_of, finish, scene, until, warm,
};

procession::init_before_main!();

fn sleep_ms(ms: u64) -> u64 {
    std::thread::sleep(Duration::from_millis(ms));
    ms
}

/// In a task: returns once the file is there.
fn wait_for(file: String) -> u32 {
    until("the file is there", || std::path::Path::new(&file).exists());
    7
}

/// PO12
#[test]
fn a_get_that_times_out_leaves_the_outcome_to_a_later_one() {
    scene(|| {
        let pool = warm(1);
        let scratch = Scratch::new();
        let handle = pool.apply_async(wait_for, (scratch.at("go"),));
        let begun = Instant::now();
        let handle = handle
            .get_timeout(Duration::from_millis(50))
            .expect_err("not yet");
        assert!(begun.elapsed() >= Duration::from_millis(50));
        let handle = handle.get_timeout(Duration::ZERO).expect_err("not yet");
        std::fs::write(scratch.at("go"), "").unwrap();
        assert_eq!(handle.get_timeout(LONG).expect("in time").unwrap(), 7);
        finish(pool);
    });
}

/// PO12: a wait lasts as long as the task.
#[test]
fn a_get_returns_no_earlier_than_its_task() {
    scene(|| {
        let pool = warm(1);
        let begun = Instant::now();
        assert_eq!(pool.apply_async(sleep_ms, (200,)).get().unwrap(), 200);
        assert!(begun.elapsed() >= Duration::from_millis(200));
        finish(pool);
    });
}

/// PO12: a machine that is busy may be late now and then, the pool may not.
#[test]
fn a_get_and_its_timeout_are_as_long_as_they_say() {
    scene(|| {
        let pool = warm(1);
        let near = Duration::from_millis(50);
        let (short, task) = (Duration::from_millis(60), Duration::from_millis(200));
        let mut seen = Vec::new();
        let in_time = (0..20).any(|_| {
            let begun = Instant::now();
            let handle = pool.apply_async(sleep_ms, (200,));
            let (timed_out, outcome) = match handle.get_timeout(short) {
                Ok(outcome) => (None, outcome),
                Err(handle) => (Some(begun.elapsed()), handle.get()),
            };
            let got = begun.elapsed();
            assert_eq!(outcome.unwrap(), 200);
            assert!(got >= task && timed_out.is_none_or(|early| early >= short));
            seen.push((timed_out, got));
            got <= task + near && timed_out.is_some_and(|early| early <= short + near)
        });
        assert!(in_time, "{seen:?}");
        finish(pool);
    });
}

/// PO12: a time-out beyond the clock is none.
#[test]
fn an_endless_timeout_waits() {
    scene(|| {
        let pool = warm(1);
        let handle = pool.apply_async(sleep_ms, (20,));
        assert!(handle.wait_timeout(Duration::MAX));
        assert_eq!(
            handle.get_timeout(Duration::MAX).expect("there").unwrap(),
            20
        );
        finish(pool);
    });
}

/// PO30
#[test]
fn ready_and_successful_say_what_is_known() {
    scene(|| {
        let pool = warm(1);
        let scratch = Scratch::new();
        let handle = pool.apply_async(wait_for, (scratch.at("go"),));
        assert!(!handle.ready());
        assert_eq!(handle.successful(), None);
        assert!(!handle.wait_timeout(Duration::from_millis(10)));
        std::fs::write(scratch.at("go"), "").unwrap();
        handle.wait();
        assert!(handle.ready());
        assert_eq!(handle.successful(), Some(true));
        assert_eq!(handle.get().unwrap(), 7);

        let failing = pool.apply_async(|| -> () { panic!("no") }, ());
        failing.wait();
        assert_eq!(failing.successful(), Some(false));
        error_of(failing.get(), TaskErrorKind::Panicked);

        let failing = pool.map_async(|x: u32| assert!(x < 5), 0..10);
        failing.wait();
        assert_eq!(failing.successful(), Some(false));
        finish(pool);
    });
}

/// PO30: nobody waits, and the handle becomes ready all the same.
#[test]
fn a_handle_becomes_ready_by_itself() {
    scene(|| {
        let pool = warm(2);
        let handles: Vec<_> = (0..20)
            .map(|ms| pool.apply_async(sleep_ms, (ms,)))
            .collect();
        until("all are ready", || {
            handles.iter().all(|handle| handle.ready())
        });
        for (ms, handle) in handles.into_iter().enumerate() {
            assert_eq!(handle.get().unwrap(), ms as u64);
        }
        finish(pool);
    });
}

/// FAULTS 90
#[test]
fn one_outcome_wakes_every_thread_that_waits() {
    scene(|| {
        let pool = warm(2);
        for round in 0..20 {
            let scratch = Scratch::new();
            let handle = pool.apply_async(wait_for, (scratch.at("go"),));
            let (start, woken) = (Barrier::new(9), AtomicU32::new(0));
            std::thread::scope(|threads| {
                for _ in 0..8 {
                    threads.spawn(|| {
                        start.wait();
                        handle.wait();
                        assert_eq!(handle.successful(), Some(true));
                        woken.fetch_add(1, Ordering::Relaxed);
                    });
                }
                start.wait();
                // Some rounds let the waiters go to sleep first.
                std::thread::sleep(Duration::from_millis(round % 4));
                std::fs::write(scratch.at("go"), "").unwrap();
            });
            assert_eq!(woken.into_inner(), 8);
            assert_eq!(handle.get().unwrap(), 7);
        }
        finish(pool);
    });
}

/// FAULTS 90: every thread waits for a handle of its own on one pool, and a pool is shared by reference.
#[test]
fn threads_submit_and_wait_on_one_pool() {
    scene(|| {
        let pool = warm(2);
        std::thread::scope(|threads| {
            for thread in 0..8u64 {
                let pool = &pool;
                threads.spawn(move || {
                    for i in 0..200 {
                        let n = thread * 1_000 + i;
                        assert_eq!(pool.apply(|x: u64| x + 1, (n,)).unwrap(), n + 1);
                    }
                });
            }
        });
        finish(pool);
    });
}

/// FAULTS 92
#[test]
fn a_timeout_that_races_completion_loses_nothing() {
    scene(|| {
        let pool = warm(2);
        let mut early = 0;
        for round in 0..500u64 {
            let mut handle = pool.apply_async(
                |us: u64| {
                    std::thread::sleep(Duration::from_micros(us));
                    us
                },
                (round % 300,),
            );
            let outcome = loop {
                match handle.get_timeout(Duration::from_micros(round % 150)) {
                    Ok(outcome) => break outcome,
                    Err(again) => {
                        early += 1;
                        handle = again;
                    }
                }
            };
            assert_eq!(outcome.unwrap(), round % 300);
        }
        assert!(early > 0, "no time-out came first");
        finish(pool);
    });
}

/// FAULTS 89
#[test]
fn a_dropped_handle_does_not_stop_its_task() {
    scene(|| {
        let pool = warm(2);
        let scratch = Scratch::new();
        for i in 0..20 {
            drop(pool.apply_async(
                |file: String| std::fs::write(file, "ran").is_ok(),
                (scratch.at(&i.to_string()),),
            ));
        }
        drop(pool.map_async(|x: u32| x, 0..100));
        pool.close();
        pool.join().unwrap();
        assert_eq!(scratch.count(), 20);
    });
}

/// FAULTS 92: the helpers over many handles give each outcome once.
#[test]
fn wait_any_and_as_completed_give_each_outcome_once() {
    scene(|| {
        let pool = warm(2);
        let mut handles: Vec<_> = (0..20u64)
            .map(|i| pool.apply_async(sleep_ms, (i % 3,)))
            .collect();
        let mut sum = 0;
        while let Some(done) = wait_any(&mut handles, Some(LONG)) {
            sum += handles.swap_remove(done).get().unwrap();
        }
        assert!(handles.is_empty());
        assert_eq!(sum, (0..20).map(|i| i % 3).sum::<u64>());

        let scratch = Scratch::new();
        let mut never = vec![pool.apply_async(wait_for, (scratch.at("go"),))];
        assert_eq!(wait_any(&mut never, Some(Duration::from_millis(10))), None);
        std::fs::write(scratch.at("go"), "").unwrap();
        let mut indices: Vec<usize> = as_completed(never)
            .map(|(index, outcome)| {
                assert_eq!(outcome.unwrap(), 7);
                index
            })
            .collect();
        let handles = (0..50u64)
            .map(|i| pool.apply_async(|i: u64| i, (i,)))
            .collect();
        indices.extend(as_completed(handles).map(|(index, outcome)| {
            assert_eq!(outcome.unwrap(), index as u64);
            index
        }));
        indices.sort_unstable();
        assert_eq!(indices, std::iter::once(0).chain(0..50).collect::<Vec<_>>());
        finish(pool);
    });
}
