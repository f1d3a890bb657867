//! The time after a limit, as the pool's owner chose it: a task that hears of its limit keeps its worker, and nobody else does.

use std::path::Path;
use std::time::{Duration, Instant};

use procession::worker::cancelled;
use procession::{Pool, PoolBuilder, TaskErrorKind};
use procession_integration_tests::pool_scene::{
    LONG, Scratch, assert_usable, error_of, finish, own_pid, scene, until,
};

procession::init_before_main!();

const LIMIT: Duration = Duration::from_millis(800);
const SHORT: Duration = Duration::from_millis(50);

fn builder(workers: usize, grace: Duration) -> PoolBuilder {
    Pool::builder().workers(workers).timeout_grace(grace)
}

/// A pool of one worker, which has served.
fn pool(grace: Duration) -> Pool {
    let pool = builder(1, grace).build().unwrap();
    assert_usable(&pool);
    pool
}

/// In a task: until it is told.
fn listen() {
    until("it is told", cancelled);
}

/// In a task: until it is told and the file `go` is there; then it leaves `tidy`.
fn tidy(directory: String) {
    listen();
    let go = format!("{directory}/go");
    until("it may go", || Path::new(&go).exists());
    std::fs::write(format!("{directory}/tidy"), "").unwrap();
}

fn sleep(time: Duration) {
    std::thread::sleep(time);
}

/// CT20
#[test]
fn task_that_hears_of_its_limit_tidies_up_and_keeps_its_worker() {
    scene(|| {
        let pool = pool(LONG);
        let pids = pool.worker_pids();
        let notes = Scratch::new();
        let call = pool.call(tidy).timeout(SHORT);
        let error = error_of(call.apply((notes.text(),)), TaskErrorKind::TimedOut);
        assert_eq!(error.time_limit(), Some(SHORT));
        assert!(error.to_string().contains("returns within 60s"), "{error}");
        let next = pool.apply_async(own_pid, ());
        assert_eq!(notes.count(), 0, "its outcome waits for nothing");
        std::fs::write(notes.at("go"), "").unwrap();
        assert_eq!(next.get().unwrap(), pids[0]);
        assert_eq!(notes.count(), 2, "it was cut off");
        assert!(!pool.apply(cancelled, ()).unwrap());
        assert_usable(&pool);
        assert_eq!(pool.worker_pids(), pids);
        finish(pool);
    });
}

/// CT20
#[test]
fn task_that_does_not_hear_of_its_limit_is_ended_after_the_grace() {
    scene(|| {
        let grace = Duration::from_millis(300);
        let pool = pool(grace);
        let pids = pool.worker_pids();
        let begun = Instant::now();
        let outcome = pool.call(sleep).timeout(SHORT).apply((LONG,));
        error_of(outcome, TaskErrorKind::TimedOut);
        assert_usable(&pool);
        assert!(begun.elapsed() >= SHORT + grace, "ended too early");
        assert_ne!(pool.worker_pids(), pids);
        finish(pool);
    });
}

/// CT20
#[test]
fn task_that_dies_in_the_grace_has_timed_out_all_the_same() {
    scene(|| {
        let pool = pool(LONG);
        let pids = pool.worker_pids();
        let dies = || -> () {
            listen();
            std::process::exit(3)
        };
        let outcome = pool.call(dies).timeout(SHORT).apply(());
        error_of(outcome, TaskErrorKind::TimedOut);
        assert_usable(&pool);
        assert_ne!(pool.worker_pids(), pids);
        finish(pool);
    });
}

/// In a task: item `n` is run once and seen as wanted; every ninth of them is slow, and returns when it is told.
fn item((directory, n): (String, u32)) -> (u32, bool) {
    let told = cancelled();
    let note = std::fs::File::create_new(format!("{directory}/{n}"));
    note.expect("it has not run before");
    if n % 9 == 3 {
        listen();
    }
    (n, told)
}

/// CT12, CT20: one number names the whole map, and the next items of it are on their way to the worker that is told.
#[test]
fn later_items_of_a_map_are_neither_told_nor_lost_nor_run_twice() {
    scene(|| {
        let pool = pool(LONG);
        let pids = pool.worker_pids();
        const ITEMS: u32 = 15;
        let call = pool.call(item).timeout(LIMIT);
        for lazy in [false, true] {
            let notes = Scratch::new();
            let items = (0..ITEMS).map(|n| (notes.text(), n));
            let each: Vec<_> = if lazy {
                call.imap(items).collect()
            } else {
                call.try_map(items)
            };
            assert_eq!(each.len(), ITEMS as usize);
            for (n, outcome) in (0..).zip(each) {
                if n % 9 == 3 {
                    let error = error_of(outcome, TaskErrorKind::TimedOut);
                    assert_eq!(error.item(), Some(n as usize));
                } else {
                    assert_eq!(outcome.unwrap(), (n, false));
                }
            }
            assert_eq!(notes.count(), ITEMS as usize);
        }
        assert_eq!(pool.worker_pids(), pids);
        finish(pool);
    });
}

