//! Spans and events for the crate `tracing`: who is told what, and with no lock held.

#[path = "support/collector.rs"]
mod collector;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use collector::{ASKED, SPANLESS, Told, count, listen, value};
use procession::{Pool, TaskErrorKind};
use procession_integration_tests::pool_scene::{die_by, error_of, finish, scene, until};
use rustix::process::Signal;
use tracing::{Level, info_span};

procession::init_before_main!();

fn named(name: &str) -> Pool {
    Pool::builder()
        .workers(2)
        .name(name)
        .build()
        .expect("a pool")
}

/// The events of the task with this number, in order, and its span: where it was opened and closed.
fn of_task(told: &[Told], id: u64) -> Vec<&str> {
    let task = format!("task={id} ");
    let lines = told.iter().map(|told| told.line.as_str());
    lines.filter(|line| line.contains(&task)).collect()
}

/// The number of the one span among these lines; all but itself are within it, first is its beginning, last its end.
#[track_caller]
fn the_span(lines: &[&str]) -> u64 {
    let (first, last) = (lines[0], lines[lines.len() - 1]);
    let span: u64 = value(first, "opened=").expect(first).parse().unwrap();
    assert_eq!(
        value(last, "closed="),
        Some(&*span.to_string()),
        "{lines:#?}"
    );
    let events = &lines[1..lines.len() - 1];
    let within = format!("within={span} ");
    assert!(
        events.iter().all(|line| line.contains(&within)),
        "{lines:#?}"
    );
    assert!(events[0].contains("task submitted"), "{lines:#?}");
    assert!(
        events[events.len() - 1].contains("task ended"),
        "{lines:#?}"
    );
    span
}

/// Each thread tells what it did, so events of several threads may overtake each other: of others no order is asserted.
#[test]
fn each_task_is_told_from_submission_to_end() {
    scene(|| {
        let mut ids = Vec::new();
        let told = listen("tasks", || {
            let pool = named("tasks");
            let call = pool.apply_async(|n: u64| n + 1, (1,));
            ids.push(call.id().0);
            assert_eq!(call.get().unwrap(), 2);
            let map = pool.map_async(|n: u64| n * n, 0..100);
            ids.push(map.id().0);
            assert_eq!(map.get().unwrap().len(), 100);
            finish(pool);
        });
        for id in ids {
            the_span(&of_task(&told, id));
            let task = format!("task={id} ");
            for what in ["task submitted", "task ended"] {
                let told_of = count(&told, Level::DEBUG, &[&task, what]);
                assert_eq!(told_of, 1, "{what}: {told:#?}");
            }
            assert!(count(&told, Level::TRACE, &[&task, "task started", "worker="]) >= 1);
            let name = "name=\"pool_see_tracing::each_task_is_told_from_submission_to_end";
            assert_eq!(count(&told, Level::DEBUG, &[&task, "submitted", name]), 1);
        }
    });
}

/// A call may be over before the thread that submitted it goes on: what others tell of it is in its span all the same.
#[test]
fn events_of_a_short_task_find_its_span() {
    scene(|| {
        let mut id = 0;
        let told = listen("held", || {
            let pool = named("held");
            let _caller = info_span!("caller", caller = 7).entered();
            let call = pool.apply_async(|| die_by(Signal::KILL), ());
            id = call.id().0;
            error_of(call.get(), TaskErrorKind::WorkerDied);
            finish(pool);
        });
        let lines = of_task(&told, id);
        the_span(&lines);
        let caller = "caller=7 ";
        assert!(lines[0].contains(caller), "{lines:#?}");
        let lost: Vec<_> = lines
            .iter()
            .filter(|line| line.contains("task lost"))
            .collect();
        assert!(lost.len() == 1 && lost[0].contains(caller), "{lines:#?}");
    });
}

/// Tasks on many threads, each told of in its own span from beginning to end.
#[test]
fn no_event_of_many_tasks_is_outside_its_span() {
    scene(|| {
        let told = listen("many", || {
            let pool = named("many");
            std::thread::scope(|threads| {
                for _ in 0..4 {
                    threads.spawn(|| {
                        for n in 0..200u64 {
                            assert_eq!(pool.apply(|n: u64| n, (n,)).unwrap(), n);
                        }
                    });
                }
            });
            finish(pool);
        });
        let mut tasks: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for told in &told {
            if let Some(task) = value(&told.line, " task=") {
                tasks.entry(task).or_default().push(&told.line);
            }
        }
        assert_eq!(tasks.len(), 800);
        for lines in tasks.values() {
            the_span(lines);
        }
    });
}

