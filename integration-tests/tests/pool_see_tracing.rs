//! Spans and events for the crate `tracing`: who is told what, and with no lock held.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use procession::{Pool, TaskErrorKind};
use procession_integration_tests::pool_scene::{die_by, error_of, finish, scene, until};
use rustix::process::Signal;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

procession::init_before_main!();

/// What was told: level, and message and fields as `name=value` in order.
static TOLD: Mutex<Vec<(Level, String)>> = Mutex::new(Vec::new());
/// What the subscriber does besides: it asks this pool for its stats.
static ASKED: Mutex<Option<Arc<Pool>>> = Mutex::new(None);
static SPANS: AtomicU64 = AtomicU64::new(1);

struct Collector;

struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.0 += &format!("{}={value:?} ", field.name());
    }
}

impl Subscriber for Collector {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }
    fn new_span(&self, span: &Attributes<'_>) -> Id {
        let id = Id::from_u64(SPANS.fetch_add(1, Ordering::Relaxed));
        let mut line = Line(String::new());
        span.record(&mut line);
        told().push((Level::DEBUG, format!("{}opened={} ", line.0, id.into_u64())));
        let open = Open {
            line: line.0,
            handles: 1,
        };
        open_spans().insert(id.into_u64(), open);
        id
    }
    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn event(&self, event: &Event<'_>) {
        assert_eq!(event.metadata().target(), "procession");
        let mut line = Line(String::new());
        event.record(&mut line);
        if let Some(within) = event.parent() {
            line.0 += &format!("within={} ", within.into_u64());
        }
        let panics = line.0.contains("pool=\"panics\"");
        told().push((*event.metadata().level(), line.0));
        assert!(!panics, "a subscriber with a bug");
        let asked = ASKED.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(pool) = asked {
            let _ = pool.stats();
        }
    }
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
    fn clone_span(&self, id: &Id) -> Id {
        if let Some(open) = open_spans().get_mut(&id.into_u64()) {
            open.handles += 1;
        }
        id.clone()
    }
    fn try_close(&self, id: Id) -> bool {
        let mut spans = open_spans();
        let Some(open) = spans.get_mut(&id.into_u64()) else {
            return false;
        };
        open.handles -= 1;
        if open.handles > 0 {
            return false;
        }
        let closed = format!("{}closed={} ", open.line, id.into_u64());
        spans.remove(&id.into_u64());
        drop(spans);
        told().push((Level::DEBUG, closed));
        true
    }
}

/// A span that is open: its fields, and how many hold it.
struct Open {
    line: String,
    handles: u32,
}

static OPEN: Mutex<BTreeMap<u64, Open>> = Mutex::new(BTreeMap::new());

fn open_spans() -> std::sync::MutexGuard<'static, BTreeMap<u64, Open>> {
    OPEN.lock().unwrap_or_else(PoisonError::into_inner)
}

fn told() -> std::sync::MutexGuard<'static, Vec<(Level, String)>> {
    TOLD.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Runs `scenario` and returns what was told of `pool` meanwhile.
fn listen(pool: &str, scenario: impl FnOnce()) -> Vec<(Level, String)> {
    static ONCE: OnceLock<()> = OnceLock::new();
    ONCE.get_or_init(|| tracing::subscriber::set_global_default(Collector).expect("the first"));
    told().clear();
    scenario();
    let of_pool = format!("pool={pool:?} ");
    let mut lines = told().clone();
    lines.retain(|(_, line)| line.contains(&of_pool));
    lines
}

fn count(lines: &[(Level, String)], level: Level, parts: &[&str]) -> usize {
    let fits = |line: &str| parts.iter().all(|part| line.contains(part));
    lines
        .iter()
        .filter(|(of, line)| *of == level && fits(line))
        .count()
}

fn named(name: &str) -> Pool {
    Pool::builder()
        .workers(2)
        .name(name)
        .build()
        .expect("a pool")
}

