//! What comes late: results after `close`, submissions from callbacks of a closing pool and from at-exit hooks, crashes long
//! after the last call.

#[path = "support/run.rs"]
mod run;

use std::cell::RefCell;
use std::process::Command;
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use procession::{Bytes, Pool, TaskError, TaskErrorKind};
use procession_integration_tests::audit::watchdog;
use procession_integration_tests::pool_scene::{
    LONG, assert_usable, error_of, finish, own_pid, scene, until, warm,
};
use run::run;
use rustix::process::{Pid, Signal, kill_process};

procession::init_before_main!();

/// How long the end of a pool may take, whatever it was at; a tenth of it is usual.
const AT_ONCE: Duration = Duration::from_secs(5);

/// SH10: nobody joins, and what was accepted arrives all the same.
#[test]
fn results_arrive_after_close_without_a_join() {
    scene(|| {
        let pool = warm(2);
        let nap = |ms: u64| {
            thread::sleep(Duration::from_millis(ms));
            ms
        };
        let calls: Vec<_> = (0..6).map(|_| pool.apply_async(nap, (50,))).collect();
        pool.close();
        for call in calls {
            assert_eq!(call.get_timeout(LONG).expect("an outcome").unwrap(), 50);
        }
        pool.join().unwrap();
    });
}

/// SH13: an error at once, in the callback.
#[test]
fn a_callback_of_a_closing_pool_cannot_submit() {
    scene(|| {
        let pool = Arc::new(warm(1));
        let again = Arc::clone(&pool);
        let (closed, after_close) = channel();
        let (tell, told) = channel();
        let then = move |_: &Result<u32, TaskError>| {
            after_close.recv_timeout(LONG).unwrap();
            tell.send(again.apply(|x: u32| x, (2,))).unwrap();
        };
        let call = pool.call(|x: u32| x).on_complete(then).apply_async((1,));
        call.wait();
        pool.close();
        closed.send(()).unwrap();
        let outcome = told.recv_timeout(LONG).expect("no hang");
        error_of(outcome, TaskErrorKind::Closed);
        pool.join().unwrap();
    });
}

/// SH13: in a hook that runs when `main` has returned, an open pool serves, and a closed one refuses.
#[test]
fn an_at_exit_hook_is_served_or_refused_and_never_kept() {
    let _watchdog = watchdog(120);
    for ending in ["returns", "exits"] {
        let output = run(Command::new(env!("CARGO_BIN_EXE_pool_c_host"))
            .arg("at-exit")
            .env("ENDING", ending));
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(text.ends_with("done\nthe hook has run\n"), "{text}");
    }
}

/// What a thread still wants to know when it ends.
struct Last(Arc<Pool>, Sender<Result<usize, TaskError>>);

impl Drop for Last {
    fn drop(&mut self) {
        let long = Bytes::from(vec![7; 1 << 20]);
        let length = self.0.apply(|bytes: Bytes| bytes.len(), (long,));
        self.1.send(length).unwrap();
    }
}

/// SH13, SH22: what a thread keeps for its calls may be destroyed before what submits in a destructor of its own.
#[test]
fn a_destructor_of_a_thread_is_served_or_refused() {
    thread_local! {
        static LAST: RefCell<Option<Last>> = const { RefCell::new(None) };
    }
    scene(|| {
        let pool = Arc::new(warm(1));
        for closed in [false, true] {
            let (tell, told) = channel();
            let own = Arc::clone(&pool);
            let one = thread::spawn(move || {
                // What is used last is destroyed first: the library's.
                LAST.set(Some(Last(Arc::clone(&own), tell)));
                let long = Bytes::from(vec![7; 1 << 20]);
                let _ = own.apply(|bytes: Bytes| bytes, (long,));
            });
            let outcome = told.recv_timeout(LONG).expect("no hang");
            one.join().unwrap();
            if closed {
                error_of(outcome, TaskErrorKind::Closed);
            } else {
                assert_eq!(outcome.unwrap(), 1 << 20);
                pool.close();
            }
        }
        pool.join().unwrap();
    });
}

/// SH16: what was there stands, the rest is resolved, nothing is left, and nothing of it takes long.
#[test]
fn terminating_many_long_tasks_keeps_the_results_before() {
    scene(|| {
        let pool = warm(5);
        let done: Vec<_> = (0..10u32)
            .map(|x| pool.apply_async(|x: u32| x, (x,)))
            .collect();
        done.iter().for_each(|call| call.wait());
        let hour = (Duration::from_secs(3600),);
        let long: Vec<_> = (0..100)
            .map(|_| pool.apply_async(thread::sleep, hour))
            .collect();
        until("five run", || pool.stats().running == 5);
        let begun = Instant::now();
        pool.terminate();
        for call in long {
            error_of(call.get(), TaskErrorKind::Terminated);
        }
        for (call, x) in done.into_iter().zip(0..) {
            assert_eq!(call.get().unwrap(), x);
        }
        assert!(pool.join_timeout(LONG).unwrap());
        assert!(begun.elapsed() < AT_ONCE, "{:?}", begun.elapsed());
        assert!(pool.worker_pids().is_empty());
    });
}

/// CR26
#[test]
fn a_worker_that_died_while_the_pool_was_idle_costs_nothing_later() {
    scene(|| {
        let pool = warm(1);
        let pid = pool.apply(own_pid, ()).unwrap();
        let raw = Pid::from_raw(pid.try_into().unwrap()).unwrap();
        kill_process(raw, Signal::KILL).unwrap();
        until("it was replaced", || {
            pool.worker_pids().first().is_some_and(|new| *new != pid)
        });
        thread::sleep(Duration::from_millis(300));
        assert_ne!(pool.apply(own_pid, ()).unwrap(), pid);
        assert_usable(&pool);
        assert_eq!(pool.stats().failed, 0);
        finish(pool);
    });
}

/// FAULTS 69: links are not files of `/dev/shm`, so its size does not matter.
#[test]
fn nothing_of_a_pool_lies_in_dev_shm() {
    scene(|| {
        let pool = Pool::new(2).unwrap();
        let maps = || std::fs::read_to_string("/proc/self/maps").unwrap();
        for maps in [maps(), pool.apply(maps, ()).unwrap()] {
            assert!(maps.contains("memfd:procession-link"), "{maps}");
            assert!(!maps.contains("/dev/shm"), "{maps}");
        }
        finish(pool);
    });
}
