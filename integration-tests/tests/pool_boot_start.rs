//! The way to READY: its time limit, and one worker that fails beside others that do not.

use std::time::{Duration, Instant};

use procession::{Pool, TaskErrorKind};
use procession_integration_tests::pool_scene::{
    LONG, Scratch, assert_usable, error_of, finish, murder, own_pid, scene, until,
};

procession::init_before_main!();

fn sleep_for_ever() {
    std::thread::sleep(Duration::from_secs(3600));
}

/// FAULTS 29, CT18
#[test]
fn a_hanging_initializer_breaks_the_pool_at_its_limit() {
    scene(|| {
        let begun = Instant::now();
        let pool = Pool::builder()
            .workers(2)
            .initializer(sleep_for_ever, ())
            .start_timeout(Duration::from_millis(200))
            .build()
            .unwrap();
        let waiting: Vec<_> = (0..5u32)
            .map(|x| pool.apply_async(|x: u32| x, (x,)))
            .collect();
        for handle in waiting {
            let outcome = handle.get_timeout(LONG).expect("an outcome");
            let error = error_of(outcome, TaskErrorKind::Broken);
            let text = error.to_string();
            assert!(
                text.contains("did not become ready within its start timeout of 200ms"),
                "{text}"
            );
        }
        assert!(begun.elapsed() < LONG);
        finish(pool);
    });
}

/// FAULTS 29: the initializer has a limit of its own, which says so; what comes before it does not count.
#[test]
fn a_hanging_initializer_breaks_the_pool_at_a_limit_of_its_own() {
    scene(|| {
        let pool = Pool::builder()
            .workers(2)
            .initializer(sleep_for_ever, ())
            .initializer_timeout(Duration::from_millis(200))
            .build()
            .unwrap();
        let outcome = pool.apply_async(|x: u32| x, (1,)).get_timeout(LONG);
        let error = error_of(outcome.expect("an outcome"), TaskErrorKind::Broken);
        let text = error.to_string();
        assert!(
            text.contains("did not become ready within its initializer timeout of 200ms"),
            "{text}"
        );
        finish(pool);
    });
}

/// What is first is said, whichever limit that is.
#[test]
fn the_shorter_of_both_limits_of_a_start_counts() {
    scene(|| {
        let pool = Pool::builder()
            .workers(1)
            .initializer(sleep_for_ever, ())
            .initializer_timeout(LONG)
            .start_timeout(Duration::from_millis(300))
            .build()
            .unwrap();
        let error = error_of(pool.apply(|x: u32| x, (1,)), TaskErrorKind::Broken);
        assert!(
            error.to_string().contains("start timeout of 300ms"),
            "{error}"
        );
        finish(pool);

        let pool = Pool::builder()
            .workers(2)
            .initializer(std::thread::sleep, (Duration::from_millis(300),))
            .initializer_timeout(LONG)
            .build()
            .unwrap();
        assert_usable(&pool);
        assert_eq!(pool.stats().restarts, 0);
        finish(pool);
    });
}

/// CT18: below the limit nothing is different.
#[test]
fn an_initializer_within_its_limit_is_waited_for() {
    scene(|| {
        let pool = Pool::builder()
            .workers(2)
            .initializer(std::thread::sleep, (Duration::from_millis(300),))
            .start_timeout(Duration::from_secs(60))
            .build()
            .unwrap();
        assert_usable(&pool);
        assert_eq!(pool.stats().restarts, 0);
        finish(pool);
    });
}

/// CT18: the limit is that of the start, not of the life.
#[test]
fn a_ready_worker_outlives_the_start_timeout() {
    scene(|| {
        let pool = Pool::builder()
            .workers(1)
            .start_timeout(Duration::from_secs(2))
            .build()
            .unwrap();
        let pid = pool.apply(own_pid, ()).unwrap();
        pool.apply(std::thread::sleep, (Duration::from_millis(2500),))
            .unwrap();
        assert_eq!(pool.apply(own_pid, ()).unwrap(), pid);
        finish(pool);
    });
}

/// Fails in the first worker while `directory` has a note that says so.
fn fails_in_the_first(directory: String) {
    let first = procession::worker::index() == Some(0);
    std::fs::write(format!("{directory}/{}", own_pid()), "").unwrap();
    assert!(
        !first || !std::fs::exists(format!("{directory}/fail")).unwrap(),
        "no licence here"
    );
}

/// FAULTS 30
#[test]
fn an_initializer_that_fails_in_one_worker_degrades_the_pool_and_no_more() {
    scene(|| {
        let notes = Scratch::new();
        std::fs::write(notes.at("fail"), "").unwrap();
        let pool = Pool::builder()
            .workers(2)
            .initializer(fails_in_the_first, (notes.text(),))
            .build()
            .unwrap();
        // Well beyond the five failed starts that break a pool without a ready worker.
        until("the place was tried again and again", || notes.count() > 7);
        assert_usable(&pool);
        assert_eq!(pool.stats().failed, 0);
        // The cause goes away: the pool is whole again.
        std::fs::remove_file(notes.at("fail")).unwrap();
        until("both serve", || {
            let met = Scratch::new();
            let meet = |directory: String, me: u32| {
                std::fs::write(format!("{directory}/{me}"), "").unwrap();
                let begun = Instant::now();
                while begun.elapsed() < Duration::from_secs(2) {
                    if std::fs::read_dir(&directory).unwrap().count() == 2 {
                        return true;
                    }
                    std::thread::sleep(Duration::from_millis(5));
                }
                false
            };
            let both = (0..2).map(|me| (met.text(), me));
            pool.call(meet).chunk_size(1).starmap(both).unwrap() == [true, true]
        });
        finish(pool);
    });
}

/// CR25: killed while it initializes, by hand.
#[test]
fn a_worker_killed_while_it_initializes_is_replaced() {
    scene(|| {
        let notes = Scratch::new();
        let slow_once = |directory: String| {
            let here = std::fs::read_dir(&directory).unwrap().count();
            std::fs::write(format!("{directory}/{}", own_pid()), "").unwrap();
            if here == 0 {
                sleep_for_ever();
            }
        };
        let pool = Pool::builder()
            .workers(1)
            .initializer(slow_once, (notes.text(),))
            .build()
            .unwrap();
        let handle = pool.apply_async(own_pid, ());
        until("it initializes", || notes.count() == 1);
        murder(pool.worker_pids()[0]);
        handle.get_timeout(LONG).expect("an outcome").unwrap();
        assert_eq!(notes.count(), 2);
        finish(pool);
    });
}

/// CR25: the way a panic ends in a program built with `panic = "abort"`.
extern "C" fn cannot_unwind() {
    panic!("no licence for this");
}

/// CR25, FAULTS 10
#[test]
fn an_initializer_whose_panic_aborts_breaks_the_pool_with_its_message() {
    scene(|| {
        let pool = Pool::builder()
            .workers(2)
            .initializer(|| cannot_unwind(), ())
            .build()
            .unwrap();
        let outcome = pool
            .apply_async(own_pid, ())
            .get_timeout(LONG)
            .expect("an outcome");
        let text = error_of(outcome, TaskErrorKind::Broken).to_string();
        assert!(text.contains("no licence for this"), "{text}");
        assert!(
            text.contains("SIGABRT") && text.contains("pool_boot_start.rs"),
            "{text}"
        );
        finish(pool);
    });
}
