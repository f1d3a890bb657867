//! Memory and processor time: what goes beyond its limit ends alone, and its error says which limit it was.

use std::time::Duration;

use procession::{Pool, PoolBuilder, TaskErrorKind};
use procession_integration_tests::pool_scene::{
    LONG, assert_usable, error_of, finish, own_pid, scene, until,
};

procession::init_before_main!();

const MIB: u64 = 1 << 20;

fn of_one(change: impl FnOnce(PoolBuilder) -> PoolBuilder) -> Pool {
    change(Pool::builder().workers(1)).build().expect("a pool")
}

/// Touches so many bytes, and says how many.
fn fill(bytes: u64) -> u64 {
    let block = vec![1u8; usize::try_from(bytes).unwrap()];
    std::hint::black_box(&block).len() as u64
}

/// FAULTS 13, WL26
#[test]
fn a_task_beyond_its_memory_limit_says_so_and_costs_one_worker() {
    scene(|| {
        let pool = of_one(|pool| pool.memory_limit(256 * MIB));
        let before = pool.apply(own_pid, ()).unwrap();
        assert_eq!(pool.apply(fill, (16 * MIB,)).unwrap(), 16 * MIB);
        let handle = pool.apply_async(fill, (300 * MIB,));
        let behind = pool.apply_async(fill, (1,));
        let outcome = handle.get_timeout(LONG).expect("an outcome");
        let error = error_of(outcome, TaskErrorKind::WorkerDied);
        let death = error.death().unwrap();
        assert_eq!(death.hint(), Some("exceeded its memory limit of 256 MiB"));
        assert_eq!(death.exit_status().signal(), Some(6));
        assert!(
            error
                .to_string()
                .contains("exceeded its memory limit of 256 MiB")
        );
        assert_eq!(behind.get_timeout(LONG).expect("an outcome").unwrap(), 1);
        assert_ne!(pool.apply(own_pid, ()).unwrap(), before);
        assert_usable(&pool);
        finish(pool);
    });
}

/// WL26: a leak is found by its limit however slowly it grows, and nothing else is lost.
#[test]
fn a_worker_that_leaks_is_replaced_when_its_memory_is_used_up() {
    scene(|| {
        let pool = of_one(|pool| pool.memory_limit(64 * MIB));
        let leak = |mib: u64| {
            std::mem::forget(vec![1u8; usize::try_from(mib * MIB).unwrap()]);
            own_pid()
        };
        let outcomes = pool.call(leak).chunk_size(10).try_map(vec![4u64; 60]);
        let (good, bad): (Vec<_>, Vec<_>) = outcomes.into_iter().partition(Result::is_ok);
        assert!((3..=6).contains(&bad.len()), "{}", bad.len());
        for outcome in bad {
            let error = error_of(outcome, TaskErrorKind::WorkerDied);
            assert!(
                error.to_string().contains("its memory limit of 64 MiB"),
                "{error}"
            );
        }
        assert_eq!(
            good.len() + usize::try_from(pool.stats().restarts).unwrap(),
            60
        );
        finish(pool);
    });
}

/// FAULTS 13: who asks politely is refused politely.
#[test]
fn a_refused_reservation_is_no_death() {
    scene(|| {
        let pool = of_one(|pool| pool.memory_limit(64 * MIB));
        let reserve = || Vec::<u8>::new().try_reserve(1 << 30).is_err();
        assert!(pool.apply(reserve, ()).unwrap());
        // Another end of the same worker is not charged to the limit.
        let error = error_of(
            pool.apply(|| -> () { panic!("no") }, ()),
            TaskErrorKind::Panicked,
        );
        assert!(!error.to_string().contains("its memory limit"), "{error}");
        finish(pool);
    });
}

/// FAULTS 13
#[test]
fn other_deaths_of_a_limited_worker_are_not_charged_to_its_memory() {
    scene(|| {
        let pool = of_one(|pool| {
            pool.memory_limit(64 * MIB)
                .cpu_limit(Duration::from_secs(60))
        });
        // A successful call resets nothing: the reason of the last failed one is set here on purpose.
        let abort = || -> () {
            let _ = std::fs::File::open("/no/such/file");
            std::process::abort()
        };
        let error = error_of(pool.apply(abort, ()), TaskErrorKind::WorkerDied);
        assert_eq!(error.death().unwrap().hint(), None, "{error}");
        let error = error_of(
            pool.apply(|| -> () { std::process::exit(3) }, ()),
            TaskErrorKind::WorkerDied,
        );
        assert!(!error.to_string().contains("its memory limit"), "{error}");
        finish(pool);
    });
}

/// FAULTS 13: memory shared with the parent, and memory only reserved, do not count.
#[test]
fn large_arguments_and_results_pass_below_the_limit() {
    scene(|| {
        let pool = of_one(|pool| pool.memory_limit(256 * MIB));
        let bytes = procession::Bytes::from(vec![7u8; 20 << 20]);
        let back = pool
            .apply(|b: procession::Bytes| b, (bytes.clone(),))
            .unwrap();
        assert!(back == bytes);
        finish(pool);
    });
}

