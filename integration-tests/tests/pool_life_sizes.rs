//! Pools that grow, shrink, start on demand and rest: no task may notice.

use std::collections::BTreeSet;
use std::time::Duration;

use procession::{Event, Pool, TaskErrorKind};
use procession_integration_tests::pool_scene::{
    LONG, Scratch, assert_usable, error_of, finish, meet, murder, own_pid, scene, until, warm,
};

procession::init_before_main!();

fn sleep(ms: u64) -> u64 {
    std::thread::sleep(Duration::from_millis(ms));
    ms
}

fn alive(pid: u32) -> bool {
    std::path::Path::new(&format!("/proc/{pid}")).exists()
}

/// WL23
#[test]
fn two_to_one_keeps_an_old_worker_and_lets_the_other_finish() {
    scene(|| {
        let pool = Pool::new(2).unwrap();
        assert!(pool.warm_up(LONG).unwrap());
        let before = pool.worker_pids();
        let running: Vec<_> = (0..2).map(|_| pool.apply_async(sleep, (300,))).collect();
        until("both run", || pool.stats().running == 2);
        pool.resize(1).unwrap();
        assert_eq!(pool.worker_pids(), before[..1]);
        for handle in running {
            assert_eq!(handle.get().unwrap(), 300);
        }
        until("the other one has ended", || !alive(before[1]));
        pool.resize(1).unwrap();
        assert_eq!(pool.apply(own_pid, ()).unwrap(), before[0]);
        pool.resize(2).unwrap();
        assert!(pool.warm_up(LONG).unwrap());
        let after = pool.worker_pids();
        assert_eq!((after.len(), after[0]), (2, before[0]));
        assert_ne!(after[1], before[1]);
        let stats = pool.stats();
        assert_eq!((stats.restarts, stats.recycled, stats.failed), (0, 0, 0));
        finish(pool);
    });
}

/// WL24, FAULTS 99
#[test]
fn many_sizes_while_tasks_run_lose_nothing() {
    scene(|| {
        let pool = Pool::new(4).unwrap();
        let handles: Vec<_> = (0..400u64)
            .map(|n| pool.apply_async(|n: u64| sleep(n % 7) + n, (n,)))
            .collect();
        for size in [12, 2, 1, 12, 6, 1, 8, 5] {
            pool.resize(size).unwrap();
            assert_eq!(pool.stats().workers.len(), size);
            sleep(10);
        }
        for (n, handle) in (0..400).zip(handles) {
            let outcome = handle.get_timeout(LONG).expect("an outcome");
            assert_eq!(outcome.unwrap(), n + n % 7);
        }
        assert!(pool.warm_up(LONG).unwrap());
        assert_eq!(pool.worker_pids().len(), 5);
        let pids = pool.call(|directory: String, n: u32| {
            meet(&directory, n, 5);
            (std::process::id(), procession::worker::index())
        });
        let scratch = Scratch::new();
        let seen = pids.starmap((0..5).map(|n| (scratch.text(), n))).unwrap();
        let indexes: BTreeSet<_> = seen.into_iter().map(|(_, index)| index).collect();
        assert_eq!(indexes, (0..5).map(Some).collect());
        finish(pool);
    });
}

#[test]
fn map_goes_on_while_the_pool_shrinks_and_workers_die() {
    scene(|| {
        let pool = Pool::new(4).unwrap();
        let handle = pool.map_async(|n: u64| sleep(1) + n, 0..300);
        for size in [3, 2, 4, 1, 3] {
            pool.resize(size).unwrap();
            sleep(5);
        }
        assert_eq!(handle.get().unwrap().len(), 300);
        let handles: Vec<_> = (0..100).map(|_| pool.apply_async(sleep, (1,))).collect();
        for size in [1, 4, 2] {
            pool.resize(size).unwrap();
            if let Some(pid) = pool.worker_pids().last() {
                murder(*pid);
            }
        }
        let failed = handles.into_iter().filter_map(|handle| {
            let outcome = handle.get_timeout(LONG).expect("an outcome");
            outcome.err()
        });
        for error in failed {
            assert_eq!(error.kind(), TaskErrorKind::WorkerDied, "{error}");
        }
        assert_usable(&pool);
        finish(pool);
    });
}

