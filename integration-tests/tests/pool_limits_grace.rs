//! The time between SIGTERM and SIGKILL, as the pool's owner chose it; nothing of a task's outcome waits for it.
//!
//! # Safety
//! Tasks change the disposition of SIGTERM in their worker; the handler does nothing but store to an atomic.
#![expect(unsafe_code, reason = "tasks that handle or ignore SIGTERM")]

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use procession::{Pool, TaskErrorKind};
use procession_integration_tests::audit::assert_all_end;
use procession_integration_tests::pool_scene::{
    LONG, Scratch, assert_usable, error_of, finish, scene, until,
};

procession::init_before_main!();

static HEARD: AtomicBool = AtomicBool::new(false);

extern "C" fn hear(_: libc::c_int) {
    HEARD.store(true, Ordering::SeqCst);
}

/// Runs until SIGTERM comes, then says so, puts things in order for `tidying` and says that too.
fn tidy(directory: String, tidying: Duration) {
    // SAFETY: the handler is async-signal-safe: it only stores to an atomic.
    unsafe { libc::signal(libc::SIGTERM, hear as *const () as libc::sighandler_t) };
    std::fs::write(format!("{directory}/runs"), "").unwrap();
    while !HEARD.load(Ordering::SeqCst) {
        std::thread::sleep(Duration::from_millis(1));
    }
    std::fs::write(format!("{directory}/heard"), "").unwrap();
    std::thread::sleep(tidying);
    std::fs::write(format!("{directory}/tidy"), "").unwrap();
    std::process::exit(0);
}

/// Runs and hears nothing.
fn stubborn(directory: String) {
    // SAFETY: SIG_IGN is a valid disposition for SIGTERM.
    unsafe { libc::signal(libc::SIGTERM, libc::SIG_IGN) };
    std::fs::write(format!("{directory}/runs"), "").unwrap();
    loop {
        std::thread::park();
    }
}

fn pool(grace: Duration) -> Pool {
    let builder = Pool::builder().workers(1).cancel_grace(Duration::ZERO);
    builder.term_grace(grace).build().unwrap()
}

/// CT13: three times as long as without the option, and nobody was in a hurry.
#[test]
fn task_that_handles_sigterm_has_the_time_it_was_given() {
    scene(|| {
        let notes = Scratch::new();
        let pool = pool(LONG);
        let tidies = pool.apply_async(tidy, (notes.text(), Duration::from_millis(300)));
        until("it runs", || notes.count() == 1);
        pool.terminate();
        error_of(tidies.get(), TaskErrorKind::Terminated);
        assert!(pool.join_timeout(LONG).unwrap());
        assert_eq!(
            notes.count(),
            3,
            "it was killed while it put things in order"
        );
        drop(pool);
    });
}

/// CT13
#[test]
fn without_grace_no_task_hears_sigterm() {
    scene(|| {
        let pool = pool(Duration::ZERO);
        for _ in 0..5 {
            let notes = Scratch::new();
            let tidies = pool.apply_async(tidy, (notes.text(), LONG));
            until("it runs", || notes.count() == 1);
            assert!(tidies.cancel());
            error_of(tidies.get(), TaskErrorKind::Cancelled);
            assert_usable(&pool);
            assert_eq!(
                notes.count(),
                1,
                "it heard a signal that was not to be sent"
            );
        }
        finish(pool);
    });
}

/// SH16: a pool without grace ends at once what will not end.
#[test]
fn many_tasks_that_ignore_sigterm_are_killed_at_once_without_grace() {
    scene(|| {
        let notes = Scratch::new();
        let builder = Pool::builder().workers(5).term_grace(Duration::ZERO);
        let pool = builder.build().unwrap();
        let done = pool.map(|x: u32| x, 0..10).unwrap();
        let kept = pool.apply_async(|x: u32| x, (7,));
        kept.wait();
        let place = |n: u32| format!("{}/{n}", notes.text());
        let each = (0..100).map(|n| {
            std::fs::create_dir(place(n)).unwrap();
            pool.apply_async(stubborn, (place(n),))
        });
        let long: Vec<_> = each.collect();
        let ignores = |n: &u32| std::path::Path::new(&format!("{}/runs", place(*n))).exists();
        until("five ignore it", || (0..100).filter(ignores).count() == 5);
        let pids = pool.worker_pids();
        let begun = Instant::now();
        pool.terminate();
        for call in long {
            error_of(call.get(), TaskErrorKind::Terminated);
        }
        assert!(pool.join_timeout(LONG).unwrap());
        assert!(begun.elapsed() < Duration::from_secs(5));
        assert_all_end(&pids, Duration::ZERO);
        assert_eq!((0..100).filter(ignores).count(), 5, "no other one began");
        assert_eq!((kept.get().unwrap(), done.len()), (7, 10));
        drop(pool);
    });
}

