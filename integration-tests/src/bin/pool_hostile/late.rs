//! A bell that was asked for by a thread that has gone must not stand in the way of the next one.
//!
//! The worker answers a call but does not ring yet. Its reply is found without a bell, and the thread that had asked for one
//! leaves. Then a call comes that nobody drains for; only then does the worker look who wants to hear of its first reply.

use std::sync::Arc;
use std::sync::mpsc::channel;
use std::task::{Context, Wake, Waker};
use std::thread::{self, Thread};
use std::time::Instant;

use procession::Pool;

use crate::{SURE, acts, rogue, square};

pub(crate) fn run() {
    for (name, call) in [("callback", callback as fn(&Pool)), ("future", future)] {
        let pool = Pool::builder()
            .workers(1)
            .env(rogue::SEED, acts::RINGS_LATE.to_string())
            .build()
            .unwrap();
        answered_without_a_bell(&pool);
        call(&pool);
        pool.terminate();
        pool.join().unwrap();
        println!("{name}");
    }
    println!("done");
}

/// A thread waits for a call, asleep; whoever asks for statistics finds the reply for it.
fn answered_without_a_bell(pool: &Pool) {
    thread::scope(|scope| {
        let waiting = scope.spawn(|| pool.apply(square, (1,)).unwrap());
        while !waiting.is_finished() {
            let _ = pool.stats();
            thread::yield_now();
        }
    });
}

fn callback(pool: &Pool) {
    let (done, called) = channel();
    let then = move |_: &Result<_, _>| done.send(()).unwrap();
    drop(pool.call(square).on_complete(then).apply_async((2,)));
    called.recv_timeout(SURE).expect("the callback was called");
}

fn future(pool: &Pool) {
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut context = Context::from_waker(&waker);
    let mut call = std::pin::pin!(pool.apply_async(square, (3,)));
    let limit = Instant::now() + SURE;
    while call.as_mut().poll(&mut context).is_pending() {
        assert!(Instant::now() < limit, "the future was not woken");
        thread::park_timeout(limit.saturating_duration_since(Instant::now()));
    }
}