/// Each thread tells what it did, so events of several threads may overtake each other: no order is asserted.
#[test]
fn each_task_is_told_from_submission_to_end() {
    scene(|| {
        let mut ids = Vec::new();
        let lines = listen("tasks", || {
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
            let task = format!("task={id} ");
            for (level, what) in [
                (Level::DEBUG, "task submitted"),
                (Level::DEBUG, "task ended"),
            ] {
                assert_eq!(
                    count(&lines, level, &[&task, what]),
                    1,
                    "{what}: {lines:#?}"
                );
            }
            assert!(count(&lines, Level::TRACE, &[&task, "task started", "worker="]) >= 1);
            let name = "name=\"pool_see_tracing::each_task_is_told_from_submission_to_end";
            assert_eq!(count(&lines, Level::DEBUG, &[&task, "submitted", name]), 1);
        }
    });
}

/// The span of a task is opened by its submission, holds every event of the task, and is closed by its end.
#[test]
fn each_task_has_a_span() {
    scene(|| {
        let mut id = 0;
        let lines = listen("spans", || {
            let pool = named("spans");
            let map = pool.map_async(|n: u64| n * n, 0..100);
            id = map.id().0;
            assert_eq!(map.get().unwrap().len(), 100);
            finish(pool);
        });
        let of_task: Vec<&str> = lines
            .iter()
            .filter(|(_, line)| line.contains(&format!("task={id} ")))
            .map(|(_, line)| line.as_str())
            .collect();
        let number = |key: &str| {
            let line = of_task.iter().find(|line| line.contains(key))?;
            line.split(key)
                .nth(1)?
                .split(' ')
                .next()?
                .parse::<u64>()
                .ok()
        };
        let span = number("opened=").expect("a span");
        assert_eq!(number("closed="), Some(span), "{of_task:#?}");
        let within = format!("within={span} ");
        let submitted = of_task.iter().find(|line| line.contains("task submitted"));
        assert!(
            submitted.is_some_and(|line| line.contains(&within)),
            "{of_task:#?}"
        );
        assert!(of_task.iter().filter(|line| line.contains(&within)).count() >= 2);
    });
}

#[test]
fn workers_and_the_pool_are_told_of() {
    scene(|| {
        let lines = listen("workers", || {
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
        let debug = |parts: &[&str]| count(&lines, Level::DEBUG, parts);
        let warn = |parts: &[&str]| count(&lines, Level::WARN, parts);
        let info = |parts: &[&str]| count(&lines, Level::INFO, parts);
        assert_eq!(debug(&["worker born", "pid="]), 4, "{lines:#?}");
        assert_eq!(warn(&["worker died", "SIGKILL"]), 1, "{lines:#?}");
        assert_eq!(warn(&["task lost", "item=0 "]), 1);
        assert_eq!(warn(&["task timed out"]), 1);
        assert_eq!(debug(&["worker ended"]), 3);
        assert_eq!(info(&["pool opened"]), 1);
        assert_eq!(info(&["pool closed"]), 1);

        let lines = listen("broken", || {
            let pool = Pool::builder()
                .workers(1)
                .name("broken")
                .initializer(|| assert_eq!(1, 2), ())
                .build()
                .unwrap();
            error_of(pool.apply(|| (), ()), TaskErrorKind::Broken);
            error_of(pool.apply(|| (), ()), TaskErrorKind::Broken);
        });
        assert_eq!(count(&lines, Level::ERROR, &["pool broken", "left: 1"]), 1);
        assert_eq!(
            count(
                &lines,
                Level::DEBUG,
                &["task cancelled", "the pool is broken"]
            ),
            1
        );
        assert_eq!(count(&lines, Level::DEBUG, &["task refused"]), 1);
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

/// A subscriber may use the pool it is told of: no lock is held.
#[test]
fn subscriber_may_call_the_pool() {
    scene(|| {
        let lines = listen("asked", || {
            let pool = Arc::new(named("asked"));
            *ASKED.lock().unwrap() = Some(Arc::clone(&pool));
            assert_eq!(pool.map(|n: u64| n, 0..1000).unwrap().len(), 1000);
            error_of(
                pool.apply(|| die_by(Signal::KILL), ()),
                TaskErrorKind::WorkerDied,
            );
            until("it is replaced", || pool.stats().idle == 2);
            *ASKED.lock().unwrap() = None;
            pool.close();
            pool.join().unwrap();
        });
        assert!(count(&lines, Level::DEBUG, &["worker born"]) >= 3);
    });
}

/// A subscriber that panics has its own bug; the pool has none.
#[test]
fn subscriber_that_panics_hurts_nobody() {
    scene(|| {
        let lines = listen("panics", || {
            let pool = named("panics");
            assert_eq!(pool.map(|n: u64| n, 0..100).unwrap().len(), 100);
            error_of(
                pool.apply(|| die_by(Signal::KILL), ()),
                TaskErrorKind::WorkerDied,
            );
            assert_eq!(pool.map(|n: u64| n, 0..100).unwrap().len(), 100);
            finish(pool);
        });
        assert!(!lines.is_empty());
    });
}
