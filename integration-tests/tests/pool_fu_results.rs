//! Handles in each state, asked with and without time, from one thread and from several.

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use procession::{Pool, TaskErrorKind, as_completed_timeout};
use procession_integration_tests::pool_scene::{LONG, Scratch, error_of, finish, scene, warm};

procession::init_before_main!();

/// Waits for the file, for a minute at most.
fn wait_for(file: String) -> u64 {
    for _ in 0..60_000 {
        if std::path::Path::new(&file).exists() {
            return 7;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    0
}

/// FU02
#[test]
fn no_time_tells_not_yet_from_every_outcome() {
    scene(|| {
        let pool = warm(1);
        let scratch = Scratch::new();
        let pending = pool.apply_async(wait_for, (scratch.at("go"),));
        let Err(pending) = pending.get_timeout(Duration::ZERO) else {
            panic!("it cannot be done");
        };
        let cancelled = pool.apply_async(|x: u32| x, (1,));
        assert!(cancelled.cancel());
        let outcome = cancelled.get_timeout(Duration::ZERO).expect("an outcome");
        error_of(outcome, TaskErrorKind::Cancelled);
        std::fs::write(scratch.at("go"), "").unwrap();
        assert_eq!(pending.get().unwrap(), 7);
        let failed = pool.apply_async(|x: u32| 1 / x, (0,));
        failed.wait();
        let outcome = failed.get_timeout(Duration::ZERO).expect("an outcome");
        error_of(outcome, TaskErrorKind::Panicked);
        finish(pool);
    });
}

/// FU03
#[test]
fn outcome_wakes_whoever_waits_while_another_thread_drains() {
    scene(|| {
        let pool = warm(2);
        let scratch = Scratch::new();
        let (long, short) = (scratch.at("long"), scratch.at("short"));
        let first = pool.apply_async(wait_for, (long.clone(),));
        let second = pool.apply_async(wait_for, (short.clone(),));
        let awake = AtomicBool::new(false);
        std::thread::scope(|scope| {
            // One of the two drains the links, the other one is parked: each is woken by its own outcome.
            let waits_long = scope.spawn(|| first.get().unwrap());
            let waits_short = scope.spawn(|| {
                let value = second.get().unwrap();
                awake.store(true, Ordering::Release);
                value
            });
            std::thread::sleep(Duration::from_millis(20));
            assert!(!awake.load(Ordering::Acquire));
            std::fs::write(&short, "").unwrap();
            assert_eq!(waits_short.join().unwrap(), 7);
            std::fs::write(&long, "").unwrap();
            assert_eq!(waits_long.join().unwrap(), 7);
        });
        finish(pool);
    });
}

/// FU13
#[test]
fn many_calls_with_a_time_for_all_give_those_in_time_then_say_how_many_are_not() {
    scene(|| {
        let pool = warm(3);
        let scratch = Scratch::new();
        let files = ["now", "now", "never"].map(|name| scratch.at(name));
        std::fs::write(scratch.at("now"), "").unwrap();
        let handles = files.map(|file| pool.apply_async(wait_for, (file,))).into();
        let mut completed = as_completed_timeout(handles, Duration::from_millis(1_500));
        let mut in_time: Vec<_> = completed
            .by_ref()
            .take(2)
            .map(|outcome| outcome.expect("in time").0)
            .collect();
        in_time.sort_unstable();
        assert_eq!(in_time, [0, 1]);
        let unfinished = completed.next().expect("the end").unwrap_err();
        assert!(
            unfinished.to_string().starts_with("1 (of 3) unfinished"),
            "{unfinished}"
        );
        let (index, late) = unfinished.into_handles().remove(0);
        assert_eq!(index, 2);
        // Nothing was cancelled.
        std::fs::write(scratch.at("never"), "").unwrap();
        assert_eq!(late.get_timeout(LONG).expect("an outcome").unwrap(), 7);
        finish(pool);
    });
}

/// FU17
#[test]
fn ten_threads_share_a_pool_and_each_gets_its_own() {
    scene(|| {
        let pool = Pool::builder()
            .workers(2)
            .env("FU17", "pool")
            .build()
            .unwrap();
        std::thread::scope(|scope| {
            for thread in 0..10u64 {
                let pool = &pool;
                scope.spawn(move || {
                    // Tasks that change the environment of their worker, and tasks that do not care.
                    let handles: Vec<_> = (0..20u64)
                        .map(|n| {
                            let mine = format!("thread {thread} call {n}");
                            let echo = |name: String, mine: String| {
                                let directory = std::env::temp_dir();
                                std::env::set_current_dir(&directory).unwrap();
                                (std::env::var(name).unwrap(), mine)
                            };
                            pool.apply_async(echo, ("FU17".to_string(), mine))
                        })
                        .collect();
                    for (n, handle) in handles.into_iter().enumerate() {
                        let mine = format!("thread {thread} call {n}");
                        assert_eq!(handle.get().unwrap(), ("pool".to_string(), mine));
                    }
                });
            }
        });
        finish(pool);
    });
}

/// What a worker makes and nobody can read.
struct Unreadable;

impl serde::Serialize for Unreadable {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        7u32.serialize(to)
    }
}

impl<'de> serde::Deserialize<'de> for Unreadable {
    fn deserialize<D: serde::Deserializer<'de>>(_: D) -> Result<Unreadable, D::Error> {
        panic!("it cannot be read, as the test wants")
    }
}

