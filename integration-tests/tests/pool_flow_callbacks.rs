//! Callbacks that are due and have not begun take the room of a bounded pool: a slow one slows whoever submits, and
//! nobody waits for ever. Nothing here measures speed.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use procession::{Pool, TaskError, TaskErrorKind};
use procession_integration_tests::pool_scene::{
    LONG, assert_usable, error_of, finish, scene, until,
};

procession::init_before_main!();

/// Most that may wait.
const ROOM: u64 = 4;
const WORKERS: u64 = 2;

fn inc(n: u64) -> u64 {
    n + 1
}

fn bounded() -> Pool {
    let pool = Pool::builder()
        .workers(WORKERS as usize)
        .max_queued(ROOM as usize)
        .build()
        .unwrap();
    assert_usable(&pool);
    until("every worker idles", || pool.stats().idle == WORKERS);
    pool
}

type Gate = (mpsc::Sender<()>, Arc<Mutex<mpsc::Receiver<()>>>);

/// Callbacks wait at it, one message each, until its sender is dropped.
fn gate() -> Gate {
    let (go, wait) = mpsc::channel();
    (go, Arc::new(Mutex::new(wait)))
}

fn pass(gate: &Mutex<mpsc::Receiver<()>>) {
    let _ = gate.lock().unwrap().recv_timeout(LONG);
}

/// Fills a pool with calls whose callbacks wait at the gate, until it is full and every call has completed; says how many.
fn fill(pool: &Pool, wait: &Arc<Mutex<mpsc::Receiver<()>>>) -> u64 {
    let mut taken = 0;
    loop {
        let wait = Arc::clone(wait);
        let call = pool.call(inc).on_complete(move |_| pass(&wait));
        match call.try_apply_async((taken,)) {
            Ok(handle) => {
                // What is full of calls that run has room again soon.
                assert!(handle.wait_timeout(LONG));
                taken += 1;
            }
            Err(refused) => {
                assert!(refused.is_full(), "{refused}");
                return taken;
            }
        }
        assert!(taken < 1000, "it is never full");
    }
}

/// FAULTS 83: the one that runs does not count, the others do.
#[test]
fn slow_callback_makes_a_bounded_pool_full() {
    scene(|| {
        let pool = bounded();
        let (go, wait) = gate();
        let taken = fill(&pool, &wait);
        // The callbacks' thread may not have come to the first when the last was refused.
        assert!((ROOM..=ROOM + 1).contains(&taken), "{taken}");
        until("one callback runs", || pool.stats().callbacks_due < taken);
        assert_eq!(pool.stats().callbacks_due, taken - 1);
        assert_eq!(pool.stats().queued, 0);
        drop(go);
        assert!(pool.wait_for_room(LONG));
        until("all were called", || pool.stats().callbacks_due == 0);
        assert_usable(&pool);
        finish(pool);
    });
}

/// FAULTS 83: those of the items of an endless lazy map count as well, and its consumer waits until one begins.
#[test]
fn slow_callback_holds_up_a_lazy_map() {
    scene(|| {
        let pool = bounded();
        let (go, wait) = gate();
        let call = pool.call(inc).buffer_size(8);
        let mut lazy = call.on_complete(move |_| pass(&wait)).imap(0..);
        let mut next = 0;
        while let Ok(outcome) = lazy.next_timeout(Duration::from_millis(300)) {
            next += 1;
            assert_eq!(outcome.unwrap().unwrap(), next);
            // What is under way when the pool gets full is let in: the window at the most.
            assert!(pool.stats().callbacks_due <= ROOM + 8);
            assert!(next < 1_000, "it is never held up");
        }
        assert!(pool.stats().callbacks_due >= ROOM);
        drop(go);
        for n in next..next + 1_000 {
            assert_eq!(lazy.next().unwrap().unwrap(), n + 1);
        }
        drop(lazy);
        until("all were called", || pool.stats().callbacks_due == 0);
        assert_usable(&pool);
        finish(pool);
    });
}

