//! What `stats` count of items and workers: each item once, whatever became of it, and workers that nobody lets run.
//! Times and distributions are tested elsewhere.

use std::time::Duration;

use procession::{Pool, PoolStats, TaskErrorKind};
use procession_integration_tests::pool_scene::{
    LONG, Scratch, assert_usable, die_by, error_of, finish, scene, until, warm,
};
use rustix::process::{Pid, Signal, kill_process};

procession::init_before_main!();

/// In a task: returns once the file is there.
fn wait_for(file: String) {
    until("the file is there", || std::path::Path::new(&file).exists());
}

/// Fails to be encoded, or to be decoded, where it is told to.
#[derive(Debug)]
enum Bad {
    Here,
    There,
    Nowhere,
}

impl serde::Serialize for Bad {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self {
            Bad::Here => Err(serde::ser::Error::custom("not to be encoded")),
            Bad::There => false.serialize(to),
            Bad::Nowhere => true.serialize(to),
        }
    }
}

impl<'de> serde::Deserialize<'de> for Bad {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Bad, D::Error> {
        match bool::deserialize(from)? {
            true => Ok(Bad::Nowhere),
            false => Err(serde::de::Error::custom("not to be decoded")),
        }
    }
}

/// Items that were accepted, by what became of them.
#[derive(Default)]
struct Ledger {
    done: u64,
    failed: u64,
}

impl Ledger {
    /// Adds so many, and compares with what the pool says at rest.
    #[track_caller]
    fn add(&mut self, pool: &Pool, done: u64, failed: u64) {
        self.done += done;
        self.failed += failed;
        let stats = pool.stats();
        assert_eq!(
            (stats.done, stats.failed),
            (self.done, self.failed),
            "{stats:?}"
        );
        assert_eq!(rest(&stats), 0, "{stats:?}");
    }
}

/// What has no outcome.
fn rest(stats: &PoolStats) -> u64 {
    stats.queued + stats.running
}

/// HY04, HY05: every item that was accepted is done or failed in the end, and no other; which, `PoolStats` says.
#[test]
fn every_item_is_counted_once_by_what_became_of_it() {
    scene(|| {
        let pool = Pool::builder()
            .workers(1)
            .cancel_grace(Duration::ZERO)
            .build()
            .unwrap();
        let mut ledger = Ledger::default();
        // Values, an `Err` that a function returns among them, and what only its reader cannot decode.
        pool.map(|n: u32| n, 0..100).unwrap();
        ledger.add(&pool, 100, 0);
        let err = pool.apply(|| Err::<u32, u32>(7), ()).unwrap();
        assert_eq!(err, Err(7));
        ledger.add(&pool, 1, 0);
        let unread = pool.apply(|| Bad::There, ());
        error_of(unread, TaskErrorKind::DecodeResult);
        ledger.add(&pool, 1, 0);

        // Errors that a worker sends.
        error_of(
            pool.apply(|| -> () { panic!("no") }, ()),
            TaskErrorKind::Panicked,
        );
        ledger.add(&pool, 0, 1);
        error_of(pool.apply(|| Bad::Here, ()), TaskErrorKind::EncodeResult);
        ledger.add(&pool, 0, 1);
        error_of(
            pool.apply(|_: Bad| 1, (Bad::There,)),
            TaskErrorKind::DecodeArgs,
        );
        ledger.add(&pool, 0, 1);

        // Errors of what did not come to its end.
        error_of(
            pool.apply(|| die_by(Signal::KILL), ()),
            TaskErrorKind::WorkerDied,
        );
        ledger.add(&pool, 0, 1);
        let limited = pool
            .call(std::thread::sleep)
            .timeout(Duration::from_millis(50));
        error_of(
            limited.apply((Duration::from_secs(60),)),
            TaskErrorKind::TimedOut,
        );
        ledger.add(&pool, 0, 1);
        let place = Scratch::new();
        let first = pool.apply_async(wait_for, (place.at("go"),));
        let late = pool
            .call(|n: u32| n)
            .queue_deadline(Duration::from_millis(1))
            .map_async(0..10);
        let cancelled = pool.apply_async(|n: u32| n, (1,));
        assert!(cancelled.cancel());
        assert!(late.wait_timeout(LONG));
        std::fs::write(place.at("go"), "").unwrap();
        first.get().unwrap();
        error_of(late.get(), TaskErrorKind::Expired);
        ledger.add(&pool, 1, 11);
        let running = pool.map_async(std::thread::sleep, vec![Duration::from_secs(60); 10]);
        until("it runs", || pool.stats().running == 1);
        assert!(running.cancel());
        ledger.add(&pool, 0, 10);

        // Attempts are not items.
        let failing = pool.call(|| -> () { panic!("no") }).retries(3);
        assert_eq!(failing.apply(()).unwrap_err().attempts(), 4);
        ledger.add(&pool, 0, 1);
        let returned = pool
            .call(|| Err::<u32, u32>(7))
            .retries(3)
            .retry_errors()
            .apply(());
        assert_eq!(returned.unwrap(), Err(7));
        ledger.add(&pool, 1, 0);
        assert_eq!(pool.stats().retries, 6);

        // A map that stops: what did not begin has failed as well.
        let stops = pool.call(|n: u32| 6 / n).chunk_size(1);
        error_of(
            stops.map((0..50).map(|n| 25u32.abs_diff(n))),
            TaskErrorKind::Panicked,
        );
        let stats = pool.stats();
        let (done, failed) = (stats.done - ledger.done, stats.failed - ledger.failed);
        assert!(done <= 49 && failed >= 1, "{stats:?}");
        assert!(done + failed <= 50, "{stats:?}");
        ledger.add(&pool, done, failed);

        // What was never accepted: arguments that cannot be encoded, and calls that are refused.
        error_of(
            pool.apply(|_: Bad| 1, (Bad::Here,)),
            TaskErrorKind::EncodeArgs,
        );
        let each = pool.try_map(|_: Bad| 1, [Bad::Nowhere, Bad::Here, Bad::Nowhere]);
        assert_eq!(each.iter().filter(|each| each.is_ok()).count(), 2);
        ledger.add(&pool, 2, 0);
        let open = pool.map_async(std::thread::sleep, vec![Duration::from_secs(60); 10]);
        pool.terminate();
        error_of(open.get(), TaskErrorKind::Terminated);
        error_of(pool.apply(|n: u32| n, (1,)), TaskErrorKind::Closed);
        pool.join().unwrap();
        ledger.add(&pool, 0, 10);
    });
}

