//! Recycling, new sizes and the end of a pool against completion: each call has one outcome, and none is lost.
//!
//! `PROCESSION_LONG=<n>` plays so many rounds instead of 100; 10000 for the whole case.

use std::time::Duration;

use procession::{AsyncResult, Pool, TaskErrorKind};
use procession_integration_tests::pool_scene::{LONG, assert_usable, finish, scene};

procession::init_before_main!();

fn rounds() -> u64 {
    std::env::var("PROCESSION_LONG")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(100)
}

fn brief(us: u64) -> u64 {
    std::thread::sleep(Duration::from_micros(us));
    us
}

/// A few calls of this round's own lengths.
fn submit(pool: &Pool, round: u64) -> Vec<(u64, AsyncResult<u64>)> {
    let lengths = (0..4).map(|n| (round * 37 + n * 113) % 400);
    lengths
        .map(|us| (us, pool.apply_async(brief, (us,))))
        .collect()
}

#[track_caller]
fn all_done(round: u64, calls: Vec<(u64, AsyncResult<u64>)>) {
    for (us, call) in calls {
        let outcome = call.get_timeout(LONG).expect("an outcome");
        let value = outcome.unwrap_or_else(|error| panic!("round {round}: {error}"));
        assert_eq!(value, us, "round {round}");
    }
}

/// WL07, FAULTS 96: a worker's last result arrives, and what waits behind it runs in its successor.
#[test]
fn recycling_races_completion() {
    scene(|| {
        let pool = Pool::builder()
            .workers(2)
            .max_tasks_per_worker(3)
            .max_tasks_jitter(2)
            .build()
            .unwrap();
        for round in 0..rounds() {
            all_done(round, submit(&pool, round));
        }
        let stats = pool.stats();
        assert!(
            stats.recycled >= rounds() / 2,
            "{} replaced",
            stats.recycled
        );
        assert_eq!((stats.done, stats.failed), (4 * rounds(), 0));
        finish(pool);
    });
}

/// WL24, FAULTS 99: sizes change before, while and after calls run.
#[test]
fn new_sizes_race_completion() {
    scene(|| {
        let pool = Pool::new(2).unwrap();
        for round in 0..rounds() {
            let calls = submit(&pool, round);
            std::thread::sleep(Duration::from_micros(round * 53 % 400));
            pool.resize(1 + (round as usize * 7) % 4).unwrap();
            all_done(round, calls);
        }
        let stats = pool.stats();
        assert_eq!((stats.done, stats.failed), (4 * rounds(), 0));
        assert_usable(&pool);
        finish(pool);
    });
}

/// SH03, SH04, SH15, FAULTS 94, 98: whatever ends the pool and whenever, each call has returned or is terminated.
#[test]
fn shutdown_races_completion() {
    scene(|| {
        let (mut returned, mut ended) = (0u64, 0u64);
        for round in 0..rounds() {
            let pool = Pool::new(1 + round as usize % 2).unwrap();
            let calls = submit(&pool, round);
            std::thread::sleep(Duration::from_micros(round * 997 % 5_000));
            match round % 3 {
                0 => pool.terminate(),
                1 => pool.close(),
                _ => {}
            }
            if round % 3 == 2 {
                drop(pool);
            } else {
                assert!(pool.join_timeout(LONG).unwrap(), "round {round}");
            }
            for (us, call) in calls {
                match call.get_timeout(LONG).expect("an outcome") {
                    Ok(value) => {
                        assert_eq!(value, us, "round {round}");
                        returned += 1;
                    }
                    Err(error) => {
                        assert!(round % 3 != 1, "round {round}: closed, and {error}");
                        assert_eq!(error.kind(), TaskErrorKind::Terminated, "{error}");
                        ended += 1;
                    }
                }
            }
        }
        println!("{returned} returned, {ended} ended");
    });
}