/// CT20: what is not begun of it is cancelled, and the worker is kept.
#[test]
fn map_that_stops_at_an_item_that_overran_keeps_the_worker() {
    scene(|| {
        let pool = pool(LONG);
        let pids = pool.worker_pids();
        let notes = Scratch::new();
        let items = (0..20).map(|n| (notes.text(), n));
        let outcome = pool.call(item).timeout(LIMIT).map(items);
        let error = error_of(outcome, TaskErrorKind::TimedOut);
        assert_eq!(error.item(), Some(3));
        assert_usable(&pool);
        assert_eq!(notes.count(), 4);
        assert_eq!(pool.worker_pids(), pids);
        finish(pool);
    });
}

/// CT20: the second attempt has the worker of the first, and is not told what that was.
#[test]
fn item_that_is_tried_again_is_told_anew() {
    scene(|| {
        let pool = pool(LONG);
        let pids = pool.worker_pids();
        let second = |directory: String| {
            let told = cancelled();
            let note = std::fs::File::create_new(format!("{directory}/first"));
            if note.is_ok() {
                listen();
            }
            told
        };
        let call = pool.call(second).timeout(LIMIT).retries(1);
        for each in [false, true] {
            let notes = Scratch::new();
            let told = if each {
                call.try_map([notes.text()]).remove(0)
            } else {
                call.apply((notes.text(),))
            };
            assert!(!told.unwrap());
        }
        assert_eq!(pool.stats().retries, 2);
        assert_eq!(pool.worker_pids(), pids);
        finish(pool);
    });
}

/// CT20: neither end of a pool waits for more than it has to.
#[test]
fn pool_that_ends_meanwhile_ends() {
    scene(|| {
        for grace in [SHORT, LONG] {
            let pool = pool(grace);
            let outcome = pool.call(sleep).timeout(SHORT).apply((LONG,));
            error_of(outcome, TaskErrorKind::TimedOut);
            if grace == LONG {
                pool.terminate();
            } else {
                pool.close();
            }
            assert!(pool.join_timeout(LONG / 2).unwrap(), "{grace:?}");
            drop(pool);
        }
    });
}

/// CT20: beyond any clock.
#[test]
fn longest_grace_there_is_harms_nobody_who_listens() {
    scene(|| {
        let pool = pool(Duration::MAX);
        let pids = pool.worker_pids();
        let outcome = pool.call(listen).timeout(SHORT).apply(());
        error_of(outcome, TaskErrorKind::TimedOut);
        assert_usable(&pool);
        assert_eq!(pool.worker_pids(), pids);
        let outcome = pool.call(sleep).timeout(SHORT).apply((LONG,));
        error_of(outcome, TaskErrorKind::TimedOut);
        pool.terminate();
        assert!(pool.join_timeout(LONG / 2).unwrap());
        drop(pool);
    });
}

/// HY05, CT20: once, with its arguments, whether it returned or not.
#[test]
fn item_that_overran_is_among_the_slowest_once() {
    scene(|| {
        let pool = pool(Duration::from_secs(2));
        let task = |listens: bool| {
            if listens {
                listen();
                sleep(SHORT);
            } else {
                sleep(LONG);
            }
        };
        for (listens, args) in [(true, "(true)"), (false, "(false)")] {
            let call = pool.call(task).describe_args().timeout(SHORT);
            let error = error_of(call.apply((listens,)), TaskErrorKind::TimedOut);
            assert_usable(&pool);
            let slowest = pool.stats().slowest;
            let mut its = slowest.iter().filter(|s| Some(s.id) == error.task_id());
            let slow = its.next().expect("it was slow");
            assert!(slow.ran_for >= SHORT && its.next().is_none(), "{slowest:?}");
            assert_eq!(slow.args(), Some(args));
            assert!(!listens || slow.ran_for >= 2 * SHORT, "{slow:?}");
        }
        finish(pool);
    });
}

/// CT20, PO37: nobody is told where there are no limits.
#[test]
fn inline_pool_tells_nobody() {
    scene(|| {
        let pool = builder(0, LONG).build().unwrap();
        let slow = |time: Duration| {
            sleep(time);
            cancelled()
        };
        let call = pool.call(slow).timeout(Duration::from_millis(1));
        assert!(!call.apply((SHORT,)).unwrap());
        assert_eq!(call.map([SHORT, SHORT]).unwrap(), [false; 2]);
        finish(pool);
    });
}