/// The portions of a lazy map are one task, told of as such.
#[test]
fn a_lazy_map_has_one_span() {
    scene(|| {
        let mut ended_early = Vec::new();
        let told = listen("lazy", || {
            let pool = named("lazy");
            let squares = pool.call(|n: u64| n * n).buffer_size(4).imap(0..40);
            assert_eq!(squares.map(Result::unwrap).sum::<u64>(), 20_540);
            // It has ended when the last outcome is taken, whoever keeps it.
            let mut kept = pool.imap(|n: u64| n, 0..4);
            assert_eq!(kept.by_ref().count(), 4);
            pool.close();
            pool.join().unwrap();
            ended_early = collector::told();
            drop(kept);
            drop(pool);
        });
        let opened = |told: &Told| value(&told.line, "opened=").is_some();
        assert_eq!(told.iter().filter(|told| opened(told)).count(), 2);
        let first = of_task(&told, 1);
        the_span(&first);
        let items = |what: &str| -> u64 {
            let lines = first.iter().filter(|line| line.contains(what));
            lines
                .map(|line| value(line, "items=").unwrap().parse::<u64>().unwrap())
                .sum()
        };
        assert_eq!(items("task submitted") + items("task extended"), 40);
        assert_eq!(count(&told, Level::DEBUG, &["task=1 ", "task ended"]), 1);
        assert_eq!(
            count(&ended_early, Level::DEBUG, &["pool=\"lazy\"", "task ended"]),
            2
        );
    });
}

/// What is not taken is over at once, and its span does not stay open.
#[test]
fn the_span_of_a_refused_call_is_closed() {
    scene(|| {
        let told = listen("refused", || {
            let pool = named("refused");
            pool.close();
            error_of(pool.apply(|| (), ()), TaskErrorKind::Closed);
            pool.join().unwrap();
            let (open, closed) = spans(&collector::told());
            assert_eq!((open, closed), (1, 1));
            drop(pool);
        });
        let lines = of_task(&told, 1);
        the_span(&lines);
        assert_eq!(count(&told, Level::DEBUG, &["task refused"]), 1);
    });
}

/// A pool without room takes nothing, and nothing is told of it.
#[test]
fn a_call_that_a_full_pool_gives_back_has_no_span() {
    scene(|| {
        let told = listen("full", || {
            let pool = Pool::builder()
                .workers(1)
                .max_queued(1)
                .name("full")
                .build()
                .unwrap();
            let nap = |ms| std::thread::sleep(Duration::from_millis(ms));
            let mut taken = Vec::new();
            while let Ok(handle) = pool.try_apply_async(nap, (200,)) {
                taken.push(handle);
            }
            assert!(pool.try_apply_async(nap, (0,)).is_err());
            // This one waits for room.
            pool.apply(nap, (0,)).unwrap();
            let (open, closed) = spans(&collector::told());
            assert_eq!(open, taken.len() + 1);
            assert!(closed <= open);
            finish(pool);
        });
        let (open, closed) = spans(&told);
        assert_eq!(open, closed);
    });
}

fn spans(told: &[Told]) -> (usize, usize) {
    let with = |key| {
        told.iter()
            .filter(|told| value(&told.line, key).is_some())
            .count()
    };
    (with("opened="), with("closed="))
}

/// The span says whose events they are, so they do not; without a span they do, and warnings always, because who takes
/// warnings alone has no span.
#[test]
fn what_the_span_says_is_not_repeated() {
    scene(|| {
        for spanless in [false, true] {
            let told = listen("once", || {
                SPANLESS.store(spanless, Ordering::Relaxed);
                let pool = named("once");
                assert_eq!(pool.map(|n: u64| n, 0..100).unwrap().len(), 100);
                error_of(
                    pool.apply(|| die_by(Signal::KILL), ()),
                    TaskErrorKind::WorkerDied,
                );
                pool.close();
                error_of(pool.apply(|| (), ()), TaskErrorKind::Closed);
                pool.join().unwrap();
                drop(pool);
                SPANLESS.store(false, Ordering::Relaxed);
            });
            for what in [
                "task submitted",
                "task extended",
                "task started",
                "task ended",
                "task lost",
                "task refused",
            ] {
                let of_kind: Vec<&Told> = told
                    .iter()
                    .filter(|told| told.line.contains(what))
                    .collect();
                assert!(!of_kind.is_empty(), "{what}");
                let times = if what == "task lost" && !spanless {
                    2
                } else {
                    1
                };
                for told in of_kind {
                    assert_eq!(told.line.contains("within="), !spanless, "{told:?}");
                    for key in ["pool=", "task=", "name="] {
                        assert_eq!(told.line.matches(key).count(), times, "{told:?}");
                    }
                }
            }
        }
    });
}

