//! State of a worker's own: made once, lent to one task after the other, never sent, and an error value when it is not there.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::atomic::{AtomicU32, Ordering};

use procession::{Bytes, Pool, Process, TaskErrorKind, with_state};
use procession_integration_tests::pool_scene::{
    LONG, Scratch, assert_usable, die_by, error_of, finish, own_pid, scene,
};
use rustix::process::Signal;

procession::init_before_main!();

/// Neither serializable nor `Send`.
struct Tally {
    start: u64,
    seen: Rc<Cell<u64>>,
}

static MADE: AtomicU32 = AtomicU32::new(0);

fn tally(start: u64) -> Tally {
    MADE.fetch_add(1, Ordering::SeqCst);
    Tally {
        start,
        seen: Rc::new(Cell::new(start)),
    }
}

fn add(tally: &mut Tally, n: u64) -> u64 {
    tally.seen.set(tally.seen.get() + n);
    tally.seen.get()
}

fn seen(tally: &mut Tally) -> (u64, u32) {
    (tally.seen.get() - tally.start, MADE.load(Ordering::SeqCst))
}

fn of(workers: usize) -> Pool {
    let pool = Pool::builder().workers(workers).state(tally, (100u64,));
    pool.build().unwrap()
}

#[test]
fn a_state_is_made_once_and_kept_from_task_to_task() {
    scene(|| {
        let pool = of(1);
        assert_eq!(pool.apply(with_state(add), (5,)).unwrap(), 105);
        assert_eq!(pool.apply(with_state(add), (5,)).unwrap(), 110);
        assert_eq!(pool.apply(with_state(seen), ()).unwrap(), (10, 1));
        finish(pool);
    });
}

#[test]
fn every_verb_takes_a_task_with_state() {
    scene(|| {
        let pool = of(1);
        let add = with_state(add);
        let mut sum = 100;
        let mut expected = |count: usize| -> Vec<u64> {
            (0..count)
                .map(|_| {
                    sum += 1;
                    sum
                })
                .collect()
        };
        assert_eq!(pool.map(add, vec![1; 100]).unwrap(), expected(100));
        assert_eq!(pool.map_async(add, vec![1; 3]).get().unwrap(), expected(3));
        assert_eq!(pool.starmap(add, vec![(1,); 3]).unwrap(), expected(3));
        assert_eq!(
            pool.starmap_async(add, vec![(1,); 3]).get().unwrap(),
            expected(3)
        );
        let each = pool.try_map(add, vec![1; 3]);
        let each: Vec<u64> = each.into_iter().map(Result::unwrap).collect();
        assert_eq!(each, expected(3));
        let imap: Vec<u64> = pool.imap(add, vec![1; 3]).map(Result::unwrap).collect();
        assert_eq!(imap, expected(3));
        let all: Vec<u64> = pool
            .imap_unordered(add, vec![1; 3])
            .map(Result::unwrap)
            .collect();
        assert_eq!(all, expected(3));
        assert_eq!(pool.apply_async(add, (1,)).get().unwrap(), expected(1)[0]);
        assert_eq!(
            pool.call(add).timeout(LONG).apply((1,)).unwrap(),
            expected(1)[0]
        );
        assert!(
            pool.any(with_state(|_: &mut Tally, n: u32| n == 2), 1..4)
                .unwrap()
        );
        finish(pool);
    });
}

#[test]
fn up_to_seven_parameters_follow_the_state() {
    scene(|| {
        let pool = of(1);
        let f = |tally: &mut Tally, a: u8, b: u16, c: u32, d: u64, e: String, f: i8, g: i16| {
            let sum = u64::from(a) + u64::from(b) + u64::from(c) + d;
            tally.seen.set(tally.seen.get() + sum);
            format!("{}{e}{f}{g}", tally.seen.get())
        };
        let args = (1, 2, 3, 4, "x".to_owned(), -5, -6);
        assert_eq!(pool.apply(with_state(f), args).unwrap(), "110x-5-6");
        finish(pool);
    });
}

