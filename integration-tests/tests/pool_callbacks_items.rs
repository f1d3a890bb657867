//! Callbacks of lazy maps: once for each item read, whatever becomes of it and of the iterator.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::thread::ThreadId;
use std::time::Duration;

use procession::{Pool, TaskError, TaskErrorKind};
use procession_integration_tests::pool_scene::{
    LONG, Scratch, assert_usable, finish, murder, scene, until, warm,
};
use serde::{Deserialize, Serialize, Serializer};

procession::init_before_main!();

type Heard<R> = mpsc::Receiver<(Result<R, TaskError>, ThreadId)>;

/// A callback, and what it has heard.
fn hears<R: Clone + Send + 'static>() -> (impl FnMut(&Result<R, TaskError>) + Send, Heard<R>) {
    let (tell, told) = mpsc::channel();
    let hear = move |r: &Result<R, TaskError>| {
        let _ = tell.send((r.clone(), std::thread::current().id()));
    };
    (hear, told)
}

/// What was heard until nobody is left to tell, by item: `Err` for what has none of its own.
fn places<R>(heard: Heard<R>, place: impl Fn(R) -> usize) -> Vec<usize> {
    let place = |(r, _): (Result<R, TaskError>, _)| match r {
        Ok(value) => place(value),
        Err(e) => e.item().expect("an item"),
    };
    let mut places: Vec<usize> = heard.iter().map(place).collect();
    places.sort_unstable();
    places
}

fn up_to(n: usize) -> Vec<usize> {
    (0..n).collect()
}

fn not_seven(n: usize) -> usize {
    match n % 50 {
        7 => panic!("seven"),
        9 => std::process::exit(9),
        _ => n,
    }
}

/// In a task: returns `n` once the file is there.
fn wait_for((file, n): (String, usize)) -> usize {
    until("the file is there", || std::path::Path::new(&file).exists());
    n
}

#[test]
fn each_item_of_a_lazy_map_calls_back_once() {
    scene(|| {
        for (chunk, unordered) in [(1, false), (1, true), (8, false), (8, true)] {
            let pool = warm(2);
            let (hear, heard) = hears();
            let call = pool.call(not_seven).chunk_size(chunk).on_complete(hear);
            let outcomes: Vec<Result<usize, TaskError>> = if unordered {
                call.imap_unordered(0..200).collect()
            } else {
                call.imap(0..200).collect()
            };
            assert_eq!(outcomes.iter().flatten().count(), 192);
            finish(pool);
            let heard: Vec<_> = heard.try_iter().collect();
            assert!(heard.windows(2).all(|pair| pair[0].1 == pair[1].1));
            assert_ne!(heard[0].1, std::thread::current().id());
            let (mut texts, mut seen) = (Vec::new(), Vec::new());
            for r in heard.into_iter().map(|(r, _)| r) {
                seen.push(
                    r.as_ref()
                        .map_or_else(|e| e.item().expect("an item"), |n| *n),
                );
                texts.extend(r.err().map(|e| e.to_string()));
            }
            seen.sort_unstable();
            assert_eq!(seen, up_to(200));
            // The errors are those that are yielded.
            let mut yielded: Vec<_> = outcomes.into_iter().filter_map(Result::err).collect();
            yielded.sort_by_key(TaskError::item);
            assert_eq!(yielded.len(), 8);
            for error in yielded {
                assert!(texts.contains(&error.to_string()), "{error}: {texts:?}");
            }
        }
    });
}

/// The order is that of completion, and nobody has to ask for an outcome.
#[test]
fn callbacks_of_items_come_while_nobody_asks() {
    scene(|| {
        let pool = warm(2);
        let scratch = Scratch::new();
        let gates = [scratch.at("first"), scratch.at("others")];
        let place = |n: usize| (gates[n.min(1)].clone(), n);
        let (hear, heard) = hears();
        let call = pool.call(wait_for).chunk_size(1).buffer_size(6);
        let mut lazy = call.on_complete(hear).imap((0..).map(place));
        // It reads as far as it may meanwhile.
        assert!(lazy.next_timeout(Duration::from_millis(20)).is_err());
        std::fs::write(&gates[1], "").expect("a gate");
        let hear = || {
            let (outcome, _) = heard.recv_timeout(LONG).expect("a callback");
            outcome.expect("a number")
        };
        let mut first: Vec<usize> = (0..5).map(|_| hear()).collect();
        first.sort_unstable();
        assert_eq!(first, [1, 2, 3, 4, 5]);
        std::fs::write(&gates[0], "").expect("a gate");
        assert_eq!(hear(), 0, "still nobody has asked");
        let yielded = lazy.by_ref().take(100).map(|r| r.expect("a number"));
        assert_eq!(yielded.collect::<Vec<usize>>(), up_to(100));
        drop(lazy);
        finish(pool);
    });
}

