//! A bound on what waits: who blocks, who is told, who is let in. Nothing here measures speed.

use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, mpsc};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use procession::{AsyncResult, Pool, TaskError, TaskErrorKind};
use procession_integration_tests::pool_scene::{
    LONG, Scratch, assert_usable, error_of, finish, scene, until,
};

procession::init_before_main!();

/// In a task: returns once the file is there.
fn wait_for(file: String) -> u32 {
    until("the file is there", || std::path::Path::new(&file).exists());
    7
}

fn inc(n: u32) -> u32 {
    n + 1
}

/// A pool of booted workers in which `items` may wait.
fn bounded(workers: usize, items: usize) -> Pool {
    let pool = Pool::builder()
        .workers(workers)
        .max_queued(items)
        .build()
        .unwrap();
    assert_usable(&pool);
    until("every worker idles", || pool.stats().idle == workers as u64);
    pool
}

/// Fills a pool of one worker: one call runs, `items` wait for the file.
fn filled(pool: &Pool, file: &str, items: usize) -> Vec<AsyncResult<u32>> {
    let taken = (0..=items).map(|_| {
        pool.try_apply_async(wait_for, (file.to_string(),))
            .expect("room")
    });
    taken.collect()
}

/// LZ08
#[test]
fn one_more_than_may_wait_is_handed_back() {
    scene(|| {
        let pool = bounded(1, 3);
        let scratch = Scratch::new();
        let taken = filled(&pool, &scratch.at("go"), 3);
        let refused = pool
            .try_apply_async(|s: String| s.len(), ("mine".to_string(),))
            .unwrap_err();
        assert!(refused.is_full() && !refused.is_closed());
        assert!(refused.to_string().contains("no room"), "{refused}");
        let (mine,) = refused.into_args();
        assert_eq!(mine, "mine");
        assert!(!pool.wait_for_room(Duration::from_millis(50)));
        std::fs::write(scratch.at("go"), "").unwrap();
        assert!(pool.wait_for_room(LONG));
        let later = pool.try_apply_async(|s: String| s.len(), (mine,)).unwrap();
        assert_eq!(later.get().unwrap(), 4);
        for handle in taken {
            assert_eq!(handle.get().unwrap(), 7);
        }
        finish(pool);
    });
}

/// LZ08: a submission blocks, and returns after one slot has become free.
#[test]
fn a_blocked_submission_returns_when_one_slot_is_free() {
    scene(|| {
        let pool = bounded(1, 1);
        let scratch = Scratch::new();
        let first = pool.apply_async(wait_for, (scratch.at("first"),));
        let second = pool.apply_async(wait_for, (scratch.at("second"),));
        let returned = AtomicBool::new(false);
        std::thread::scope(|threads| {
            let third = threads.spawn(|| {
                let handle = pool.apply_async(wait_for, (scratch.at("third"),));
                returned.store(true, Ordering::SeqCst);
                handle
            });
            std::thread::sleep(Duration::from_millis(100));
            assert!(!returned.load(Ordering::SeqCst), "it did not block");
            std::fs::write(scratch.at("first"), "").unwrap();
            // The second runs now and has not ended: its slot is what the third got.
            let third = third.join().unwrap();
            assert!(!second.ready());
            for name in ["second", "third"] {
                std::fs::write(scratch.at(name), "").unwrap();
            }
            assert_eq!(third.get().unwrap(), 7);
        });
        assert_eq!(first.get().unwrap() + second.get().unwrap(), 14);
        finish(pool);
    });
}

