//! Lazy maps whose items all succeed: order, multiset, ends, chunks, windows of every size. One place for each promise.

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::thread;

use procession::{Imap, Items, Pool, TaskErrorKind};
use procession_integration_tests::pool_scene::{assert_usable, error_of, finish, scene, warm};

procession::init_before_main!();

fn square(x: u64) -> u64 {
    x * x
}

fn squares(n: u64) -> Vec<u64> {
    (0..n).map(square).collect()
}

/// PO06
#[test]
fn an_empty_input_ends_at_once() {
    scene(|| {
        let pool = warm(2);
        let mut none = pool.imap(square, Vec::new());
        assert!(none.next().is_none());
        assert!(none.next().is_none());
        assert_eq!(pool.imap_unordered(square, Vec::new()).count(), 0);
        finish(pool);
    });
}

/// PO13
#[test]
fn outcomes_come_in_the_order_of_the_items_and_then_none_for_ever() {
    scene(|| {
        let pool = warm(3);
        for (items, chunk) in [
            (10, None),
            (1_000, Some(100)),
            (30_000, None),
            (1_000, Some(7)),
        ] {
            let call = pool.call(square);
            let call = match chunk {
                Some(size) => call.chunk_size(size),
                None => call,
            };
            let mut it = call.imap(0..items);
            let got: Vec<u64> = it.by_ref().map(|r| r.expect("a square")).collect();
            assert_eq!(got, squares(items));
            for _ in 0..3 {
                assert!(it.next().is_none());
            }
        }
        finish(pool);
    });
}

/// PO14
#[test]
fn unordered_outcomes_are_those_of_all_items_each_once() {
    scene(|| {
        let pool = warm(3);
        for (items, chunk) in [(10, 1), (1_000, 100), (1_000, 3)] {
            let call = pool.call(square).chunk_size(chunk);
            let mut got: Vec<u64> = call
                .imap_unordered(0..items)
                .map(|r| r.expect("a square"))
                .collect();
            got.sort_unstable();
            assert_eq!(got, squares(items));
        }
        let mut got: Vec<u64> = pool
            .imap_unordered(square, 0..30_000)
            .map(|r| r.expect("a square"))
            .collect();
        got.sort_unstable();
        assert_eq!(got, squares(30_000));
        finish(pool);
    });
}

/// LZ05
#[test]
fn chunks_of_any_size_give_the_same_outcomes() {
    scene(|| {
        let pool = warm(2);
        for chunk in [1, 2, 4, 6, 40, 50, usize::MAX] {
            for buffer in [None, Some(1), Some(3), Some(100), Some(usize::MAX)] {
                let call = pool.call(square).chunk_size(chunk);
                let call = match buffer {
                    Some(size) => call.buffer_size(size),
                    None => call,
                };
                let got: Result<Vec<u64>, _> = call.imap(0..40).collect();
                assert_eq!(got.expect("squares"), squares(40), "{chunk} {buffer:?}");
                let got: Result<BTreeSet<u64>, _> = call.imap_unordered(0..40).collect();
                assert_eq!(got.expect("squares").len(), 40, "{chunk} {buffer:?}");
            }
        }
        finish(pool);
    });
}

/// LZ04, LZ05: 0 is the first item's error, and the only one.
#[test]
fn a_size_of_zero_is_one_error() {
    scene(|| {
        for pool in [warm(1), Pool::new(0).expect("an inline pool")] {
            let call = || pool.call(square);
            for mut it in [
                call().buffer_size(0).imap(0..9),
                call().chunk_size(0).imap(0..9),
            ] {
                error_of(it.next().expect("one"), TaskErrorKind::InvalidOption);
                assert!(it.next().is_none());
                assert!(it.next().is_none());
            }
            let mut it = call().buffer_size(0).imap_unordered(0..9);
            error_of(it.next().expect("one"), TaskErrorKind::InvalidOption);
            assert!(it.next().is_none());
            finish(pool);
        }
    });
}

/// The input states fewer or more items than it has.
struct Liar(std::ops::Range<u64>, usize);

impl Iterator for Liar {
    type Item = u64;

    fn next(&mut self) -> Option<u64> {
        self.0.next()
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.1, Some(self.1))
    }
}

/// LZ07
#[test]
fn an_input_s_length_is_found_out_and_not_believed() {
    scene(|| {
        let pool = warm(2);
        for claimed in [0, 3, 50, usize::MAX] {
            let got: Result<Vec<u64>, _> = pool.imap(square, Liar(0..10, claimed)).collect();
            assert_eq!(got.expect("squares"), squares(10));
        }
        let unknown = (0..100).filter(|x| x % 3 == 0);
        assert_eq!(pool.imap(square, unknown).count(), 34);
        finish(pool);
    });
}

