//! Workers that end in the middle of a task, by every way there is: one error that tells how, and nothing else notices.
#![expect(unsafe_code, reason = "one of the ways is a wild read")]

use std::time::{Duration, Instant};

use procession::{Pool, TaskError, TaskErrorKind};
use procession_integration_tests::pool_scene::{
    LONG, Scratch, assert_usable, die_by, error_of, finish, own_pid, scene, until, warm,
};
use rustix::process::Signal;

procession::init_before_main!();

/// Runs `task` among others that are not to notice, and returns its error.
fn the_one_error<F>(task: F) -> TaskError
where
    F: procession::Task<(), Output = ()>,
{
    let pool = warm(2);
    let pids = pool.worker_pids();
    let before: Vec<_> = (0..10u64)
        .map(|i| pool.apply_async(|i: u64| i, (i,)))
        .collect();
    let handle = pool.apply_async(task, ());
    let id = handle.id();
    let after: Vec<_> = (10..20u64)
        .map(|i| pool.apply_async(|i: u64| i, (i,)))
        .collect();
    let outcome = handle.get_timeout(LONG).expect("an outcome");
    for (i, other) in before.into_iter().chain(after).enumerate() {
        assert_eq!(other.get().unwrap(), i as u64);
    }
    let error = outcome.expect_err("an error");
    assert_usable(&pool);
    let death = error.death().expect("a death");
    assert!(pids.contains(&death.pid()), "{error}");
    assert!(death.name().starts_with("pool/"), "{error}");
    assert_eq!(error.task_id(), Some(id));
    assert_eq!(error.attempts(), 1);
    finish(pool);
    error
}

fn assert_says(error: &TaskError, parts: &[&str]) {
    let text = error.to_string();
    for part in parts {
        assert!(text.contains(part), "{part:?} is not in {text:?}");
    }
}

/// CR01
#[test]
fn a_kill_in_one_of_ten_tasks_costs_that_task() {
    scene(|| {
        let pool = warm(2);
        let task = |i: u32| {
            if i == 3 {
                die_by(Signal::KILL);
            }
            i
        };
        let handles: Vec<_> = (0..10).map(|i| pool.apply_async(task, (i,))).collect();
        for (i, handle) in handles.into_iter().enumerate() {
            match handle.get() {
                Ok(value) => assert_eq!((value as usize, i == 3), (i, false)),
                Err(error) => {
                    assert_eq!((error.kind(), i), (TaskErrorKind::WorkerDied, 3), "{error}");
                    assert_eq!(error.death().unwrap().exit_status().signal(), Some(9));
                }
            }
        }
        assert_usable(&pool);
        finish(pool);
    });
}

/// CR03, CR19, FAULTS 1: the signal comes from outside the code.
#[test]
fn a_segmentation_fault_is_told_by_name() {
    scene(|| {
        let error = the_one_error(|| die_by(Signal::SEGV));
        assert_eq!(error.kind(), TaskErrorKind::WorkerDied);
        assert_eq!(error.death().unwrap().exit_status().signal(), Some(11));
        assert!(error.death().unwrap().ran_for().is_some());
        let (pid, id) = (error.death().unwrap().pid(), error.task_id().unwrap());
        let name = "pool_crashes_ends::a_segmentation_fault_is_told_by_name";
        assert_says(
            &error,
            &[
                "was killed by SIGSEGV (11)",
                "sent by a process",
                &format!("worker {pid} "),
                &id.to_string(),
                name,
                "after ",
            ],
        );
    });
}

/// CR03, FAULTS 1: the code itself reads where nothing is.
#[test]
fn a_wild_read_is_a_segmentation_fault() {
    scene(|| {
        let task = || {
            // SAFETY: none; this is the fault, in a process made for it.
            let byte = unsafe { std::ptr::read_volatile(std::hint::black_box(8 as *const u8)) };
            std::hint::black_box(byte);
        };
        let error = the_one_error(task);
        assert_eq!(error.kind(), TaskErrorKind::WorkerDied);
        let signal = error.death().unwrap().exit_status().signal();
        // Debug builds check the alignment and the null page of some reads first.
        assert_eq!(signal, Some(11), "{error}");
        assert_says(&error, &["SIGSEGV at address 0x8"]);
    });
}

/// CR03, FAULTS 2
#[test]
fn an_abort_is_told_by_name() {
    scene(|| {
        let error = the_one_error(|| -> () { std::process::abort() });
        assert_eq!(error.kind(), TaskErrorKind::WorkerDied);
        assert_says(&error, &["was killed by SIGABRT (6)"]);
    });
}

#[expect(unconditional_recursion, reason = "the crash that is tested")]
fn deeper(n: u64) -> u64 {
    let page = [n; 512];
    std::hint::black_box(&page);
    deeper(n + 1) + std::hint::black_box(page)[7]
}

/// CR03, FAULTS 11: on the thread that runs tasks.
#[test]
fn a_stack_overflow_is_called_one() {
    scene(|| {
        let error = the_one_error(|| {
            std::hint::black_box(deeper(0));
        });
        assert_eq!(error.kind(), TaskErrorKind::WorkerDied);
        assert_says(&error, &["stack overflow"]);
    });
}