/// D30: close and terminate wake every submission that blocks, and it says so.
#[test]
fn closing_and_terminating_wake_who_blocks() {
    scene(|| {
        for terminate in [false, true] {
            let pool = bounded(1, 1);
            let scratch = Scratch::new();
            let taken = filled(&pool, &scratch.at("go"), 1);
            let (asking, waiting) = (AtomicU32::new(0), Duration::from_millis(50));
            std::thread::scope(|threads| {
                let blocked: Vec<_> = (0..4)
                    .map(|_| {
                        threads.spawn(|| {
                            asking.fetch_add(1, Ordering::SeqCst);
                            pool.apply(inc, (1,))
                        })
                    })
                    .collect();
                let room = threads.spawn(|| pool.wait_for_room(LONG));
                until("all ask", || asking.load(Ordering::SeqCst) == 4);
                std::thread::sleep(waiting);
                match terminate {
                    true => pool.terminate(),
                    false => pool.close(),
                }
                for outcome in blocked {
                    error_of(outcome.join().unwrap(), TaskErrorKind::Closed);
                }
                assert!(!room.join().unwrap());
            });
            std::fs::write(scratch.at("go"), "").unwrap();
            let ended = taken.into_iter().map(|handle| handle.get().is_ok());
            assert!(ended.into_iter().all(|ok| ok != terminate));
            let refused = pool.try_apply_async(inc, (41,)).unwrap_err();
            assert!(refused.is_closed());
            assert_eq!(refused.into_args(), (41,));
            pool.join().unwrap();
        }
    });
}

/// D30: no wake-up is lost however many submit.
#[test]
fn many_submitters_share_little_room() {
    scene(|| {
        let pool = bounded(2, 3);
        let over = AtomicBool::new(false);
        std::thread::scope(|threads| {
            let looker = threads.spawn(|| {
                let mut most = 0;
                while !over.load(Ordering::Relaxed) {
                    most = most.max(pool.stats().queued);
                    std::thread::sleep(Duration::from_millis(1));
                }
                most
            });
            let submitters: Vec<_> = (0..6u32)
                .map(|thread| {
                    let pool = &pool;
                    threads.spawn(move || {
                        for round in 0..300 {
                            let n = thread * 1000 + round;
                            match round % 4 {
                                0 => assert_eq!(pool.apply(inc, (n,)).unwrap(), n + 1),
                                1 => drop(pool.apply_async(inc, (n,))),
                                2 => match pool.try_apply_async(inc, (n,)) {
                                    Ok(handle) => assert_eq!(handle.get().unwrap(), n + 1),
                                    Err(full) => assert_eq!(full.into_args(), (n,)),
                                },
                                _ => assert!(pool.wait_for_room(LONG)),
                            }
                        }
                    })
                })
                .collect();
            for submitter in submitters {
                submitter.join().unwrap();
            }
            over.store(true, Ordering::Relaxed);
            // What a worker has and has not begun counts as waiting in the stats, one for each worker.
            assert!(looker.join().unwrap() <= 3 + 2);
        });
        finish(pool);
    });
}

/// D30: a map is read no faster than there is room.
#[test]
fn a_map_waits_for_room_while_it_reads() {
    scene(|| {
        let pool = bounded(1, 10);
        let scratch = Scratch::new();
        let (read, file) = (AtomicU32::new(0), scratch.at("go"));
        std::thread::scope(|threads| {
            let mapping = threads.spawn(|| {
                let items = (0..1000u32).map(|n| {
                    read.fetch_add(1, Ordering::SeqCst);
                    (n, file.clone())
                });
                pool.starmap(|n: u32, file: String| wait_for(file) + n, items)
            });
            until("it reads", || read.load(Ordering::SeqCst) > 5);
            std::thread::sleep(Duration::from_millis(50));
            // One runs, ten wait, and a portion of five has been read and is to be handed in.
            assert!(read.load(Ordering::SeqCst) <= 1 + 10 + 5);
            std::fs::write(&file, "").unwrap();
            let expected: Vec<u32> = (7..1007).collect();
            assert_eq!(mapping.join().unwrap().unwrap(), expected);
        });
        assert_eq!(pool.map(inc, 0..1000).unwrap().len(), 1000);
        finish(pool);
    });
}