/// An input that goes on after its end is not asked again.
#[test]
fn an_input_that_would_go_on_after_its_end_has_ended() {
    scene(|| {
        let pool = warm(1);
        let mut asked = 0u64;
        let input = std::iter::from_fn(move || {
            asked += 1;
            (asked != 4).then_some(asked)
        });
        let mut it = pool.imap(square, input);
        assert_eq!(it.by_ref().count(), 3);
        assert!(it.next().is_none());
        finish(pool);
    });
}

struct Holder {
    squares: Imap<u64>,
}

fn of_borrowed<'a>(pool: &Pool, items: &'a [u64]) -> Imap<u64, dyn Items + Send + 'a> {
    pool.imap(square, items.iter().copied())
}

/// The type can be named in a field and a return type; it borrows the input at most.
#[test]
fn an_imap_can_be_kept_and_outlives_its_pool() {
    scene(|| {
        let pool = warm(2);
        let mut holder = Holder {
            squares: pool.imap(square, 0..),
        };
        let items = vec![1, 2, 3];
        let mut borrowed = of_borrowed(&pool, &items);
        assert_eq!(borrowed.next().expect("three").expect("a square"), 1);
        assert_eq!(holder.squares.next().expect("many").expect("a square"), 0);
        drop(pool);
        // What was read is resolved, what is read is refused.
        let mut kinds = holder
            .squares
            .by_ref()
            .filter_map(|r| r.err().map(|e| e.kind()));
        let refused = kinds.find(|kind| *kind != TaskErrorKind::Terminated);
        assert_eq!(refused, Some(TaskErrorKind::Closed));
        assert_eq!(borrowed.count(), 2);
    });
}

/// Large and small items and results; the window of large ones is small.
#[test]
fn items_and_results_of_any_size_arrive() {
    scene(|| {
        let pool = warm(2);
        let sizes = (0..60usize).map(|i| [0, 10, 40_000, 300_000][i % 4]);
        let echoed = pool.imap(
            |bytes: procession::Bytes| bytes,
            sizes
                .clone()
                .map(|size| procession::Bytes::from(vec![7; size])),
        );
        for (outcome, size) in echoed.zip(sizes) {
            assert_eq!(outcome.expect("bytes").into_vec(), vec![7; size]);
        }
        assert_usable(&pool);
        finish(pool);
    });
}

/// Several lazy maps at once, of one thread and of several, each have their own outcomes.
#[test]
fn many_imaps_share_a_pool() {
    scene(|| {
        let pool = warm(2);
        let pairs = pool
            .imap(square, 0..500)
            .zip(pool.imap(|x: u64| x + 1, 0..500));
        for (x, (a, b)) in (0..500).zip(pairs) {
            assert_eq!((a.expect("a square"), b.expect("a sum")), (x * x, x + 1));
        }
        std::thread::scope(|threads| {
            for _ in 0..4 {
                threads.spawn(|| {
                    let got: Result<Vec<u64>, _> = pool.imap(square, 0..5_000).collect();
                    assert_eq!(got.expect("squares"), squares(5_000));
                });
            }
            threads.spawn(|| assert_usable(&pool));
        });
        finish(pool);
    });
}

/// The input is read by whoever iterates, so it goes along; what is under way goes along too.
#[test]
fn an_imap_goes_from_thread_to_thread() {
    scene(|| {
        let pool = warm(2);
        let readers = Mutex::new(Vec::new());
        let reader = |_: &u64| readers.lock().expect("a list").push(thread::current().id());
        let mut it = pool
            .call(square)
            .buffer_size(4)
            .imap((0..).inspect(reader).take(2_000));
        let here = thread::current().id();
        let mut got = Vec::new();
        for at in [100, 101, 500] {
            got.extend(it.by_ref().take(at).map(|r| r.expect("a square")));
            assert_eq!(readers.lock().expect("a list").pop(), Some(here));
            (it, got) = thread::scope(|threads| {
                let there = threads.spawn(move || {
                    got.extend(it.by_ref().take(at).map(|r| r.expect("a square")));
                    (it, got, thread::current().id())
                });
                let (it, got, there) = there.join().expect("no panic");
                assert_eq!(readers.lock().expect("a list").pop(), Some(there));
                (it, got)
            });
        }
        // One that was never asked, and one that is dropped there.
        let unordered = pool.imap_unordered(square, 0..100);
        let rest = thread::spawn(move || unordered.flatten().collect::<BTreeSet<u64>>());
        assert_eq!(
            rest.join().expect("no panic"),
            squares(100).into_iter().collect()
        );
        thread::scope(|threads| {
            threads.spawn(move || drop(it));
        });
        assert_eq!(got, squares(2 * (100 + 101 + 500)));
        finish(pool);
    });
}

/// An inner call on the same pool, made while the input is read.
#[test]
fn the_input_may_use_the_pool() {
    scene(|| {
        let pool = warm(1);
        let input = (0..50).map(|x| pool.apply(square, (x,)).expect("a square"));
        let got: Result<Vec<u64>, _> = pool.imap(square, input).collect();
        assert_eq!(got.expect("squares").last(), Some(&(49u64.pow(4))));
        finish(pool);
    });
}