/// WL32: each worker has its own, replacements too.
#[test]
fn each_worker_has_its_own_and_so_has_its_replacement() {
    scene(|| {
        let pool = of(3);
        pool.map(with_state(add), vec![1; 300]).unwrap();
        pool.apply(with_state(add), (7,)).unwrap();
        for _ in 0..3 {
            error_of(
                pool.apply(|| die_by(Signal::KILL), ()),
                TaskErrorKind::WorkerDied,
            );
        }
        let all = pool
            .map(
                with_state(|tally: &mut Tally, _: u32| seen(tally).1),
                0..100,
            )
            .unwrap();
        assert_eq!(all, vec![1; 100]);
        finish(pool);
    });
}

#[test]
fn a_task_without_state_finds_out_in_words() {
    scene(|| {
        let pool = Pool::new(1).unwrap();
        let pid = pool.apply(own_pid, ()).unwrap();
        let error = error_of(
            pool.apply(with_state(add), (1,)),
            TaskErrorKind::InvalidOption,
        );
        let text = error.to_string();
        assert!(
            text.contains("there is no state here, but it wants a pool_boot_state::Tally"),
            "{text}"
        );
        assert!(text.starts_with("pool_boot_state::add (task "), "{text}");
        let error = error_of(
            pool.map(with_state(add), [1, 2]),
            TaskErrorKind::InvalidOption,
        );
        assert_eq!(error.item(), Some(0));
        assert_eq!(
            pool.apply(own_pid, ()).unwrap(),
            pid,
            "its worker serves on"
        );
        finish(pool);
    });
}

#[test]
fn a_state_of_another_type_is_named() {
    scene(|| {
        let pool = of(1);
        let wants = with_state(|words: &mut Vec<String>| words.len());
        let error = error_of(pool.apply(wants, ()), TaskErrorKind::InvalidOption);
        let text = error.to_string();
        assert!(
            text.contains("the state is a pool_boot_state::Tally"),
            "{text}"
        );
        assert!(
            text.contains("but it wants a alloc::vec::Vec<alloc::string::String>"),
            "{text}"
        );
        assert_eq!(pool.apply(with_state(add), (1,)).unwrap(), 101);
        finish(pool);
    });
}

#[test]
fn a_process_of_its_own_has_no_state() {
    scene(|| {
        let process = Process::spawn(with_state(add), (1,)).unwrap();
        error_of(process.into_result(), TaskErrorKind::InvalidOption);
    });
}

fn add_then_panic(tally: &mut Tally, n: u64) {
    add(tally, n);
    panic!("half changed");
}

#[test]
fn a_panic_costs_the_state_which_is_made_again() {
    scene(|| {
        let pool = of(1);
        let pid = pool.apply(own_pid, ()).unwrap();
        assert_eq!(pool.apply(with_state(add), (1,)).unwrap(), 101);
        let error = error_of(
            pool.apply(with_state(add_then_panic), (50,)),
            TaskErrorKind::Panicked,
        );
        assert_eq!(error.panic().unwrap().message(), "half changed");
        assert_eq!(pool.apply(with_state(seen), ()).unwrap(), (0, 2));
        assert_eq!(pool.apply(with_state(add), (1,)).unwrap(), 101);
        assert_eq!(
            pool.apply(own_pid, ()).unwrap(),
            pid,
            "its worker serves on"
        );
        finish(pool);
    });
}

/// A state whose end is seen from outside, and may panic.
struct Noted {
    directory: String,
    panics: bool,
}

impl Drop for Noted {
    fn drop(&mut self) {
        std::fs::write(format!("{}/dropped-{}", self.directory, own_pid()), "").unwrap();
        assert!(!self.panics, "a drop that panics");
    }
}

fn noted(directory: String, panics: bool) -> Noted {
    Noted { directory, panics }
}

