//! What is told of items that are tried again: each counts once, is open until its last attempt, and no count goes back.

use std::sync::{Mutex, mpsc};
use std::time::{Duration, Instant};

use procession::{Event, Events, Pool, Progress, TaskError};
use procession_integration_tests::pool_scene::{LONG, Scratch, finish, scene, until, warm};

procession::init_before_main!();

const DELAY: Duration = Duration::from_millis(150);

/// Every fourth panics, each time; every fourth after those the first time.
fn picky(directory: String, n: u32) -> u32 {
    let marked = || std::fs::create_dir(format!("{directory}/{n}")).is_err();
    assert!(!n.is_multiple_of(4), "never");
    assert!(n % 4 != 1 || marked(), "not the first time");
    n
}

/// Panics, each time.
fn never() {
    panic!("never");
}

/// Returns an error, each time.
fn sorry() -> Result<(), String> {
    Err("sorry".into())
}

/// Whether `now` may be told after `before`, and adds up.
#[track_caller]
fn follows(before: Progress, now: Progress) -> Progress {
    assert_eq!(now.done + now.failed + now.running + now.queued, now.total);
    let grows = before.done <= now.done && before.failed <= now.failed;
    assert!(grows && before.total <= now.total, "{before:?}, {now:?}");
    now
}

/// Reads until the counts are like this, which they have to be while the pool goes on.
#[track_caller]
fn read_until(events: &mut Events, seen: &mut Progress, mut like: impl FnMut(&Progress) -> bool) {
    let deadline = Instant::now() + LONG / 2;
    while !like(seen) {
        let left = deadline.saturating_duration_since(Instant::now());
        match events.next_timeout(left) {
            Some(Event::Progress(p)) => *seen = follows(*seen, p),
            Some(_) => {}
            None => panic!("nothing more is told than {seen:?}"),
        }
    }
}

/// The counts of a pool that has run nothing but a hundred of [`picky`].
fn ended(p: &Progress) -> bool {
    (p.done, p.failed, p.total) == (75, 25, 100)
}

/// HY04: at once, after a delay, and by judgement.
#[test]
fn events_count_items_that_are_tried_again_once() {
    scene(|| {
        let tries: [(Duration, Option<bool>); 4] = [
            (Duration::ZERO, None),
            (DELAY, None),
            (Duration::ZERO, Some(true)),
            (DELAY, Some(true)),
        ];
        for (delay, judges) in tries {
            let pool = Pool::new(2).unwrap();
            let (mut events, mut seen) = (pool.events(), Progress::default());
            let notes = Scratch::new();
            let mut call = pool.call(picky).retries(2).retry_delay(delay);
            if let Some(says) = judges {
                call = call.retry_if(move |_: &TaskError| says);
            }
            let items = (0..100).map(|n| (notes.text(), n));
            let handles: Vec<_> = items.map(|args| call.apply_async(args)).collect();
            read_until(&mut events, &mut seen, ended);
            let ok = handles.into_iter().filter_map(|handle| handle.get().ok());
            assert_eq!(ok.count(), 75);
            let stats = pool.stats();
            assert_eq!((stats.done, stats.failed, stats.queued), (75, 25, 0));
            finish(pool);
            for event in events {
                if let Event::Progress(p) = event {
                    assert!(ended(&follows(seen, p)));
                }
            }
        }
    });
}

/// What waits for its next attempt is open, and its end is told.
#[test]
fn item_that_waits_to_be_tried_again_is_queued() {
    scene(|| {
        let pool = Pool::new(1).unwrap();
        let (mut events, mut seen) = (pool.events(), Progress::default());
        let handle = pool
            .call(never)
            .retries(2)
            .retry_delay(DELAY)
            .apply_async(());
        until("an attempt has failed", || pool.stats().retries == 1);
        read_until(&mut events, &mut seen, |p| p.total == 1);
        let mut queued = 0;
        read_until(&mut events, &mut seen, |p| {
            assert_eq!(p.total, 1);
            queued += p.queued;
            p.failed == 1
        });
        assert!(queued > 0, "while it waited");
        assert_eq!(handle.get().unwrap_err().attempts(), 3);
        finish(pool);
    });
}

