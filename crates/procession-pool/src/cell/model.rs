//! Every interleaving of an outcome's arrival with whoever sets, takes, awaits or cancels it, explored by loom; a lost
//! wake-up is a deadlock, which loom reports. It must use nothing of the cell but what the driver and handles use.
//!
//! `RUSTFLAGS="--cfg model_outcomes" cargo test -p procession-pool --release --target-dir target/loom --lib cell::model`

use std::sync::Arc;
use std::task::Wake;

use loom::sync::Notify;
use loom::thread;

use procession_worker::handle::{Short, reply_frame};
use procession_worker::{TaskError, TaskErrorKind};

use super::{Arrived, Cell, Raw, Wakes};
use crate::progress::later::Tally;

/// A future's executor: sleeps until it is woken.
struct Executor(Notify);

impl Wake for Executor {
    fn wake(self: Arc<Self>) {
        self.0.notify();
    }
}

fn value(n: u8) -> Result<Raw, TaskError> {
    Ok(Raw::new(&[n]))
}

fn taken(cell: &Cell) -> Option<u8> {
    let outcome = cell.take()?;
    Some(outcome.expect("a value").bytes()[0])
}

fn complete(cell: &Arc<Cell>, n: u8) {
    let mut wakes = Wakes::default();
    cell.complete(value(n), &mut wakes);
    wakes.perform();
}

fn future_finds_what_comes_by(complete: fn(&Arc<Cell>, u8)) {
    loom::model(move || {
        let cell = Arc::new(Cell::pending());
        let of_driver = Arc::clone(&cell);
        let driver = thread::spawn(move || complete(&of_driver, 7));
        let executor = Arc::new(Executor(Notify::new()));
        let waker = Arc::clone(&executor).into();
        while cell.wake_future(&waker) {
            executor.0.wait();
        }
        assert!(cell.is_done());
        assert_eq!(taken(&cell), Some(7));
        driver.join().unwrap();
    });
}

/// ```text
/// driver   outcome set, done   take the waker   wake
/// future   not done? leave a waker   sleep   done? take
/// ```
#[test]
fn future_is_woken_or_finds_its_outcome() {
    future_finds_what_comes_by(complete);
}

/// ```text
/// driver   reply: complete with 1
/// other    deadline, cancel: complete with 2
/// reader   done? take   take again
/// ```
#[test]
fn first_outcome_stands_and_is_taken_once() {
    loom::model(|| {
        let cell = Arc::new(Cell::pending());
        let others: Vec<_> = [1, 2]
            .map(|n| {
                let cell = Arc::clone(&cell);
                thread::spawn(move || {
                    complete(&cell, n);
                })
            })
            .into();
        let early = cell.is_done().then(|| taken(&cell).expect("it is done"));
        for other in others {
            other.join().unwrap();
        }
        let late = taken(&cell);
        match early {
            None => assert!(matches!(late, Some(1 | 2))),
            // What was taken leaves the place empty; nothing is set there by a third party in the pool itself.
            Some(first) => assert!(late.is_none_or(|late| late != first)),
        }
    });
}

/// ```text
/// driver   complete
/// reader   done? take a copy     (one callback is to find the outcome too)
/// callback done? take
/// ```
#[test]
fn two_readers_find_the_same_outcome() {
    loom::model(|| {
        let cell = Arc::new(Cell::ready(value(9)));
        cell.leave_for_one_more();
        let of_callback = Arc::clone(&cell);
        let callback = thread::spawn(move || taken(&of_callback));
        let mine = taken(&cell);
        assert_eq!((mine, callback.join().unwrap()), (Some(9), Some(9)));
        assert_eq!(taken(&cell), None);
    });
}

/// ```text
/// driver   one item fails: done   (again)
/// reader   done? take what has arrived, not done
/// ```
#[test]
fn news_of_a_stream_are_seen_or_announced() {
    loom::model(|| {
        let cell = Arc::new(Cell::pending_stream());
        let of_driver = Arc::clone(&cell);
        let driver = thread::spawn(move || {
            for item in 0..2 {
                let error = TaskError::new(TaskErrorKind::Cancelled, "f");
                let _ = of_driver.add_failure(item, error);
            }
        });
        let mut seen = cell.take_arrived(Arrived::default()).failed.len();
        driver.join().unwrap();
        if seen < 2 {
            assert!(cell.is_done(), "{seen} seen, and no news announced");
        }
        seen += cell.take_arrived(Arrived::default()).failed.len();
        assert_eq!(seen, 2);
    });
}