/// CT13: its outcome is there at once all the same.
#[test]
fn task_that_ignores_sigterm_is_killed_when_the_grace_is_over() {
    scene(|| {
        let grace = Duration::from_millis(400);
        let notes = Scratch::new();
        let pool = pool(grace);
        let deaf = pool.apply_async(stubborn, (notes.text(),));
        until("it runs", || notes.count() == 1);
        let begun = Instant::now();
        assert!(deaf.cancel());
        error_of(deaf.get(), TaskErrorKind::Cancelled);
        assert_usable(&pool);
        assert!(
            begun.elapsed() >= grace,
            "replaced before its grace was over"
        );
        finish(pool);
    });
}

/// Returns when it is told, or notes when SIGTERM comes whether it was.
fn heed(directory: String, returns: bool) {
    // SAFETY: the handler is async-signal-safe: it only stores to an atomic.
    unsafe { libc::signal(libc::SIGTERM, hear as *const () as libc::sighandler_t) };
    std::fs::write(format!("{directory}/runs"), "").unwrap();
    while !HEARD.load(Ordering::SeqCst) {
        if returns && procession::worker::cancelled() {
            return;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    let told = procession::worker::cancelled();
    std::fs::write(format!("{directory}/told-{told}"), "").unwrap();
    std::process::exit(0);
}

/// CT20: with a grace it has time to return, and without one it can still tell why SIGTERM came.
#[test]
fn task_that_is_ended_was_told_before() {
    scene(|| {
        let builder = || Pool::builder().workers(1).term_grace(LONG);
        let limit = Duration::from_millis(300);
        let pool = builder().cancel_grace(LONG).timeout_grace(LONG);
        let pool = pool.build().unwrap();
        assert_usable(&pool);
        let pids = pool.worker_pids();
        let notes = Scratch::new();
        let cancelled = pool.apply_async(heed, (notes.text(), true));
        until("it runs", || notes.count() == 1);
        assert!(cancelled.cancel());
        error_of(cancelled.get(), TaskErrorKind::Cancelled);
        let overruns = pool.call(heed).timeout(limit);
        let outcome = overruns.apply((notes.text(), true));
        error_of(outcome, TaskErrorKind::TimedOut);
        assert_usable(&pool);
        assert_eq!((pool.worker_pids(), notes.count()), (pids, 1));
        finish(pool);

        let pool = builder().cancel_grace(Duration::ZERO).build().unwrap();
        for cancels in [true, false] {
            let notes = Scratch::new();
            let args = (notes.text(), false);
            if cancels {
                let runs = pool.apply_async(heed, args);
                until("it runs", || notes.count() == 1);
                assert!(runs.cancel());
            } else {
                let outcome = pool.call(heed).timeout(limit).apply(args);
                error_of(outcome, TaskErrorKind::TimedOut);
            }
            assert_usable(&pool);
            assert!(std::path::Path::new(&notes.at("told-true")).exists());
        }
        finish(pool);
    });
}

/// CT13: beyond any clock.
#[test]
fn longest_grace_there_is_harms_nobody_who_ends_by_himself() {
    scene(|| {
        let pool = pool(Duration::MAX);
        let endless = pool
            .call(std::thread::sleep)
            .timeout(Duration::from_millis(20));
        error_of(endless.apply((LONG,)), TaskErrorKind::TimedOut);
        assert_usable(&pool);
        pool.terminate();
        assert!(pool.join_timeout(LONG).unwrap());
        drop(pool);
    });
}