/// CR03, FAULTS 11: on a thread of the task's own.
#[test]
fn a_stack_overflow_on_another_thread_is_called_one() {
    scene(|| {
        let error = the_one_error(|| {
            let _ = std::thread::spawn(|| std::hint::black_box(deeper(0))).join();
        });
        assert_eq!(error.kind(), TaskErrorKind::WorkerDied);
        assert_says(&error, &["stack overflow"]);
    });
}

/// CR04, FAULTS 3
#[test]
fn an_exit_with_zero_is_a_death() {
    scene(|| {
        let error = the_one_error(|| -> () { std::process::exit(0) });
        assert_eq!(error.kind(), TaskErrorKind::WorkerDied);
        assert_eq!(error.death().unwrap().exit_status().code(), Some(0));
        assert_says(&error, &["exited with code 0 before returning a result"]);
    });
}

/// CR05, CR19, FAULTS 4
#[test]
fn an_exit_code_is_told() {
    scene(|| {
        let error = the_one_error(|| -> () { std::process::exit(42) });
        assert_eq!(error.death().unwrap().exit_status().code(), Some(42));
        assert_says(&error, &["exited with code 42"]);
        let error = the_one_error(|| -> () { std::process::exit(101) });
        assert_eq!(error.kind(), TaskErrorKind::WorkerDied);
        assert_says(&error, &["exited with code 101"]);
    });
}

/// CR24
#[test]
fn a_kill_nobody_sent_comes_with_a_hint() {
    scene(|| {
        let error = the_one_error(|| die_by(Signal::KILL));
        let hint = error.death().unwrap().hint().expect("a hint").to_owned();
        assert!(hint.contains("memory"), "{hint}");
        assert_says(&error, &["was killed by SIGKILL (9)", &hint]);
        let other = the_one_error(|| die_by(Signal::TERM));
        assert_eq!(other.death().unwrap().hint(), None, "{other}");
    });
}

/// CR23
#[test]
fn a_death_reaches_a_waiting_get_before_its_timeout() {
    scene(|| {
        let pool = warm(2);
        let scratch = Scratch::new();
        let handle = pool.apply_async(
            |file: String| {
                std::fs::write(file, "").unwrap();
                std::thread::sleep(LONG);
            },
            (scratch.at("begun"),),
        );
        let before = Instant::now();
        let waiting = std::thread::spawn(move || handle.get_timeout(Duration::from_secs(50)));
        until("the task has begun", || scratch.count() == 1);
        let stats = pool.stats();
        let busy = stats
            .workers
            .iter()
            .find(|worker| worker.busy)
            .expect("a busy worker");
        procession_integration_tests::pool_scene::murder(busy.pid.unwrap());
        let outcome = waiting
            .join()
            .unwrap()
            .expect("an outcome before the time-out");
        error_of(outcome, TaskErrorKind::WorkerDied);
        assert!(before.elapsed() < Duration::from_secs(40));
        assert_usable(&pool);
        finish(pool);
    });
}

static HELD: std::sync::Mutex<u32> = std::sync::Mutex::new(0);

/// FAULTS 23
#[test]
fn a_lock_held_at_death_is_the_worker_s_own() {
    scene(|| {
        let pool = warm(1);
        let hold = || {
            let _held = HELD.lock();
            die_by(Signal::KILL);
        };
        error_of(pool.apply(hold, ()), TaskErrorKind::WorkerDied);
        let count = || {
            let mut held = HELD.lock().unwrap();
            *held += 1;
            *held
        };
        assert_eq!(pool.apply(count, ()).unwrap(), 1);
        assert_eq!(pool.apply(count, ()).unwrap(), 2);
        finish(pool);
    });
}

/// CR04: the end of a worker by any code keeps the one place it had.
#[test]
fn a_replacement_takes_the_place_of_the_dead() {
    scene(|| {
        let pool = warm(1);
        let first = pool.apply(own_pid, ()).unwrap();
        error_of(
            pool.apply(|| -> () { std::process::exit(3) }, ()),
            TaskErrorKind::WorkerDied,
        );
        assert_ne!(pool.apply(own_pid, ()).unwrap(), first);
        assert_eq!(pool.apply(procession::worker::index, ()).unwrap(), Some(0));
        assert_eq!(pool.stats().restarts, 1);
        finish(pool);
    });
}

/// FAULTS 110
#[test]
fn a_broken_pool_leaves_another_one_alone() {
    scene(|| {
        let good = warm(1);
        let bad = Pool::builder()
            .workers(2)
            .initializer(|| -> () { panic!("not today") }, ())
            .build()
            .unwrap();
        error_of(bad.apply(own_pid, ()), TaskErrorKind::Broken);
        assert_usable(&good);
        error_of(bad.apply(own_pid, ()), TaskErrorKind::Broken);
        drop(bad);
        assert_usable(&good);
        finish(good);
    });
}
