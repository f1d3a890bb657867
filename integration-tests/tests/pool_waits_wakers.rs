//! Wakers and drops that are user code, run where an outcome is found, the pool's own thread included: they may use the
//! pool, end it and drop it, and nothing hangs. Executors are tested elsewhere.

use std::pin::Pin;
use std::sync::{Arc, Mutex, mpsc};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use procession::{AsyncResult, Error, Pool, TaskErrorKind};
use procession_integration_tests::pool_scene::{
    LONG, Scratch, assert_usable, error_of, scene, until, warm,
};

procession::init_before_main!();

/// In a task: returns once the file is there.
fn wait_for(file: String) -> u32 {
    until("the file is there", || std::path::Path::new(&file).exists());
    7
}

/// Calls a function when it is woken first.
struct Calls(Mutex<Option<Box<dyn FnOnce() + Send>>>);

impl Wake for Calls {
    fn wake(self: Arc<Self>) {
        let taken = self.0.lock().unwrap().take();
        if let Some(call) = taken {
            call();
        }
    }
}

fn waker(call: impl FnOnce() + Send + 'static) -> Waker {
    Waker::from(Arc::new(Calls(Mutex::new(Some(Box::new(call))))))
}

/// Has `call` called once the outcome is there, by whoever finds it.
fn hang_on(handle: &mut AsyncResult<u32>, call: impl FnOnce() + Send + 'static) {
    let waker = waker(call);
    let polled = Pin::new(handle).poll(&mut Context::from_waker(&waker));
    assert!(matches!(polled, Poll::Pending));
}

fn here() -> Option<String> {
    std::thread::current().name().map(String::from)
}

const OWN: Option<&str> = Some("procession-pool");

/// FAULTS 87: the last owner of a pool may be what its own thread calls, which is needed for the workers' ends.
#[test]
fn waker_drops_its_pool_on_the_pools_own_thread() {
    scene(|| {
        let place = Scratch::new();
        let pool = Arc::new(warm(2));
        let mut handle = pool.apply_async(wait_for, (place.at("go"),));
        let endless = pool.apply_async(std::thread::sleep, (Duration::from_secs(3600),));
        let (inner, (tell, told)) = (Arc::clone(&pool), mpsc::channel());
        let (last, is_last) = mpsc::channel::<()>();
        hang_on(&mut handle, move || {
            is_last.recv_timeout(LONG).unwrap();
            let begun = Instant::now();
            drop(inner);
            tell.send((here(), begun.elapsed())).unwrap();
        });
        drop(pool);
        last.send(()).unwrap();
        std::fs::write(place.at("go"), "").unwrap();
        let (thread, took) = told.recv_timeout(LONG).unwrap();
        assert_eq!(thread.as_deref(), OWN);
        // As long as the bound of a drop would be to wait for what cannot come.
        assert!(took < Duration::from_secs(4), "{took:?}");
        assert_eq!(handle.get().unwrap(), 7);
        error_of(endless.get(), TaskErrorKind::Terminated);
    });
}

/// FAULTS 87, of a waker
#[test]
fn joining_from_a_waker_is_an_error() {
    scene(|| {
        let place = Scratch::new();
        let pool = Arc::new(warm(1));
        let mut handle = pool.apply_async(wait_for, (place.at("go"),));
        let (inner, (tell, told)) = (Arc::clone(&pool), mpsc::channel());
        hang_on(&mut handle, move || {
            let warm = inner.warm_up(LONG).map(drop);
            inner.close();
            let all = [inner.join(), inner.join_timeout(LONG).map(drop), warm];
            tell.send((here(), all)).unwrap();
        });
        std::fs::write(place.at("go"), "").unwrap();
        let (thread, all) = told.recv_timeout(LONG).unwrap();
        assert_eq!(thread.as_deref(), OWN);
        for error in all.map(Result::unwrap_err) {
            assert!(error.is_would_deadlock() && !error.is_closed(), "{error}");
        }
        pool.join().unwrap();
        assert_eq!(handle.get().unwrap(), 7);
    });
}

