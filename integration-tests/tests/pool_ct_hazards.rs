//! Cancelling and time limits against clocks, locks, signals, stopped parents and what a task has started.
//!
//! # Safety
//! One task installs a handler that stores to an atomic, which is safe in a handler.
#![expect(unsafe_code, reason = "a task that hears SIGTERM")]

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use procession::{Pool, Process, TaskErrorKind};
use procession_integration_tests::audit::{assert_all_end, is_running};
use procession_integration_tests::pool_scene::{
    LONG, Scratch, assert_usable, error_of, finish, scene, until, warm,
};
use rustix::process::{Pid, Signal, kill_process};

procession::init_before_main!();

const LIMIT: Duration = Duration::from_millis(300);

/// CT15, FAULTS 76: no source of the library reads the wall clock, so nothing can jump with it.
#[test]
fn no_wall_clock_is_read() {
    fn look(directory: &std::path::Path, seen: &mut usize) {
        for entry in std::fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                look(&path, seen);
            } else if path.extension().is_some_and(|e| e == "rs") {
                *seen += 1;
                let text = std::fs::read_to_string(&path).unwrap();
                for clock in [
                    "SystemTime",
                    "UNIX_EPOCH",
                    "CLOCK_REALTIME",
                    "ClockId::Realtime",
                ] {
                    assert!(!text.contains(clock), "{} reads {clock}", path.display());
                }
            }
        }
    }
    let crates = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates");
    let mut seen = 0;
    for each in std::fs::read_dir(crates).unwrap() {
        look(&each.unwrap().path().join("src"), &mut seen);
    }
    assert!(seen > 100, "only {seen} files were looked at");
}

/// CT17
#[test]
fn grandchildren_of_a_killed_task_are_gone() {
    scene(|| {
        let pool = warm(1);
        let notes = Scratch::new();
        let starts = |note: String| {
            let mut child = std::process::Command::new("sleep")
                .arg("3600")
                .spawn()
                .unwrap();
            std::fs::write(format!("{note}.new"), child.id().to_string()).unwrap();
            std::fs::rename(format!("{note}.new"), note).unwrap();
            child.wait().unwrap();
        };
        let pid_of = |name: &str| -> u32 {
            let text = std::fs::read_to_string(notes.at(name)).unwrap();
            text.parse().unwrap()
        };
        // Once by its limit, once by its owner.
        let call = pool.call(starts).timeout(Duration::from_secs(2));
        error_of(call.apply((notes.at("limit"),)), TaskErrorKind::TimedOut);
        let cancelled = pool.apply_async(starts, (notes.at("cancel"),));
        until("the grandchild runs", || {
            std::path::Path::new(&notes.at("cancel")).exists()
        });
        assert!(is_running(pid_of("cancel")));
        assert!(cancelled.cancel());
        assert_usable(&pool);
        assert_all_end(&[pid_of("limit"), pid_of("cancel")], LONG);
        finish(pool);
    });
}

static TOLD: AtomicBool = AtomicBool::new(false);

extern "C" fn told(_: i32) {
    TOLD.store(true, Ordering::Release);
}

/// CT20: the soft limit is SIGTERM, the hard one SIGKILL after the grace.
#[test]
fn task_that_hears_the_soft_limit_cleans_up_and_one_that_does_not_is_killed() {
    scene(|| {
        let pool = warm(1);
        let notes = Scratch::new();
        let cleans_up = |note: String, listens: bool| -> () {
            let handler: extern "C" fn(i32) = told;
            // SAFETY: the handler stores to an atomic and does nothing else.
            unsafe { libc::signal(libc::SIGTERM, handler as libc::sighandler_t) };
            while !(listens && TOLD.load(Ordering::Acquire)) {
                std::thread::sleep(Duration::from_millis(1));
            }
            std::fs::write(note, "clean").unwrap();
            std::process::exit(0);
        };
        let ended_by_limit = |name: &str, listens: bool| {
            let before = pool.worker_pids();
            let call = pool.call(cleans_up).timeout(LIMIT);
            let outcome = call.apply((notes.at(name), listens));
            error_of(outcome, TaskErrorKind::TimedOut);
            assert_all_end(&before, LONG);
            assert_usable(&pool);
            std::path::Path::new(&notes.at(name)).exists()
        };
        // A tenth of a second to clean up may be too short on a busy machine, but not each time.
        assert!((0..30).any(|_| ended_by_limit("soft", true)));
        assert!(!ended_by_limit("hard", false));
        finish(pool);
    });
}

/// CT20, of `cancel`: the soft limit is the token, the hard one the end of the grace.
#[test]
fn task_that_looks_at_its_token_keeps_its_worker_and_one_that_does_not_loses_it() {
    scene(|| {
        let pool = Pool::builder()
            .workers(1)
            .cancel_grace(Duration::from_secs(1))
            .build()
            .unwrap();
        assert_usable(&pool);
        for listens in [true, false] {
            let before = pool.worker_pids();
            let notes = Scratch::new();
            let task = |note: String, listens: bool| {
                std::fs::write(note, "").unwrap();
                while !(listens && procession::worker::cancelled()) {
                    std::thread::sleep(Duration::from_millis(1));
                }
            };
            let handle = pool.apply_async(task, (notes.at("begun"), listens));
            until("it runs", || notes.count() == 1);
            assert!(handle.cancel());
            assert_usable(&pool);
            assert_eq!(pool.worker_pids() == before, listens);
        }
        finish(pool);
    });
}