/// FAULTS 13, 27: no loop of starts.
#[test]
fn a_memory_limit_too_small_to_start_breaks_the_pool_and_says_so() {
    scene(|| {
        let pool = of_one(|pool| pool.memory_limit(64 << 10));
        let handle = pool.apply_async(fill, (1,));
        let outcome = handle.get_timeout(LONG).expect("an outcome");
        let error = error_of(outcome, TaskErrorKind::Broken);
        let text = error.to_string();
        assert!(
            text.contains("its memory limit of 64 KiB is too small"),
            "{text}"
        );
        assert!(text.contains("before its first task"), "{text}");
        assert!(pool.stats().restarts <= 6);
        finish(pool);
    });
}

/// FAULTS 13: an initializer that takes too much is the pool's error.
#[test]
fn an_initializer_beyond_the_memory_limit_breaks_the_pool_and_says_so() {
    scene(|| {
        let pool = of_one(|pool| pool.memory_limit(64 * MIB).initializer(fill, (100 * MIB,)));
        let handle = pool.apply_async(fill, (1,));
        let error = error_of(
            handle.get_timeout(LONG).expect("an outcome"),
            TaskErrorKind::Broken,
        );
        assert!(
            error
                .to_string()
                .contains("exceeded its memory limit of 64 MiB"),
            "{error}"
        );
        finish(pool);
    });
}

fn spin() {
    loop {
        std::hint::spin_loop();
    }
}

/// FAULTS 14
#[test]
fn a_task_beyond_its_cpu_limit_says_so_and_costs_one_worker() {
    scene(|| {
        let pool = of_one(|pool| pool.cpu_limit(Duration::from_millis(800)));
        let handle = pool.apply_async(spin, ());
        let behind = pool.apply_async(fill, (1,));
        let outcome = handle.get_timeout(LONG).expect("an outcome");
        let error = error_of(outcome, TaskErrorKind::WorkerDied);
        let text = error.to_string();
        assert!(
            text.contains("exceeded its CPU limit of 1 s (SIGXCPU)"),
            "{text}"
        );
        assert_eq!(behind.get_timeout(LONG).expect("an outcome").unwrap(), 1);
        assert_usable(&pool);
        finish(pool);
    });
}

/// FAULTS 14: time asleep is not processor time.
#[test]
fn a_sleeping_task_uses_no_processor_time() {
    scene(|| {
        let pool = of_one(|pool| pool.cpu_limit(Duration::from_secs(1)));
        let pid = pool.apply(own_pid, ()).unwrap();
        pool.apply(std::thread::sleep, (Duration::from_millis(1500),))
            .unwrap();
        assert_eq!(pool.apply(own_pid, ()).unwrap(), pid);
        finish(pool);
    });
}

/// FAULTS 14: a worker that dies of its limit while it is idle costs nothing.
#[test]
fn a_background_thread_that_uses_the_time_up_costs_no_task() {
    scene(|| {
        let pool = of_one(|pool| pool.cpu_limit(Duration::from_secs(1)));
        let pid = pool.apply(
            || {
                std::thread::spawn(spin);
                own_pid()
            },
            (),
        );
        let pid = pid.unwrap();
        until("the worker is replaced", || {
            pool.worker_pids().first().is_some_and(|now| *now != pid)
        });
        assert_usable(&pool);
        assert_eq!(pool.stats().failed, 0);
        finish(pool);
    });
}

/// FAULTS 13, 14
#[test]
fn limits_without_meaning_are_errors_of_build() {
    scene(|| {
        let refused = |builder: PoolBuilder| builder.build().unwrap_err().to_string();
        let two = || Pool::builder().workers(2);
        for (text, part) in [
            (
                refused(two().memory_limit(0)),
                "memory_limit must be above 0",
            ),
            (
                refused(two().cpu_limit(Duration::ZERO)),
                "cpu_limit must be above 0",
            ),
            (
                refused(two().nice(-21)),
                "nice must be within -20 and 19, not -21",
            ),
            (
                refused(two().inner_threads(0)),
                "inner_threads must be at least 1",
            ),
            (
                refused(two().start_timeout(Duration::ZERO)),
                "start_timeout must be above 0",
            ),
            (
                refused(two().initializer_timeout(Duration::ZERO)),
                "initializer_timeout must be above 0",
            ),
            (
                refused(Pool::builder().workers(0).memory_limit(0)),
                "memory_limit",
            ),
        ] {
            assert!(text.contains(part), "{text}");
        }
    });
}

/// PO37: limits are those of a process of its own, which an inline pool has not.
#[test]
fn an_inline_pool_ignores_limits() {
    let usable = procession_worker::handle::usable_cpus().unwrap();
    let pool = Pool::builder()
        .workers(0)
        .memory_limit(1)
        .cpu_limit(Duration::from_secs(1))
        .nice(19)
        .cpu_affinity([usable.into_iter().map(|cpu| cpu as usize)])
        .inner_threads(7)
        .start_timeout(Duration::from_nanos(1))
        .build()
        .unwrap();
    assert_eq!(pool.apply(fill, (MIB,)).unwrap(), MIB);
    assert_ne!(std::env::var("RAYON_NUM_THREADS").as_deref(), Ok("7"));
}
