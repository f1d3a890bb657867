//! Workers that serve for so long: they change while work goes on, and no task pays for it.

use std::collections::BTreeSet;
use std::time::Duration;

use procession::{Pool, PoolBuilder};
use procession_integration_tests::pool_scene::{LONG, finish, own_pid, scene, until};

procession::init_before_main!();

fn pool(workers: usize, lifetime: Duration) -> PoolBuilder {
    Pool::builder().workers(workers).max_lifetime(lifetime)
}

#[test]
fn workers_change_while_work_goes_on_and_no_task_is_lost() {
    scene(|| {
        let pool = pool(2, Duration::from_millis(30)).build().unwrap();
        let mut pids = BTreeSet::new();
        let mut rounds = 0;
        while pids.len() < 6 {
            let call = pool.call(|n: u32| (n, std::process::id())).chunk_size(3);
            for (n, outcome) in (0..30).zip(call.try_map(0..30)) {
                let (same, pid) = outcome.unwrap();
                assert_eq!(same, n);
                pids.insert(pid);
            }
            rounds += 1;
        }
        let stats = pool.stats();
        assert_eq!((stats.failed, stats.restarts), (0, 0), "{stats:?}");
        assert_eq!(stats.done, rounds * 30);
        assert!(stats.recycled >= 4, "{stats:?}");
        finish(pool);
    });
}

#[test]
fn task_that_takes_longer_than_a_lifetime_is_finished_where_it_began() {
    scene(|| {
        let pool = pool(1, Duration::from_millis(20)).build().unwrap();
        let slow = pool.apply_async(
            || {
                std::thread::sleep(Duration::from_millis(200));
                std::process::id()
            },
            (),
        );
        let slow = slow.get_timeout(LONG).expect("an outcome").unwrap();
        until("it has made room", || pool.stats().recycled >= 1);
        assert_ne!(pool.apply(own_pid, ()).unwrap(), slow);
        finish(pool);
    });
}

#[test]
fn worker_that_has_nothing_to_do_is_replaced_too() {
    scene(|| {
        let pool = pool(1, Duration::from_millis(50)).build().unwrap();
        until("two workers have gone", || pool.stats().recycled >= 2);
        assert_eq!(pool.stats().restarts, 0);
        finish(pool);
    });
}

#[test]
fn lifetime_of_nothing_is_an_error_that_says_so() {
    let error = pool(1, Duration::ZERO).build().unwrap_err();
    assert!(error.to_string().contains("max_lifetime"), "{error}");
    let inline = pool(0, Duration::from_nanos(1)).build().unwrap();
    assert_eq!(inline.map(|n: u32| n, 0..5).unwrap().len(), 5);
}
