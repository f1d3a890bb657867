//! Time limits against completion: one outcome each, and the next call never pays.

use std::time::Duration;

use procession::worker::cancelled;
use procession::{Pool, TaskErrorKind};
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

/// How an item of a race went: what it was asked, and whether it was told before it began.
type Ran = (u64, bool);

/// CT14, CT20: what returns about when its grace ends costs nobody else anything, and its pool one worker at most.
#[test]
fn return_races_the_end_of_the_grace() {
    scene(|| {
        let grace = Duration::from_micros(1_000);
        let pool = Pool::builder().workers(2).timeout_grace(grace);
        let pool = pool.build().unwrap();
        assert_usable(&pool);
        let late = |us: u64| -> Ran {
            let told = cancelled();
            while !cancelled() {
                std::thread::sleep(Duration::from_micros(20));
            }
            std::thread::sleep(Duration::from_micros(us));
            (us, told)
        };
        let brief = |n: u64| -> Ran { (n, cancelled()) };
        let (mut ended, mut returned) = (0, 0);
        for round in 0..rounds() {
            let before = pool.worker_pids();
            let limited = pool.call(late).timeout(Duration::from_micros(300));
            let handle = limited.apply_async((500 + round * 37 % 800,));
            let innocent: Vec<_> = (0..3).map(|n| pool.apply_async(brief, (n,))).collect();
            let outcome = handle.get_timeout(LONG).expect("an outcome");
            let error = outcome.expect_err("it is late");
            assert_eq!(error.kind(), TaskErrorKind::TimedOut, "{error}");
            for (n, handle) in innocent.into_iter().enumerate() {
                let value = handle.get_timeout(LONG).expect("an outcome");
                let value = value.unwrap_or_else(|error| panic!("round {round}: {error}"));
                assert_eq!(value, (n as u64, false));
            }
            pool.map(brief, 0..8).unwrap();
            if pool.worker_pids() == before {
                returned += 1;
            } else {
                ended += 1;
            }
        }
        println!("{ended} ended, {returned} returned");
        assert_usable(&pool);
        finish(pool);
    });
}

/// CT12, CT14, CT20: items about as long as their limit, one behind the other; those that are not have their values.
#[test]
fn items_that_race_their_limit_leave_the_others_of_their_map_alone() {
    scene(|| {
        let pool = Pool::builder().workers(1).timeout_grace(LONG);
        let pool = pool.build().unwrap();
        assert_usable(&pool);
        let pids = pool.worker_pids();
        let limit = Duration::from_millis(20);
        let item = |us: u64| -> Ran {
            let told = cancelled();
            std::thread::sleep(Duration::from_micros(us));
            (us, told)
        };
        let (mut late, mut short) = (0, 0);
        for round in 0..rounds() / 20 {
            // Every third is about as long as the limit.
            let item_of = |n: u64| match n % 3 {
                0 => 19_600 + (n * 97 + round * 37) % 500,
                _ => n % 3,
            };
            let items: Vec<u64> = (0..24).map(item_of).collect();
            let each = pool.call(item).timeout(limit).try_map(items.clone());
            for (us, outcome) in items.into_iter().zip(each) {
                match outcome {
                    Ok(value) => assert_eq!(value, (us, false)),
                    Err(error) => {
                        assert_eq!(error.kind(), TaskErrorKind::TimedOut, "{error}");
                        late += 1;
                        // A busy machine may hold up any of them.
                        short += u32::from(us < 1_000);
                    }
                }
            }
        }
        println!("{late} late, {short} of them short");
        assert_usable(&pool);
        assert_eq!(pool.worker_pids(), pids, "they all returned");
        finish(pool);
    });
}
