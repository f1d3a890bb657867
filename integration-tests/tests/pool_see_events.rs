//! Events of a pool and progress of a map: counts that always add up, in bounded memory.

use std::time::{Duration, Instant};

use procession::{Event, Pool, Progress, TaskErrorKind};
use procession_integration_tests::pool_scene::{
    LONG, die_by, error_of, finish, murder, scene, until, warm,
};
use rustix::process::Signal;

procession::init_before_main!();

fn sleep(ms: u64) -> u64 {
    std::thread::sleep(Duration::from_millis(ms));
    ms
}

fn adds_up(p: Progress) -> Progress {
    assert_eq!(p.done + p.failed + p.running + p.queued, p.total, "{p:?}");
    p
}

fn last_of(events: &[Event]) -> Progress {
    let counts = events.iter().rev().find_map(|event| match event {
        Event::Progress(p) => Some(*p),
        _ => None,
    });
    counts.expect("counts")
}

/// HY04: counts add up at each telling, are all told at the end, and are told twenty times a second at most.
#[test]
fn events_of_a_pool_count_every_item() {
    scene(|| {
        let begun = Instant::now();
        let pool = Pool::new(2).unwrap();
        let events = pool.events();
        let reader = std::thread::spawn(|| events.collect::<Vec<Event>>());
        pool.map(sleep, vec![1; 400]).unwrap();
        pool.try_map(|n: u32| assert!(!n.is_multiple_of(4), "no"), 0..100);
        error_of(
            pool.apply(|| die_by(Signal::KILL), ()),
            TaskErrorKind::WorkerDied,
        );
        let endless = pool.apply_async(sleep, (600_000,));
        until("it runs", || pool.stats().running == 1);
        assert!(endless.cancel());
        finish(pool);
        let events = reader.join().unwrap();
        let took = begun.elapsed();
        let mut counts = 0;
        for event in &events {
            if let Event::Progress(p) = event {
                adds_up(*p);
                counts += 1;
            }
        }
        let last = last_of(&events);
        assert_eq!((last.done, last.failed, last.total), (475, 27, 502));
        assert!(counts >= 3, "{events:?}");
        assert!(
            counts <= 3 + took.as_millis() as usize / 50,
            "{counts} in {took:?}"
        );
        let died = |wanted: bool| {
            let deaths = events.iter().filter(
                |event| matches!(event, Event::WorkerDied { expected, .. } if *expected == wanted),
            );
            deaths.count()
        };
        let born = events
            .iter()
            .filter(|e| matches!(e, Event::WorkerBorn { .. }));
        assert_eq!(
            born.count() + 2,
            died(true) + died(false),
            "two were there before"
        );
        assert!(died(false) >= 1);
    });
}

/// HY04: a pool that does nothing tells of nothing, once.
#[test]
fn idle_pool_tells_once_and_then_of_its_end() {
    scene(|| {
        let pool = warm(1);
        let mut events = pool.events();
        let first = events.next_timeout(LONG).expect("counts");
        assert!(matches!(first, Event::Progress(p) if p.total == 8 && p.done == 8));
        assert!(events.next_timeout(Duration::from_millis(200)).is_none());
        assert!(!events.has_ended());
        let pids = pool.worker_pids();
        finish(pool);
        let rest: Vec<Event> = events.by_ref().collect();
        let [
            Event::WorkerDied {
                index: 0,
                death,
                expected: true,
                ..
            },
        ] = rest.as_slice()
        else {
            panic!("{rest:?}");
        };
        assert_eq!(pids, [death.pid()]);
        assert!(events.has_ended() && events.next().is_none());
    });
}