/// A dropped iterator: what it had read has its callbacks, running or waiting or never handed in.
#[test]
fn items_that_are_never_yielded_call_back() {
    scene(|| {
        let scratch = Scratch::new();
        let gate = scratch.at("gate");
        for room in [2, 1_000] {
            let pool = Pool::builder()
                .workers(2)
                .max_queued(room)
                .build()
                .expect("a pool");
            let read = AtomicU64::new(0);
            let items = (0..).map(|n| {
                read.fetch_add(1, Ordering::Relaxed);
                (gate.clone(), n)
            });
            let (hear, heard) = hears();
            let call = pool
                .call(wait_for)
                .chunk_size(2)
                .buffer_size(40)
                .on_complete(hear);
            let mut lazy = call.imap(items);
            let blocked = lazy.next_timeout(Duration::from_millis(50));
            assert!(blocked.is_err());
            drop(lazy);
            std::fs::write(&gate, "").expect("a gate");
            let count = read.into_inner() as usize;
            assert!(count > 2 && count <= 40);
            pool.close();
            pool.join().expect("it joins");
            let heard: Vec<_> = heard.try_iter().collect();
            assert_eq!(heard.len(), count, "all of them, before `join` returns");
            let ran = heard.iter().filter(|(r, _)| r.is_ok()).count();
            assert!(ran <= 4, "what has begun runs to its end: {ran}");
            let errors = heard.iter().filter_map(|(r, _)| r.as_ref().err());
            for error in errors {
                assert_eq!(error.kind(), TaskErrorKind::Cancelled, "{error}");
            }
            std::fs::remove_file(&gate).expect("a gate");
        }
    });
}

/// Encodes unless it is 3.
#[derive(Clone, Copy, Deserialize)]
struct Shy(usize);

impl Serialize for Shy {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.0 == 3 {
            return Err(serde::ser::Error::custom("too shy to be sent"));
        }
        serializer.serialize_u64(self.0 as u64)
    }
}

/// What never reaches a worker calls back too.
#[test]
fn items_that_are_refused_call_back() {
    scene(|| {
        let pool = warm(1);
        let (hear, heard) = hears();
        let call = pool.call(|shy: Shy| shy.0).on_complete(hear);
        let input = (0..8).map(|n| {
            assert!(n < 6, "no more");
            Shy(n)
        });
        let mut lazy = call.imap(input);
        assert_eq!(lazy.by_ref().take(6).filter(Result::is_ok).count(), 5);
        let end = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| lazy.next()));
        assert!(end.is_err(), "the input's panic");
        drop(lazy);
        assert_eq!(places(heard, |n| n), up_to(6));

        let (hear, heard) = hears();
        let mut none = pool
            .call(not_seven)
            .buffer_size(0)
            .on_complete(hear)
            .imap([1]);
        assert!(none.next().expect("one error").is_err() && none.next().is_none());
        drop(none);
        let kinds: Vec<_> = heard
            .iter()
            .map(|(r, _)| r.expect_err("an error").kind())
            .collect();
        assert_eq!(kinds, [TaskErrorKind::InvalidOption]);

        // Of a pool that ends meanwhile, and of one that is gone.
        let (hear, heard) = hears();
        let mut lazy = pool
            .call(not_seven)
            .buffer_size(1)
            .on_complete(hear)
            .imap(0..5);
        assert_eq!(lazy.next().expect("five").expect("a number"), 0);
        pool.close();
        assert!(lazy.next().expect("five").is_err());
        pool.join().expect("an open iterator holds up no pool");
        assert!(lazy.next().expect("five").is_err());
        drop(pool);
        assert_eq!(lazy.by_ref().filter(Result::is_err).count(), 2);
        drop(lazy);
        assert_eq!(places(heard, |n| n), up_to(5));
    });
}

#[test]
fn a_terminated_pool_calls_back_for_each_item() {
    scene(|| {
        let pool = warm(2);
        let (hear, heard) = hears();
        let long = |n: usize| {
            std::thread::sleep(LONG);
            n
        };
        let mut lazy = pool.call(long).buffer_size(9).on_complete(hear).imap(0..9);
        assert!(lazy.next_timeout(Duration::from_millis(20)).is_err());
        pool.terminate();
        pool.join().expect("it joins");
        assert_eq!(lazy.count(), 9);
        assert_eq!(places(heard, |n| n), up_to(9));
    });
}

/// D17, FAULTS 85
#[test]
fn an_item_s_callback_that_panics_hurts_nobody() {
    scene(|| {
        let pool = warm(2);
        let (hear, heard) = hears();
        let call = pool.call(|n: usize| n);
        let spite = |r: &Result<usize, TaskError>| {
            assert!(
                r.as_ref().is_ok_and(|n| n % 2 == 0),
                "an odd one, as the test wants"
            );
        };
        let mut sum = 0;
        let lazy = call.on_complete(spite).on_complete(hear).imap(0..20);
        for outcome in lazy {
            sum += outcome.expect("a number");
        }
        assert_eq!(sum, 190);
        assert_eq!(places(heard, |n| n), up_to(20));
        pool.close();
        pool.join().expect("it joins");
        assert_eq!(pool.stats().callback_panics, 10);
    });
}