#[test]
fn a_state_that_panics_in_its_drop_costs_nothing_more() {
    scene(|| {
        let notes = Scratch::new();
        let pool = Pool::builder()
            .workers(1)
            .state(noted, (notes.text(), true))
            .build()
            .unwrap();
        let pid = pool.apply(own_pid, ()).unwrap();
        for _ in 0..3 {
            let error = error_of(pool.apply(with_state(no), ()), TaskErrorKind::Panicked);
            assert_eq!(error.panic().unwrap().message(), "in the task");
        }
        assert_eq!(
            pool.apply(with_state(|_: &mut Noted| own_pid()), ())
                .unwrap(),
            pid
        );
        assert_eq!(notes.count(), 1);
        finish(pool);
    });
}

fn no(_: &mut Noted) {
    panic!("in the task");
}

#[test]
fn a_state_is_dropped_at_the_end_in_good_order() {
    scene(|| {
        let notes = Scratch::new();
        let pool = Pool::builder()
            .workers(2)
            .state(noted, (notes.text(), false))
            .exit_hook(with_state(|noted: &mut Noted| noted.directory.clone()), ())
            .build()
            .unwrap();
        assert_usable(&pool);
        pool.close();
        pool.join().unwrap();
        let results = pool.exit_results::<String>();
        assert_eq!(notes.count(), results.len());
        assert!(
            results
                .into_iter()
                .all(|result| result.unwrap() == notes.text())
        );
        drop(pool);
    });
}

#[test]
fn a_state_that_cannot_be_made_breaks_the_pool_and_says_why() {
    scene(|| {
        let fails = |path: String| -> Tally { panic!("no model in {path}") };
        let pool = Pool::builder()
            .workers(2)
            .state(fails, ("/models".to_owned(),))
            .build()
            .unwrap();
        let handle = pool.apply_async(own_pid, ());
        let error = error_of(
            handle.get_timeout(LONG).expect("an outcome"),
            TaskErrorKind::Broken,
        );
        let text = error.to_string();
        assert!(
            text.contains("the state cannot be made by pool_boot_state::"),
            "{text}"
        );
        assert!(text.contains("no model in /models"), "{text}");
        finish(pool);
    });
}

/// Succeeds until there is a note that it must not.
fn while_allowed(directory: String) -> Tally {
    let stop = format!("{directory}/stop");
    assert!(!std::fs::exists(stop).unwrap(), "not now");
    tally(0)
}

#[test]
fn a_state_that_cannot_be_made_again_is_the_error_of_the_tasks_that_want_it() {
    scene(|| {
        let notes = Scratch::new();
        let pool = Pool::builder()
            .workers(1)
            .state(while_allowed, (notes.text(),))
            .build()
            .unwrap();
        assert_eq!(pool.apply(with_state(add), (1,)).unwrap(), 1);
        std::fs::write(notes.at("stop"), "").unwrap();
        error_of(
            pool.apply(with_state(add_then_panic), (1,)),
            TaskErrorKind::Panicked,
        );
        for _ in 0..2 {
            let error = error_of(
                pool.apply(with_state(add), (1,)),
                TaskErrorKind::InvalidOption,
            );
            assert!(error.to_string().contains("not now"), "{error}");
        }
        assert_usable(&pool);
        std::fs::remove_file(notes.at("stop")).unwrap();
        assert_eq!(pool.apply(with_state(add), (1,)).unwrap(), 1);
        finish(pool);
    });
}

#[test]
fn long_arguments_of_all_three_arrive_whole() {
    scene(|| {
        let check = |b: Bytes, n: u8| assert!(b.len() == 50_000 && b.iter().all(|byte| *byte == n));
        let make = |b: Bytes| b.len();
        let bytes = |n: u8| Bytes::from(vec![n; 50_000]);
        let pool = Pool::builder()
            .workers(1)
            .initializer(check, (bytes(1), 1))
            .state(make, (bytes(2),))
            .exit_hook(check, (bytes(3), 3))
            .build()
            .unwrap();
        assert_eq!(
            pool.apply(with_state(|len: &mut usize| *len), ()).unwrap(),
            50_000
        );
        pool.close();
        pool.join().unwrap();
        assert!(pool.exit_results::<()>().remove(0).is_ok());
        drop(pool);
    });
}