/// A sleeping reader hears of what comes.
#[test]
fn reader_wakes_when_something_changes() {
    scene(|| {
        let pool = warm(2);
        let mut events = pool.events();
        let mut others = pool.events();
        assert!(events.next().is_some() && others.next().is_some());
        for round in 1..=20u64 {
            let handle = pool.apply_async(sleep, (60,));
            for reader in [&mut events, &mut others] {
                let done = 8 + round;
                let seen = reader.find_map(|event| match event {
                    Event::Progress(p) if adds_up(p).done == done => Some(p),
                    _ => None,
                });
                assert_eq!(seen.expect("counts").total, done);
            }
            handle.get().unwrap();
        }
        drop(events);
        finish(pool);
        assert_eq!(
            others
                .filter(|e| matches!(e, Event::WorkerDied { .. }))
                .count(),
            2
        );
    });
}

/// Progress within a chunk, whose worker rings only at its end, is told as well.
#[test]
fn items_in_the_middle_of_a_chunk_are_told() {
    scene(|| {
        let pool = warm(1);
        let mut events = pool.events();
        let handle = pool.call(sleep).chunk_size(20).map_async([100; 20]);
        let middle = events.find_map(|event| match event {
            Event::Progress(p) if p.done > 8 && p.done < 28 => Some(p),
            _ => None,
        });
        adds_up(middle.expect("counts"));
        handle.get().unwrap();
        finish(pool);
    });
}

/// A reader that does not come costs a bounded number of notes; what is not kept is counted.
#[test]
fn births_and_deaths_that_nobody_reads_are_counted() {
    scene(|| {
        let pool = warm(2);
        let mut events = pool.events();
        let unread = pool.events();
        for _ in 0..150 {
            error_of(
                pool.apply(|| die_by(Signal::KILL), ()),
                TaskErrorKind::WorkerDied,
            );
        }
        until("all are replaced", || {
            let stats = pool.stats();
            stats.restarts == 150 && stats.idle == 2
        });
        let (mut born, mut died, mut kept) = (0, 0, 0);
        while let Some(event) = events.next_timeout(Duration::from_millis(200)) {
            match event {
                Event::WorkerBorn { .. } => (born, kept) = (born + 1, kept + 1),
                Event::WorkerDied { .. } => (died, kept) = (died + 1, kept + 1),
                Event::Missed {
                    born: b, died: d, ..
                } => (born, died) = (born + b, died + d),
                _ => {}
            }
        }
        assert_eq!((born, died), (150, 150));
        assert!(kept <= 256, "{kept}");
        finish(pool);
        drop(unread);
    });
}

/// HY04: what is tried again is one item, which is neither lost nor over between its attempts.
#[test]
fn events_count_an_item_that_is_tried_again_once() {
    scene(|| {
        let pool = warm(2);
        let events = pool.events();
        let reader = std::thread::spawn(|| events.collect::<Vec<Event>>());
        let call = pool.call(|n: u64| assert!(n.is_multiple_of(4), "no"));
        let delayed = call.retries(2).retry_delay(Duration::from_millis(100));
        delayed.try_map(0..100);
        finish(pool);
        let events = reader.join().unwrap();
        let told = events.iter().filter_map(|event| match event {
            Event::Progress(p) => Some(adds_up(*p)),
            _ => None,
        });
        let totals: Vec<u64> = told.map(|p| p.total).collect();
        assert!(totals.is_sorted(), "{totals:?}");
        let last = last_of(&events);
        assert_eq!((last.done, last.failed, last.total), (8 + 25, 75, 108));
    });
}

/// The stream ends with the pool however that ends, and keeps none alive.
#[test]
fn stream_ends_when_its_pool_is_dropped_or_broken() {
    scene(|| {
        let pool = warm(2);
        let events = pool.events();
        murder(pool.worker_pids()[0]);
        let _unresolved = pool.apply_async(sleep, (600_000,));
        drop(pool);
        let events: Vec<Event> = events.collect();
        assert_eq!(adds_up(last_of(&events)).failed, 1, "{events:?}");

        let pool = Pool::builder()
            .workers(1)
            .initializer(|| assert_eq!(1, 2), ())
            .build()
            .unwrap();
        let events = pool.events();
        error_of(pool.apply(sleep, (1,)), TaskErrorKind::Broken);
        pool.close();
        pool.join().unwrap();
        let late = pool.events();
        assert_eq!(last_of(&events.collect::<Vec<_>>()).failed, 1);
        assert_eq!(last_of(&late.collect::<Vec<_>>()).failed, 1);

        // One without workers has counts alone.
        let pool = Pool::new(0).unwrap();
        let events = pool.events();
        pool.map(sleep, [1, 2, 3]).unwrap();
        pool.close();
        let events: Vec<Event> = events.collect();
        let last = last_of(&events);
        assert_eq!((last.done, last.failed, last.total), (3, 0, 3));
        let events: Vec<Event> = pool.events().collect();
        assert_eq!(last_of(&events).done, 3, "also told to who comes late");
    });
}

