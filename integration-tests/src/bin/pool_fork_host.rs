//! A program whose own code forks in the middle of what it asks of a pool: an input, an encoding, a decoding, a function
//! that is called back. The copy goes on from there; it must neither hang nor get at the workers, which are the original's.
//!
//! # Safety
//! Forking is the host's doing, not the library's. The copy runs on in one thread, uses the library under test and the
//! allocator, which the C library makes whole again, and ends by `_exit`.
#![expect(
    unsafe_code,
    reason = "a host that forks uses C: fork, alarm, waitpid, _exit"
)]

use std::fmt::Debug;
use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::time::{Duration, Instant};

use procession::{
    Pool, TaskError, TaskErrorKind, as_completed, as_completed_timeout, wait_all, wait_any,
};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

fn main() {
    procession::init();
    match std::env::args().nth(1).unwrap_or_default().as_str() {
        "map-input" => map_input(),
        "lazy-input" => lazy_input(),
        "told-input" => told_input(),
        "encoding" => encoding(),
        "decoding" => decoding(),
        "progress" => progress(),
        "callback" => callback(),
        "judge" => judge(),
        "as-completed" => completed(),
        "captured" => captured(),
        "sizes" => sizes(),
        other => panic!("no scenario {other:?}"),
    }
    let mut out = std::io::stdout();
    out.write_all(b"done\n").unwrap();
}

/// Whether this process is the copy.
static COPY: AtomicBool = AtomicBool::new(false);
/// The worker process forks nothing, however its code is the same.
static ARMED: AtomicBool = AtomicBool::new(false);

/// Forks, once it is armed. The original waits for the copy's end, which has to be a good one; so whatever the copy does to
/// the workers has happened when the original goes on.
fn fork() {
    if !ARMED.swap(false, Ordering::SeqCst) {
        return;
    }
    // SAFETY: the copy runs this thread alone, and calls nothing but the library under test and the C library's own.
    let pid = unsafe { libc::fork() };
    assert!(pid >= 0, "cannot fork");
    if pid == 0 {
        COPY.store(true, Ordering::SeqCst);
        // SAFETY: a copy that hangs is ended by the signal, whose default action stands.
        unsafe { libc::alarm(20) };
        return;
    }
    let mut status = 0;
    // SAFETY: `status` is valid for the call.
    unsafe { libc::waitpid(pid, &raw mut status, 0) };
    assert_eq!(status, 0, "the copy has ended in good order");
}

/// Has the next `fork` fork.
fn arm() {
    ARMED.store(true, Ordering::SeqCst);
}

/// Judges what both got of what forked in the middle. The copy ends here.
fn both<T: Debug>(got: T, copy: impl FnOnce(&T) -> bool, original: impl FnOnce(&T) -> bool) {
    assert!(!ARMED.load(Ordering::SeqCst), "it has forked");
    if COPY.load(Ordering::SeqCst) {
        end_copy(copy(&got), &got);
    }
    assert!(original(&got), "the original got {got:?}");
}

fn end_copy(ok: bool, got: &dyn Debug) -> ! {
    if !ok {
        let _ = std::io::stderr().write_all(format!("the copy got {got:?}\n").as_bytes());
    }
    // SAFETY: ends the copy at once, with no at-exit hooks of the original.
    unsafe { libc::_exit(i32::from(!ok)) }
}

/// The pool has its workers, works, and ends in good order.
fn unharmed(pool: Pool, pids: &[u32]) {
    assert_eq!(pool.worker_pids(), pids);
    let sum = pool.map(double, 0..500).unwrap().iter().sum::<u32>();
    assert_eq!(sum, 499 * 500);
    let stats = pool.stats();
    assert_eq!((stats.queued, stats.running, stats.restarts), (0, 0, 0));
    pool.close();
    pool.join().unwrap();
}

fn warm() -> (Pool, Vec<u32>) {
    let pool = Pool::new(2).unwrap();
    assert!(pool.warm_up(Duration::from_secs(60)).unwrap());
    let pids = pool.worker_pids();
    (pool, pids)
}

