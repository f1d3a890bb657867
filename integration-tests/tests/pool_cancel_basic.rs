//! Cancelling calls and maps: what has not begun never runs, what runs is told and then ended.
//!
//! # Safety
//! One task changes the disposition of a signal in its worker; no handler of ours runs there.
#![expect(unsafe_code, reason = "a task that does not want to end")]

use std::time::{Duration, Instant};

use procession::{AsyncResult, Bytes, Pool, TaskErrorKind};
use procession_integration_tests::pool_scene::{
    LONG, Scratch, assert_usable, error_of, finish, own_pid, scene, until, warm,
};
use rustix::process::{Pid, Signal, kill_process};

procession::init_before_main!();

/// Says in `directory` that it runs, and runs until the end of time.
fn endless(directory: String) {
    std::fs::write(format!("{directory}/runs"), "").unwrap();
    loop {
        std::thread::park();
    }
}

/// Says that it runs, and returns soon after it is told.
fn polite(directory: String) -> u32 {
    std::fs::write(format!("{directory}/runs"), "").unwrap();
    while !procession::worker::cancelled() {
        std::thread::sleep(Duration::from_millis(1));
    }
    std::fs::write(format!("{directory}/told"), "").unwrap();
    own_pid()
}

fn touch(place: String) {
    std::fs::write(place, "").unwrap();
}

fn cancelled<R: std::fmt::Debug>(handle: AsyncResult<R>) {
    let id = handle.id();
    let outcome = handle.get_timeout(LONG).expect("an outcome");
    let error = error_of(outcome, TaskErrorKind::Cancelled);
    assert_eq!(error.task_id(), Some(id), "{error}");
}

fn signal(pid: u32, signal: Signal) {
    // One that has ended meanwhile needs no signal.
    let _ = kill_process(Pid::from_raw(pid.cast_signed()).unwrap(), signal);
}

fn running(pool: &Pool, scratch: &Scratch) -> AsyncResult<()> {
    let handle = pool.apply_async(endless, (scratch.text(),));
    until("it runs", || scratch.count() == 1);
    handle
}

/// CT01, FU01
#[test]
fn queued_call_is_cancelled_at_once_and_never_runs() {
    scene(|| {
        let (pool, scratch) = (warm(1), Scratch::new());
        let first = running(&pool, &scratch);
        let second = pool.apply_async(touch, (scratch.at("second"),));
        assert!(second.cancel());
        assert!(second.ready(), "at once");
        assert!(!second.cancel(), "it is cancelled already");
        cancelled(second);
        assert!(first.cancel());
        assert_usable(&pool);
        assert_eq!(scratch.count(), 1, "it never ran");
        finish(pool);
    });
}

/// CT03, CT06: what does not listen is killed, and its worker replaced.
#[test]
fn running_call_is_ended_and_the_next_one_runs_in_another_process() {
    scene(|| {
        let (pool, scratch) = (warm(1), Scratch::new());
        let before = pool.worker_pids();
        let handle = running(&pool, &scratch);
        let asked = Instant::now();
        assert!(handle.cancel());
        cancelled(handle);
        let pid = pool.apply(own_pid, ()).unwrap();
        assert!(!before.contains(&pid));
        assert!(asked.elapsed() >= Duration::from_millis(50), "the grace");
        finish(pool);
    });
}

/// CT04
#[test]
fn cancel_after_the_end_is_too_late() {
    scene(|| {
        let pool = warm(1);
        let handle = pool.apply_async(|x: u32| x + 1, (1,));
        handle.wait();
        assert!(!handle.cancel());
        assert_eq!(handle.get().unwrap(), 2);
        let failed = pool.apply_async(|x: u32| 1 / x, (0,));
        failed.wait();
        assert!(!failed.cancel());
        error_of(failed.get(), TaskErrorKind::Panicked);
        finish(pool);
    });
}

/// CT05
#[test]
fn call_that_listens_keeps_its_worker() {
    scene(|| {
        let scratch = Scratch::new();
        let pool = Pool::builder()
            .workers(1)
            .cancel_grace(LONG)
            .build()
            .unwrap();
        assert_usable(&pool);
        let before = pool.worker_pids();
        let handle = pool.apply_async(polite, (scratch.text(),));
        until("it runs", || scratch.count() == 1);
        assert!(handle.cancel());
        cancelled(handle);
        assert_eq!(pool.apply(own_pid, ()).unwrap(), before[0]);
        assert_eq!(scratch.count(), 2, "it was told");
        assert!(!pool.apply(procession::worker::cancelled, ()).unwrap());
        finish(pool);
    });
}

/// CT13: SIGTERM is ignored, SIGKILL is not.
#[test]
fn call_that_ignores_sigterm_is_killed() {
    scene(|| {
        let scratch = Scratch::new();
        let pool = Pool::builder()
            .workers(1)
            .cancel_grace(Duration::ZERO)
            .build()
            .unwrap();
        let handle = pool.apply_async(
            |directory: String| {
                // SAFETY: SIG_IGN is a valid disposition for SIGTERM.
                unsafe { libc::signal(libc::SIGTERM, libc::SIG_IGN) };
                endless(directory);
            },
            (scratch.text(),),
        );
        until("it runs", || scratch.count() == 1);
        assert!(handle.cancel());
        cancelled(handle);
        assert_usable(&pool);
        finish(pool);
    });
}