/// HY04: a map's progress ends with every item, failed ones and none included.
#[test]
fn progress_of_a_map_ends_with_all_of_its_items() {
    scene(|| {
        for workers in [0, 2] {
            let pool = Pool::new(workers).unwrap();
            let mut told = Vec::new();
            let mut tell = |p| told.push(adds_up(p));
            let all = pool.call(sleep).on_progress(&mut tell).map(0..0);
            assert!(all.unwrap().is_empty());
            let all = pool.call(sleep).on_progress(&mut tell).map([1; 50]);
            assert_eq!(all.unwrap(), [1; 50]);
            let half = |n: u64| assert!(n.is_multiple_of(2), "odd");
            let each = pool.call(half).on_progress(&mut tell).try_map(0..1000);
            assert_eq!(each.iter().filter(|one| one.is_ok()).count(), 500);
            let ends: Vec<_> = told.iter().filter(|p| p.ended() == p.total).collect();
            let last = |total| {
                ends.iter()
                    .rev()
                    .find(|p| p.total == total)
                    .expect("an end")
            };
            assert_eq!((last(0).done, last(0).failed), (0, 0));
            assert_eq!((last(50).done, last(50).failed), (50, 0));
            assert_eq!((last(1000).done, last(1000).failed), (500, 500));

            // One that stops at its first failure: what has no value has failed.
            let mut last = Progress::default();
            let stops = pool
                .call(half)
                .on_progress(|p| last = p)
                .map((0..500).rev());
            error_of(stops, TaskErrorKind::Panicked);
            assert_eq!(adds_up(last).ended(), last.total);
            assert!(last.failed >= 1 && last.total <= 500, "{last:?}");
            finish(pool);
        }
    });
}

/// HY04: while it runs, and at the rate that was promised, also within one chunk.
#[test]
fn progress_is_told_while_a_map_runs() {
    scene(|| {
        let pool = warm(2);
        let begun = Instant::now();
        let mut told = Vec::new();
        let call = pool.call(sleep).chunk_size(10);
        call.on_progress(|p| told.push(adds_up(p)))
            .map([50; 20])
            .unwrap();
        let took = begun.elapsed();
        assert!(told.len() <= 2 + took.as_millis() as usize / 50, "{told:?}");
        let middle = told.iter().find(|p| p.done > 0 && p.done < 20);
        assert!(middle.is_some_and(|p| p.running >= 1), "{told:?}");
        assert!(told.is_sorted_by_key(|p| p.done));

        // A slow input is read on.
        told.clear();
        let input = (0..200u64).inspect(|_| std::thread::sleep(Duration::from_millis(2)));
        let call = pool.call(|n: u64| n);
        call.on_progress(|p| told.push(adds_up(p)))
            .map(input)
            .unwrap();
        assert!(told.iter().any(|p| p.total < 200), "{told:?}");
        finish(pool);
    });
}

/// A progress function that panics ends its map and nothing else.
#[test]
fn progress_function_may_panic() {
    scene(|| {
        let pool = warm(2);
        let map = || {
            let call = pool.call(sleep);
            call.on_progress(|_| panic!("enough")).map([100; 4])
        };
        let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(map));
        assert!(caught.is_err());
        assert_eq!(pool.map(sleep, [1, 2]).unwrap(), [1, 2]);
        finish(pool);
    });
}