/// ```text
/// caller   read 1   read 2
/// driver            reply of 1   failure of 2   done
/// teller   how far?   how far?   done? how far?
/// ```
#[test]
fn progress_only_grows_and_is_whole_at_the_end() {
    loom::model(|| {
        let tally = Arc::new(Tally::default());
        let cell = Arc::new(Cell::pending_map_counted(Arc::clone(&tally)));
        tally.has_read(1);
        let of_driver = Arc::clone(&cell);
        let driver = thread::spawn(move || {
            let _ = of_driver.add_run(0, 1, &reply_frame(&[7]));
            let error = TaskError::new(TaskErrorKind::WorkerDied, "f");
            let _ = of_driver.add_failure(1, error);
            let mut wakes = Wakes::default();
            of_driver.finish(&mut wakes);
            wakes.perform();
        });
        tally.has_read(2);
        let mut before = tally.progress();
        let over = cell.is_done();
        for _ in 0..2 {
            let seen = tally.progress();
            assert!(seen.done >= before.done && seen.failed >= before.failed);
            assert_eq!(seen.total, 2, "both were read before");
            assert_eq!(seen.done + seen.failed + seen.queued, 2);
            before = seen;
        }
        if over {
            assert_eq!((before.done, before.failed), (1, 1));
        }
        driver.join().unwrap();
        let last = tally.progress();
        assert_eq!((last.done, last.failed, last.queued), (1, 1, 0));
    });
}

/// A short value by itself, as it stands in a reply's word.
fn short(n: u8) -> Short {
    Short::from_word(1 << 63 | 1 << 56 | u64::from(n)).expect("the mark of a short frame")
}

fn complete_short(cell: &Arc<Cell>, n: u8) {
    let mut wakes = Wakes::default();
    cell.complete_short(short(n), &mut wakes);
    wakes.perform();
}

/// ```text
/// driver   value in place of "pending"   (or by the lock: wake)
/// future   hold, leave a waker   sleep   done? take
/// ```
#[test]
fn short_value_wakes_its_future_or_is_found_by_it() {
    future_finds_what_comes_by(complete_short);
}

/// ```text
/// driver   value in place of "pending"
/// other    error by the lock: hold, put, done
/// reader   done? take   take again
/// ```
#[test]
fn short_value_or_error_whichever_is_first_stands() {
    loom::model(|| {
        let cell = Arc::new(Cell::pending());
        let of_driver = Arc::clone(&cell);
        let driver = thread::spawn(move || complete_short(&of_driver, 1));
        let of_other = Arc::clone(&cell);
        let other = thread::spawn(move || {
            of_other.set(value(2));
            let mut wakes = Wakes::default();
            of_other.finish(&mut wakes);
            wakes.perform();
        });
        let early = cell.is_done().then(|| taken(&cell).expect("it is done"));
        driver.join().unwrap();
        other.join().unwrap();
        assert!(cell.is_done());
        let late = taken(&cell);
        match early {
            None => assert!(matches!(late, Some(1 | 2))),
            // A short value stays, what lay under the lock is gone.
            Some(1) => assert_eq!(late, Some(1)),
            Some(_) => assert_eq!(late, None),
        }
    });
}

/// ```text
/// driver   value in place of "pending"   (or by the lock: wake)
/// two      hold, leave a thread   find it or be told
/// ```
#[test]
fn short_value_tells_each_who_waits() {
    loom::model(|| {
        let cell = Arc::new(Cell::pending());
        let executors = [(); 2].map(|()| Arc::new(Executor(Notify::new())));
        let of_driver = Arc::clone(&cell);
        let driver = thread::spawn(move || complete_short(&of_driver, 3));
        // The waker of the first gives way to that of the second: it has gone.
        let first = Arc::clone(&executors[0]).into();
        let second = Arc::clone(&executors[1]).into();
        if cell.wake_future(&first) {
            while cell.wake_future(&second) {
                executors[1].0.wait();
            }
        }
        assert_eq!(taken(&cell), Some(3));
        driver.join().unwrap();
    });
}
