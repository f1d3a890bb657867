//! Every way of waiting at once, from several threads, while workers die: none may wait for ever.
//!
//! `PROCESSION_LONG=<n>` plays so many rounds instead of 6.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use procession::{AsyncResult, Pool, TaskError, TaskErrorKind, wait_any};
use procession_integration_tests::pool_scene::{LONG, die_by, finish, scene};
use rustix::process::Signal;

procession::init_before_main!();

fn rounds() -> u64 {
    std::env::var("PROCESSION_LONG")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(6)
}

/// How the call number `x` ends.
fn fragile(x: u64) -> u64 {
    match x % 11 {
        3 => die_by(Signal::KILL),
        5 => panic!("odd one out"),
        7 => std::process::exit(7),
        9 => thread::sleep(Duration::from_millis(1)),
        _ => {}
    }
    x
}

#[track_caller]
fn check(x: u64, outcome: Result<u64, TaskError>) {
    match (x % 11, outcome) {
        (3 | 7, Err(error)) => assert_eq!(error.kind(), TaskErrorKind::WorkerDied, "{error}"),
        (5, Err(error)) => assert_eq!(error.kind(), TaskErrorKind::Panicked, "{error}"),
        (_, outcome) => assert_eq!(outcome.unwrap(), x),
    }
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

fn awaited(call: AsyncResult<u64>) -> Result<u64, TaskError> {
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut call = pin!(call);
    let limit = Instant::now() + LONG;
    loop {
        if let Poll::Ready(outcome) = call.as_mut().poll(&mut Context::from_waker(&waker)) {
            return outcome;
        }
        let left = limit.saturating_duration_since(Instant::now());
        assert!(!left.is_zero(), "the future was not woken");
        thread::park_timeout(left);
    }
}

/// Waits for the outcomes of these calls in one of the ways there are.
fn wait_for(pool: &Pool, numbers: &[u64], way: u64) {
    let submit = |x: &u64| pool.apply_async(fragile, (*x,));
    match way {
        0 => {
            let calls: Vec<_> = numbers.iter().map(submit).collect();
            for (call, x) in calls.into_iter().zip(numbers) {
                check(*x, call.get_timeout(LONG).expect("an outcome in time"));
            }
        }
        1 => {
            let mut calls: Vec<_> = numbers.iter().map(submit).collect();
            let mut left = numbers.to_vec();
            while !calls.is_empty() {
                let at = wait_any(&mut calls, Some(LONG)).expect("an outcome in time");
                check(left.swap_remove(at), calls.swap_remove(at).get());
            }
        }
        2 => {
            let calls: Vec<_> = numbers.iter().map(submit).collect();
            for (call, x) in calls.into_iter().zip(numbers) {
                check(*x, awaited(call));
            }
        }
        3 => {
            let (done, outcomes) = channel();
            for x in numbers.iter().copied() {
                let done = done.clone();
                let then = move |outcome: &Result<u64, TaskError>| {
                    done.send((x, outcome.clone())).unwrap();
                };
                drop(pool.call(fragile).on_complete(then).apply_async((x,)));
            }
            for _ in numbers {
                let (x, outcome) = outcomes.recv_timeout(LONG).expect("a callback in time");
                check(x, outcome);
            }
        }
        _ => {
            // What one way of waiting leaves behind must not deafen the next.
            for x in numbers {
                check(*x, pool.apply(fragile, (*x,)));
                check(11, awaited(pool.apply_async(fragile, (11,))));
                check(22, pool.apply_async(fragile, (22,)).get());
                let (done, outcome) = channel();
                let then = move |_: &Result<u64, TaskError>| done.send(()).unwrap();
                drop(pool.call(fragile).on_complete(then).apply_async((33,)));
                outcome.recv_timeout(LONG).expect("a callback in time");
            }
        }
    }
}

/// PO12, CR21, CR23, FU16
#[test]
fn no_way_of_waiting_misses_an_outcome_while_workers_die() {
    for workers in [1, 2, 4] {
        scene(|| {
            let pool = Pool::new(workers).unwrap();
            thread::scope(|threads| {
                for user in 0..4 {
                    let pool = &pool;
                    threads.spawn(move || {
                        for round in 0..rounds() {
                            let first = (user * 1000 + round) * 17;
                            let numbers: Vec<u64> = (first..first + 12).collect();
                            wait_for(pool, &numbers, (user + round) % 5);
                        }
                    });
                }
            });
            finish(pool);
        });
    }
}
