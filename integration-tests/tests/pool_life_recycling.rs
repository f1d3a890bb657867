//! Workers that serve for so many items: nothing is lost, repeated or left behind when they make room.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use procession::{Pool, PoolBuilder, TaskErrorKind};
use procession_integration_tests::pool_scene::{
    LONG, Scratch, assert_usable, error_of, finish, murder, own_pid, scene, until,
};

procession::init_before_main!();

fn pid_of(_: u32) -> u32 {
    std::process::id()
}

fn pid_and_index(_: u32) -> (u32, usize) {
    (
        std::process::id(),
        procession::worker::index().expect("a pool's worker"),
    )
}

fn pool(workers: usize, items: usize) -> PoolBuilder {
    Pool::builder().workers(workers).max_tasks_per_worker(items)
}

/// WL01
#[test]
fn one_worker_of_two_tasks_runs_four_in_two_processes_one_after_the_other() {
    scene(|| {
        let pool = pool(1, 2).build().unwrap();
        let handles: Vec<_> = (0..4).map(|n| pool.apply_async(pid_of, (n,))).collect();
        let pids: Vec<u32> = handles.into_iter().map(|h| h.get().unwrap()).collect();
        assert_eq!((pids[0], pids[2]), (pids[1], pids[3]), "{pids:?}");
        assert_ne!(pids[0], pids[2]);
        finish(pool);
    });
}

/// WL02
#[test]
fn quota_counts_items_and_not_chunks() {
    scene(|| {
        let pool = pool(2, 2).build().unwrap();
        let call = pool.call(pid_of).chunk_size(5);
        let mut items = BTreeMap::new();
        for pid in call.map(0..20).unwrap() {
            *items.entry(pid).or_insert(0) += 1;
        }
        assert!(items.len() >= 10, "{items:?}");
        assert!(items.values().all(|items| *items <= 2), "{items:?}");
        finish(pool);
    });
}

/// WL04
#[test]
fn hundred_tasks_leave_three_other_workers_alive() {
    scene(|| {
        let pool = pool(3, 10).build().unwrap();
        assert!(pool.warm_up(LONG).unwrap());
        let before: BTreeSet<u32> = pool.worker_pids().into_iter().collect();
        let handles: Vec<_> = (0..100u64)
            .map(|n| pool.apply_async(|n: u64| n * n, (n,)))
            .collect();
        for (n, handle) in (0..100).zip(handles) {
            assert_eq!(handle.get().unwrap(), n * n);
        }
        until("three workers serve", || pool.stats().idle == 3);
        let after: BTreeSet<u32> = pool.worker_pids().into_iter().collect();
        assert_eq!(after.len(), 3);
        assert_ne!(before, after);
        assert_eq!(pool.stats().restarts, 0);
        assert!(pool.stats().recycled >= 8, "{:?}", pool.stats());
        finish(pool);
    });
}

/// WL07, FAULTS 96
#[test]
fn last_result_of_a_worker_is_never_lost() {
    scene(|| {
        let pool = pool(2, 1).build().unwrap();
        let handles: Vec<_> = (0..1_000u64)
            .map(|n| pool.apply_async(|n: u64| (n, std::process::id()), (n,)))
            .collect();
        let mut pids = BTreeSet::new();
        for (n, handle) in (0..1_000).zip(handles) {
            let (same, pid) = handle.get_timeout(LONG).expect("an outcome").unwrap();
            assert_eq!(same, n);
            pids.insert(pid);
        }
        assert_eq!(pids.len(), 1_000, "one task for each process");
        let stats = pool.stats();
        assert_eq!((stats.done, stats.failed, stats.restarts), (1_000, 0, 0));
        assert_eq!(stats.recycled, 1_000);
        finish(pool);
    });
}

/// WL08
#[test]
fn pools_end_in_the_middle_of_recycling() {
    scene(|| {
        for round in 0..12u64 {
            let pool = pool(2, 1 + round as usize % 2).build().unwrap();
            let handles: Vec<_> = (0..30).map(|n| pool.apply_async(pid_of, (n,))).collect();
            handles[round as usize].wait();
            match round % 3 {
                0 => {
                    finish(pool);
                    assert!(handles.into_iter().all(|handle| handle.get().is_ok()));
                }
                1 => {
                    pool.terminate();
                    pool.join().unwrap();
                    for handle in handles {
                        let outcome = handle.get_timeout(LONG).expect("an outcome");
                        let kind = outcome.err().map(|error| error.kind());
                        assert!(matches!(kind, None | Some(TaskErrorKind::Terminated)));
                    }
                }
                _ => drop(pool),
            }
        }
    });
}