/// WL31
#[test]
fn sizes_without_meaning_are_errors_that_say_the_bound() {
    scene(|| {
        let pool = warm(1);
        let pids = pool.worker_pids();
        let says = |workers, what: &str| {
            let error = pool.resize(workers).unwrap_err().to_string();
            assert!(error.contains(what), "{error}");
        };
        says(0, "the least is 1");
        says(16_385, "the most is 16384");
        assert_eq!(pool.worker_pids(), pids, "nothing has changed");
        assert!(!pool.resize(0).unwrap_err().is_closed());
        for end in [Pool::close, Pool::terminate] {
            end(&pool);
            says(
                2,
                "cannot resize a pool to 2 workers: it is not open any more",
            );
            assert!(pool.resize(2).unwrap_err().is_closed());
            assert!(pool.warm_up(LONG).unwrap_err().is_closed());
            assert!(pool.warm_up_to(1, LONG).unwrap_err().is_closed());
        }
        pool.join().unwrap();
        let inline = Pool::new(0).unwrap();
        let error = inline.resize(1).unwrap_err().to_string();
        assert!(error.contains("inline"), "{error}");
        assert!(inline.warm_up(Duration::ZERO).unwrap());
        inline.close();
        assert!(inline.warm_up(Duration::ZERO).unwrap_err().is_closed());
        assert!(inline.warm_up_to(0, LONG).unwrap_err().is_closed());
        let error = Pool::builder().workers(2).min_workers(3).build();
        let error = error.unwrap_err().to_string();
        assert!(error.contains("more than its 2 workers"), "{error}");
        let error = Pool::builder().workers(2).idle_timeout(Duration::ZERO);
        let error = error.build().unwrap_err().to_string();
        assert!(error.contains("idle_timeout must be above 0"), "{error}");
    });
}

/// WL09
#[test]
fn workers_start_on_demand_and_never_more_than_there_are_to_be() {
    scene(|| {
        let scratch = Scratch::new();
        let pool = Pool::builder().workers(3).min_workers(0).build().unwrap();
        assert!(pool.worker_pids().is_empty());
        pool.apply(own_pid, ()).unwrap();
        assert_eq!(pool.worker_pids().len(), 1, "one call, one worker");
        // 45 tasks of which none returns before three run at a time.
        let gate = |directory: String, n: u32| {
            meet(&directory, n, 3);
            std::process::id()
        };
        let all = pool
            .call(gate)
            .starmap((0..45).map(|n| (scratch.text(), n)));
        let pids: BTreeSet<u32> = all.unwrap().into_iter().collect();
        assert_eq!(pids.len(), 3);
        assert_eq!(pool.worker_pids().len(), 3);
        let stats = pool.stats();
        assert_eq!((stats.restarts, stats.recycled), (0, 0));
        finish(pool);
    });
}

#[test]
fn short_call_behind_one_that_blocks_gets_a_worker_of_its_own() {
    scene(|| {
        let pool = Pool::builder().workers(2).min_workers(1).build().unwrap();
        // Known to be short, so calls are sent ahead.
        pool.map(|ms: u64| sleep(ms), (0..200).map(|_| 0)).unwrap();
        let blocks = pool.apply_async(|ms: u64| sleep(ms), (3_600_000,));
        let behind: Vec<_> = (0..5)
            .map(|_| pool.apply_async(|ms: u64| sleep(ms), (0,)))
            .collect();
        for handle in behind {
            handle.get_timeout(LONG).expect("an outcome").unwrap();
        }
        assert!(blocks.cancel());
        finish(pool);
    });
}

/// WL21: as an expected end of each worker, of which nobody is warned.
#[test]
fn idle_pool_has_no_process_and_starts_them_again() {
    scene(|| {
        for least in [None, Some(1)] {
            let mut builder = Pool::builder().workers(2);
            if let Some(least) = least {
                builder = builder.min_workers(least);
            }
            let pool = builder
                .idle_timeout(Duration::from_millis(30))
                .build()
                .unwrap();
            let events = pool.events();
            for _ in 0..3 {
                assert!(pool.warm_up(LONG).unwrap());
                let pids = pool.worker_pids();
                assert_usable(&pool);
                until("the idle ones have ended", || {
                    pids.iter().filter(|pid| alive(**pid)).count() == least.unwrap_or(0)
                });
                until("and are not listed", || {
                    pool.worker_pids().len() == least.unwrap_or(0)
                });
                assert_usable(&pool);
            }
            let stats = pool.stats();
            assert_eq!((stats.restarts, stats.failed), (0, 0));
            finish(pool);
            let ends = events.filter_map(|event| match event {
                Event::WorkerDied { expected, .. } => Some(expected),
                _ => None,
            });
            let ends: Vec<bool> = ends.collect();
            assert!(ends.len() >= 4 && ends.iter().all(|expected| *expected));
        }
    });
}

