//! Lazy maps read no further ahead than they say, however the consumer behaves, and give back what they do not need.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use procession::Pool;
use procession_integration_tests::pool_scene::{
    LONG, Scratch, assert_usable, finish, scene, until, warm,
};

procession::init_before_main!();

fn same(x: u64) -> u64 {
    x
}

fn nap(ms: u64) -> u64 {
    std::thread::sleep(Duration::from_millis(ms));
    ms
}

fn counted(taken: &AtomicU64) -> impl Iterator<Item = u64> + Send {
    (0..).inspect(|_| _ = taken.fetch_add(1, Ordering::Relaxed))
}

/// LZ01
#[test]
fn an_endless_input_is_read_only_a_window_ahead() {
    scene(|| {
        let pool = warm(2);
        for buffer in [1, 2, 7, 100] {
            let taken = AtomicU64::new(0);
            let mut it = pool.call(same).buffer_size(buffer).imap(counted(&taken));
            assert_eq!(
                taken.load(Ordering::Relaxed),
                0,
                "nothing is read before the first `next`"
            );
            for x in 0..10 {
                assert_eq!(it.next().expect("endless").expect("a number"), x);
                assert!(
                    taken.load(Ordering::Relaxed) <= x + buffer as u64,
                    "{}",
                    taken.load(Ordering::Relaxed)
                );
            }
            let begun = Instant::now();
            drop(it);
            assert!(begun.elapsed() < Duration::from_secs(5));
            assert!(taken.load(Ordering::Relaxed) <= 9 + buffer as u64);
        }
        finish(pool);
    });
}

/// LZ02: two chunks of one item for each worker.
#[test]
fn the_first_outcome_needs_no_more_than_the_window() {
    scene(|| {
        let pool = warm(2);
        // Long items: chunks stay single.
        let taken = AtomicU64::new(0);
        let mut it = pool.imap(|_: u64| nap(20), counted(&taken).take(20_000));
        it.next().expect("many").expect("a nap");
        assert!(
            taken.load(Ordering::Relaxed) <= 4,
            "{}",
            taken.load(Ordering::Relaxed)
        );
        drop(it);
        let taken = AtomicU64::new(0);
        let mut it = pool
            .call(same)
            .chunk_size(5)
            .imap(counted(&taken).take(20_000));
        it.next().expect("many").expect("a number");
        assert!(
            taken.load(Ordering::Relaxed) <= 20,
            "{}",
            taken.load(Ordering::Relaxed)
        );
        drop(it);
        finish(pool);
    });
}

/// LZ03: the first item is slow; what comes after it is held, and no more than the window of it.
#[test]
fn a_slow_head_holds_the_input_at_the_window() {
    scene(|| {
        let pool = warm(2);
        let scratch = Scratch::new();
        let gate = scratch.at("gate");
        let taken = AtomicU64::new(0);
        let items = counted(&taken).map(|x| (x, gate.clone()));
        let task = |(x, gate): (u64, String)| {
            if x == 0 {
                until("the gate is open", || std::path::Path::new(&gate).exists());
            }
            x
        };
        let opener = {
            let gate = gate.clone();
            std::thread::spawn(move || {
                std::thread::sleep(Duration::from_millis(300));
                std::fs::write(gate, "").expect("a gate");
            })
        };
        let mut it = pool.call(task).buffer_size(4).imap(items);
        assert_eq!(it.next().expect("endless").expect("a number"), 0);
        assert!(
            taken.load(Ordering::Relaxed) <= 4,
            "{}",
            taken.load(Ordering::Relaxed)
        );
        opener.join().expect("an opener");
        for x in 1..20 {
            assert_eq!(it.next().expect("endless").expect("a number"), x);
            assert!(taken.load(Ordering::Relaxed) <= x + 4);
        }
        drop(it);
        finish(pool);
    });
}

/// A slow item holds nothing up when outcomes come as they complete.
#[test]
fn unordered_outcomes_pass_a_slow_one() {
    scene(|| {
        let pool = warm(2);
        let scratch = Scratch::new();
        let gate = scratch.at("gate");
        let items = (0..100u64).map(|x| (x, gate.clone()));
        let task = |(x, gate): (u64, String)| {
            if x == 0 {
                until("the gate is open", || std::path::Path::new(&gate).exists());
            }
            x
        };
        let mut it = pool
            .call(task)
            .chunk_size(1)
            .buffer_size(8)
            .imap_unordered(items);
        let mut others: Vec<u64> = it.by_ref().take(99).map(|r| r.expect("a number")).collect();
        others.sort_unstable();
        assert_eq!(others, (1..100).collect::<Vec<u64>>());
        std::fs::write(&gate, "").expect("a gate");
        assert_eq!(it.next().expect("the slow one").expect("a number"), 0);
        assert!(it.next().is_none());
        finish(pool);
    });
}