fn double(x: u32) -> u32 {
    x * 2
}

const ITEMS: u32 = 200;

/// Forks before item `at`, when replies to the portions before have come.
fn forking(at: u32) -> impl Iterator<Item = u32> + Send {
    (0..ITEMS).inspect(move |item| {
        if *item == at {
            std::thread::sleep(Duration::from_millis(20));
            fork();
        }
    })
}

fn doubled(at: u32) -> u32 {
    at * 2
}

fn all(got: &[u32]) -> bool {
    (0..ITEMS).map(doubled).eq(got.iter().copied())
}

fn is_closed<T>(got: &Result<T, TaskError>) -> bool {
    matches!(got, Err(e) if e.kind() == TaskErrorKind::Closed)
}

/// Each item has its value or is `Closed`, and at least the last is.
fn closed_from<T>(got: &[Result<T, TaskError>]) -> bool {
    got.len() == ITEMS as usize
        && got.last().is_some_and(is_closed)
        && got.iter().all(|one| one.is_ok() || is_closed(one))
}

/// In the first portion, in a later one, with the last item.
const PLACES: [u32; 4] = [0, 5, 40, ITEMS - 1];

fn map_input() {
    let (pool, pids) = warm();
    for at in PLACES {
        arm();
        let got = pool.map(double, forking(at));
        both(got, is_closed, |got| all(got.as_ref().unwrap()));
        arm();
        let got = pool.try_map(double, forking(at));
        both(
            got,
            |got| closed_from(got),
            |got| got.iter().all(Result::is_ok),
        );
        arm();
        let got = pool.map_async(double, forking(at)).get();
        both(got, is_closed, |got| all(got.as_ref().unwrap()));
    }
    unharmed(pool, &pids);
}

fn lazy_input() {
    let (pool, pids) = warm();
    for at in PLACES {
        arm();
        let got: Vec<_> = pool.imap(double, forking(at)).collect();
        both(
            got,
            |got| closed_from(got),
            |got| got.iter().all(Result::is_ok),
        );
        arm();
        let call = pool.call(double).on_progress(|_| ());
        let got: Vec<_> = call.imap_unordered(forking(at)).collect();
        both(
            got,
            |got| got.len() == ITEMS as usize && got.iter().any(is_closed),
            |got| got.iter().all(Result::is_ok),
        );
        arm();
        let got = pool.any(|x: u32| x == ITEMS, forking(at));
        both(got, is_closed, |got| matches!(got, Ok(false)));
    }
    unharmed(pool, &pids);
}

/// Maps that tell, or call back at their end.
fn told_input() {
    let (pool, pids) = warm();
    for at in PLACES {
        arm();
        let got = pool.call(double).on_progress(|_| ()).map(forking(at));
        both(got, is_closed, |got| all(got.as_ref().unwrap()));
        arm();
        let call = pool.call(double).on_progress(|_| ());
        let got = call.map_async(forking(at)).get();
        both(got, is_closed, |got| all(got.as_ref().unwrap()));
        arm();
        let call = pool.call(double).on_complete(|_| ());
        let got = call.map_async(forking(at)).get();
        both(got, is_closed, |got| all(got.as_ref().unwrap()));
    }
    // A panic of the input, in the copy: what was handed out is the original's.
    arm();
    let panicking = forking(40).inspect(|item| assert!(*item < 40 || !is_copy()));
    let got = catch_unwind(AssertUnwindSafe(|| pool.map(double, panicking)));
    both(got.is_err(), |panicked| *panicked, |panicked| !panicked);
    unharmed(pool, &pids);
}

fn is_copy() -> bool {
    COPY.load(Ordering::SeqCst)
}

/// Forks where it is encoded.
#[derive(Clone, Debug, Deserialize)]
struct Encoded(u32);

impl Serialize for Encoded {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.0 == 0 {
            fork();
        }
        serializer.serialize_newtype_struct("Encoded", &self.0)
    }
}