/// A pool is told of where it is made and ended, and belongs to no span of whoever does that.
#[test]
fn the_pool_is_told_of_outside_of_spans() {
    scene(|| {
        let told = listen("place", || {
            let here = std::thread::current().id();
            let _caller = info_span!("caller").entered();
            let pool = named("place");
            let at_once: Vec<Told> = collector::told();
            let texts: Vec<&str> = at_once
                .iter()
                .map(|told| told.line.as_str())
                .filter(|line| line.contains("pool=\"place\""))
                .collect();
            assert!(texts.len() >= 3, "{texts:#?}");
            assert!(texts[0].contains("pool opened"), "{texts:#?}");
            assert!(texts[1..3].iter().all(|text| text.contains("worker born")));
            let opened = at_once.iter().find(|it| it.line.contains("pool opened"));
            assert_eq!(opened.expect("told").thread, here);
            pool.close();
            pool.terminate();
            pool.join().unwrap();
            drop(pool);
        });
        for what in ["pool opened", "pool closed", "pool terminated"] {
            assert_eq!(count(&told, Level::INFO, &[what]), 1, "{told:#?}");
        }
        for told in told {
            assert!(!told.line.contains("within="), "{told:?}");
        }
    });
}

#[test]
fn workers_and_the_pool_are_told_of() {
    scene(|| {
        let told = listen("workers", || {
            let pool = named("workers");
            error_of(
                pool.apply(|| die_by(Signal::KILL), ()),
                TaskErrorKind::WorkerDied,
            );
            until("it is replaced", || pool.stats().idle == 2);
            let sleep = || std::thread::sleep(Duration::from_secs(600));
            let limited = pool.call(sleep).timeout(Duration::from_millis(100));
            error_of(limited.apply(()), TaskErrorKind::TimedOut);
            until("it is replaced", || pool.stats().idle == 2);
            finish(pool);
        });
        let debug = |parts: &[&str]| count(&told, Level::DEBUG, parts);
        let warn = |parts: &[&str]| count(&told, Level::WARN, parts);
        let info = |parts: &[&str]| count(&told, Level::INFO, parts);
        assert_eq!(debug(&["worker born", "pid="]), 4, "{told:#?}");
        assert_eq!(warn(&["worker died", "SIGKILL"]), 1, "{told:#?}");
        assert_eq!(warn(&["task lost", "item=0 "]), 1);
        assert_eq!(warn(&["task timed out"]), 1);
        assert_eq!(debug(&["worker ended"]), 3);
        assert_eq!(info(&["pool opened"]), 1);
        assert_eq!(info(&["pool closed"]), 1);

        let told = listen("broken", || {
            let pool = Pool::builder()
                .workers(1)
                .name("broken")
                .initializer(|| assert_eq!(1, 2), ())
                .build()
                .unwrap();
            error_of(pool.apply(|| (), ()), TaskErrorKind::Broken);
            error_of(pool.apply(|| (), ()), TaskErrorKind::Broken);
        });
        assert_eq!(count(&told, Level::ERROR, &["pool broken", "left: 1"]), 1);
        assert_eq!(
            count(
                &told,
                Level::DEBUG,
                &["task cancelled", "the pool is broken"]
            ),
            1
        );
        assert_eq!(count(&told, Level::DEBUG, &["task refused"]), 1);
    });
}