/// FU04
#[test]
fn cancel_from_another_thread_wakes_who_waits() {
    scene(|| {
        let (pool, scratch) = (warm(1), Scratch::new());
        let handle = running(&pool, &scratch);
        std::thread::scope(|threads| {
            let waiter = threads.spawn(|| assert!(handle.wait_timeout(LONG)));
            assert!(handle.cancel());
            waiter.join().unwrap();
        });
        cancelled(handle);
        assert_usable(&pool);
        finish(pool);
    });
}

/// CT16
#[test]
fn map_is_cancelled_whole() {
    scene(|| {
        let (pool, scratch) = (warm(2), Scratch::new());
        let runs = vec![scratch.text(); 2];
        let handle = pool
            .call(|text: String| {
                let place = format!("{text}/{}", own_pid());
                std::fs::write(place, "").unwrap();
                loop {
                    std::thread::park();
                }
                #[expect(unreachable_code, reason = "the task's type")]
                ()
            })
            .chunk_size(1)
            .map_async(runs.iter().cycle().take(500).cloned());
        until("both run", || scratch.count() == 2);
        assert!(handle.cancel());
        assert_eq!(handle.successful(), Some(false));
        error_of(handle.get(), TaskErrorKind::Cancelled);
        assert_usable(&pool);
        assert_eq!(scratch.count(), 2, "no other item ran");
        finish(pool);
    });
}

/// CT16: the rest of a chunk that has begun is not run either.
#[test]
fn chunk_that_runs_is_left_at_the_next_item() {
    scene(|| {
        let scratch = Scratch::new();
        let pool = Pool::builder()
            .workers(1)
            .cancel_grace(LONG)
            .build()
            .unwrap();
        let before = pool.worker_pids();
        let handle = pool
            .call(polite)
            .chunk_size(100)
            .map_async(vec![scratch.text(); 100]);
        until("it runs", || scratch.count() == 1);
        assert!(handle.cancel());
        error_of(handle.get(), TaskErrorKind::Cancelled);
        assert_eq!(pool.apply(own_pid, ()).unwrap(), before[0]);
        finish(pool);
    });
}

/// CT19: whatever has been done of their transfer, and then the pool ends in either way.
#[test]
fn calls_with_large_arguments_are_cancelled_and_the_pool_ends() {
    const LARGE: usize = 100 << 20;
    scene(|| {
        let large = Bytes::from(vec![7; LARGE]);
        for terminates in [false, true] {
            let (pool, scratch) = (warm(2), Scratch::new());
            let first = running(&pool, &scratch);
            let handles: Vec<_> = (0..10)
                .map(|_| pool.apply_async(|bytes: Bytes| bytes.len(), (large.clone(),)))
                .collect();
            let mut last = handles.len();
            for handle in handles {
                if handle.cancel() {
                    cancelled(handle);
                    last -= 1;
                } else {
                    assert_eq!(handle.get().unwrap(), LARGE);
                }
            }
            // One worker cannot have run all of them before the first was asked for.
            assert!(last < 10, "none was cancelled");
            if terminates {
                pool.terminate();
                error_of(first.get(), TaskErrorKind::Terminated);
            } else {
                assert!(first.cancel());
                assert_usable(&pool);
                pool.close();
            }
            assert!(pool.join_timeout(LONG).unwrap());
        }
    });
}

/// CT19: they are on their way to workers that take nothing, and are never taken.
#[test]
fn calls_whose_arguments_do_not_move_are_cancelled_and_the_pool_ends() {
    scene(|| {
        let large = Bytes::from(vec![7; 100 << 20]);
        for terminates in [false, true] {
            let pool = warm(2);
            let pids = pool.worker_pids();
            let handles: Vec<_> = (0..10)
                .map(|_| pool.apply_async(|bytes: Bytes| bytes.len(), (large.clone(),)))
                .collect();
            // The first two are somewhere on their way, the others wait.
            std::thread::sleep(Duration::from_millis(10));
            pids.iter().for_each(|pid| signal(*pid, Signal::STOP));
            let cancels = handles.into_iter().map(|handle| {
                let in_time = handle.cancel();
                match in_time {
                    true => cancelled(handle),
                    false => assert_eq!(handle.get().unwrap(), large.len()),
                }
                in_time
            });
            assert!(cancels.filter(|in_time| *in_time).count() > 0);
            if terminates {
                pool.terminate();
            } else {
                pids.into_iter().for_each(|pid| signal(pid, Signal::CONT));
                assert_usable(&pool);
                pool.close();
            }
            assert!(pool.join_timeout(LONG).unwrap());
        }
    });
}

/// FU01: closing and terminating pools, and inline ones.
#[test]
fn cancel_in_every_state_of_the_pool() {
    scene(|| {
        let (pool, scratch) = (warm(1), Scratch::new());
        let handle = running(&pool, &scratch);
        pool.close();
        assert!(handle.cancel());
        cancelled(handle);
        pool.join().unwrap();

        let (pool, scratch) = (warm(1), Scratch::new());
        let handle = running(&pool, &scratch);
        pool.terminate();
        assert!(!handle.cancel(), "it is terminated already");
        error_of(handle.get(), TaskErrorKind::Terminated);
        pool.join().unwrap();

        let pool = Pool::new(0).unwrap();
        let handle = pool.apply_async(|x: u32| x, (1,));
        assert!(!handle.cancel());
        assert_eq!(handle.get().unwrap(), 1);
    });
}