/// WL18
#[test]
fn index_and_name_pass_on_to_the_successor() {
    scene(|| {
        let pool = pool(3, 4).name("crew").build().unwrap();
        let seen = pool.call(pid_and_index).chunk_size(1).map(0..120).unwrap();
        let mut index_of = BTreeMap::new();
        for (pid, index) in seen {
            assert!(index < 3);
            assert_eq!(*index_of.entry(pid).or_insert(index), index);
        }
        assert!(index_of.len() >= 30, "{index_of:?}");
        let stats = pool.stats();
        let names: Vec<&str> = stats.workers.iter().map(|w| w.name.as_str()).collect();
        assert_eq!(names, ["crew/1", "crew/2", "crew/3"]);
        let (name, index) = pool
            .apply(
                || {
                    let me = procession::current_process();
                    (me.name().to_owned(), procession::worker::index())
                },
                (),
            )
            .unwrap();
        assert_eq!(name, format!("crew/{}", index.unwrap() + 1));
        finish(pool);
    });
}

#[test]
fn no_more_tasks_run_at_a_time_than_there_are_workers() {
    scene(|| {
        let scratch = Scratch::new();
        let pool = pool(2, 1).build().unwrap();
        let most = pool
            .call(|directory: String, n: u32| {
                let me = format!("{directory}/{n}");
                std::fs::write(&me, "").expect("a note");
                std::thread::sleep(Duration::from_millis(5));
                let now = std::fs::read_dir(&directory).map_or(0, Iterator::count);
                std::fs::remove_file(&me).expect("my note");
                now
            })
            .starmap((0..30).map(|n| (scratch.text(), n)))
            .unwrap();
        assert!(most.iter().all(|now| *now <= 2), "{most:?}");
        finish(pool);
    });
}

#[test]
fn old_worker_that_dies_at_its_last_task_costs_that_task_alone() {
    scene(|| {
        let pool = pool(2, 2).build().unwrap();
        let each = pool
            .call(|n: u32| {
                if n % 5 == 1 {
                    std::process::abort();
                }
                n
            })
            .chunk_size(1)
            .try_map(0..50);
        for (n, outcome) in (0..50).zip(each) {
            if n % 5 == 1 {
                error_of(outcome, TaskErrorKind::WorkerDied);
            } else {
                assert_eq!(outcome.unwrap(), n);
            }
        }
        assert_usable(&pool);
        finish(pool);
    });
}

#[test]
fn killed_while_it_leaves_or_comes_loses_nothing_that_had_not_begun() {
    scene(|| {
        let pool = pool(2, 3).build().unwrap();
        let handles: Vec<_> = (0..300).map(|n| pool.apply_async(pid_of, (n,))).collect();
        for _ in 0..30 {
            if let Some(pid) = pool.worker_pids().first() {
                murder(*pid);
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        for handle in handles {
            match handle.get_timeout(LONG).expect("an outcome") {
                Ok(_) => {}
                Err(error) => assert_eq!(error.kind(), TaskErrorKind::WorkerDied, "{error}"),
            }
        }
        assert_usable(&pool);
        finish(pool);
    });
}

#[test]
fn initializer_that_fails_for_the_successors_breaks_the_pool_with_its_own_words() {
    scene(|| {
        let scratch = Scratch::new();
        let first_only = |mark: String| {
            let new = std::fs::OpenOptions::new()
                .create_new(true)
                .write(true)
                .open(mark);
            assert!(new.is_ok(), "not another one");
        };
        let pool = pool(1, 1)
            .initializer(first_only, (scratch.at("mark"),))
            .build()
            .unwrap();
        pool.apply(own_pid, ()).unwrap();
        let error = error_of(pool.apply(own_pid, ()), TaskErrorKind::Broken);
        assert!(error.to_string().contains("not another one"), "{error}");
        pool.close();
        pool.join().unwrap();
    });
}

#[test]
fn quota_with_limits_cancelling_and_lazy_maps() {
    scene(|| {
        let pool = pool(2, 2).build().unwrap();
        let timed = pool.call(pid_of).timeout(LONG).map(0..20).unwrap();
        assert_eq!(timed.len(), 20);
        let sleeper = pool.apply_async(std::thread::sleep, (Duration::from_secs(3_600),));
        assert!(sleeper.cancel());
        let lazy: Vec<u32> = pool.imap(|n: u32| n, 0..200).map(Result::unwrap).collect();
        assert_eq!(lazy, (0..200).collect::<Vec<_>>());
        finish(pool);
    });
}

/// WL06
#[test]
fn quota_of_nothing_is_an_error_that_says_so() {
    let error = pool(1, 0).build().unwrap_err();
    assert!(
        error.to_string().contains("max_tasks_per_worker"),
        "{error}"
    );
    let inline = pool(0, 1).build().unwrap();
    assert_eq!(inline.map(|n: u32| n, 0..5).unwrap().len(), 5);
}