/// PO37
#[test]
fn an_inline_pool_has_a_state_in_each_thread_that_calls() {
    scene(|| {
        let before = MADE.load(Ordering::SeqCst);
        let pool = of(0);
        assert_eq!(MADE.load(Ordering::SeqCst), before + 1);
        assert_eq!(pool.apply(with_state(add), (1,)).unwrap(), 101);
        assert_eq!(pool.map(with_state(add), [1, 1]).unwrap(), [102, 103]);
        let imap: Vec<u64> = pool
            .imap(with_state(add), [1, 1])
            .map(Result::unwrap)
            .collect();
        assert_eq!(imap, [104, 105]);
        std::thread::scope(|threads| {
            let other = || pool.apply(with_state(add), (1,)).unwrap();
            assert_eq!(threads.spawn(other).join().unwrap(), 101);
        });
        error_of(
            pool.apply(with_state(add_then_panic), (1,)),
            TaskErrorKind::Panicked,
        );
        assert_eq!(pool.apply(with_state(add), (2,)).unwrap(), 102);
        pool.close();
        error_of(pool.apply(with_state(add), (1,)), TaskErrorKind::Closed);
    });
}

/// PO37
#[test]
fn an_inline_pool_drops_its_state_and_runs_its_exit_hook_with_it() {
    let notes = Scratch::new();
    let make = || {
        Pool::builder()
            .workers(0)
            .state(noted, (notes.text(), false))
    };
    let hook = with_state(|noted: &mut Noted| noted.panics);
    let pool = make().exit_hook(hook, ()).build().unwrap();
    assert_eq!(notes.count(), 0);
    pool.close();
    assert_eq!(notes.count(), 1);
    assert!(!pool.exit_results::<bool>().remove(0).unwrap());
    std::fs::remove_dir_all(notes.text()).unwrap();
    std::fs::create_dir(notes.text()).unwrap();
    drop(make().build().unwrap());
    assert_eq!(notes.count(), 1);
    let fails = || -> Tally { panic!("no model") };
    let error = Pool::builder()
        .workers(0)
        .state(fails, ())
        .build()
        .unwrap_err();
    assert!(error.to_string().contains("no model"), "{error}");
}

/// A worker's own state is not that of a pool inside of its task, nor the other way round.
fn nested(tally: &mut Tally, n: u64) -> (u64, u64, bool, u64) {
    let inner = of(0);
    let first = inner.apply(with_state(add), (n,)).unwrap();
    let bare = Pool::new(0).unwrap();
    let none = bare.apply(with_state(add), (n,)).is_err();
    (
        add(tally, n),
        first,
        none,
        inner.apply(with_state(add), (n,)).unwrap(),
    )
}

#[test]
fn pools_inside_of_tasks_have_states_of_their_own() {
    scene(|| {
        for workers in [1, 0] {
            let pool = of(workers);
            pool.apply(with_state(add), (50,)).unwrap();
            assert_eq!(
                pool.apply(with_state(nested), (1,)).unwrap(),
                (151, 101, true, 102)
            );
            finish(pool);
        }
    });
}

/// The state in hand cannot be had a second time.
#[test]
fn a_state_is_lent_to_one_task_at_a_time() {
    static POOL: std::sync::OnceLock<Pool> = std::sync::OnceLock::new();
    let pool = POOL.get_or_init(|| of(0));
    let again = with_state(|_: &mut Tally| {
        let inner = POOL.get().unwrap().apply(with_state(seen), ());
        inner.unwrap_err().to_string()
    });
    let text = pool.apply(again, ()).unwrap();
    assert!(text.contains("that the task around it holds"), "{text}");
    assert!(pool.apply(with_state(seen), ()).is_ok());
    pool.close();
}
