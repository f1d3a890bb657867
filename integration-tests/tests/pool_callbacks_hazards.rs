//! What callbacks may do to their pool: panic, submit, wait, close, terminate, drop. Nothing of it hangs.

use std::sync::{Arc, mpsc};
use std::time::Duration;

use procession::{Pool, TaskError, TaskErrorKind};
use procession_integration_tests::pool_scene::{LONG, assert_usable, finish, scene, warm};

procession::init_before_main!();

fn inc(n: u32) -> u32 {
    n + 1
}

/// PO27, FAULTS 85
#[test]
fn a_callback_that_panics_hurts_nobody() {
    scene(|| {
        let pool = warm(2);
        let handles: Vec<_> = (0..10)
            .map(|n| {
                pool.call(inc)
                    .on_complete(|_| panic!("a callback panics, as the test wants"))
                    .apply_async((n,))
            })
            .collect();
        for (n, handle) in (0..).zip(handles) {
            assert_eq!(handle.get().unwrap(), n + 1);
        }
        assert_usable(&pool);
        pool.close();
        pool.join().unwrap();
        assert_eq!(pool.stats().callback_panics, 10);
    });
}

/// FAULTS 85: even a payload whose drop panics.
#[test]
fn a_panic_payload_that_panics_is_survived() {
    struct Spiteful;
    impl Drop for Spiteful {
        fn drop(&mut self) {
            panic!("so does its payload");
        }
    }
    scene(|| {
        let pool = warm(1);
        let spite = |_: &Result<u32, TaskError>| std::panic::panic_any(Spiteful);
        drop(pool.call(inc).on_complete(spite).apply_async((1,)));
        let (tell, told) = mpsc::channel();
        let call = pool.call(inc).on_complete(move |_| tell.send(()).unwrap());
        assert_eq!(call.apply((1,)).unwrap(), 2);
        told.recv_timeout(LONG).unwrap();
        finish(pool);
    });
}

/// PO28, FAULTS 86: also from a callback of an error.
#[test]
fn a_callback_submits_and_waits() {
    scene(|| {
        let pool = Arc::new(warm(1));
        let (tell, told) = mpsc::channel();
        let (inner, fail) = (Arc::clone(&pool), |_: u32| -> u32 { panic!("no") });
        let call = pool.call(fail).on_complete(move |r| {
            assert!(r.is_err());
            let again = inner.apply(inc, (1,)).unwrap();
            let tell = tell.clone();
            let last = inner
                .call(inc)
                .on_complete(move |r: &Result<u32, TaskError>| {
                    tell.send(*r.as_ref().unwrap()).unwrap()
                });
            drop(last.apply_async((again,)));
        });
        drop(call.apply_async((0,)));
        assert_eq!(told.recv_timeout(LONG).unwrap(), 3);
        // Its last owner may still be the callback.
        pool.close();
        pool.join().unwrap();
    });
}

/// CR17
#[test]
fn a_callback_submits_a_task_that_crashes() {
    scene(|| {
        let pool = Arc::new(warm(2));
        let (tell, told) = mpsc::channel();
        let inner = Arc::clone(&pool);
        let call = pool.call(inc).on_complete(move |_| {
            let crash = inner.apply_async(|| -> () { std::process::abort() }, ());
            tell.send(crash.get().unwrap_err().kind()).unwrap();
        });
        assert_eq!(call.apply((1,)).unwrap(), 2);
        assert_eq!(told.recv_timeout(LONG).unwrap(), TaskErrorKind::WorkerDied);
        assert_usable(&pool);
        pool.close();
        pool.join().unwrap();
    });
}