fn encoding() {
    let (pool, pids) = warm();
    let get = |value: Encoded| value.0;
    arm();
    let got = pool.apply(get, (Encoded(0),));
    both(got, is_closed, |got| matches!(got, Ok(0)));
    arm();
    let got = pool.map(get, [Encoded(1), Encoded(0), Encoded(1)]);
    both(got, is_closed, |got| got.as_deref().unwrap() == [1, 0, 1]);
    arm();
    let got = pool.broadcast(Encoded(0)).map(|shared| shared.0);
    both(
        got,
        |got| got.as_ref().is_err_and(procession::Error::is_forked),
        |got| matches!(got, Ok(0)),
    );
    unharmed(pool, &pids);
}

/// Forks where it is decoded, but not in workers: nothing is armed there.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct Decoded(u32);

impl<'de> Deserialize<'de> for Decoded {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Decoded, D::Error> {
        let value = u32::deserialize(deserializer)?;
        if value == 0 {
            fork();
        }
        Ok(Decoded(value))
    }
}

/// The first item at once, the others later.
fn late(item: u32) -> u32 {
    if item > 0 {
        std::thread::sleep(Duration::from_millis(50));
    }
    item
}

fn late_decoded(item: u32) -> Decoded {
    Decoded(late(item))
}

fn decoding() {
    let (pool, pids) = warm();
    let items = 0..6u32;
    let right = |got: &Vec<Decoded>| got.iter().map(|one| one.0).eq(0..6);
    arm();
    let got = pool.call(late_decoded).chunk_size(1).map(items.clone());
    both(got, is_closed, |got| right(got.as_ref().unwrap()));
    arm();
    let got: Vec<_> = pool.call(late_decoded).chunk_size(1).imap(items).collect();
    both(
        got,
        |got| got.len() == 6 && got.last().is_some_and(is_closed),
        |got| got.iter().all(Result::is_ok),
    );
    unharmed(pool, &pids);
}

fn progress() {
    let (pool, pids) = warm();
    let items = 0..6u32;
    arm();
    let call = pool.call(late).chunk_size(1).on_progress(|p| {
        if p.done > 0 {
            fork();
        }
    });
    let got = call.map(items.clone());
    both(got, is_closed, |got| got.as_ref().unwrap().len() == 6);
    arm();
    let call = pool.call(late).chunk_size(1).on_progress(|p| {
        if p.done > 0 {
            fork();
        }
    });
    let got: Vec<_> = call.imap(items).collect();
    both(
        got,
        |got| got.len() == 6 && got.last().is_some_and(is_closed),
        |got| got.iter().all(Result::is_ok),
    );
    unharmed(pool, &pids);
}

/// A callback that forks and returns: its thread is the copy's only one, and ends it. No other callback is called there.
fn callback() {
    static CALLED: AtomicI32 = AtomicI32::new(0);
    let (pool, pids) = warm();
    let called = |_: &Result<u32, TaskError>| {
        if is_copy() {
            end_copy(false, &"a callback that is the original's");
        }
        // The others are due by then.
        std::thread::sleep(Duration::from_millis(200));
        fork();
        CALLED.fetch_add(1, Ordering::SeqCst);
    };
    arm();
    let handles: Vec<_> = (1..5).map(|item| pool.apply_async(late, (item,))).collect();
    for handle in &handles {
        handle.on_complete(called);
    }
    for handle in handles {
        handle.get().unwrap();
    }
    until(|| CALLED.load(Ordering::SeqCst) == 4);
    unharmed(pool, &pids);
}

/// One that is asked whether to try again: the copy decides nothing.
fn judge() {
    let (pool, pids) = warm();
    arm();
    let fails = |x: u32| -> u32 { 6 / x };
    let call = pool.call(fails).retries(2).retry_if(|_| {
        fork();
        true
    });
    assert_eq!(call.apply((0,)).unwrap_err().attempts(), 3);
    unharmed(pool, &pids);
}

