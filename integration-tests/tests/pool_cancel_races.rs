//! Cancel against completion: one outcome each, and the next call never pays.

use std::sync::mpsc::channel;
use std::time::Duration;

use procession::{Pool, TaskError, TaskErrorKind};
use procession_integration_tests::pool_scene::{LONG, assert_usable, finish, scene};

procession::init_before_main!();

/// `PROCESSION_LONG=10000` for the whole case also where a cancelled call costs a worker.
fn rounds(usual: u64) -> u64 {
    std::env::var("PROCESSION_LONG")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(usual)
}

fn brief(us: u64) -> u64 {
    std::thread::sleep(Duration::from_micros(us));
    us
}

/// Calls of up to `span` microseconds, cancelled in as many; each has the one outcome that its callback was told.
fn race(grace: Duration, rounds: u64, span: u64) {
    scene(|| {
        let pool = Pool::builder()
            .workers(2)
            .cancel_grace(grace)
            .build()
            .unwrap();
        assert_usable(&pool);
        let (mut won, mut lost) = (0, 0);
        let (tell, told) = channel();
        for round in 0..rounds {
            let us = round * 37 % span;
            let tell = tell.clone();
            let then = move |outcome: &Result<u64, TaskError>| {
                tell.send((round, outcome.clone().map_err(|error| error.kind())))
                    .unwrap();
            };
            let doomed = pool.call(brief).on_complete(then).apply_async((us,));
            let innocent: Vec<_> = (0..3)
                .map(|n| pool.apply_async(|n: u64| n * 2, (n,)))
                .collect();
            std::thread::sleep(Duration::from_micros(round * 53 % span));
            let cancelled = doomed.cancel();
            let outcome = doomed.get_timeout(LONG).expect("an outcome");
            let seen = outcome.as_ref().copied().map_err(TaskError::kind);
            assert_eq!(told.recv_timeout(LONG).expect("a callback"), (round, seen));
            match outcome {
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
        assert!(won > 0 && lost > 0, "no race: {won} cancelled, {lost} not");
        assert_usable(&pool);
        let stats = pool.stats();
        assert_eq!(stats.failed, won, "{stats:?}");
        finish(pool);
        assert!(told.try_recv().is_err(), "a second outcome");
    });
}

/// CT14, FAULTS 93, 95
#[test]
fn cancel_races_completion_without_a_grace() {
    race(Duration::ZERO, rounds(300), 400);
}

/// CT14
#[test]
fn cancel_races_completion_with_a_short_grace() {
    race(Duration::from_micros(200), rounds(300), 400);
}

/// CT14
#[test]
fn cancel_races_completion_with_a_long_grace() {
    race(Duration::from_secs(5), rounds(10_000), 100);
}
