//! Everything a pool has is cancelled at once, and the pool serves on.

use std::path::Path;
use std::thread;
use std::time::Duration;

use procession::{Pool, TaskError, TaskErrorKind, worker};
use procession_integration_tests::pool_scene::{
    LONG, Scratch, assert_usable, error_of, finish, own_pid, scene, until, warm,
};

procession::init_before_main!();

const HOUR: (Duration,) = (Duration::from_secs(3600),);

/// SH08: none is left pending, none is both done and cancelled.
#[test]
fn what_waits_and_what_runs_is_cancelled() {
    scene(|| {
        let pool = warm(2);
        let done = pool.apply_async(|x: u32| x, (7,));
        done.wait();
        let before = pool.worker_pids();
        let calls: Vec<_> = (0..50)
            .map(|_| pool.apply_async(thread::sleep, HOUR))
            .collect();
        until("two run", || pool.stats().running == 2);
        assert_eq!(pool.cancel_all(), 50);
        for call in calls {
            assert!(call.ready());
            error_of(call.get(), TaskErrorKind::Cancelled);
        }
        assert_eq!(done.get().unwrap(), 7);
        assert_eq!((pool.stats().queued, pool.cancel_all()), (0, 0));
        assert_usable(&pool);
        until("both were replaced", || {
            let pids = pool.worker_pids();
            pids.len() == 2 && pids.iter().all(|pid| !before.contains(pid))
        });
        finish(pool);
    });
}

/// CT05: tasks that listen keep their workers.
#[test]
fn tasks_that_listen_return_and_their_workers_stay() {
    scene(|| {
        let listen = || {
            while !worker::cancelled() {
                thread::sleep(Duration::from_millis(1));
            }
        };
        let pool = Pool::builder()
            .workers(2)
            .cancel_grace(LONG)
            .build()
            .unwrap();
        let calls: Vec<_> = (0..20).map(|_| pool.apply_async(listen, ())).collect();
        until("two run", || pool.stats().running == 2);
        let pids = pool.worker_pids();
        assert_eq!(pool.cancel_all(), 20);
        for call in calls {
            error_of(call.get(), TaskErrorKind::Cancelled);
        }
        assert!(pids.contains(&pool.apply(own_pid, ()).unwrap()));
        assert_eq!(pool.worker_pids(), pids);
        finish(pool);
    });
}

/// CT16, FU04: blocked maps and calls of other threads end with it, and one that is still being fed.
#[test]
fn whoever_waits_is_woken() {
    scene(|| {
        let pool = warm(2);
        thread::scope(|threads| {
            let call = threads.spawn(|| pool.apply(thread::sleep, HOUR));
            let map = threads.spawn(|| pool.map(|_: u32| thread::sleep(HOUR.0), 0..100));
            let each = threads.spawn(|| pool.try_map(|_: u32| thread::sleep(HOUR.0), 0..100));
            until("all are there", || {
                let stats = pool.stats();
                stats.queued + stats.running == 201
            });
            assert_eq!(pool.cancel_all(), 3);
            error_of(call.join().unwrap(), TaskErrorKind::Cancelled);
            error_of(map.join().unwrap(), TaskErrorKind::Cancelled);
            for outcome in each.join().unwrap() {
                error_of(outcome, TaskErrorKind::Cancelled);
            }
        });
        assert_usable(&pool);
        finish(pool);
    });
}

/// In a task: the first returns once there is a note, and no other one for an hour.
fn first_returns(n: u32, note: String) -> u32 {
    if n > 0 {
        thread::sleep(HOUR.0);
    }
    until("there is a note", || Path::new(&note).exists());
    n
}

/// CT16: what is under way behind the first value of a lazy map, and a map that nobody looks at yet.
#[test]
fn what_comes_after_the_first_value_is_cancelled() {
    scene(|| {
        let pool = warm(2);
        let notes = Scratch::new();
        for name in ["ordered", "unordered"] {
            let note = notes.at(name);
            // All of them are handed in before there can be a value.
            let input = (0..8).map(|n| {
                if n == 7 {
                    std::fs::write(&note, "").unwrap();
                }
                (n, note.clone())
            });
            let task = |(n, note): (u32, String)| first_returns(n, note);
            let call = pool.call(task).chunk_size(1).buffer_size(10);
            let mut lazy: Box<dyn Iterator<Item = Result<u32, TaskError>>> = match name {
                "ordered" => Box::new(call.imap(input)),
                _ => Box::new(call.imap_unordered(input)),
            };
            assert_eq!(lazy.next().unwrap().unwrap(), 0);
            until("two run", || pool.stats().running == 2);
            assert!(pool.cancel_all() > 0);
            let rest = lazy.map(|outcome| error_of(outcome, TaskErrorKind::Cancelled));
            assert_eq!(rest.count(), 7);
        }
        let done = pool.stats().done;
        let items = (0..8).map(|n| (n, notes.at("ordered")));
        let map = pool.call(first_returns).chunk_size(1).starmap_async(items);
        until("the first has returned and two run", || {
            let stats = pool.stats();
            stats.done == done + 1 && stats.running == 2
        });
        assert!(map.cancel());
        error_of(map.get(), TaskErrorKind::Cancelled);
        assert_usable(&pool);
        finish(pool);
    });
}

/// CT16: an open imap yields what was under way as cancelled, and goes on.
#[test]
fn an_imap_goes_on_behind_what_was_cancelled() {
    scene(|| {
        let pool = warm(2);
        let nap = |ms: u64| {
            thread::sleep(Duration::from_millis(ms));
            ms
        };
        let input = (0..20).map(|n| if n < 4 { 3_600_000 } else { 0 });
        let mut naps = pool.call(nap).buffer_size(4).imap(input);
        thread::scope(|threads| {
            threads.spawn(|| {
                // What is read from the input after it would not be cancelled.
                until("the window is full", || {
                    let stats = pool.stats();
                    stats.running == 2 && stats.queued == 2
                });
                assert!(pool.cancel_all() > 0);
            });
            error_of(naps.next().unwrap(), TaskErrorKind::Cancelled);
        });
        let rest: Vec<_> = naps.collect();
        assert_eq!(rest.len(), 19);
        assert!(rest.iter().skip(3).all(Result::is_ok), "{rest:?}");
        finish(pool);
    });
}

/// A full pool takes more at once.
#[test]
fn who_waits_for_room_finds_it() {
    scene(|| {
        let pool = Pool::builder().workers(1).max_queued(2).build().unwrap();
        let calls: Vec<_> = (0..3)
            .map(|_| pool.apply_async(thread::sleep, HOUR))
            .collect();
        thread::scope(|threads| {
            let more = threads.spawn(|| pool.apply_async(|x: u32| x + 1, (1,)).get());
            until("three are there", || {
                let stats = pool.stats();
                stats.queued + stats.running >= 3
            });
            assert!(pool.cancel_all() >= 3);
            for call in calls {
                error_of(call.get(), TaskErrorKind::Cancelled);
            }
            // It came in before or after: cancelled or done, and never left waiting.
            let outcome = more.join().unwrap();
            assert!(
                outcome.is_err_and(|e| e.kind() == TaskErrorKind::Cancelled)
                    || pool.stats().queued == 0
            );
        });
        assert_usable(&pool);
        finish(pool);
    });
}