/// The outcomes of a chunk come one by one: each gate is opened only once the outcome before it is there.
#[test]
fn outcomes_do_not_wait_for_the_rest_of_their_chunk() {
    scene(|| {
        let pool = warm(1);
        let wait = |gate: String| {
            until("the gate is open", || {
                gate.is_empty() || std::path::Path::new(&gate).exists()
            });
        };
        let open = |gate: String| std::fs::write(gate, "").expect("a gate");
        for unordered in [false, true] {
            let scratch = Scratch::new();
            let gates = ["".into(), "".into(), scratch.at("2"), scratch.at("3")];
            let call = pool.call(wait).chunk_size(4);
            let mut it: Box<dyn Iterator<Item = _>> = if unordered {
                Box::new(call.imap_unordered(gates.clone()))
            } else {
                Box::new(call.imap(gates.clone()))
            };
            let mut next = || it.next().expect("four").expect("an open gate");
            next();
            next();
            let [_, _, third, fourth] = gates;
            open(third);
            next();
            open(fourth);
            next();
        }
        finish(pool);
    });
}

/// FAULTS 104, LZ01: what has not begun is cancelled, and nothing is waited for.
#[test]
fn dropping_an_imap_cancels_the_rest_and_waits_for_nothing() {
    scene(|| {
        let pool = warm(2);
        let scratch = Scratch::new();
        let note = |(x, directory): (u64, String)| {
            std::fs::write(format!("{directory}/{x}"), "").expect("a note");
            nap(300)
        };
        let items = (0..).map(|x| (x, scratch.text()));
        let mut it = pool.call(note).buffer_size(50).imap(items);
        it.next().expect("endless").expect("a nap");
        let begun = Instant::now();
        drop(it);
        assert!(
            begun.elapsed() < Duration::from_millis(250),
            "{:?}",
            begun.elapsed()
        );
        assert_usable(&pool);
        until("what had begun has ended", || {
            let stats = pool.stats();
            (stats.queued, stats.running) == (0, 0)
        });
        assert!(scratch.count() <= 8, "{} were begun", scratch.count());
        finish(pool);
    });
}

/// An imap never asked does nothing.
#[test]
fn an_imap_that_is_never_asked_reads_and_runs_nothing() {
    scene(|| {
        let pool = warm(1);
        let taken = AtomicU64::new(0);
        let done = pool.stats().done;
        drop(pool.imap(same, counted(&taken)));
        assert_eq!(
            (taken.load(Ordering::Relaxed), pool.stats().done),
            (0, done)
        );
        finish(pool);
    });
}

/// LZ08: a pool with a limit is filled by lazy maps no further than by others.
#[test]
fn a_full_pool_makes_an_imap_wait_for_room() {
    scene(|| {
        for limit in [1, 3, 50] {
            let pool = Pool::builder()
                .workers(2)
                .max_queued(limit)
                .build()
                .expect("a pool");
            for buffer in [1, 2, 200] {
                let mut it = pool.call(same).buffer_size(buffer).imap(0..1_000);
                let got: Result<Vec<u64>, _> = it.by_ref().collect();
                assert_eq!(got.expect("numbers"), (0..1_000).collect::<Vec<u64>>());
            }
            assert_eq!(pool.imap_unordered(same, 0..1_000).flatten().count(), 1_000);
            finish(pool);
        }
    });
}

fn resident_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("a status");
    let line = status
        .lines()
        .find(|line| line.starts_with("VmRSS"))
        .expect("a size");
    line.split_whitespace()
        .nth(1)
        .and_then(|n| n.parse().ok())
        .expect("a number")
}

/// Memory follows the window, not the input: 400 MB of items pass.
#[test]
fn an_endless_input_of_large_items_takes_no_memory() {
    scene(|| {
        let pool = warm(2);
        let items = (0..).map(|x: u64| (x, procession::Bytes::from(vec![1; 20_000])));
        let mut it = pool.imap(
            |(x, bytes): (u64, procession::Bytes)| x + bytes.len() as u64,
            items,
        );
        for x in 0..1_000 {
            assert_eq!(it.next().expect("endless").expect("a sum"), x + 20_000);
        }
        let before = resident_kib();
        for x in 1_000..20_000 {
            assert_eq!(it.next().expect("endless").expect("a sum"), x + 20_000);
        }
        let grown = resident_kib().saturating_sub(before);
        assert!(grown < 64 * 1024, "grown by {grown} KiB");
        drop(it);
        finish(pool);
    });
}

/// A slow consumer finds its window done: the workers go on between two of its looks.
#[test]
fn workers_go_on_while_the_consumer_is_busy() {
    scene(|| {
        let pool = warm(2);
        let mut it = pool
            .call(nap)
            .chunk_size(1)
            .buffer_size(8)
            .imap((0..64).map(|_| 20));
        it.next().expect("many").expect("a nap");
        let done = pool.stats().done;
        until("the window is done", || pool.stats().done >= done + 6);
        let begun = Instant::now();
        for _ in 0..3 {
            it.next().expect("many").expect("a nap");
        }
        assert!(begun.elapsed() < LONG);
        drop(it);
        finish(pool);
    });
}
