//! Callbacks: called once each, in order, with the outcome, whatever it is. What they may do is tested elsewhere.

use std::sync::mpsc;
use std::time::Duration;

use procession::{Pool, TaskError, TaskErrorKind};
use procession_integration_tests::pool_scene::{
    LONG, Scratch, error_of, finish, scene, until, warm,
};

procession::init_before_main!();

fn inc(n: u32) -> u32 {
    n + 1
}

/// In a task: returns `n` once the file is there.
fn wait_for(file: String, n: u32) -> u32 {
    until("the file is there", || std::path::Path::new(&file).exists());
    n
}

fn half(n: u32) -> u32 {
    assert!(n.is_multiple_of(2), "{n} is odd");
    n / 2
}

/// PO04
#[test]
fn a_map_calls_back_once_with_the_whole_vector() {
    scene(|| {
        let pool = warm(2);
        let (tell, told) = mpsc::channel();
        let handle = pool
            .call(half)
            .on_complete(move |r: &Result<Vec<u32>, TaskError>| tell.send(r.clone()).unwrap())
            .map_async((0..100).map(|n| 2 * n));
        let expected: Vec<u32> = (0..100).collect();
        assert_eq!(told.recv_timeout(LONG).unwrap().unwrap(), expected);
        assert_eq!(handle.get().unwrap(), expected);
        finish(pool);
        assert!(told.recv().is_err(), "called twice");
    });
}

/// PO04
#[test]
fn a_failing_map_calls_back_once_with_its_error() {
    scene(|| {
        let pool = warm(2);
        let (tell, told) = mpsc::channel();
        let handle = pool
            .call(half)
            .on_complete(move |r: &Result<Vec<u32>, TaskError>| tell.send(r.clone()).unwrap())
            .starmap_async([(2,), (3,), (4,)]);
        let error = error_of(told.recv_timeout(LONG).unwrap(), TaskErrorKind::Panicked);
        assert_eq!(error.item(), Some(1));
        assert_eq!(handle.get().unwrap_err().item(), Some(1));
        finish(pool);
        assert!(told.recv().is_err(), "called twice");
    });
}

/// FU11
#[test]
fn every_kind_of_end_calls_back_once() {
    scene(|| {
        let pool = warm(2);
        let (tell, told) = mpsc::channel();
        let teller = |name: &'static str| {
            let tell = tell.clone();
            move |r: &Result<u32, TaskError>| {
                tell.send((name, r.as_ref().copied().map_err(TaskError::kind)))
                    .unwrap();
            }
        };
        drop(
            pool.call(half)
                .on_complete(teller("value"))
                .apply_async((8,)),
        );
        assert_eq!(told.recv_timeout(LONG).unwrap(), ("value", Ok(4)));
        drop(
            pool.call(half)
                .on_complete(teller("panic"))
                .apply_async((7,)),
        );
        assert_eq!(
            told.recv_timeout(LONG).unwrap(),
            ("panic", Err(TaskErrorKind::Panicked))
        );
        let exit = |_: u32| -> u32 { std::process::exit(4) };
        drop(
            pool.call(exit)
                .on_complete(teller("death"))
                .apply_async((1,)),
        );
        assert_eq!(
            told.recv_timeout(LONG).unwrap(),
            ("death", Err(TaskErrorKind::WorkerDied))
        );
        let sleep = |_: u32| -> u32 {
            std::thread::sleep(Duration::from_secs(3600));
            0
        };
        let cancelled = pool.call(sleep).on_complete(teller("cancelled"));
        let cancelled = cancelled.apply_async((1,));
        assert!(cancelled.cancel());
        let expected = ("cancelled", Err(TaskErrorKind::Cancelled));
        assert_eq!(told.recv_timeout(LONG).unwrap(), expected);
        error_of(cancelled.get(), TaskErrorKind::Cancelled);
        let open = pool
            .call(sleep)
            .on_complete(teller("terminated"))
            .apply_async((1,));
        pool.terminate();
        let expected = ("terminated", Err(TaskErrorKind::Terminated));
        assert_eq!(told.recv_timeout(LONG).unwrap(), expected);
        error_of(open.get(), TaskErrorKind::Terminated);
        drop(
            pool.call(half)
                .on_complete(teller("refused"))
                .apply_async((1,)),
        );
        assert_eq!(
            told.recv_timeout(LONG).unwrap(),
            ("refused", Err(TaskErrorKind::Closed))
        );
        pool.join().unwrap();
        assert!(told.try_recv().is_err(), "one was called twice");
    });
}