/// HY05, CT02: cancelled items are not queued, although their worker has them until its grace is over.
#[test]
fn cancelled_items_of_a_chunk_that_runs_are_not_queued() {
    scene(|| {
        let pool = Pool::builder()
            .workers(1)
            .cancel_grace(Duration::from_secs(60))
            .build()
            .unwrap();
        assert_usable(&pool);
        let place = Scratch::new();
        let before = pool.stats();
        let handle = pool
            .call(wait_for)
            .chunk_size(10)
            .map_async((0..10).map(|_| place.at("go")));
        until("it runs", || pool.stats().running == 1);
        assert_eq!(pool.stats().queued, 9);
        assert!(handle.cancel());
        let stats = pool.stats();
        assert_eq!((stats.queued, stats.running), (0, 1), "{stats:?}");
        assert_eq!(stats.failed - before.failed, 10);
        // What comes now waits, and is the only thing that does.
        let next = pool.map_async(|n: u32| n, 0..3);
        assert_eq!(pool.stats().queued, 3);
        std::fs::write(place.at("go"), "").unwrap();
        assert_eq!(next.get().unwrap(), [0, 1, 2]);
        assert_eq!(rest(&pool.stats()), 0);
        finish(pool);
    });
}

fn signal(pid: u32, signal: Signal) {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw).unwrap();
    kill_process(pid, signal).unwrap();
}

fn stopped(pool: &Pool) -> Vec<bool> {
    let workers = pool.stats().workers;
    workers.into_iter().map(|worker| worker.stopped).collect()
}

/// FAULTS 15: without a limit, a stopped worker is seen in the stats, and goes on when somebody lets it.
#[test]
fn stopped_worker_is_visible_while_it_has_something_to_do() {
    scene(|| {
        let pool = warm(2);
        let place = Scratch::new();
        let handle = pool.apply_async(wait_for, (place.at("go"),));
        let at = || pool.stats().workers.into_iter().find(|w| w.busy);
        until("it runs", || at().is_some());
        let worker = at().unwrap();
        assert_eq!(stopped(&pool), [false; 2]);
        signal(worker.pid.unwrap(), Signal::STOP);
        until("it is seen", || stopped(&pool)[worker.index]);
        assert!(!stopped(&pool)[1 - worker.index]);
        assert_usable(&pool);
        std::fs::write(place.at("go"), "").unwrap();
        assert!(!handle.wait_timeout(Duration::from_millis(50)));
        signal(worker.pid.unwrap(), Signal::CONT);
        handle.get().unwrap();
        assert_eq!(stopped(&pool), [false; 2]);
        finish(pool);
    });
}

/// FAULTS 15: also one that was idle when it was stopped, once it is given something.
#[test]
fn stopped_worker_is_visible_when_a_call_waits_for_it() {
    scene(|| {
        let pool = warm(1);
        let pid = pool.worker_pids()[0];
        signal(pid, Signal::STOP);
        let handle = pool.apply_async(|n: u32| n, (7,));
        until("it is seen", || stopped(&pool) == [true]);
        signal(pid, Signal::CONT);
        assert_eq!(handle.get().unwrap(), 7);
        finish(pool);
    });
}
