//! Cancel against completion: one outcome each, and the next call never pays.

use std::time::Duration;

use procession::{Pool, TaskErrorKind};
use procession_integration_tests::pool_scene::{LONG, assert_usable, finish, scene};

procession::init_before_main!();

/// `PROCESSION_LONG=10000` for the whole case.
fn rounds() -> u64 {
    std::env::var("PROCESSION_LONG")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(300)
}

fn brief(us: u64) -> u64 {
    std::thread::sleep(Duration::from_micros(us));
    us
}

fn race(grace: Duration) {
    scene(|| {
        let pool = Pool::builder()
            .workers(2)
            .cancel_grace(grace)
            .build()
            .unwrap();
        assert_usable(&pool);
        let (mut won, mut lost) = (0, 0);
        for round in 0..rounds() {
            let us = round * 37 % 400;
            let doomed = pool.apply_async(brief, (us,));
            let innocent: Vec<_> = (0..3)
                .map(|n| pool.apply_async(|n: u64| n * 2, (n,)))
                .collect();
            std::thread::sleep(Duration::from_micros(round * 53 % 400));
            let cancelled = doomed.cancel();
            match doomed.get_timeout(LONG).expect("an outcome") {
                Ok(value) => {
                    assert!(!cancelled, "round {round}: cancelled, and yet it returned");
                    assert_eq!(value, us);
                    lost += 1;
                }
                Err(error) => {
                    assert!(cancelled, "round {round}: {error}");
                    assert_eq!(error.kind(), TaskErrorKind::Cancelled, "{error}");
                    won += 1;
                }
            }
            for (n, handle) in innocent.into_iter().enumerate() {
                let value = handle.get_timeout(LONG).expect("an outcome");
                let value = value.unwrap_or_else(|error| panic!("round {round}: {error}"));
                assert_eq!(value, n as u64 * 2);
            }
        }
        println!("{won} cancelled, {lost} returned");
        assert_usable(&pool);
        finish(pool);
    });
}

/// CT14, FAULTS 93, 95
#[test]
fn cancel_races_completion_without_a_grace() {
    race(Duration::ZERO);
}

/// CT14
#[test]
fn cancel_races_completion_with_a_short_grace() {
    race(Duration::from_micros(200));
}

/// CT14
#[test]
fn cancel_races_completion_with_a_long_grace() {
    race(Duration::from_secs(5));
}