/// A callback may use the pool, and so may what it owns when it is dropped.
#[test]
fn an_item_s_callback_uses_the_pool() {
    struct Looks(Arc<Pool>, mpsc::Sender<usize>);
    impl Drop for Looks {
        fn drop(&mut self) {
            let workers = self.0.stats().workers.len();
            let _ = self.1.send(workers);
        }
    }
    scene(|| {
        let pool = Arc::new(warm(1));
        for dropped_after in [3, 30] {
            let (tell, told) = mpsc::channel();
            let looks = Looks(Arc::clone(&pool), tell);
            let (sum, total) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
            let sums = Arc::clone(&sum);
            let call = pool
                .call(|n: u64| n)
                .on_complete(move |r: &Result<u64, TaskError>| {
                    let Ok(n) = r else { return };
                    let more = looks.0.apply(|n: u64| n + 1, (*n,)).expect("a number");
                    sums.fetch_add(more, Ordering::SeqCst);
                });
            let mut lazy = call.imap((0..30).inspect(|_| _ = total.fetch_add(1, Ordering::SeqCst)));
            for _ in 0..dropped_after {
                lazy.next().expect("thirty").expect("a number");
            }
            drop(lazy);
            assert_eq!(told.recv_timeout(LONG), Ok(1));
            let yielded = (1..=dropped_after).sum::<u64>();
            assert!(sum.load(Ordering::SeqCst) >= yielded);
        }
        assert_usable(&pool);
        // The last callback may hold the pool for a moment longer.
        until("the pool is ours", || Arc::strong_count(&pool) == 1);
        finish(Arc::into_inner(pool).expect("the only owner"));
    });
}

/// A failed attempt is none of a callback's business.
#[test]
fn an_item_that_is_tried_again_calls_back_once() {
    scene(|| {
        let pool = warm(2);
        let scratch = Scratch::new();
        let shaky = |(directory, n): (String, usize)| {
            let note = std::path::Path::new(&directory).join(n.to_string());
            let first = !note.exists();
            std::fs::write(note, "").expect("a note");
            match (n % 5, first) {
                (1, true) => panic!("not yet"),
                (2, true) => std::process::abort(),
                (3, _) => panic!("never"),
                _ => n,
            }
        };
        let (hear, heard) = hears();
        let call = pool
            .call(shaky)
            .retries(1)
            .describe_args()
            .on_complete(hear);
        let items = (0..40).map(|n| (scratch.text(), n));
        let yielded: Vec<_> = call.imap_unordered(items).collect();
        assert_eq!(yielded.iter().filter(|r| r.is_err()).count(), 8);
        let mut seen: Vec<usize> = Vec::new();
        for (r, _) in heard.iter() {
            match r {
                Ok(n) => seen.push(n),
                Err(e) => {
                    assert_eq!(e.attempts(), 2, "{e}");
                    assert!(
                        e.args().is_some_and(|args| args.contains(&scratch.text())),
                        "{e}"
                    );
                    seen.push(e.item().expect("an item"));
                }
            }
        }
        let with_args =
            |r: &Result<usize, TaskError>| r.as_ref().err().is_none_or(|e| e.args().is_some());
        assert!(yielded.iter().all(with_args));
        seen.sort_unstable();
        assert_eq!(seen, up_to(40));
        finish(pool);
    });
}

#[test]
fn an_inline_pool_calls_back_inside_next() {
    scene(|| {
        let pool = Pool::new(0).expect("an inline pool");
        let (hear, heard) = hears();
        let half = |n: usize| {
            assert_eq!(n % 2, 0, "odd");
            n
        };
        let mut lazy = pool.call(half).on_complete(hear).imap(0..);
        for at in 0..10 {
            let outcome = lazy.next().expect("endless");
            let (told, thread) = heard.try_recv().expect("told before it is yielded");
            assert_eq!((outcome.is_ok(), told.is_ok()), (at % 2 == 0, at % 2 == 0));
            assert_eq!(thread, std::thread::current().id());
            assert!(heard.try_recv().is_err());
        }
    });
}

fn rounds() -> u64 {
    let long = std::env::var("PROCESSION_LONG").ok();
    long.and_then(|text| text.parse().ok()).unwrap_or(60)
}

/// Dropped at any moment, with workers that are killed: as many callbacks as were read, each item's once.
#[test]
fn callbacks_of_items_race_drops_and_deaths() {
    scene(|| {
        let pool = warm(2);
        for round in 0..rounds() {
            let read = AtomicU64::new(0);
            let items = (0..).inspect(|_| _ = read.fetch_add(1, Ordering::SeqCst));
            let (hear, heard) = hears();
            let call = pool.call(|n: usize| n).on_complete(hear);
            let mut lazy = call.imap_unordered(items);
            for _ in 0..round % 23 * (round % 7) {
                let _ = lazy.next();
            }
            if round % 4 == 0 {
                pool.worker_pids()
                    .first()
                    .copied()
                    .into_iter()
                    .for_each(murder);
            }
            drop(lazy);
            let count = read.into_inner() as usize;
            assert_eq!(places(heard, |n| n), up_to(count), "round {round}");
        }
        assert_usable(&pool);
        finish(pool);
    });
}