/// PO28: nothing after it is lost either.
#[test]
fn a_callback_closes_its_pool() {
    scene(|| {
        let pool = Arc::new(warm(1));
        let inner = Arc::clone(&pool);
        let (tell, told) = mpsc::channel();
        drop(
            pool.call(inc)
                .on_complete(move |_| inner.close())
                .apply_async((1,)),
        );
        let mut last = 0;
        for n in 0.. {
            let tell = tell.clone();
            let call = pool
                .call(inc)
                .on_complete(move |r: &Result<u32, TaskError>| tell.send(r.is_ok()).unwrap());
            if call.apply((n,)).is_err() {
                last = n;
                break;
            }
        }
        pool.join().unwrap();
        let told: Vec<bool> = told.try_iter().collect();
        assert_eq!(told.len() as u32, last + 1);
        assert_eq!(told.iter().filter(|ok| !**ok).count(), 1);
    });
}

/// PO28
#[test]
fn a_callback_terminates_its_pool() {
    scene(|| {
        let pool = Arc::new(warm(2));
        let inner = Arc::clone(&pool);
        let endless = pool.apply_async(std::thread::sleep, (Duration::from_secs(3600),));
        drop(
            pool.call(inc)
                .on_complete(move |_| inner.terminate())
                .apply_async((1,)),
        );
        assert_eq!(endless.get().unwrap_err().kind(), TaskErrorKind::Terminated);
        pool.join().unwrap();
    });
}

/// FAULTS 87
#[test]
fn joining_from_a_callback_is_an_error() {
    scene(|| {
        let pool = Arc::new(warm(1));
        let inner = Arc::clone(&pool);
        let (tell, told) = mpsc::channel();
        let call = pool.call(inc).on_complete(move |_| {
            inner.close();
            tell.send(inner.join()).unwrap();
            tell.send(inner.join_timeout(LONG).map(drop)).unwrap();
        });
        drop(call.apply_async((1,)));
        for _ in 0..2 {
            let error = told.recv_timeout(LONG).unwrap().unwrap_err();
            assert!(error.is_would_deadlock() && !error.is_closed(), "{error}");
            assert!(error.to_string().contains("from its own callback"));
        }
        pool.join().unwrap();
    });
}

/// FAULTS 87: the last owner of a pool may be its callback.
#[test]
fn a_callback_drops_its_pool() {
    scene(|| {
        for _ in 0..5 {
            let pool = Arc::new(warm(1));
            let mut inner = Some(Arc::clone(&pool));
            let (tell, told) = mpsc::channel();
            let (go, wait) = mpsc::channel::<()>();
            let call = pool.call(inc).on_complete(move |_| {
                wait.recv_timeout(LONG).unwrap();
                drop(inner.take());
                tell.send(()).unwrap();
            });
            drop(call.apply_async((1,)));
            drop(pool);
            go.send(()).unwrap();
            told.recv_timeout(LONG).unwrap();
        }
    });
}

/// D17: a handle that outlives its pool still calls back, and leaves no thread.
#[test]
fn a_handle_calls_back_after_its_pool_is_gone() {
    scene(|| {
        let pool = warm(1);
        let handle = pool.apply_async(inc, (1,));
        handle.wait();
        drop(pool);
        let (tell, told) = mpsc::channel();
        handle.on_complete(move |r| tell.send(r.clone()).unwrap());
        assert_eq!(told.recv_timeout(LONG).unwrap().unwrap(), 2);
        assert_eq!(handle.get().unwrap(), 2);
    });
}

/// FAULTS 83: a callback that blocks holds up neither workers nor waiters, and `join_timeout` says so.
#[test]
fn a_callback_that_blocks_holds_up_only_callbacks() {
    scene(|| {
        let pool: Pool = warm(1);
        let (go, wait) = mpsc::channel::<()>();
        let call = pool
            .call(inc)
            .on_complete(move |_| wait.recv_timeout(LONG).unwrap());
        drop(call.apply_async((1,)));
        assert_usable(&pool);
        pool.close();
        assert!(!pool.join_timeout(Duration::from_millis(200)).unwrap());
        go.send(()).unwrap();
        pool.join().unwrap();
    });
}