/// FU01: what cannot be read was not successful, of a map either, and asking takes nothing away.
#[test]
fn successful_says_what_get_says_of_results_that_cannot_be_read() {
    scene(|| {
        let inline = Pool::new(0).unwrap();
        let pool = warm(2);
        for pool in [&pool, &inline] {
            let call = pool.apply_async(|_: u32| Unreadable, (1,));
            let map = pool.map_async(|_: u32| Unreadable, 0..50);
            let empty = pool.map_async(|_: u32| Unreadable, 0..0);
            call.wait();
            map.wait();
            empty.wait();
            for _ in 0..3 {
                assert_eq!(call.successful(), Some(false));
                assert_eq!(map.successful(), Some(false));
                assert_eq!(empty.successful(), Some(true));
            }
            error_of(call.get().map(drop), TaskErrorKind::DecodeResult);
            let error = error_of(map.get().map(drop), TaskErrorKind::DecodeResult);
            assert_eq!(error.item(), Some(0));
            assert!(empty.get().unwrap().is_empty());
        }
        finish(pool);
    });
}

/// FU01: asked together with callbacks and from several threads, and asked after the outcome was taken.
#[test]
fn successful_takes_nothing_and_stays_true() {
    scene(|| {
        let pool = warm(2);
        for _ in 0..20 {
            let mut call = pool.apply_async(|n: u32| vec![n; 100], (1,));
            let mut map = pool.map_async(|n: u32| n + 1, 0..50);
            let mut failed = pool.map_async(|n: u32| 6 / n, [3, 0]);
            let (tell, told) = std::sync::mpsc::channel();
            let teller = tell.clone();
            call.on_complete(move |r| teller.send(r.as_ref().map_or(0, Vec::len)).unwrap());
            map.on_complete(move |r| tell.send(r.as_ref().map_or(0, Vec::len)).unwrap());
            std::thread::scope(|threads| {
                for _ in 0..3 {
                    threads.spawn(|| {
                        call.wait();
                        map.wait();
                        failed.wait();
                        assert_eq!(call.successful(), Some(true));
                        assert_eq!(map.successful(), Some(true));
                        assert_eq!(failed.successful(), Some(false));
                    });
                }
            });
            let (mut lens, context) = (told.iter().collect::<Vec<usize>>(), Waker::noop());
            lens.sort_unstable();
            assert_eq!(lens, [50, 100]);
            let context = &mut Context::from_waker(context);
            assert!(
                matches!(Pin::new(&mut call).poll(context), Poll::Ready(Ok(all)) if all.len() == 100)
            );
            assert!(
                matches!(Pin::new(&mut map).poll(context), Poll::Ready(Ok(all)) if all.len() == 50)
            );
            assert!(matches!(
                Pin::new(&mut failed).poll(context),
                Poll::Ready(Err(_))
            ));
            assert_eq!(
                call.successful(),
                Some(true),
                "it was, and is no longer there"
            );
            assert_eq!(map.successful(), Some(true));
            assert_eq!(failed.successful(), Some(false));
            error_of(call.get(), TaskErrorKind::Closed);
        }
        finish(pool);
    });
}
