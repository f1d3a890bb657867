//! Time limits against completion: one outcome each, and the next call never pays.

use std::time::Duration;

use procession::TaskErrorKind;
use procession_integration_tests::pool_scene::{LONG, assert_usable, finish, scene, warm};

procession::init_before_main!();

/// `PROCESSION_LONG=10000` for the whole case.
fn rounds() -> u64 {
    std::env::var("PROCESSION_LONG")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(200)
}

/// CT14, FAULTS 93
#[test]
fn limit_races_completion() {
    scene(|| {
        let pool = warm(2);
        let brief = |us: u64| {
            std::thread::sleep(Duration::from_micros(us));
            us
        };
        let (mut ended, mut returned) = (0, 0);
        for round in 0..rounds() {
            let us = 1_000 + round * 37 % 400;
            let limited = pool.call(brief).timeout(Duration::from_micros(1_250));
            let handle = limited.apply_async((us,));
            let innocent: Vec<_> = (0..3)
                .map(|n| pool.apply_async(|n: u64| n * 2, (n,)))
                .collect();
            match handle.get_timeout(LONG).expect("an outcome") {
                Ok(value) => {
                    assert_eq!(value, us);
                    returned += 1;
                }
                Err(error) => {
                    assert_eq!(error.kind(), TaskErrorKind::TimedOut, "{error}");
                    ended += 1;
                }
            }
            for (n, handle) in innocent.into_iter().enumerate() {
                let value = handle.get_timeout(LONG).expect("an outcome");
                let value = value.unwrap_or_else(|error| panic!("round {round}: {error}"));
                assert_eq!(value, n as u64 * 2);
            }
        }
        println!("{ended} ended, {returned} returned");
        assert_usable(&pool);
        finish(pool);
    });
}
