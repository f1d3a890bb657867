//! Searches that stop early: what decides them, and what becomes of the rest.

use std::cell::Cell;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use procession::{Pool, Step, TaskErrorKind};
use procession_integration_tests::pool_scene::{
    LONG, Scratch, assert_usable, error_of, finish, scene, warm,
};

procession::init_before_main!();

/// In a task: leaves a note, and finds 5.
fn note_and_find(directory: String, n: u32) -> Option<u32> {
    std::fs::write(format!("{directory}/{n}"), "").expect("a note");
    (n == 5).then_some(50)
}

fn note_pair((directory, n): (String, u32)) -> Option<u32> {
    note_and_find(directory, n)
}

/// LZ, D8: the rest does not run, and the input is not read on.
#[test]
fn a_search_stops_at_what_it_finds() {
    scene(|| {
        let pool = warm(2);
        let (scratch, read) = (Scratch::new(), AtomicU32::new(0));
        let endless = (0..).map(|n| {
            read.fetch_add(1, Ordering::Relaxed);
            (scratch.text(), n)
        });
        let found = pool.call(note_pair).chunk_size(1).find_map(endless);
        assert_eq!(found.unwrap(), Some(50));
        let read = read.load(Ordering::Relaxed);
        assert!(read < 1000, "it read {read} items");
        // What had begun runs to its end; the pool goes on at once.
        assert_usable(&pool);
        finish(pool);
        assert!(scratch.count() as u32 <= read);
    });
}

/// D8: a slow item does not hold up what another one decides.
#[test]
fn the_first_to_decide_decides() {
    scene(|| {
        let pool = warm(2);
        let begun = Instant::now();
        let slow_first = |n: u64| {
            std::thread::sleep(Duration::from_secs(if n == 0 { 3600 } else { 0 }));
            n > 3
        };
        assert!(pool.any(slow_first, 0..10).unwrap());
        assert!(!pool.all(|n: u64| n < 3, 0..).unwrap());
        assert!(begun.elapsed() < LONG);
        pool.terminate();
        pool.join().unwrap();
    });
}

/// D8: everything is looked at when nothing decides, also inline.
#[test]
fn a_search_in_vain_looks_at_everything() {
    scene(|| {
        for pool in [warm(2), Pool::new(0).unwrap()] {
            assert!(!pool.any(|n: u32| n > 500, 0..500).unwrap());
            assert!(pool.all(|n: u32| n < 500, 0..500).unwrap());
            assert_eq!(pool.find_map(|_: u32| None::<u32>, 0..500).unwrap(), None);
            assert!(!pool.any(|_: u32| true, []).unwrap());
            assert!(pool.all(|_: u32| false, []).unwrap());
            assert!(pool.any(|n: u32| n == 499, 0..).unwrap());
            finish(pool);
        }
    });
}

/// D8: a failure before the answer ends the search, whatever kind it is.
#[test]
fn a_failure_ends_a_search() {
    scene(|| {
        let pool = warm(2);
        let panics = |n: u32| -> bool {
            assert!(n != 3, "three, as the test wants");
            false
        };
        let error = error_of(pool.any(panics, 0..), TaskErrorKind::Panicked);
        assert_eq!(error.item(), Some(3));
        let dies = |n: u32| {
            if n == 3 {
                std::process::exit(9)
            } else {
                None::<u32>
            }
        };
        let error = error_of(pool.find_map(dies, 0..), TaskErrorKind::WorkerDied);
        assert_eq!(error.item(), Some(3));
        assert_usable(&pool);
        pool.close();
        error_of(pool.all(|_: u32| true, 0..), TaskErrorKind::Closed);
        pool.join().unwrap();
    });
}

/// No iterator is handed out, so the input stays on the caller's thread and need not be `Send`.
#[test]
fn a_search_reads_an_input_that_cannot_change_threads() {
    fn until_five(n: u32) -> Step<(), u32> {
        if n == 5 {
            Step::Break(())
        } else {
            Step::Continue(n)
        }
    }
    scene(|| {
        let pool = warm(2);
        let (read, told) = (Cell::new(0u32), Cell::new(0u64));
        let numbers = || (0..).inspect(|_| read.set(read.get() + 1));
        let five = pool.call(|n: u32| (n == 5).then_some(n));
        let (is, is_not) = (pool.call(|n: u32| n == 5), pool.call(|n: u32| n != 5));
        let until = pool.call(until_five);
        assert_eq!(five.find_map(numbers()).expect("an answer"), Some(5));
        assert!(is.any(numbers()).expect("an answer"));
        assert!(!is_not.all(numbers()).expect("an answer"));
        let broken = until.map_until(numbers()).expect("an answer");
        assert_eq!(broken, ControlFlow::Break(()));

        let tell = |p: procession::Progress| told.set(told.get() + p.ended());
        let found = five.on_progress(tell).find_map(numbers());
        assert_eq!(found.expect("an answer"), Some(5));
        assert!(is.on_progress(tell).any(numbers()).expect("an answer"));
        assert!(!is_not.on_progress(tell).all(numbers()).expect("an answer"));
        let broken = until.on_progress(tell).map_until(numbers());
        assert_eq!(broken.expect("an answer"), ControlFlow::Break(()));
        assert!(read.get() >= 8 * 6 && told.get() >= 4 * 6);
        finish(pool);
    });
}
