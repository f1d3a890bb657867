//! Priorities with real workers: who begins first, and that nobody waits for ever.

use procession::{AsyncResult, Pool, TaskErrorKind};
use procession_integration_tests::pool_scene::{
    LONG, Scratch, assert_usable, error_of, finish, murder, own_pid, scene, until, warm,
};

procession::init_before_main!();

/// Runs until there is a file of this name.
fn wait_for(file: String) {
    until("the gate is open", || std::path::Path::new(&file).exists());
}

/// Appends its name to the list.
fn sign(list: String, name: i32) -> i32 {
    use std::io::Write;
    let mut file = std::fs::OpenOptions::new();
    let mut file = file.append(true).create(true).open(list).unwrap();
    file.write_all(format!("{name}\n").as_bytes()).unwrap();
    name
}

fn all_done(handles: Vec<AsyncResult<i32>>) {
    let done: Result<Vec<i32>, _> = handles.into_iter().map(AsyncResult::get).collect();
    done.unwrap();
}

fn signed(notes: &Scratch) -> Vec<i32> {
    let text = std::fs::read_to_string(notes.at("list")).unwrap();
    text.lines().map(|line| line.parse().unwrap()).collect()
}

/// A pool of one whose worker waits for `gate`, and the call that does.
fn gated(notes: &Scratch) -> (Pool, AsyncResult<()>) {
    let pool = warm(1);
    let gate = pool
        .call(wait_for)
        .priority(i32::MAX)
        .apply_async((notes.at("gate"),));
    until("it runs", || pool.stats().running == 1);
    (pool, gate)
}

fn open(notes: &Scratch) {
    std::fs::write(notes.at("gate"), "").unwrap();
}

/// WL34
#[test]
fn queued_call_of_a_higher_priority_begins_first() {
    scene(|| {
        let notes = Scratch::new();
        let (pool, gate) = gated(&notes);
        let handles: Vec<_> = [0, -3, 7, 0, 7, i32::MIN]
            .into_iter()
            .map(|priority| {
                let call = pool.call(sign).priority(priority);
                call.apply_async((notes.at("list"), priority))
            })
            .collect();
        open(&notes);
        gate.get().unwrap();
        all_done(handles);
        assert_eq!(signed(&notes), [7, 7, 0, 0, -3, i32::MIN]);
        finish(pool);
    });
}

/// WL34: over a thousand higher ones, all there before the first begins.
#[test]
fn lower_call_has_its_turn_among_a_thousand_higher_ones() {
    scene(|| {
        let notes = Scratch::new();
        let (pool, gate) = gated(&notes);
        let list = notes.at("list");
        let low = pool.call(sign).priority(-1).apply_async((list.clone(), -1));
        let high: Vec<_> = (0..1_000)
            .map(|n| pool.call(sign).priority(1).apply_async((list.clone(), n)))
            .collect();
        open(&notes);
        gate.get().unwrap();
        low.get().unwrap();
        all_done(high);
        let order = signed(&notes);
        let turn = order.iter().position(|name| *name == -1).unwrap();
        assert_eq!(turn, 256);
        let high: Vec<i32> = order.into_iter().filter(|name| *name >= 0).collect();
        assert_eq!(
            high,
            (0..1_000).collect::<Vec<i32>>(),
            "equal ones in their order"
        );
        finish(pool);
    });
}

/// WL34: known as short, they are on the link already; in one way or the other, they come back.
#[test]
fn call_does_not_wait_behind_what_was_sent_ahead() {
    scene(|| {
        let notes = Scratch::new();
        let pool = warm(1);
        let list = notes.at("list");
        let short = |list: String, name: i32, gate: String| {
            if !gate.is_empty() {
                wait_for(gate);
            }
            sign(list, name)
        };
        for _ in 0..50 {
            let args = (notes.at("before"), 0, String::new());
            pool.apply(short, args).unwrap();
        }
        // It turns out long, with others behind it.
        let first = pool.apply_async(short, (list.clone(), 0, notes.at("gate")));
        let lows: Vec<_> = (1..40)
            .map(|n| pool.apply_async(short, (list.clone(), n, String::new())))
            .collect();
        until("it runs", || pool.stats().running == 1);
        let high = pool.call(short).priority(1);
        let high = high.apply_async((list.clone(), 100, String::new()));
        open(&notes);
        first.get().unwrap();
        assert_eq!(high.get().unwrap(), 100);
        all_done(lows);
        assert_eq!(signed(&notes)[..3], [0, 100, 1]);
        finish(pool);
    });
}

/// Every verb has them, and the results are those of a pool without.
#[test]
fn every_verb_gives_the_same_with_priorities() {
    scene(|| {
        let pool = warm(2);
        let expected: Vec<u64> = (0..2_000).map(|n| n * 2).collect();
        let low = pool.call(|n: u64| n * 2).priority(-5);
        let high = pool.call(|n: u64| n * 2).priority(5);
        for _ in 0..3 {
            let waits = low.map_async(0..2_000);
            assert_eq!(high.map(0..2_000).unwrap(), expected);
            let lazy: Result<Vec<u64>, _> = high.imap(0..2_000).collect();
            assert_eq!(lazy.unwrap(), expected);
            let mut any: Vec<u64> = low.imap_unordered(0..2_000).map(Result::unwrap).collect();
            any.sort_unstable();
            assert_eq!(any, expected);
            assert_eq!(high.apply((4,)).unwrap(), 8);
            assert_eq!(pool.apply(|n: u64| n * 2, (5,)).unwrap(), 10);
            assert!(high.try_map(0..50).into_iter().all(|each| each.is_ok()));
            assert_eq!(waits.get().unwrap(), expected);
        }
        finish(pool);
    });
    let inline = Pool::new(0).unwrap();
    let call = inline.call(|n: u64| n + 1).priority(i32::MIN);
    assert_eq!(call.apply((1,)).unwrap(), 2);
    assert_eq!(call.map(0..3).unwrap(), [1, 2, 3]);
}

/// Workers die, calls are cancelled, sizes change, and each handle has its outcome.
#[test]
fn nothing_is_lost_while_workers_die_under_mixed_priorities() {
    scene(|| {
        let pool = warm(3);
        for round in 0..10 {
            let calls: Vec<_> = (0..300u64)
                .map(|n| {
                    let call = pool.call(|n: u64| n + 1).priority((n % 5) as i32);
                    call.apply_async((n,))
                })
                .collect();
            let map = pool.call(|n: u64| n).priority(2).map_async(0..500);
            let revoked = pool.call(|n: u64| n).priority(3).map_async(0..500);
            pool.worker_pids()
                .first()
                .copied()
                .into_iter()
                .for_each(murder);
            revoked.cancel();
            pool.resize(2 + round % 3).unwrap();
            for (n, call) in calls.into_iter().enumerate() {
                match call.get_timeout(LONG).expect("an outcome") {
                    Ok(value) => assert_eq!(value, n as u64 + 1),
                    Err(e) => drop(error_of(Err::<(), _>(e), TaskErrorKind::WorkerDied)),
                }
            }
            drop(map.get_timeout(LONG).expect("an outcome"));
            drop(revoked.get_timeout(LONG).expect("an outcome"));
        }
        assert!(!pool.worker_pids().contains(&own_pid()));
        assert_usable(&pool);
        finish(pool);
    });
}
