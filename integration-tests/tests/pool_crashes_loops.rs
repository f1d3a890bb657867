//! Deaths again and again: of tasks, which cost only themselves, and of workers at their start, which break the pool.

use std::time::{Duration, Instant};

use procession::{Event, Events, Pool, TaskError, TaskErrorKind};
use procession_integration_tests::pool_scene::{
    LONG, Scratch, assert_usable, die_by, error_of, finish, own_pid, scene, warm,
};
use rustix::process::Signal;

procession::init_before_main!();

/// How many workers die among good tasks: `PROCESSION_LONG=1000` for more.
fn rounds() -> u32 {
    std::env::var("PROCESSION_LONG")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(100)
}

/// How many workers the test of the whole case kills.
const KILLED: u32 = 1_000;

/// The most processes that a pool had at a time, and how many it started.
fn most_and_born(events: Events, mut living: usize) -> (usize, u64) {
    let (mut most, mut started) = (living, 0);
    for event in events {
        match event {
            Event::WorkerBorn { .. } => {
                living += 1;
                started += 1;
            }
            Event::WorkerDied { .. } => living -= 1,
            Event::Missed { .. } => panic!("{event:?}"),
            _ => {}
        }
        most = most.max(living);
    }
    assert_eq!(living, 0);
    (most, started)
}

/// CR21, FAULTS 26: one start for each death, and never more processes than the pool has places.
#[test]
fn every_task_that_kills_its_worker_fails_alone() {
    scene(|| {
        let pool = warm(2);
        let events = pool.events();
        let living = pool.worker_pids().len();
        let watcher = std::thread::spawn(move || most_and_born(events, living));
        let handles: Vec<_> = (0..KILLED)
            .map(|i| {
                pool.apply_async(
                    |i: u32| {
                        std::process::exit(i as i32 % 100 + 1);
                        #[expect(unreachable_code, reason = "the task's type")]
                        ()
                    },
                    (i,),
                )
            })
            .collect();
        let mut ids = Vec::new();
        for (i, handle) in handles.into_iter().enumerate() {
            let id = handle.id();
            let error = error_of(
                handle.get_timeout(LONG).expect("an outcome"),
                TaskErrorKind::WorkerDied,
            );
            assert_eq!(
                error.death().unwrap().exit_status().code(),
                Some(i as i32 % 100 + 1),
                "{error}"
            );
            assert_eq!(error.task_id(), Some(id));
            ids.push(id);
        }
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), KILLED as usize);
        assert_usable(&pool);
        let stats = pool.stats();
        assert_eq!(stats.restarts, u64::from(KILLED), "{stats:?}");
        assert_eq!(stats.failed, u64::from(KILLED));
        finish(pool);
        assert_eq!(watcher.join().unwrap(), (2, u64::from(KILLED)));
    });
}

/// CR21: killers among good tasks.
#[test]
fn good_tasks_between_killers_all_succeed() {
    scene(|| {
        let pool = warm(2);
        let handles: Vec<_> = (0..rounds() * 3)
            .map(|i| {
                pool.apply_async(
                    |i: u32| {
                        if i % 10 == 3 {
                            die_by(Signal::SEGV);
                        }
                        i
                    },
                    (i,),
                )
            })
            .collect();
        for (i, handle) in handles.into_iter().enumerate() {
            let outcome = handle.get();
            if i % 10 == 3 {
                error_of(outcome, TaskErrorKind::WorkerDied);
            } else {
                assert_eq!(outcome.unwrap() as usize, i);
            }
        }
        finish(pool);
    });
}

/// CR17: from a thread that waits for another task, in place of a callback.
#[test]
fn a_thread_that_waits_may_submit_a_crasher_next() {
    scene(|| {
        let pool = warm(2);
        let error: TaskError = std::thread::scope(|threads| {
            let follow = || {
                assert_eq!(pool.apply_async(|x: u32| x, (1,)).get().unwrap(), 1);
                error_of(
                    pool.apply_async(|| die_by(Signal::ABORT), ()).get(),
                    TaskErrorKind::WorkerDied,
                )
            };
            threads.spawn(follow).join().unwrap()
        });
        assert_eq!(error.death().unwrap().exit_status().signal(), Some(6));
        assert_usable(&pool);
        finish(pool);
    });
}

/// An initializer that counts its runs in a directory, and then fails as asked.
fn counted(directory: String, how: u32) -> Result<(), String> {
    std::fs::write(format!("{directory}/{}", own_pid()), "").unwrap();
    match how {
        0 => Ok(()),
        1 => panic!("no licence"),
        2 => Err("no licence".into()),
        3 => std::process::exit(17),
        _ => {
            die_by(Signal::KILL);
            Ok(())
        }
    }
}

