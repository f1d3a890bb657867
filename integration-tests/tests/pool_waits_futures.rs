//! Handles as futures, in tokio and in an executor of ten lines. Threads that wait are tested elsewhere.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;
use std::time::Duration;

use procession::{Pool, TaskErrorKind, wait_all};
use procession_integration_tests::pool_scene::{
    Scratch, assert_usable, error_of, finish, scene, until, warm,
};

procession::init_before_main!();

fn sleep_ms(ms: u64) -> u64 {
    std::thread::sleep(Duration::from_millis(ms));
    ms
}

/// In a task: returns once the file is there.
fn wait_for(file: String) -> u64 {
    until("the file is there", || std::path::Path::new(&file).exists());
    7
}

struct Unpark {
    thread: Thread,
    woken: AtomicU32,
}

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.woken.fetch_add(1, Ordering::Relaxed);
        self.thread.unpark();
    }
}

/// Runs a future on this thread; how often it was woken, too.
fn block_on<F: Future>(future: F) -> (F::Output, u32) {
    let unpark = Arc::new(Unpark {
        thread: std::thread::current(),
        woken: AtomicU32::new(0),
    });
    let waker = Waker::from(Arc::clone(&unpark));
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(value) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return (value, unpark.woken.load(Ordering::Relaxed));
        }
        std::thread::park_timeout(Duration::from_secs(60));
    }
}

/// FU16
#[test]
fn an_executor_of_ten_lines_awaits_a_handle() {
    scene(|| {
        let pool = warm(2);
        let (value, woken) = block_on(pool.apply_async(sleep_ms, (50,)));
        assert_eq!((value.unwrap(), woken), (50, 1));
        let (error, _) = block_on(pool.apply_async(|| -> () { std::process::exit(3) }, ()));
        error_of(error, TaskErrorKind::WorkerDied);
        let (all, _) = block_on(pool.map_async(|n: u32| n * 2, 0..10));
        assert_eq!(all.unwrap().len(), 10);
        let (sum, _) = block_on(async {
            let (a, b) = (
                pool.apply_async(sleep_ms, (2,)),
                pool.apply_async(sleep_ms, (1,)),
            );
            a.await.unwrap() + b.await.unwrap()
        });
        assert_eq!(sum, 3);
        finish(pool);
    });
}

/// FU16
#[test]
fn tokio_awaits_many_handles_at_once() {
    scene(|| {
        let pool = warm(2);
        for workers in [0, 2] {
            let mut builder = match workers {
                0 => tokio::runtime::Builder::new_current_thread(),
                _ => tokio::runtime::Builder::new_multi_thread(),
            };
            if workers > 0 {
                builder.worker_threads(workers);
            }
            let runtime = builder.enable_time().build().unwrap();
            runtime.block_on(async {
                let awaiting: Vec<_> = (0..200u64)
                    .map(|n| tokio::spawn(pool.apply_async(|n: u64| n, (n,))))
                    .collect();
                for (n, task) in (0..).zip(awaiting) {
                    assert_eq!(task.await.unwrap().unwrap(), n);
                }
            });
        }
        finish(pool);
    });
}

/// FU16: a time-out of the runtime drops the future, not the task; awaited by reference it goes on.
#[test]
fn tokio_time_outs_cancel_nothing() {
    scene(|| {
        let pool = warm(1);
        let scratch = Scratch::new();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .unwrap();
        runtime.block_on(async {
            let mut handle = pool.apply_async(wait_for, (scratch.at("go"),));
            let short = Duration::from_millis(20);
            assert!(tokio::time::timeout(short, &mut handle).await.is_err());
            std::fs::write(scratch.at("go"), "").unwrap();
            assert_eq!(handle.await.unwrap(), 7);

            let write = |file: String| std::fs::write(file, "").is_ok();
            let dropped = pool.apply_async(write, (scratch.at("dropped"),));
            drop(tokio::time::timeout(Duration::ZERO, dropped).await);
        });
        finish(pool);
        assert_eq!(scratch.count(), 2);
    });
}

/// FU16: what is terminated wakes who awaits it.
#[test]
fn termination_ends_an_await() {
    scene(|| {
        let pool = warm(1);
        let endless = pool.apply_async(sleep_ms, (3_600_000,));
        std::thread::scope(|threads| {
            let awaiting = threads.spawn(|| block_on(endless).0);
            std::thread::sleep(Duration::from_millis(20));
            pool.terminate();
            error_of(awaiting.join().unwrap(), TaskErrorKind::Terminated);
        });
        pool.join().unwrap();
    });
}

/// D6: futures, threads and callbacks wait for the same pool, and threads for the same handle.
#[test]
fn all_ways_of_waiting_go_together() {
    scene(|| {
        let pool = warm(2);
        let shared: Vec<_> = (0..100u64)
            .map(|n| pool.apply_async(sleep_ms, (n % 2,)))
            .collect();
        let called = Arc::new(AtomicU32::new(0));
        std::thread::scope(|threads| {
            for _ in 0..3 {
                threads.spawn(|| assert!(wait_all(&shared, None)));
            }
            threads.spawn(|| {
                for n in 0..100 {
                    let called = Arc::clone(&called);
                    let call = pool.call(sleep_ms).on_complete(move |_| {
                        called.fetch_add(1, Ordering::Relaxed);
                    });
                    drop(call.apply_async((n % 2,)));
                }
            });
            threads.spawn(|| {
                for n in 0..100 {
                    assert_eq!(
                        block_on(pool.apply_async(sleep_ms, (n % 2,))).0.unwrap(),
                        n % 2
                    );
                }
            });
        });
        assert_usable(&pool);
        pool.close();
        pool.join().unwrap();
        assert_eq!(called.load(Ordering::Relaxed), 100);
    });
}

/// LZ08: room is awaited on any executor; it comes with a reply, and closing ends the wait.
#[test]
fn room_in_a_full_pool_is_awaited() {
    scene(|| {
        let pool = Pool::builder().workers(1).max_queued(1).build().unwrap();
        assert_usable(&pool);
        assert_eq!(block_on(pool.room()), (true, 0), "there is room at once");
        let scratch = Scratch::new();
        let file = scratch.at("go");
        let held = pool.apply_async(wait_for, (file.clone(),));
        until("it runs", || pool.stats().running == 1);
        let waits = pool.apply_async(sleep_ms, (0,));

        let mut dropped = Box::pin(pool.room());
        let polled = dropped
            .as_mut()
            .poll(&mut Context::from_waker(Waker::noop()));
        assert_eq!(polled, Poll::Pending);
        drop(dropped);

        let go = std::thread::spawn(move || std::fs::write(file, "").unwrap());
        assert!(block_on(pool.room()).0);
        assert_eq!(held.get().unwrap() + waits.get().unwrap(), 7);
        go.join().unwrap();
        pool.close();
        assert!(!block_on(pool.room()).0);
        pool.join().unwrap();
        drop(pool);
    });
}