/// PO22: what a drop cuts off is told once, with the pool's name and how much it was; nothing is told of any other end.
#[test]
fn dropping_a_pool_with_unfinished_work_is_told() {
    const WHAT: &str = "pool dropped with unfinished work";
    scene(|| {
        let sleep = |_: u32| std::thread::sleep(Duration::from_secs(600));
        for close in [false, true] {
            let lines = listen("cut", || {
                let pool = named("cut");
                assert_eq!(pool.map(|n: u64| n, 0..10).unwrap().len(), 10);
                let call = pool.apply_async(sleep, (1,));
                let map = pool.call(sleep).chunk_size(2).map_async(0..11);
                until("both run", || pool.stats().running == 2);
                if close {
                    pool.close();
                }
                drop(pool);
                error_of(call.get(), TaskErrorKind::Terminated);
                error_of(map.get(), TaskErrorKind::Terminated);
            });
            assert_eq!(
                count(&lines, Level::WARN, &[WHAT, "items=12 "]),
                1,
                "{lines:#?}"
            );
            assert_eq!(count(&lines, Level::WARN, &[]), 1, "{lines:#?}");
            assert_eq!(count(&lines, Level::INFO, &["pool terminated"]), 1);
        }
        let lines = listen("whole", || {
            // Nothing is unfinished.
            let pool = named("whole");
            assert_eq!(pool.map(|n: u64| n, 0..10).unwrap().len(), 10);
            drop(pool);
            // That is what was asked for.
            let pool = named("whole");
            let open = pool.apply_async(sleep, (1,));
            pool.terminate();
            drop(pool);
            error_of(open.get(), TaskErrorKind::Terminated);
            finish(named("whole"));
        });
        assert_eq!(count(&lines, Level::WARN, &[]), 0, "{lines:#?}");
    });
}

/// A worker is called what errors, `ps` and its own log records call it.
#[test]
fn workers_are_told_of_by_name() {
    scene(|| {
        let told = listen("names", || {
            let pool = named("names");
            let error = error_of(
                pool.apply(|| die_by(Signal::KILL), ()),
                TaskErrorKind::WorkerDied,
            );
            let death = error.death().expect("a death");
            let index = if death.name() == "names/1" { 0 } else { 1 };
            let worker = format!("worker=\"{}\" ", death.name());
            let pid = format!("pid={} ", death.pid());
            let index = format!("index={index} ");
            until("it is replaced", || pool.stats().idle == 2);
            let told = collector::told();
            let dead: [&str; 3] = [&worker, &pid, &index];
            assert_eq!(
                count(&told, Level::DEBUG, &[&["worker born"], &dead[..]].concat()),
                1
            );
            assert_eq!(
                count(&told, Level::WARN, &[&["worker died"], &dead[..]].concat()),
                1
            );
            assert_eq!(count(&told, Level::TRACE, &["task started", &worker]), 1);
            assert_eq!(count(&told, Level::WARN, &["task lost", &worker]), 1);
            finish(pool);
        });
        let named = ["worker=\"names/1\"", "worker=\"names/2\""];
        for told in told.iter().filter(|told| told.line.contains("worker=")) {
            assert!(
                named.iter().any(|name| told.line.contains(name)),
                "{told:?}"
            );
        }
    });
}

/// A subscriber may use the pool it is told of: no lock is held.
#[test]
fn subscriber_may_call_the_pool() {
    scene(|| {
        let told = listen("asked", || {
            let pool = Arc::new(named("asked"));
            *ASKED.lock().unwrap() = Some(Arc::clone(&pool));
            assert_eq!(pool.map(|n: u64| n, 0..1000).unwrap().len(), 1000);
            assert_eq!(pool.imap(|n: u64| n, 0..1000).count(), 1000);
            error_of(
                pool.apply(|| die_by(Signal::KILL), ()),
                TaskErrorKind::WorkerDied,
            );
            until("it is replaced", || pool.stats().idle == 2);
            pool.close();
            error_of(pool.apply(|| (), ()), TaskErrorKind::Closed);
            *ASKED.lock().unwrap() = None;
            pool.join().unwrap();
        });
        assert!(count(&told, Level::DEBUG, &["worker born"]) >= 3);
    });
}

/// A subscriber that panics has its own bug; the pool has none, and each panic costs no more than its own event.
#[test]
fn subscriber_that_panics_hurts_nobody() {
    scene(|| {
        let told = listen("panics", || {
            let pool = named("panics");
            assert_eq!(pool.map(|n: u64| n, 0..100).unwrap().len(), 100);
            error_of(
                pool.apply(|| die_by(Signal::KILL), ()),
                TaskErrorKind::WorkerDied,
            );
            assert_eq!(pool.map(|n: u64| n, 0..100).unwrap().len(), 100);
            assert_eq!(pool.imap(|n: u64| n, 0..100).count(), 100);
            finish(pool);
        });
        assert_eq!(count(&told, Level::DEBUG, &["task submitted"]), 4);
        assert_eq!(count(&told, Level::DEBUG, &["task ended"]), 4);
        assert_eq!(count(&told, Level::WARN, &["worker died"]), 1);
        assert_eq!(count(&told, Level::INFO, &["pool closed"]), 1);
    });
}