/// FAULTS 83, 86: a callback is let in, whatever waits.
#[test]
fn a_callback_submits_to_a_full_pool() {
    scene(|| {
        let pool = Arc::new(bounded(1, 1));
        let scratch = Scratch::new();
        let (tell, told) = mpsc::channel();
        let inner = Arc::clone(&pool);
        let first = pool
            .call(wait_for)
            .on_complete(move |_: &Result<u32, TaskError>| {
                let many: Vec<_> = (0..20).map(|n| inner.apply_async(inc, (n,))).collect();
                let tried = inner.try_apply_async(inc, (20,)).is_ok();
                let sum: u32 = many.into_iter().map(|handle| handle.get().unwrap()).sum();
                tell.send((sum, tried)).unwrap();
            });
        drop(first.apply_async((scratch.at("go"),)));
        let second = pool.apply_async(|| std::thread::sleep(Duration::from_millis(100)), ());
        std::fs::write(scratch.at("go"), "").unwrap();
        assert_eq!(told.recv_timeout(LONG).unwrap(), (210, true));
        second.get().unwrap();
        pool.close();
        pool.join().unwrap();
    });
}

/// FAULTS 83, 86: nor does a callback wait for room, which there would never be.
#[test]
fn a_callback_has_room_in_a_full_pool() {
    scene(|| {
        let pool = Arc::new(bounded(1, 1));
        let scratch = Scratch::new();
        let go = scratch.at("go");
        let (tell, told) = mpsc::channel();
        let inner = Arc::clone(&pool);
        let first = pool.call(inc).on_complete(move |_: &Result<u32, _>| {
            // All that can make room waits for this callback.
            assert!(inner.try_apply_async(wait_for, (go.clone(),)).is_ok());
            assert!(inner.try_apply_async(wait_for, (go.clone(),)).is_ok());
            let waited = inner.wait_for_room(Duration::MAX);
            let timed = inner.wait_for_room(Duration::ZERO);
            let mut context = Context::from_waker(Waker::noop());
            let polled = pin!(inner.room()).poll(&mut context);
            std::fs::write(&go, "").unwrap();
            inner.close();
            let closed = inner.wait_for_room(Duration::MAX);
            let polled_closed = pin!(inner.room()).poll(&mut context);
            let all = (waited, timed, polled, closed, polled_closed);
            tell.send(all).unwrap();
        });
        drop(first.apply_async((1,)));
        let (yes, no) = (Poll::Ready(true), Poll::Ready(false));
        let said = told.recv_timeout(LONG / 2);
        assert_eq!(said, Ok((true, true, yes, false, no)));
        pool.join().unwrap();
    });
}

/// What a refusal says, besides that it is one.
#[test]
fn a_refusal_says_why() {
    scene(|| {
        let pool = bounded(1, 1);
        let scratch = Scratch::new();
        let taken = filled(&pool, &scratch.at("go"), 1);
        let full = pool.try_apply_async(inc, (1,)).unwrap_err();
        assert!(full.kind().is_none() && full.error().is_none());
        std::fs::write(scratch.at("go"), "").unwrap();
        assert!(taken.into_iter().all(|handle| handle.get().is_ok()));
        finish(pool);

        let refusal_of = |pool: &Pool| {
            let refused = pool.try_apply_async(inc, (1,)).unwrap_err();
            let error = refused.error().expect("no lack of room").clone();
            assert_eq!(refused.kind(), Some(error.kind()));
            assert_eq!(refused.to_string(), error.to_string());
            (error.kind(), error.to_string())
        };
        for workers in [0, 1] {
            for terminates in [false, true] {
                let pool = Pool::new(workers).unwrap();
                if terminates {
                    pool.terminate();
                } else {
                    pool.close();
                }
                let (kind, text) = refusal_of(&pool);
                assert_eq!(kind, TaskErrorKind::Closed);
                let said = text.contains("the pool was terminated");
                assert_eq!(said, terminates, "{text}");
                pool.join().unwrap();
            }
        }
        let fails = || -> () { panic!("no worker becomes ready, as the test wants") };
        let pool = Pool::builder().workers(1).initializer(fails, ()).build();
        let pool = pool.unwrap();
        error_of(pool.apply(inc, (1,)), TaskErrorKind::Broken);
        let (kind, text) = refusal_of(&pool);
        assert_eq!(kind, TaskErrorKind::Broken);
        assert!(text.contains("as the test wants"), "{text}");
        pool.terminate();
        pool.join().unwrap();
    });
}

