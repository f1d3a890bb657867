//! A subscriber that writes down what it is told, with the spans it was told in. It must decide nothing about what is right.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::ThreadId;
use std::time::Duration;

use procession::Pool;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::Interest;
use tracing::{Event, Level, Metadata, Subscriber};

/// What was told, once.
#[derive(Clone, Debug)]
pub(crate) struct Told {
    pub(crate) level: Level,
    /// Message and fields as `name=value ` in order, then `within=` and the number of the span, and for each span from there
    /// outwards `in ` and its fields. A span itself has `opened=` or `closed=` and its number among its fields.
    pub(crate) line: String,
    pub(crate) thread: ThreadId,
}

static TOLD: Mutex<Vec<Told>> = Mutex::new(Vec::new());
static TOLD_MORE: Condvar = Condvar::new();
static OPEN: Mutex<BTreeMap<u64, Open>> = Mutex::new(BTreeMap::new());
static SPANS: AtomicU64 = AtomicU64::new(1);
/// It asks this pool for its stats.
pub(crate) static ASKED: Mutex<Option<Arc<Pool>>> = Mutex::new(None);
/// It takes no spans.
pub(crate) static SPANLESS: AtomicBool = AtomicBool::new(false);

thread_local! {
    static ENTERED: RefCell<Vec<u64>> = const { RefCell::new(Vec::new()) };
}

struct Collector;

/// A span that is open.
#[derive(Debug)]
struct Open {
    fields: String,
    parent: Option<u64>,
    handles: u32,
}

#[derive(Default)]
struct Fields(String);

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.0 += &format!("{}={value:?} ", field.name());
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn tell(level: Level, line: String) {
    let thread = std::thread::current().id();
    lock(&TOLD).push(Told {
        level,
        line,
        thread,
    });
    TOLD_MORE.notify_all();
}

fn entered() -> Option<u64> {
    ENTERED.with_borrow(|entered| entered.last().copied())
}

/// Where something is told, as the end of its line.
fn scope(within: Option<u64>) -> String {
    let mut text = within.map_or(String::new(), |id| format!("within={id} "));
    let open = lock(&OPEN);
    let mut at = within;
    while let Some(span) = at.and_then(|id| open.get(&id)) {
        text += &format!("in {}", span.fields);
        at = span.parent;
    }
    text
}

/// Holds this thread up until another one has told the end of a task, or for a while if none does.
fn hold_up() {
    let told = lock(&TOLD);
    let before = told.len();
    let none_has = |told: &mut Vec<Told>| {
        let since = told.get(before..).unwrap_or_default();
        !since.iter().any(|told| told.line.contains("task ended"))
    };
    let limit = Duration::from_millis(300);
    drop(TOLD_MORE.wait_timeout_while(told, limit, none_has));
}

impl Subscriber for Collector {
    fn register_callsite(&self, _: &'static Metadata<'static>) -> Interest {
        Interest::sometimes()
    }
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        !(metadata.is_span() && SPANLESS.load(Ordering::Relaxed))
    }
    fn new_span(&self, span: &Attributes<'_>) -> Id {
        let id = SPANS.fetch_add(1, Ordering::Relaxed);
        let mut fields = Fields::default();
        span.record(&mut fields);
        let parent = match span.parent() {
            Some(parent) => Some(parent.into_u64()),
            None => entered().filter(|_| span.is_contextual()),
        };
        if fields.0.contains("pool=\"held\"") {
            hold_up();
        }
        let line = format!("{}opened={id} {}", fields.0, scope(parent));
        let open = Open {
            fields: fields.0,
            parent,
            handles: 1,
        };
        lock(&OPEN).insert(id, open);
        tell(*span.metadata().level(), line);
        Id::from_u64(id)
    }
    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn event(&self, event: &Event<'_>) {
        assert_eq!(event.metadata().target(), "procession");
        let mut fields = Fields::default();
        event.record(&mut fields);
        let within = match event.parent() {
            Some(parent) => Some(parent.into_u64()),
            None => entered().filter(|_| event.is_contextual()),
        };
        let line = fields.0 + &scope(within);
        let panics = line.contains("pool=\"panics\"");
        tell(*event.metadata().level(), line);
        assert!(!panics, "a subscriber with a bug");
        let asked = lock(&ASKED).clone();
        if let Some(pool) = asked {
            let _ = pool.stats();
        }
    }
    fn enter(&self, id: &Id) {
        ENTERED.with_borrow_mut(|entered| entered.push(id.into_u64()));
    }
    fn exit(&self, _: &Id) {
        ENTERED.with_borrow_mut(|entered| entered.pop());
    }
    fn clone_span(&self, id: &Id) -> Id {
        if let Some(open) = lock(&OPEN).get_mut(&id.into_u64()) {
            open.handles += 1;
        }
        id.clone()
    }
    fn try_close(&self, id: Id) -> bool {
        let id = id.into_u64();
        let mut spans = lock(&OPEN);
        let Some(open) = spans.get_mut(&id) else {
            return false;
        };
        open.handles -= 1;
        if open.handles > 0 {
            return false;
        }
        let closed = format!("{}closed={id} ", open.fields);
        spans.remove(&id);
        drop(spans);
        tell(Level::DEBUG, closed);
        true
    }
}

/// Runs `scenario` and returns what was told of `pool` meanwhile.
pub(crate) fn listen(pool: &str, scenario: impl FnOnce()) -> Vec<Told> {
    static ONCE: OnceLock<()> = OnceLock::new();
    ONCE.get_or_init(|| tracing::subscriber::set_global_default(Collector).expect("the first"));
    lock(&TOLD).clear();
    scenario();
    let of_pool = format!("pool={pool:?} ");
    let mut told = lock(&TOLD).clone();
    told.retain(|told| told.line.contains(&of_pool));
    told
}

/// How many of these have the level and all the parts.
pub(crate) fn count(told: &[Told], level: Level, parts: &[&str]) -> usize {
    let fits = |line: &str| parts.iter().all(|part| line.contains(part));
    told.iter()
        .filter(|told| told.level == level && fits(&told.line))
        .count()
}

/// What stands behind `key` in a line.
pub(crate) fn value<'a>(line: &'a str, key: &str) -> Option<&'a str> {
    let from = line.find(key)? + key.len();
    line.get(from..)?.split(' ').next()
}

/// What was told up to now, of any pool.
pub(crate) fn told() -> Vec<Told> {
    lock(&TOLD).clone()
}