/// FU11: those of one call in the order given, each though one of them panics; after completion too.
#[test]
fn several_callbacks_keep_their_order() {
    scene(|| {
        let pool = warm(1);
        let (tell, told) = mpsc::channel();
        let teller = |n: u32| {
            let tell = tell.clone();
            move |r: &Result<u32, TaskError>| {
                tell.send((n, *r.as_ref().unwrap())).unwrap();
                assert!(n != 2, "the second callback panics, as the test wants");
            }
        };
        let handle = pool
            .call(half)
            .on_complete(teller(1))
            .on_complete(teller(2))
            .on_complete(teller(3))
            .apply_async((20,));
        handle.on_complete(teller(4));
        handle.wait();
        handle.on_complete(teller(5));
        for n in 1..=5 {
            assert_eq!(told.recv_timeout(LONG).unwrap(), (n, 10));
        }
        assert_eq!(handle.get().unwrap(), 10);
        finish(pool);
    });
}

/// D17: callbacks come in the order of completion, one at a time, after their handle is resolved.
#[test]
fn callbacks_come_in_order_of_completion() {
    scene(|| {
        let pool = warm(2);
        let (tell, told) = mpsc::channel();
        let scratch = Scratch::new();
        let (file, second) = (scratch.at("go"), tell.clone());
        let slow = pool
            .call(wait_for)
            .on_complete(move |r: &Result<u32, TaskError>| {
                tell.send(*r.as_ref().unwrap()).unwrap()
            });
        let slow = slow.apply_async((file.clone(), 1));
        let quick = pool
            .call(inc)
            .on_complete(move |r: &Result<u32, TaskError>| {
                second.send(*r.as_ref().unwrap()).unwrap();
                std::fs::write(&file, "").unwrap();
            });
        drop(quick.apply_async((1,)));
        assert_eq!(told.recv_timeout(LONG).unwrap(), 2);
        assert_eq!(told.recv_timeout(LONG).unwrap(), 1);
        assert!(slow.ready());
        finish(pool);
    });
}

/// D17: many calls from many threads; none is lost, none comes twice, and `join` waits for the last.
#[test]
fn thousands_of_callbacks_come_once_each() {
    scene(|| {
        let pool = warm(2);
        let (tell, told) = mpsc::channel();
        std::thread::scope(|threads| {
            for thread in 0..4u32 {
                let (pool, tell) = (&pool, tell.clone());
                threads.spawn(move || {
                    for n in 0..500 {
                        let tell = tell.clone();
                        let send = move |r: &Result<u32, TaskError>| {
                            tell.send(*r.as_ref().unwrap()).unwrap();
                        };
                        let call = pool.call(|n: u32| n).on_complete(send);
                        let handle = call.apply_async((thread * 1000 + n,));
                        if n.is_multiple_of(3) {
                            assert_eq!(handle.get().unwrap(), thread * 1000 + n);
                        }
                    }
                });
            }
        });
        pool.close();
        pool.join().unwrap();
        let mut seen: Vec<u32> = told.try_iter().collect();
        seen.sort_unstable();
        let expected: Vec<u32> = (0..4)
            .flat_map(|t| (0..500).map(move |n| t * 1000 + n))
            .collect();
        assert_eq!(seen, expected);
    });
}

/// The sync verbs call back too, and an inline pool before the verb returns.
#[test]
fn sync_verbs_and_inline_pools_call_back() {
    scene(|| {
        let (tell, told) = mpsc::channel();
        let inline = Pool::new(0).unwrap();
        for pool in [&warm(1), &inline] {
            let (one, many) = (tell.clone(), tell.clone());
            let call = pool
                .call(half)
                .on_complete(move |r| one.send(r.clone().map(|n| vec![n])).unwrap());
            assert_eq!(call.apply((4,)).unwrap(), 2);
            assert_eq!(told.recv_timeout(LONG).unwrap().unwrap(), [2]);
            let call = pool
                .call(half)
                .on_complete(move |r: &Result<Vec<u32>, TaskError>| many.send(r.clone()).unwrap());
            assert_eq!(call.map([4, 6]).unwrap(), [2, 3]);
            assert_eq!(told.recv_timeout(LONG).unwrap().unwrap(), [2, 3]);
        }
        let here = std::thread::current().id();
        let (tell, told) = mpsc::channel();
        let call = inline
            .call(half)
            .on_complete(move |_| tell.send(std::thread::current().id()).unwrap());
        assert_eq!(call.apply((4,)).unwrap(), 2);
        assert_eq!(told.try_recv().unwrap(), here);
    });
}
