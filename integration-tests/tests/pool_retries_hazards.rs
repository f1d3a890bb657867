//! Retries against user code that misbehaves, and against everything that may end a call meanwhile.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use procession::{AsyncResult, Pool, TaskErrorKind};
use procession_integration_tests::pool_scene::{
    LONG, assert_usable, error_of, finish, scene, warm,
};

procession::init_before_main!();

fn fails() {
    panic!("always");
}

/// `PROCESSION_LONG=10000` for the whole case.
fn rounds() -> u64 {
    std::env::var("PROCESSION_LONG")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(150)
}

/// FAULTS 85, of a predicate
#[test]
fn predicate_that_panics_refuses_and_is_counted() {
    scene(|| {
        let pool = warm(1);
        let call = pool
            .call(fails)
            .retries(5)
            .retry_if(|_| panic!("no opinion"));
        let error = error_of(call.apply(()), TaskErrorKind::Panicked);
        assert_eq!(error.attempts(), 1);
        assert_eq!(error.panic().unwrap().message(), "always");
        assert_usable(&pool);
        pool.close();
        pool.join().unwrap();
        assert_eq!(pool.stats().callback_panics, 1);
    });
}

/// FAULTS 86, of a predicate
#[test]
fn predicate_may_use_the_pool() {
    scene(|| {
        let pool = Arc::new(Pool::builder().workers(1).max_queued(1).build().unwrap());
        let inside = Arc::clone(&pool);
        let asks = move |_: &procession::TaskError| inside.apply(|x: u32| x == 4, (4,)).unwrap();
        let call = pool.call(fails).retries(2).retry_if(asks);
        let error = error_of(call.apply(()), TaskErrorKind::Panicked);
        assert_eq!(error.attempts(), 3);
        drop(call);
        pool.close();
        pool.join().unwrap();
    });
}

/// Every handle resolves, also where a callback waits for it: failures are judged on a thread of their own.
#[test]
fn callback_waits_for_what_is_judged() {
    scene(|| {
        let pool = Arc::new(warm(1));
        let inside = Arc::clone(&pool);
        let (report, reports) = mpsc::channel();
        pool.apply_async(|| (), ()).on_complete(move |_| {
            let judged = inside.call(fails).retries(3).retry_if(|e| e.attempts() < 3);
            report.send(judged.apply(())).unwrap();
        });
        let outcome = reports.recv_timeout(LONG).expect("the callback goes on");
        assert_eq!(error_of(outcome, TaskErrorKind::Panicked).attempts(), 3);
        pool.close();
        pool.join().unwrap();
    });
}

/// And where a predicate waits for a callback.
#[test]
fn predicate_waits_for_a_callback() {
    scene(|| {
        let pool = Arc::new(warm(1));
        let inside = Arc::clone(&pool);
        let waits = move |_: &procession::TaskError| {
            let (called, calls) = mpsc::channel();
            inside
                .apply_async(|| (), ())
                .on_complete(move |_| called.send(()).unwrap());
            calls.recv_timeout(LONG).is_ok()
        };
        let call = pool.call(fails).retries(1).retry_if(waits);
        assert_eq!(
            error_of(call.apply(()), TaskErrorKind::Panicked).attempts(),
            2
        );
        drop(call);
        pool.close();
        pool.join().unwrap();
    });
}

#[test]
fn predicate_may_terminate_the_pool() {
    scene(|| {
        let pool = Arc::new(warm(1));
        let inside = Arc::clone(&pool);
        let ends = move |_: &procession::TaskError| {
            inside.terminate();
            let error = inside.join().unwrap_err();
            assert!(error.is_would_deadlock(), "{error}");
            assert!(error.to_string().contains("or retry predicate"), "{error}");
            true
        };
        let call = pool.call(fails).retries(2).retry_if(ends);
        error_of(call.apply(()), TaskErrorKind::Terminated);
        drop(call);
        pool.join().unwrap();
    });
}

#[test]
fn predicate_may_cancel_what_it_judges() {
    scene(|| {
        let pool = warm(1);
        let own: Arc<Mutex<Option<AsyncResult<()>>>> = Arc::default();
        let (seen, inside) = (mpsc::channel(), Arc::clone(&own));
        let cancels = move |_: &procession::TaskError| {
            let handle = loop {
                if let Some(handle) = inside.lock().unwrap().take() {
                    break handle;
                }
                std::thread::yield_now();
            };
            assert!(handle.cancel());
            seen.0.send(handle.get().unwrap_err().kind()).unwrap();
            true
        };
        let call = pool.call(fails).retries(2).retry_if(cancels);
        *own.lock().unwrap() = Some(call.apply_async(()));
        let kind = seen.1.recv_timeout(LONG).expect("judged");
        assert_eq!(kind, TaskErrorKind::Cancelled);
        drop(call);
        assert_usable(&pool);
        finish(pool);
    });
}