/// A verdict is heard of although no worker says anything.
#[test]
fn verdict_is_told() {
    scene(|| {
        for says in [false, true] {
            let pool = warm(1);
            let (mut events, mut seen) = (pool.events(), Progress::default());
            let (ask, asked) = mpsc::channel();
            let (answer, answered) = mpsc::channel();
            let answered = Mutex::new(answered);
            let judge = move |_: &TaskError| {
                ask.send(()).unwrap();
                answered.lock().unwrap().recv_timeout(LONG).unwrap()
            };
            let handle = pool.call(never).retries(1).retry_if(judge).apply_async(());
            asked.recv_timeout(LONG).unwrap();
            read_until(&mut events, &mut seen, |p| p.total == 9);
            // Until the reader has seen all there is, and sleeps.
            while let Some(event) = events.next_timeout(4 * DELAY) {
                if let Event::Progress(p) = event {
                    seen = follows(seen, p);
                }
            }
            assert_eq!((seen.done, seen.queued, seen.total), (8, 1, 9));
            answer.send(says).unwrap();
            read_until(&mut events, &mut seen, |p| p.failed == 1);
            assert_eq!((seen.done, seen.total), (8, 9));
            assert_eq!(handle.get().unwrap_err().attempts(), 1 + u32::from(says));
            finish(pool);
        }
    });
}

/// A value that counts as a failure is a value in the end.
#[test]
fn error_that_is_returned_after_all_attempts_is_done() {
    scene(|| {
        let pool = warm(1);
        let (mut events, mut seen) = (pool.events(), Progress::default());
        let call = pool.call(sorry).retries(2).retry_errors();
        assert_eq!(call.apply(()).unwrap(), Err("sorry".into()));
        read_until(&mut events, &mut seen, |p| p.done == 9);
        assert_eq!((seen.failed, seen.total), (0, 9));
        finish(pool);
    });
}

/// HY04: of maps of each kind.
#[test]
fn progress_of_maps_counts_items_that_are_tried_again_once() {
    scene(|| {
        let pool = warm(2);
        for delay in [Duration::ZERO, DELAY] {
            let notes = Scratch::new();
            let items = |folder: &str| {
                let folder = notes.at(folder);
                std::fs::create_dir(&folder).unwrap();
                (0..100).map(move |n| (folder.clone(), n))
            };
            let tried = |args: (String, u32)| picky(args.0, args.1);
            let call = || pool.call(tried).retries(2).retry_delay(delay);
            let mut seen = Progress::default();
            let each = call()
                .on_progress(|p| seen = follows(seen, p))
                .try_map(items("each"));
            assert_eq!(each.iter().filter(|one| one.is_ok()).count(), 75);
            assert!(ended(&seen), "{seen:?}");

            let mut seen = Progress::default();
            let lazy = call()
                .on_progress(|p| seen = follows(seen, p))
                .imap_unordered(items("lazy"));
            assert_eq!(lazy.filter(Result::is_ok).count(), 75);
            assert!(ended(&seen), "{seen:?}");

            let good = |args: (String, u32)| picky(args.0, 4 * args.1 + 1);
            let (report, reports) = mpsc::channel();
            let handle = pool
                .call(good)
                .retries(2)
                .retry_delay(delay)
                .on_progress(move |p| report.send(p).unwrap())
                .map_async(items("handle"));
            assert_eq!(handle.get().unwrap().len(), 100);
            let last = reports.iter().fold(Progress::default(), follows);
            assert_eq!((last.done, last.failed, last.total), (100, 0, 100));
        }
        finish(pool);
    });
}