/// WL22, FAULTS 97
#[test]
fn tiny_idle_timeout_beside_slow_submissions_loses_no_task() {
    scene(|| {
        let pool = Pool::builder()
            .workers(2)
            .idle_timeout(Duration::from_micros(200))
            .build()
            .unwrap();
        for n in 0..200u64 {
            let handle = pool.apply_async(|n: u64| n + 1, (n,));
            std::thread::sleep(Duration::from_micros(n * 20));
            let outcome = handle.get_timeout(LONG).expect("an outcome");
            assert_eq!(outcome.unwrap(), n + 1);
        }
        let items = (0..40u64).inspect(|n| {
            sleep(n % 4);
        });
        assert_eq!(pool.map(|n: u64| n, items).unwrap().len(), 40);
        finish(pool);
    });
}

/// An argument and a result that takes its time on every way: longer than a worker may be idle.
#[derive(Debug, PartialEq)]
struct Slow(u64);

impl serde::Serialize for Slow {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        sleep(1 + self.0 % 4);
        serializer.serialize_u64(self.0)
    }
}

impl<'de> serde::Deserialize<'de> for Slow {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Slow, D::Error> {
        let n = u64::deserialize(deserializer)?;
        sleep(n % 3);
        Ok(Slow(n))
    }
}

/// WL22, FAULTS 97: workers come and go while arguments are encoded, and each of them arrives.
#[test]
fn tiny_idle_timeout_beside_slow_encoding_loses_no_task() {
    scene(|| {
        let builder = Pool::builder().workers(2);
        let pool = builder.idle_timeout(Duration::from_micros(500));
        let pool = pool.build().unwrap();
        let next = |slow: Slow| Slow(slow.0 + 1);
        std::thread::scope(|threads| {
            for thread in 0..2u64 {
                let pool = &pool;
                threads.spawn(move || {
                    for n in (0..50).map(|n| thread * 1_000 + n) {
                        let call = pool.apply_async(next, (Slow(n),));
                        let outcome = call.get_timeout(LONG).expect("an outcome");
                        assert_eq!(outcome.unwrap(), Slow(n + 1));
                    }
                    let together = pool.map_async(next, (0..30).map(Slow));
                    let together = together.get_timeout(LONG).expect("an outcome");
                    assert_eq!(together.unwrap(), (1..31).map(Slow).collect::<Vec<_>>());
                    let lazy = pool.imap(next, (0..30).map(Slow)).map(Result::unwrap);
                    assert!(lazy.eq((1..31).map(Slow)));
                });
            }
        });
        let stats = pool.stats();
        assert_eq!((stats.done, stats.failed, stats.restarts), (220, 0, 0));
        finish(pool);
    });
}

/// CR26
#[test]
fn worker_killed_in_a_long_pause_is_no_concern_of_the_next_call() {
    scene(|| {
        let pool = Pool::builder()
            .workers(1)
            .min_workers(1)
            .idle_timeout(Duration::from_millis(20))
            .build()
            .unwrap();
        let first = pool.apply(own_pid, ()).unwrap();
        sleep(100);
        murder(first);
        sleep(50);
        assert_ne!(pool.apply(own_pid, ()).unwrap(), first);
        finish(pool);
    });
}

#[test]
fn warm_up_waits_for_initializers_and_says_when_time_is_over_or_the_pool_broken() {
    scene(|| {
        let slow = |ms: u64| {
            sleep(ms);
        };
        let pool = Pool::builder().workers(2).initializer(slow, (200,));
        let pool = pool.build().unwrap();
        assert!(!pool.warm_up(Duration::ZERO).unwrap());
        assert!(pool.warm_up(LONG).unwrap());
        assert_eq!(pool.stats().idle, 2);
        finish(pool);

        let broken = Pool::builder().workers(1).min_workers(0);
        let broken = broken
            .initializer(|| -> () { panic!("no licence") }, ())
            .build()
            .unwrap();
        let error = broken.warm_up(LONG).unwrap_err();
        assert!(error.to_string().contains("no licence"), "{error}");
        let error = broken.resize(2).unwrap_err();
        assert!(error.to_string().contains("no licence"), "{error}");
        error_of(broken.apply(own_pid, ()), TaskErrorKind::Broken);
    });
}

#[test]
fn pool_that_rests_closes_and_drops_and_finishes_what_it_has() {
    scene(|| {
        for round in 0..20u64 {
            let pool = Pool::builder()
                .workers(3)
                .idle_timeout(Duration::from_millis(1))
                .build()
                .unwrap();
            let handles: Vec<_> = (0..round).map(|_| pool.apply_async(sleep, (1,))).collect();
            sleep(round % 4);
            finish(pool);
            assert!(handles.into_iter().all(|handle| handle.get().is_ok()));
        }
        drop(Pool::builder().workers(3).min_workers(0).build().unwrap());
    });
}