/// The error of a pool whose initializer fails so, after the checks that hold for all.
fn broken_by(how: u32) -> TaskError {
    let runs = Scratch::new();
    let begun = Instant::now();
    let pool = Pool::builder()
        .workers(4)
        .initializer(counted, (runs.text(), how))
        .build()
        .unwrap();
    let waiting: Vec<_> = (0..20u32)
        .map(|x| pool.apply_async(|x: u32| x, (x,)))
        .collect();
    let mut last = None;
    for handle in waiting {
        last = Some(error_of(
            handle.get_timeout(LONG).expect("an outcome"),
            TaskErrorKind::Broken,
        ));
    }
    let error = error_of(pool.apply(own_pid, ()), TaskErrorKind::Broken);
    error_of(pool.map(|x: u32| x, 0..10), TaskErrorKind::Broken);
    for outcome in pool.try_map(|x: u32| x, 0..3) {
        error_of(outcome, TaskErrorKind::Broken);
    }
    assert!(begun.elapsed() < LONG);
    // A storm, or a start after the end, would show in this time.
    std::thread::sleep(Duration::from_millis(300));
    pool.close();
    pool.join().unwrap();
    // Counted when nobody is left who is about to leave a note: four places, and one more start for each of the four
    // failures before the fifth, which breaks the pool.
    let started = runs.count();
    assert!(started <= 8, "{started} starts");
    assert!(last.unwrap().task_id().is_some());
    error
}

/// WL13, CR25, FAULTS 28
#[test]
fn a_panicking_initializer_breaks_the_pool_with_its_own_message() {
    scene(|| {
        let text = broken_by(1).to_string();
        assert!(
            text.contains("no licence") && text.contains("pool_crashes_loops.rs"),
            "{text}"
        );
        assert!(text.contains("initializer"), "{text}");
    });
}

/// CR25, FAULTS 27
#[test]
fn an_initializer_that_returns_err_breaks_the_pool() {
    scene(|| {
        let text = broken_by(2).to_string();
        assert!(
            text.contains("initializer")
                && text.contains("counted returned an error: \"no licence\""),
            "{text}"
        );
    });
}

/// CR25, FAULTS 27
#[test]
fn an_initializer_that_exits_or_dies_breaks_the_pool_with_how() {
    scene(|| {
        let text = broken_by(3).to_string();
        assert!(text.contains("exited with code 17"), "{text}");
        let text = broken_by(4).to_string();
        assert!(text.contains("SIGKILL"), "{text}");
    });
}

/// CR25: one that fails only now and then is made up for.
#[test]
fn an_initializer_that_fails_twice_delays_the_pool_and_no_more() {
    scene(|| {
        let runs = Scratch::new();
        let sometimes = |directory: String| {
            std::fs::write(format!("{directory}/{}", own_pid()), "").unwrap();
            let so_far = std::fs::read_dir(directory).unwrap().count();
            assert!(so_far > 2, "too early");
        };
        let pool = Pool::builder()
            .workers(2)
            .initializer(sometimes, (runs.text(),))
            .build()
            .unwrap();
        assert_usable(&pool);
        assert_eq!(pool.stats().failed, 0);
        finish(pool);
    });
}

/// CR25: an initializer runs once in each worker, replacements included, before its first task.
#[test]
fn an_initializer_runs_once_in_every_worker() {
    static SEEN: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
    scene(|| {
        let note = |n: u32| SEEN.fetch_add(n, std::sync::atomic::Ordering::SeqCst);
        let pool = Pool::builder()
            .workers(2)
            .initializer(note, (5,))
            .build()
            .unwrap();
        let look = |_: u32| SEEN.load(std::sync::atomic::Ordering::SeqCst);
        assert!(
            pool.map(look, 0..100)
                .unwrap()
                .into_iter()
                .all(|seen| seen == 5)
        );
        error_of(
            pool.apply(|| die_by(Signal::KILL), ()),
            TaskErrorKind::WorkerDied,
        );
        assert!(
            pool.map(look, 0..100)
                .unwrap()
                .into_iter()
                .all(|seen| seen == 5)
        );
        finish(pool);
    });
}

/// CR25: a large argument of an initializer arrives whole.
#[test]
fn an_initializer_takes_large_arguments() {
    static LENGTH: std::sync::OnceLock<usize> = std::sync::OnceLock::new();
    scene(|| {
        let keep = |bytes: procession::Bytes| LENGTH.set(bytes.len()).is_ok();
        let large = procession::Bytes::from(vec![1; 3 << 20]);
        let pool = Pool::builder()
            .workers(2)
            .initializer(keep, (large,))
            .build()
            .unwrap();
        assert_eq!(
            pool.apply(|| LENGTH.get().copied(), ()).unwrap(),
            Some(3 << 20)
        );
        finish(pool);
    });
}