/// D30: deaths make room like any other end.
#[test]
fn deaths_make_room() {
    scene(|| {
        let pool = bounded(2, 2);
        let begun = Instant::now();
        let handles: Vec<_> = (0..12u32)
            .map(|n| {
                let die = |n: u32| {
                    if n.is_multiple_of(2) {
                        std::process::exit(1)
                    } else {
                        n
                    }
                };
                pool.apply_async(die, (n,))
            })
            .collect();
        for (n, handle) in (0..).zip(handles) {
            match u32::is_multiple_of(n, 2) {
                true => drop(error_of(handle.get(), TaskErrorKind::WorkerDied)),
                false => assert_eq!(handle.get().unwrap(), n),
            }
        }
        assert!(begun.elapsed() < LONG);
        finish(pool);
    });
}

/// D14, D30: a cancelled call leaves its room to whoever blocks.
#[test]
fn cancelling_makes_room() {
    scene(|| {
        let pool = bounded(1, 1);
        let scratch = Scratch::new();
        let mut taken = filled(&pool, &scratch.at("go"), 1);
        std::thread::scope(|threads| {
            let blocked = threads.spawn(|| pool.apply_async(inc, (1,)));
            std::thread::sleep(Duration::from_millis(50));
            assert!(!blocked.is_finished());
            let waiting = taken.pop().unwrap();
            assert!(waiting.cancel());
            let let_in = blocked.join().unwrap();
            assert!(!taken[0].ready(), "the first still runs");
            std::fs::write(scratch.at("go"), "").unwrap();
            assert_eq!(let_in.get().unwrap(), 2);
        });
        assert_eq!(taken.pop().unwrap().get().unwrap(), 7);
        finish(pool);
    });
}

/// D30: a pool that breaks lets go of who blocks.
#[test]
fn a_pool_that_breaks_wakes_who_blocks() {
    scene(|| {
        let fails = || -> () { panic!("no worker becomes ready, as the test wants") };
        let pool = Pool::builder()
            .workers(1)
            .max_queued(1)
            .initializer(fails, ())
            .build()
            .unwrap();
        for n in 0..3 {
            error_of(pool.apply(inc, (n,)), TaskErrorKind::Broken);
        }
        assert!(!pool.wait_for_room(LONG));
        assert!(pool.try_apply_async(inc, (1,)).unwrap_err().is_closed());
        pool.terminate();
        pool.join().unwrap();
    });
}

/// D30: without a bound, and inline, nothing is full.
#[test]
fn without_a_bound_nothing_is_full() {
    scene(|| {
        assert!(Pool::builder().workers(1).max_queued(0).build().is_err());
        let inline = Pool::builder().workers(0).max_queued(1).build().unwrap();
        let free = Pool::new(1).unwrap();
        for pool in [&inline, &free] {
            let handles: Vec<_> = (0..50)
                .map(|n| pool.try_apply_async(inc, (n,)).unwrap())
                .collect();
            assert_eq!(
                handles.into_iter().map(|h| h.get().unwrap()).sum::<u32>(),
                1275
            );
            assert!(pool.wait_for_room(Duration::ZERO));
            pool.close();
            assert!(!pool.wait_for_room(LONG));
            assert!(pool.try_apply_async(inc, (1,)).unwrap_err().is_closed());
            pool.join().unwrap();
        }
    });
}
