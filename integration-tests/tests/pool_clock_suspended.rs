//! Times that go on while the machine is suspended. Alone in its program: the choice is the process's, and made once.

use std::process::Command;
use std::time::{Duration, Instant};

use procession::{Pool, TaskErrorKind, count_suspended_time};
use procession_integration_tests::pool_scene::{LONG, error_of, finish, scene};
use procession_worker::watch::Watch;
use rustix::time::{ClockId, clock_gettime};

procession::init_before_main!();

const NAME: &str = "times_that_count_suspension_are_one_clock";
/// Set in the process that runs where the machine seems to have been suspended for 25 hours.
const APART: &str = "PROCESSION_TEST_CLOCKS_APART";
const LIMIT: Duration = Duration::from_millis(150);

fn sleep(ms: u64) -> u64 {
    std::thread::sleep(Duration::from_millis(ms));
    ms
}

/// Runs this test once more, in a time namespace.
fn once_more_where_the_clocks_are_apart() {
    let me = std::env::current_exe().expect("this program");
    let there = Command::new("unshare")
        .args(["--time", "--boottime", "90000", "--fork"])
        .arg(me)
        .args(["--exact", NAME, "--nocapture"])
        .env(APART, "1")
        .output();
    match there {
        Ok(there) if there.status.success() => {}
        Ok(there) => {
            let said = String::from_utf8_lossy(&there.stderr).into_owned();
            assert!(said.contains("unshare"), "{said}");
            eprintln!("SKIPPED: no time namespace here: {said}");
        }
        Err(e) => eprintln!("SKIPPED: no `unshare` here: {e}"),
    }
}

/// FAULTS 77: with the one clock 25 hours ahead of the other, whoever reads the wrong one ends everything at once, or nothing.
#[test]
fn times_that_count_suspension_are_one_clock() {
    if std::env::var_os(APART).is_none() {
        once_more_where_the_clocks_are_apart();
    } else {
        let seconds = |clock| clock_gettime(clock).tv_sec;
        assert!(seconds(ClockId::Boottime) - seconds(ClockId::Monotonic) > 80_000);
    }
    count_suspended_time().expect("no pool was made before");
    scene(|| {
        let pool = Pool::new(2).expect("a pool");
        let within = pool.call(sleep).timeout(LONG);
        assert_eq!(within.apply((1,)).expect("it is quick"), 1);
        assert_eq!(within.map([1, 2, 3]).expect("they are"), [1, 2, 3]);

        let begun = Instant::now();
        let over = pool.call(sleep).timeout(LIMIT).apply((60_000,));
        let error = error_of(over, TaskErrorKind::TimedOut);
        let ran_for = error.ran_for().expect("it ran");
        assert!(ran_for >= LIMIT && ran_for < LONG, "{error}");
        assert!(begun.elapsed() >= LIMIT && begun.elapsed() < LONG);

        let busy = [(); 2].map(|()| pool.apply_async(sleep, (60_000,)));
        let waits = pool.call(sleep).queue_deadline(LIMIT).apply((1,));
        error_of(waits, TaskErrorKind::Expired);
        let [busy, other] = busy;
        let busy = busy.get_timeout(LIMIT).expect_err("it is not there yet");
        for worker in pool.stats().workers {
            let running = worker.current.expect("it sleeps").running_for;
            assert!(running >= LIMIT && running < LONG, "{running:?}");
            assert!(worker.times.total() < LONG, "{:?}", worker.times);
        }
        assert!(busy.cancel() && other.cancel());

        assert_eq!(pool.apply(sleep, (2,)).expect("it serves on"), 2);
        let stats = pool.stats();
        let longest = stats.slowest.iter().map(|slow| slow.ran_for).max();
        assert!(longest.is_some_and(|took| took < LONG), "{stats:?}");
        finish(pool);
        count_suspended_time().expect("it was said before");

        // The kernel's sleeps stand still: so the pool's own thread sleeps a second at most while it has a time to keep.
        let begun = Instant::now();
        let watch = Watch::new().expect("a watch");
        watch.wait(Some(LONG), &mut Vec::new());
        assert!(begun.elapsed() < LONG / 2);
    });
}