/// FAULTS 83: however long it goes on, what is due is bounded, and everything is called.
#[test]
fn due_callbacks_are_bounded_however_slow_they_are() {
    scene(|| {
        let pool = bounded();
        let (called, over) = (Arc::new(AtomicU64::new(0)), AtomicBool::new(false));
        let (submitters, each) = (3, 300);
        std::thread::scope(|threads| {
            let looker = threads.spawn(|| {
                let mut most = 0;
                while !over.load(Ordering::Relaxed) {
                    most = most.max(pool.stats().callbacks_due);
                    std::thread::yield_now();
                }
                most
            });
            let submit = || {
                for n in 0..each {
                    let called = Arc::clone(&called);
                    let slow = move |r: &Result<u64, TaskError>| {
                        assert_eq!(r.as_ref().ok(), Some(&(n + 1)));
                        if n % 10 == 0 {
                            std::thread::sleep(Duration::from_millis(2));
                        }
                        called.fetch_add(1, Ordering::SeqCst);
                    };
                    drop(pool.call(inc).on_complete(slow).apply_async((n,)));
                }
            };
            let all: Vec<_> = (0..submitters).map(|_| threads.spawn(submit)).collect();
            for submitter in all {
                submitter.join().unwrap();
            }
            over.store(true, Ordering::Relaxed);
            // What waited is due later, and so is what ran, and what was done before its callback was hung on it.
            let most = looker.join().unwrap();
            assert!(most <= ROOM + WORKERS + submitters, "{most}");
        });
        pool.close();
        pool.join().unwrap();
        assert_eq!(called.load(Ordering::SeqCst), submitters * each);
        assert_eq!(pool.stats().callback_panics, 0);
    });
}

/// FAULTS 83: who blocks is let in by the callback that begins, although no worker moves.
#[test]
fn submission_waits_for_a_callback_to_begin() {
    scene(|| {
        let pool = bounded();
        let (go, wait) = gate();
        let taken = fill(&pool, &wait);
        until("one callback runs", || pool.stats().callbacks_due < taken);
        // Whatever the one that runs has left.
        let more = fill(&pool, &wait);
        assert_eq!(taken + more, ROOM + 1);
        assert!(!pool.wait_for_room(Duration::from_millis(50)));
        let returned = AtomicBool::new(false);
        std::thread::scope(|threads| {
            let plain = threads.spawn(|| {
                let outcome = pool.apply(inc, (1,));
                returned.store(true, Ordering::SeqCst);
                outcome
            });
            let mapped = threads.spawn(|| pool.map(inc, 0..100));
            std::thread::sleep(Duration::from_millis(100));
            assert!(!returned.load(Ordering::SeqCst), "it did not block");
            go.send(()).unwrap();
            assert_eq!(plain.join().unwrap().unwrap(), 2);
            // A portion of a map needs half of the room.
            go.send(()).unwrap();
            assert_eq!(mapped.join().unwrap().unwrap().len(), 100);
        });
        assert_eq!(pool.stats().callbacks_due, ROOM - 2);
        drop(go);
        finish(pool);
    });
}

/// FAULTS 83, 86: callbacks that submit are let in, and so are those of what they submit.
#[test]
fn callbacks_that_submit_to_a_pool_full_of_callbacks_end() {
    scene(|| {
        fn chain(pool: &Arc<Pool>, depth: u64, told: &mpsc::Sender<bool>) {
            let (inner, told) = (Arc::clone(pool), told.clone());
            let next = move |_: &Result<u64, TaskError>| {
                told.send(inner.wait_for_room(LONG)).unwrap();
                if depth > 0 {
                    assert_eq!(inner.apply(inc, (1,)).unwrap(), 2);
                    assert_eq!(inner.map(inc, 0..50).unwrap().len(), 50);
                    chain(&inner, depth - 1, &told);
                    chain(&inner, depth - 1, &told);
                }
            };
            drop(pool.call(inc).on_complete(next).apply_async((0,)));
        }
        let pool = Arc::new(bounded());
        let (tell, told) = mpsc::channel();
        for _ in 0..10 {
            chain(&pool, 3, &tell);
        }
        drop(tell);
        let all = (0..10 * 15).map(|_| told.recv_timeout(LONG).unwrap());
        assert!(all.into_iter().all(|room| room), "a callback never waits");
        pool.close();
        pool.join().unwrap();
    });
}