/// FAULTS 17
#[test]
fn deadlock_in_a_task_ends_at_its_limit() {
    scene(|| {
        let pool = warm(1);
        let locks = || {
            let lock = std::sync::RwLock::new(0u32);
            let (held, waits) = std::sync::mpsc::channel::<()>();
            let _guard = lock.write();
            // Waits for itself.
            waits.recv().unwrap();
            drop(held);
        };
        let outcome = pool.call(locks).timeout(LIMIT).apply(());
        error_of(outcome, TaskErrorKind::TimedOut);
        assert_usable(&pool);
        finish(pool);
    });
}

#[derive(serde::Serialize, serde::Deserialize)]
struct Bomb(u32);

impl Drop for Bomb {
    fn drop(&mut self) {
        if procession::is_worker() {
            panic!("boom");
        }
    }
}

/// FAULTS 43
#[test]
fn result_whose_drop_panics_is_delivered() {
    scene(|| {
        let pool = warm(1);
        let before = pool.worker_pids();
        assert_eq!(pool.apply(Bomb, (5,)).unwrap().0, 5);
        let each = pool.map(Bomb, 0..10).unwrap();
        assert!(each.iter().map(|bomb| bomb.0).eq(0..10));
        assert_eq!(pool.worker_pids(), before);
        finish(pool);
    });
}

/// FAULTS 41: an argument is the function's own, so its drop is a part of the call: an error of that item, in a worker that
/// lives; one that the function gives back is not dropped there.
#[test]
fn argument_whose_drop_panics_is_the_error_of_its_call() {
    scene(|| {
        let pool = warm(1);
        let before = pool.worker_pids();
        let keep = |bomb: Bomb| bomb.0;
        let error = error_of(pool.apply(keep, (Bomb(5),)), TaskErrorKind::Panicked);
        assert_eq!(error.panic().map(|panic| panic.message()), Some("boom"));
        let each = pool.try_map(
            |bomb: Bomb| match bomb.0 {
                3 => 3,
                n => {
                    std::mem::forget(bomb);
                    n
                }
            },
            (0..6).map(Bomb),
        );
        for (item, outcome) in each.into_iter().enumerate() {
            match item {
                3 => drop(error_of(outcome, TaskErrorKind::Panicked)),
                _ => assert_eq!(outcome.unwrap() as usize, item),
            }
        }
        assert_eq!(pool.worker_pids(), before, "it serves on");
        finish(pool);
    });
}

/// FAULTS 44
#[test]
fn thread_that_outlives_its_task_may_panic_and_its_abort_costs_the_task_that_runs_then() {
    scene(|| {
        let pool = warm(1);
        let notes = Scratch::new();
        let before = pool.worker_pids();
        let panics = |note: String| {
            std::thread::spawn(move || {
                std::fs::write(note, "").unwrap();
                panic!("nobody asked");
            });
        };
        pool.apply(panics, (notes.at("panicked"),)).unwrap();
        until("the thread panics", || notes.count() == 1);
        assert_usable(&pool);
        assert_eq!(pool.worker_pids(), before);
        let aborts = |go: String| {
            std::thread::spawn(move || {
                while !std::path::Path::new(&go).exists() {
                    std::thread::sleep(Duration::from_millis(1));
                }
                std::process::abort();
            });
        };
        pool.apply(aborts, (notes.at("go"),)).unwrap();
        assert_usable(&pool);
        let innocent = |go: String| {
            std::fs::write(go, "").unwrap();
            std::thread::sleep(LONG);
        };
        let outcome = pool.apply(innocent, (notes.at("go"),));
        let error = error_of(outcome, TaskErrorKind::WorkerDied);
        assert!(error.to_string().contains("SIGABRT"), "{error}");
        assert_usable(&pool);
        finish(pool);
    });
}

/// FAULTS 78: its parent was stopped beyond the limit; the reply that came meanwhile is read first.
#[test]
fn result_that_came_while_the_parent_was_stopped_stands() {
    let _alone = procession_integration_tests::audit::alone(180);
    let host = |directory: String| {
        let pool = Pool::new(1).unwrap();
        let task = |directory: String| {
            std::fs::write(format!("{directory}/begun"), "").unwrap();
            while !std::path::Path::new(&format!("{directory}/go")).exists() {
                std::thread::sleep(Duration::from_millis(1));
            }
            7u32
        };
        let limit = Duration::from_secs(3);
        let handle = pool.call(task).timeout(limit).apply_async((directory,));
        let outcome = handle.get().map_err(|e| e.to_string());
        pool.terminate();
        pool.join().unwrap();
        outcome
    };
    let notes = Scratch::new();
    let process = Process::spawn(host, (notes.text(),)).unwrap();
    let pid = Pid::from_raw(process.pid() as i32).unwrap();
    until("the task runs", || notes.count() == 1);
    kill_process(pid, Signal::STOP).unwrap();
    std::fs::write(notes.at("go"), "").unwrap();
    // Beyond the limit while it is stopped.
    std::thread::sleep(Duration::from_secs(5));
    kill_process(pid, Signal::CONT).unwrap();
    assert_eq!(process.into_result().unwrap(), Ok(7));
}
