//! Panics of every sort inside tasks: what unwinds is reported and its worker serves on, what aborts is a death.

use std::panic::{catch_unwind, panic_any};

use procession::{Pool, TaskErrorKind};
use procession_integration_tests::pool_scene::{
    assert_usable, die_by, error_of, finish, own_pid, scene, warm,
};
use rustix::process::Signal;

procession::init_before_main!();

/// A pool of one worker, and its pid.
fn one() -> (Pool, u32) {
    let pool = warm(1);
    let pid = pool.apply(own_pid, ()).unwrap();
    (pool, pid)
}

/// CR06, FAULTS 5
#[test]
fn a_panic_is_reported_and_its_worker_serves_on() {
    scene(|| {
        let (pool, pid) = one();
        let above = line!();
        let error = error_of(
            pool.apply(|| -> () { panic!("out of paper") }, ()),
            TaskErrorKind::Panicked,
        );
        let report = error.panic().unwrap();
        assert_eq!(report.message(), "out of paper");
        assert!(
            (above..above + 8).contains(&report.line().unwrap()),
            "{error}"
        );
        assert!(report.file().unwrap().ends_with("pool_crashes_panics.rs"));
        assert!(error.death().is_none());
        assert!(
            error.to_string().contains("pool_crashes_panics.rs"),
            "{error}"
        );
        let error = error_of(
            pool.apply(|n: u32| -> () { panic!("{n} sheets") }, (3,)),
            TaskErrorKind::Panicked,
        );
        assert_eq!(error.panic().unwrap().message(), "3 sheets");
        assert_eq!(pool.apply(own_pid, ()).unwrap(), pid);
        assert_eq!(pool.stats().restarts, 0);
        finish(pool);
    });
}

/// CR06: `Err` is the task's value, not the pool's error.
#[test]
fn an_err_is_a_value_and_its_worker_serves_on() {
    scene(|| {
        let (pool, pid) = one();
        let outcome = pool.apply(|| Err::<u32, String>("no paper".into()), ());
        assert_eq!(outcome.unwrap(), Err("no paper".to_string()));
        assert_eq!(pool.apply(own_pid, ()).unwrap(), pid);
        finish(pool);
    });
}

/// FAULTS 6
#[test]
fn a_payload_that_is_no_text_still_has_its_place() {
    scene(|| {
        let (pool, pid) = one();
        let error = error_of(
            pool.apply(|| -> () { panic_any(17u64) }, ()),
            TaskErrorKind::Panicked,
        );
        assert_eq!(error.panic().unwrap().message(), "<non-string payload>");
        assert!(error.panic().unwrap().line().is_some());
        assert_eq!(pool.apply(own_pid, ()).unwrap(), pid);
        finish(pool);
    });
}

struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("the payload's own panic");
    }
}

/// FAULTS 7
#[test]
fn a_payload_whose_drop_panics_is_one_report() {
    scene(|| {
        let (pool, pid) = one();
        let error = error_of(
            pool.apply(|| -> () { panic_any(Bomb) }, ()),
            TaskErrorKind::Panicked,
        );
        assert_eq!(error.panic().unwrap().message(), "<non-string payload>");
        assert_eq!(pool.apply(own_pid, ()).unwrap(), pid);
        finish(pool);
    });
}

/// FAULTS 8
#[test]
fn a_panic_while_unwinding_aborts_and_says_so() {
    scene(|| {
        let (pool, pid) = one();
        let task = || -> () {
            let _bomb = Bomb;
            panic!("the first panic");
        };
        let error = pool.apply(task, ()).unwrap_err();
        let death = error.death().expect("a death");
        assert_eq!(
            (death.exit_status().signal(), death.pid()),
            (Some(6), pid),
            "{error}"
        );
        let text = error.to_string();
        assert!(
            text.contains("was killed by SIGABRT (6)") && text.contains("panic"),
            "{text}"
        );
        assert_usable(&pool);
        finish(pool);
    });
}

/// FAULTS 9
#[test]
fn a_panic_hook_that_panics_aborts() {
    scene(|| {
        let (pool, _) = one();
        let task = || -> () {
            std::panic::set_hook(Box::new(|_| panic!("the hook's own panic")));
            panic!("the task's panic");
        };
        let error = pool.apply(task, ()).unwrap_err();
        assert_eq!(
            error.death().expect("a death").exit_status().signal(),
            Some(6),
            "{error}"
        );
        assert_usable(&pool);
        finish(pool);
    });
}

extern "C" fn cannot_unwind() {
    panic!("no way out");
}

/// FAULTS 10: a panic that cannot unwind ends the process as every panic does under `panic = "abort"`.
#[test]
fn a_panic_that_aborts_keeps_message_place_and_death() {
    scene(|| {
        let (pool, _) = one();
        let error = error_of(pool.apply(|| cannot_unwind(), ()), TaskErrorKind::Panicked);
        assert_eq!(
            error.death().expect("a death").exit_status().signal(),
            Some(6),
            "{error}"
        );
        let report = error.panic().unwrap();
        assert!(
            report.message().contains("no way out") || report.message().contains("cannot unwind"),
            "{error}"
        );
        assert!(report.line().is_some());
        assert_usable(&pool);
        finish(pool);
    });
}

fn catch_one() -> bool {
    catch_unwind(|| panic!("caught by the task")).is_err()
}

/// CR03, FAULTS 1: a panic the task has caught is not what ends it.
#[test]
fn a_caught_panic_is_not_blamed_for_a_death_in_the_same_task() {
    scene(|| {
        let (pool, _) = one();
        let killed = || {
            catch_one();
            die_by(Signal::KILL);
        };
        let error = error_of(pool.apply(killed, ()), TaskErrorKind::WorkerDied);
        assert!(error.panic().is_none(), "{error}");
        let exits = || -> () {
            catch_one();
            std::process::exit(9);
        };
        let error = error_of(pool.apply(exits, ()), TaskErrorKind::WorkerDied);
        assert!(error.panic().is_none(), "{error}");
        finish(pool);
    });
}

/// CR03, FAULTS 2: nor is one that a former task has caught.
#[test]
fn a_caught_panic_is_not_blamed_for_the_abort_of_a_later_task() {
    scene(|| {
        let (pool, pid) = one();
        assert!(pool.apply(catch_one, ()).unwrap());
        let error = error_of(
            pool.apply(|| -> () { std::process::abort() }, ()),
            TaskErrorKind::WorkerDied,
        );
        assert_eq!(error.death().unwrap().pid(), pid);
        assert!(error.panic().is_none(), "{error}");
        finish(pool);
    });
}

/// FAULTS 5: a panic on a thread of the task's own is the task's business.
#[test]
fn a_panic_on_another_thread_is_what_join_says() {
    scene(|| {
        let (pool, pid) = one();
        let task = || std::thread::spawn(|| panic!("elsewhere")).join().is_err();
        assert!(pool.apply(task, ()).unwrap());
        assert_eq!(pool.apply(own_pid, ()).unwrap(), pid);
        finish(pool);
    });
}

/// FAULTS 5: a long message is cut, and control characters cannot reach a terminal.
#[test]
fn a_message_is_bounded_and_printable() {
    scene(|| {
        let (pool, pid) = one();
        let task = || -> () {
            let red = "\x1b[31m".repeat(100_000);
            panic!("{red}");
        };
        let error = error_of(pool.apply(task, ()), TaskErrorKind::Panicked);
        let text = error.to_string();
        assert!(text.len() < 20_000 && !text.contains('\x1b'));
        assert_eq!(pool.apply(own_pid, ()).unwrap(), pid);
        finish(pool);
    });
}