/// FAULTS 83, D30: the end of a pool wakes who waits for callbacks.
#[test]
fn closing_and_terminating_wake_who_waits_for_callbacks() {
    scene(|| {
        for terminate in [false, true] {
            let pool = bounded();
            let (go, wait) = gate();
            let taken = fill(&pool, &wait);
            until("one callback runs", || pool.stats().callbacks_due < taken);
            fill(&pool, &wait);
            std::thread::scope(|threads| {
                let blocked = threads.spawn(|| pool.apply(inc, (1,)));
                let room = threads.spawn(|| pool.wait_for_room(LONG));
                std::thread::sleep(Duration::from_millis(50));
                assert!(!blocked.is_finished() && !room.is_finished());
                match terminate {
                    true => pool.terminate(),
                    false => pool.close(),
                }
                error_of(blocked.join().unwrap(), TaskErrorKind::Closed);
                assert!(!room.join().unwrap());
            });
            assert!(!pool.join_timeout(Duration::from_millis(50)).unwrap());
            drop(go);
            pool.join().unwrap();
        }
    });
}

/// FAULTS 83, 85: a callback that panics makes room like any other.
#[test]
fn callbacks_that_panic_make_room() {
    scene(|| {
        let pool = bounded();
        for n in 0..50 {
            let call = pool
                .call(inc)
                .on_complete(|_| panic!("a callback panics, as the test wants"));
            drop(call.apply_async((n,)));
        }
        pool.close();
        pool.join().unwrap();
        let stats = pool.stats();
        assert_eq!((stats.callback_panics, stats.callbacks_due), (50, 0));
    });
}

/// FAULTS 83: so does what has failed and waits to be judged or tried again, which is memory too.
#[test]
fn items_that_wait_to_be_tried_again_take_room() {
    scene(|| {
        let pool = bounded();
        let (go, wait) = gate();
        let fails = |_: u64| -> u64 { panic!("as the test wants") };
        let judged = pool.call(fails).retries(1).retry_if(move |_| {
            pass(&wait);
            false
        });
        let later = pool
            .call(fails)
            .retries(1)
            .retry_delay(Duration::from_secs(3600));
        for call in [&judged, &later] {
            let mut taken = Vec::new();
            // Those that run make room until they have failed.
            until("it is full of failures", || {
                let stats = pool.stats();
                let failed = (stats.running, stats.queued) == (0, taken.len() as u64);
                match call.try_apply_async((0,)) {
                    Ok(handle) => taken.push(handle),
                    Err(full) => return full.is_full() && failed,
                }
                assert!(taken.len() <= (ROOM + WORKERS) as usize, "{stats:?}");
                false
            });
            if std::ptr::eq(call, &judged) {
                taken.iter().for_each(|_| go.send(()).unwrap());
            } else {
                assert_eq!(pool.cancel_all(), taken.len());
            }
            assert!(pool.wait_for_room(LONG));
            for handle in taken {
                assert!(handle.get().is_err());
            }
            assert_usable(&pool);
        }
        drop((judged, later));
        finish(pool);
    });
}

/// FAULTS 83: without a bound nobody waits for callbacks.
#[test]
fn without_a_bound_callbacks_hold_nobody_up() {
    scene(|| {
        let pool = Pool::new(1).unwrap();
        let (go, wait) = gate();
        let handles: Vec<_> = (0..200)
            .map(|n| {
                let wait = Arc::clone(&wait);
                let call = pool.call(inc).on_complete(move |_| pass(&wait));
                call.try_apply_async((n,)).unwrap()
            })
            .collect();
        assert!(procession::wait_all(&handles, Some(LONG)));
        until("all but one are due", || pool.stats().callbacks_due == 199);
        assert!(pool.wait_for_room(Duration::ZERO));
        drop(go);
        finish(pool);
    });
}