/// What a predicate holds is dropped outside of the pool's lock.
#[test]
fn predicate_whose_drop_uses_the_pool_is_dropped_in_peace() {
    struct Uses(Arc<Pool>, mpsc::Sender<u32>);
    impl Drop for Uses {
        fn drop(&mut self) {
            let seven = self.0.stats().workers.len() as u32 + 6;
            let _ = self.1.send(seven);
            panic!("and it panics, too");
        }
    }
    scene(|| {
        let pool = Arc::new(warm(1));
        let (told, tells) = mpsc::channel();
        let uses = Uses(Arc::clone(&pool), told);
        let handle = pool
            .call(|x: u32| {
                std::thread::sleep(Duration::from_millis(100));
                x
            })
            .retries(1)
            .retry_if(move |_| uses.0.stats().queued == 0)
            .apply_async((5,));
        assert_eq!(handle.get().unwrap(), 5);
        assert_eq!(tells.recv_timeout(LONG), Ok(7));
        assert_usable(&pool);
        pool.close();
        pool.join().unwrap();
    });
}

#[test]
fn slow_predicate_holds_up_its_item_alone() {
    scene(|| {
        let pool = warm(1);
        let (go, gone) = mpsc::channel::<()>();
        let gone = Mutex::new(gone);
        let waits = move |_: &procession::TaskError| {
            gone.lock().unwrap().recv().unwrap();
            false
        };
        let call = pool.call(fails).retries(1).retry_if(waits);
        let handle = call.apply_async(());
        assert_usable(&pool);
        assert!(!handle.ready());
        go.send(()).unwrap();
        error_of(handle.get(), TaskErrorKind::Panicked);
        drop(call);
        finish(pool);
    });
}

#[test]
fn pool_dropped_while_a_failure_is_judged_leaves_nothing() {
    scene(|| {
        let pool = warm(1);
        let (go, gone) = mpsc::channel::<()>();
        let (asked, asks) = mpsc::channel();
        let gone = Mutex::new(gone);
        let handle = pool
            .call(fails)
            .retries(1)
            .retry_if(move |_| {
                asked.send(()).unwrap();
                gone.lock().unwrap().recv().is_ok()
            })
            .apply_async(());
        asks.recv_timeout(LONG).expect("judged");
        drop(pool);
        let outcome = handle.get_timeout(LONG).expect("an outcome");
        error_of(outcome, TaskErrorKind::Terminated);
        go.send(()).unwrap();
    });
}

#[test]
fn many_judgements_reach_their_items() {
    scene(|| {
        let pool = warm(2);
        let asked = Arc::new(AtomicU32::new(0));
        let count = Arc::clone(&asked);
        let third = |n: u32| assert_ne!(n % 3, 0, "a third");
        let each = pool
            .call(third)
            .retries(1)
            .retry_if(move |e| {
                count.fetch_add(1, Ordering::Relaxed);
                e.item().unwrap().is_multiple_of(2)
            })
            .try_map(0..300);
        for (n, outcome) in each.iter().enumerate() {
            let attempts = outcome.as_ref().map_err(|e| (e.item(), e.attempts()));
            match (n % 3, n % 2) {
                (0, 0) => assert_eq!(attempts, Err((Some(n), 2))),
                (0, _) => assert_eq!(attempts, Err((Some(n), 1))),
                _ => assert_eq!(attempts, Ok(&())),
            }
        }
        assert_eq!(asked.load(Ordering::Relaxed), 100);
        finish(pool);
    });
}

/// CT14, of attempts: `PROCESSION_LONG` sets the rounds.
#[test]
fn cancel_and_limit_race_retries() {
    scene(|| {
        let pool = Pool::builder()
            .workers(2)
            .cancel_grace(Duration::ZERO)
            .build()
            .unwrap();
        assert_usable(&pool);
        // Fails by a panic, a death, or its limit, or returns.
        let brief = |us: u64| {
            std::thread::sleep(Duration::from_micros(us));
            match us % 3 {
                0 => us,
                1 => panic!("one"),
                _ if us.is_multiple_of(20) => std::process::exit(1),
                _ => us,
            }
        };
        for round in 0..rounds() {
            let us = round * 37 % 700;
            let call = pool.call(brief).retries(2);
            let call = match round % 4 {
                0 => call.retry_delay(Duration::from_micros(200)),
                1 => call.retry_if(|e| e.attempts() < 2),
                2 => call.timeout(Duration::from_micros(900)),
                _ => call,
            };
            let handle = call.apply_async((us,));
            let innocent: Vec<_> = (0..3)
                .map(|n| pool.apply_async(|n: u64| n * 2, (n,)))
                .collect();
            std::thread::sleep(Duration::from_micros(round * 53 % 900));
            let cancelled = round % 2 == 0 && handle.cancel();
            match handle.get_timeout(LONG).expect("an outcome") {
                Ok(value) => {
                    assert!(!cancelled, "round {round}: cancelled, and yet it returned");
                    assert_eq!(value, us);
                }
                Err(error) if cancelled => {
                    assert_eq!(error.kind(), TaskErrorKind::Cancelled, "{error}");
                }
                Err(error) => {
                    let most = if round % 4 == 1 { 2 } else { 3 };
                    assert_eq!(error.attempts(), most, "round {round}: {error}");
                }
            }
            for (n, handle) in innocent.into_iter().enumerate() {
                let value = handle.get_timeout(LONG).expect("an outcome");
                let value = value.unwrap_or_else(|error| panic!("round {round}: {error}"));
                assert_eq!(value, n as u64 * 2);
            }
        }
        assert_usable(&pool);
        finish(pool);
    });
}