fn until(mut condition: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !condition() {
        assert!(begun.elapsed() < Duration::from_secs(60), "it has come");
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn sleeps(ms: u64) -> u64 {
    std::thread::sleep(Duration::from_millis(ms));
    ms
}

/// The iterator was made before the fork, its `next` is called in the copy.
fn completed() {
    let (pool, pids) = warm();
    let handles = || [0, 300, 0].map(|ms| pool.apply_async(sleeps, (ms,))).into();
    let right = |got: &[(usize, Result<u64, TaskError>)]| {
        got.len() == 3 && got.iter().all(|(_, one)| one.is_ok()) && got[2].0 == 1
    };
    let in_copy = |got: &[(usize, Result<u64, TaskError>)]| {
        let mut indexes: Vec<_> = got.iter().map(|(index, _)| *index).collect();
        indexes.sort_unstable();
        let late = got.iter().find(|(index, _)| *index == 1);
        indexes == [0, 1, 2] && late.is_some_and(|(_, one)| is_closed(one))
    };
    for first in [0, 1] {
        let mut arrivals = as_completed(handles());
        let mut got: Vec<_> = arrivals.by_ref().take(first).collect();
        arm();
        fork();
        got.extend(arrivals);
        both(got, |got| in_copy(got), |got| right(got));

        let mut arrivals = as_completed_timeout(handles(), Duration::from_secs(60));
        let mut got: Vec<_> = arrivals.by_ref().take(first).flatten().collect();
        arm();
        fork();
        got.extend(arrivals.flatten());
        both(got, |got| in_copy(got), |got| right(got));
    }
    let mut handles: Vec<_> = handles();
    handles[0].wait();
    arm();
    fork();
    let (any, all) = (wait_any(&mut handles, None), wait_all(&handles, None));
    both((any, all), |got| *got == (Some(0), false), |got| got.1);
    unharmed(pool, &pids);
}

/// The reader of the lines stands still while it forks: what waits for the lines in the copy would wait for ever, or a second.
fn captured() {
    static READS: AtomicBool = AtomicBool::new(false);
    static GO_ON: AtomicBool = AtomicBool::new(false);
    let pool = Pool::builder().workers(1).on_output(|_| {
        READS.store(true, Ordering::SeqCst);
        until(|| GO_ON.load(Ordering::SeqCst));
    });
    let pool = pool.build().unwrap();
    assert!(pool.warm_up(Duration::from_secs(60)).unwrap());
    let pids = pool.worker_pids();
    let says = |x: u32| {
        println!("{x}");
        x
    };
    let mut handles = [1, 2].map(|x| pool.apply_async(says, (x,)));
    // The lines are not taken, but the outcome is there.
    until(|| pool.stats().done == 2 && READS.load(Ordering::SeqCst));
    arm();
    fork();
    let begun = Instant::now();
    if is_copy() {
        let waited = handles[0].wait_timeout(Duration::MAX)
            && wait_any(&mut handles, None) == Some(0)
            && wait_all(&handles, None);
        handles[0].wait();
        let got = handles.map(|handle| handle.get().unwrap());
        let took = begun.elapsed();
        end_copy(
            waited && got == [1, 2] && took < Duration::from_millis(500),
            &(waited, got, took),
        );
    }
    GO_ON.store(true, Ordering::SeqCst);
    assert_eq!(handles.map(|handle| handle.get().unwrap()), [1, 2]);
    unharmed(pool, &pids);
}

/// What is asked of the pool itself says that this is a copy.
fn sizes() {
    let (pool, pids) = warm();
    arm();
    fork();
    let forked = |outcome: Option<procession::Error>| outcome.is_some_and(|e| e.is_forked());
    let got = [
        forked(pool.resize(3).err()),
        forked(pool.warm_up(Duration::ZERO).err()),
        forked(pool.warm_up_to(1, Duration::ZERO).err()),
        forked(pool.broadcast(1).err()),
    ];
    both(got, |got| *got == [true; 4], |got| *got == [false; 4]);
    pool.resize(2).unwrap();
    unharmed(pool, &pids);
}