/// FAULTS 87, of a waker that a waiting thread calls: other threads may need that one to go on.
#[test]
fn joining_from_a_waker_is_an_error_on_a_waiting_thread() {
    scene(|| {
        let place = Scratch::new();
        let pool = Arc::new(warm(2));
        let slow = pool.apply_async(wait_for, (place.at("slow"),));
        let mut handle = pool.apply_async(wait_for, (place.at("go"),));
        let (inner, (tell, told)) = (Arc::clone(&pool), mpsc::channel());
        hang_on(&mut handle, move || {
            inner.close();
            let joined: [Result<(), Error>; 2] = [inner.join_timeout(LONG).map(drop), inner.join()];
            tell.send((here(), joined)).unwrap();
        });
        let waiter = std::thread::Builder::new().name("waits".into());
        let waiter = waiter.spawn(move || slow.get()).unwrap();
        // It drains from here on.
        std::thread::sleep(Duration::from_millis(100));
        std::fs::write(place.at("go"), "").unwrap();
        std::thread::sleep(Duration::from_millis(100));
        std::fs::write(place.at("slow"), "").unwrap();
        let (thread, joined) = told.recv_timeout(LONG / 2).unwrap();
        assert_eq!(thread.as_deref(), Some("waits"));
        for error in joined.map(Result::unwrap_err) {
            assert!(error.is_would_deadlock(), "{error}");
        }
        assert_eq!(waiter.join().unwrap().unwrap(), 7);
        assert_eq!(handle.get().unwrap(), 7);
        pool.join().unwrap();
    });
}

/// FAULTS 87: a predicate is dropped where its call ends.
#[test]
fn predicate_drops_its_pool_on_the_pools_own_thread() {
    scene(|| {
        let place = Scratch::new();
        let pool = Arc::new(warm(1));
        let inner = Arc::clone(&pool);
        let (tell, told) = mpsc::channel();
        struct Ends(Option<Arc<Pool>>, mpsc::Sender<(Option<String>, Duration)>);
        impl Drop for Ends {
            fn drop(&mut self) {
                let begun = Instant::now();
                drop(self.0.take());
                self.1.send((here(), begun.elapsed())).unwrap();
            }
        }
        let ends = Ends(Some(inner), tell);
        let call = pool.call(wait_for).retries(1).retry_if(move |_| {
            let _owned = &ends;
            true
        });
        drop(call.apply_async((place.at("go"),)));
        drop(call);
        drop(pool);
        std::fs::write(place.at("go"), "").unwrap();
        let (thread, took) = told.recv_timeout(LONG).unwrap();
        assert_eq!(thread.as_deref(), OWN);
        assert!(took < Duration::from_secs(4), "{took:?}");
    });
}

/// FAULTS 83, 87: a waker that submits is let in, on the thread that hears of deaths.
#[test]
fn waker_submits_to_a_full_pool() {
    scene(|| {
        let place = Scratch::new();
        let pool = Pool::builder().workers(1).max_queued(1).build().unwrap();
        assert_usable(&pool);
        let pool = Arc::new(pool);
        let mut first = pool.apply_async(wait_for, (place.at("go"),));
        let (inner, (tell, told)) = (Arc::clone(&pool), mpsc::channel());
        let dies = |_: String| -> u32 { std::process::abort() };
        hang_on(&mut first, move || {
            // The second one runs by now, or is about to.
            let room = inner.wait_for_room(LONG);
            let more: Vec<_> = (0..5)
                .map(|n| inner.apply_async(|n: u32| n, (n,)))
                .collect();
            tell.send((here(), room, more)).unwrap();
        });
        let second = pool.apply_async(dies, (place.at("never"),));
        std::fs::write(place.at("go"), "").unwrap();
        let (thread, room, more) = told.recv_timeout(LONG).unwrap();
        assert_eq!(thread.as_deref(), OWN);
        assert!(room);
        for (n, handle) in (0..).zip(more) {
            assert_eq!(handle.get().unwrap(), n);
        }
        error_of(second.get(), TaskErrorKind::WorkerDied);
        assert_eq!(first.get().unwrap(), 7);
        pool.close();
        pool.join().unwrap();
    });
}
