//! A program with a pool that does what C programs do: forks, handles and ignores signals, takes statuses away.
//!
//! # Safety
//! The C calls here are the host's, not the library's: each is made with valid arguments, in a program that exists to misbehave.
#![expect(unsafe_code, reason = "hosts use C: fork, signal, waitpid")]

use std::io::Write;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use procession::{AsyncResult, Bytes, Pool, TaskErrorKind, wait_any};

fn main() {
    procession::init();
    match std::env::args().nth(1).unwrap_or_default().as_str() {
        "handler" => own_handler(),
        "interrupted-calls" => interrupted_calls(),
        "fork" => forks(),
        "ignore-sigchld" => {
            // SAFETY: SIG_IGN is a valid disposition for SIGCHLD.
            unsafe { libc::signal(libc::SIGCHLD, libc::SIG_IGN) };
            without_reaping();
        }
        "steal" => {
            std::thread::spawn(|| {
                loop {
                    // SAFETY: a null status pointer means that nobody wants the status.
                    unsafe { libc::waitpid(-1, std::ptr::null_mut(), 0) };
                }
            });
            without_reaping();
        }
        "stubborn" => stubborn(),
        "masked" => masked(),
        "at-exit" => at_exit(),
        other => panic!("no scenario {other:?}"),
    }
    say("done");
}

fn say(line: &str) {
    let mut out = std::io::stdout();
    let _ = out.write_all(format!("{line}\n").as_bytes());
    let _ = out.flush();
}

fn sleeps() {
    loop {
        std::thread::park();
    }
}

fn until_running(pool: &Pool, tasks: u64) {
    while pool.stats().running < tasks {
        std::thread::sleep(Duration::from_millis(1));
    }
}

static INTERRUPTED: AtomicBool = AtomicBool::new(false);
static SIGNALS: AtomicU64 = AtomicU64::new(0);

extern "C" fn on_interrupt(_: libc::c_int) {
    INTERRUPTED.store(true, Ordering::SeqCst);
    SIGNALS.fetch_add(1, Ordering::SeqCst);
}

/// Without SA_RESTART: every call that blocks in a signalled thread ends with EINTR.
fn handle(signal: libc::c_int) {
    // SAFETY: an all-zero action is a valid one.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    action.sa_sigaction = on_interrupt as *const () as libc::sighandler_t;
    // SAFETY: the action is valid, and its handler only stores to atomics.
    unsafe { libc::sigaction(signal, &raw const action, std::ptr::null_mut()) };
}

/// The host handles SIGINT: its handler runs, the pool works on until it is told otherwise.
fn own_handler() {
    handle(libc::SIGINT);
    let pool = Pool::new(2).unwrap();
    for pid in pool.worker_pids() {
        say(&format!("worker {pid}"));
    }
    let long = pool.apply_async(sleeps, ());
    until_running(&pool, 1);
    let pids = pool.worker_pids();
    say("ready");
    while !INTERRUPTED.load(Ordering::SeqCst) {
        std::thread::sleep(Duration::from_millis(1));
    }
    assert_eq!(pool.apply(|x: u32| x + 1, (1,)).unwrap(), 2);
    assert_eq!(pool.worker_pids(), pids);
    assert!(!long.ready());
    pool.terminate();
    pool.join().unwrap();
}

/// Ends the signals also when an assertion ends the test.
struct AtTheEnd<'a>(&'a AtomicBool);

impl Drop for AtTheEnd<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// Signals without end, at the thread that waits and at the pool's own.
fn interrupted_calls() {
    handle(libc::SIGUSR1);
    let pool = Pool::new(2).unwrap();
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let _over = AtTheEnd(&over);
        scope.spawn(|| {
            let own = std::process::id();
            while !over.load(Ordering::SeqCst) {
                for thread in std::fs::read_dir("/proc/self/task").unwrap().flatten() {
                    let id: i32 = thread.file_name().to_string_lossy().parse().unwrap();
                    // SAFETY: a signal that is handled, to a thread of this process or to none.
                    unsafe { libc::syscall(libc::SYS_tgkill, own, id, libc::SIGUSR1) };
                }
                std::thread::sleep(Duration::from_micros(50));
            }
        });
        let start = Instant::now();
        while start.elapsed() < Duration::from_secs(1) {
            let sent = (0..300_000u32).map(|i| i as u8).collect::<Bytes>();
            let back = pool.apply(|bytes: Bytes| bytes, (sent.clone(),)).unwrap();
            assert_eq!(sent, back);
            assert_eq!(
                pool.map(|x: u64| x, 0..100).unwrap().iter().sum::<u64>(),
                4950
            );
            let error = pool
                .apply(|| std::process::exit(3), ())
                .map(|(): ()| ())
                .unwrap_err();
            assert_eq!(error.death().unwrap().exit_status().code(), Some(3));
            let slow = pool.apply_async(|| std::thread::sleep(Duration::from_millis(20)), ());
            match slow.get_timeout(Duration::from_millis(5)) {
                Err(slow) => slow.get().unwrap(),
                // On a busy machine this thread may not run for so long.
                Ok(outcome) => outcome.unwrap(),
            }
        }
    });
    assert!(SIGNALS.load(Ordering::SeqCst) > 100);
    pool.close();
    pool.join().unwrap();
}

/// How often a callback of an item was called.
static CALLED: AtomicU32 = AtomicU32::new(0);

/// In a forked copy the pool and its handles are inert, and what the copy does harms nothing of the original.
fn forks() {
    let pool = Pool::new(2).unwrap();
    let running = pool.apply_async(sleeps, ());
    let finished = pool.apply_async(|x: u32| x + 1, (1,));
    finished.wait();
    until_running(&pool, 1);
    let pids = pool.worker_pids();
    let lazy_pool = Pool::new(2).unwrap();
    let call = || lazy_pool.call(sleeps_for).buffer_size(2);
    let called = |_: &Result<u32, procession::TaskError>| _ = CALLED.fetch_add(1, Ordering::SeqCst);
    let mut lazy = call().imap(0..3);
    let mut lazy_too = call().on_complete(called).imap_unordered(0..3);
    assert_eq!(
        (
            lazy.next().unwrap().unwrap(),
            lazy_too.next().unwrap().unwrap()
        ),
        (0, 0)
    );
    let sharing = Pool::new(1).unwrap();
    let shared = sharing.broadcast(vec![7u8; 100_000]).unwrap();
    let len = |shared: procession::Shared<Vec<u8>>| shared.len();
    assert_eq!(sharing.apply(len, (shared.clone(),)).unwrap(), 100_000);
    for how in ["uses", "drops", "exits"] {
        let handle = pool.apply_async(sleeps, ());
        // SAFETY: the copy runs this thread alone; it calls nothing but the library under test.
        let pid = unsafe { libc::fork() };
        if pid == 0 {
            let ok = match how {
                "uses" => {
                    let closed = |one: Result<u32, procession::TaskError>| {
                        one.is_err_and(|error| error.kind() == TaskErrorKind::Closed)
                    };
                    let refused = sharing.broadcast(1u8).is_err_and(|error| error.is_forked());
                    let rest = lazy.map(closed).chain(lazy_too.map(closed));
                    let called_before = CALLED.load(Ordering::SeqCst);
                    refused
                        && shared.len() == 100_000
                        && is_inert(&pool, handle)
                        && rest.collect::<Vec<_>>() == [true; 4]
                        && call()
                            .on_complete(called)
                            .imap(0..3)
                            .all(|one| one.is_err())
                        && CALLED.load(Ordering::SeqCst) == called_before
                }
                "drops" => {
                    drop((
                        pool, sharing, shared, running, finished, handle, lazy, lazy_too,
                    ));
                    true
                }
                _ => std::process::exit(0),
            };
            // SAFETY: ends the copy at once, with no at-exit hooks of the original.
            unsafe { libc::_exit(i32::from(!ok)) }
        }
        let mut status = 0;
        // SAFETY: `status` is valid for the call.
        unsafe { libc::waitpid(pid, &raw mut status, 0) };
        assert_eq!(status, 0, "{how}: the copy found everything inert");
        assert_eq!(pool.worker_pids(), pids, "{how}: and harmed nothing");
    }
    assert_eq!(sharing.apply(len, (shared.clone(),)).unwrap(), 100_000);
    lazy_pool.terminate();
    assert_eq!(lazy.chain(lazy_too).filter(Result::is_err).count(), 4);
    lazy_pool.join().unwrap();
    assert_eq!(CALLED.load(Ordering::SeqCst), 3);
    assert!(!running.ready());
    assert_eq!(finished.get().unwrap(), 2);
    pool.terminate();
    pool.join().unwrap();
    assert_eq!(running.get().unwrap_err().kind(), TaskErrorKind::Terminated);
}

/// The first item at once, the others not soon.
fn sleeps_for(item: u32) -> u32 {
    if item > 0 {
        sleeps();
    }
    item
}

fn is_inert(pool: &Pool, handle: AsyncResult<()>) -> bool {
    let closed = Some(TaskErrorKind::Closed);
    let kind = |result: Result<(), procession::TaskError>| result.err().map(|error| error.kind());
    let mut handles = [handle];
    let refuses = kind(pool.apply(|| (), ())) == closed
        && kind(pool.apply_async(|| (), ()).get()) == closed
        && kind(pool.map(|_: u32| (), 0..3).map(drop)) == closed
        && pool
            .try_map(|_: u32| (), 0..3)
            .into_iter()
            .all(|one| kind(one) == closed)
        && pool.imap(|_: u32| (), 0..3).all(|one| kind(one) == closed)
        && Pool::new(1).is_err_and(|error| error.is_forked());
    let says_nothing = pool.worker_pids().is_empty()
        && pool.stats().workers.is_empty()
        && wait_any(&mut handles, None).is_none()
        && !handles[0].ready()
        && !handles[0].wait_timeout(Duration::from_secs(60));
    pool.close();
    pool.terminate();
    let joins = pool.join().is_err_and(|error| error.is_forked());
    let [handle] = handles;
    refuses && says_nothing && joins && kind(handle.get()) == closed
}

/// The kernel, or somebody else, collects what ends. Nothing hangs; statuses are right or said to be unknown.
fn without_reaping() {
    let pool = Pool::new(2).unwrap();
    for round in 0..20u32 {
        assert_eq!(pool.apply(|x: u32| x + 1, (round,)).unwrap(), round + 1);
        let error = pool
            .apply(|| std::process::exit(7), ())
            .map(|(): ()| ())
            .unwrap_err();
        assert_eq!(error.kind(), TaskErrorKind::WorkerDied);
        let status = error.death().unwrap().exit_status();
        assert!(status.code() == Some(7) || !status.is_known(), "{status}");
    }
    pool.close();
    pool.join().unwrap();
    assert!(procession::active_children().is_empty());
}

/// Tasks that ignore SIGTERM: SIGKILL follows.
fn stubborn() {
    fn ignores_term() {
        // SAFETY: SIG_IGN is a valid disposition for SIGTERM.
        unsafe { libc::signal(libc::SIGTERM, libc::SIG_IGN) };
        sleeps();
    }
    let pool = Pool::new(2).unwrap();
    let handles: Vec<_> = (0..2).map(|_| pool.apply_async(ignores_term, ())).collect();
    until_running(&pool, 2);
    std::thread::sleep(Duration::from_millis(50));
    let start = Instant::now();
    pool.terminate();
    for handle in handles {
        assert_eq!(handle.get().unwrap_err().kind(), TaskErrorKind::Terminated);
    }
    pool.join().unwrap();
    assert!(start.elapsed() < Duration::from_secs(20));
}

/// What the thread that makes the pool blocks and ignores is not inherited by the workers.
fn masked() {
    // SAFETY: an all-zero set is a valid one.
    let mut all: libc::sigset_t = unsafe { std::mem::zeroed() };
    // SAFETY: the set is valid.
    unsafe { libc::sigfillset(&raw mut all) };
    // SAFETY: the set is valid, and the old one is not wanted.
    unsafe { libc::pthread_sigmask(libc::SIG_BLOCK, &raw const all, std::ptr::null_mut()) };
    // SAFETY: SIG_IGN is a valid disposition for SIGTERM.
    unsafe { libc::signal(libc::SIGTERM, libc::SIG_IGN) };
    let pool = Pool::new(1).unwrap();
    let error = pool
        .apply(
            || {
                let _ = rustix::process::kill_process(
                    rustix::process::getpid(),
                    rustix::process::Signal::TERM,
                );
            },
            (),
        )
        .unwrap_err();
    assert_eq!(
        error.death().unwrap().exit_status().signal(),
        Some(libc::SIGTERM)
    );
    pool.close();
    pool.join().unwrap();
}

/// A pool that is there until the very end.
static LAST: OnceLock<Pool> = OnceLock::new();

/// A pool in a static, with work running and waiting, and a hook that uses it when `main` has returned or `exit` was called.
fn at_exit() {
    let pool = LAST.get_or_init(|| Pool::new(2).unwrap());
    serves(pool);
    let _running = pool.apply_async(sleeps, ());
    until_running(pool, 1);
    // SAFETY: the function is a valid hook, and it does not unwind: a panic in it aborts.
    unsafe { libc::atexit(use_and_close) };
    if std::env::var("ENDING").as_deref() == Ok("exits") {
        say("done");
        std::process::exit(0);
    }
}

/// What a thread keeps for its calls is there when `main` runs, and not any more in the hook.
fn serves(pool: &Pool) {
    let (long, inline) = (Bytes::from(vec![7; 1 << 20]), Pool::new(0).unwrap());
    for pool in [pool, &inline] {
        assert_eq!(pool.apply(|x: u32| x + 1, (1,)).unwrap(), 2);
        let back = pool.apply_async(|bytes: Bytes| bytes, (long.clone(),));
        assert_eq!(back.get().unwrap(), long);
        assert_eq!(pool.map(|x: u32| x, 0..9).unwrap().len(), 9);
        assert_eq!(pool.imap(|x: u32| x, 0..9).filter(Result::is_ok).count(), 9);
        let panics = pool.apply(|| -> () { panic!("in the task") }, ());
        assert_eq!(panics.unwrap_err().kind(), TaskErrorKind::Panicked);
        let shared = pool.broadcast(3u32).unwrap();
        // Such a value needs a place in the thread that sends it: served before the hook, and refused in it.
        let value = pool.apply(|shared: procession::Shared<u32>| *shared, (shared,));
        match (value, ENDS.load(Ordering::SeqCst)) {
            (Ok(value), false) => assert_eq!(value, 3),
            (Err(error), true) => assert_eq!(error.kind(), TaskErrorKind::EncodeArgs, "{error}"),
            (outcome, ends) => panic!("at the end: {ends}, {outcome:?}"),
        }
    }
}

static ENDS: AtomicBool = AtomicBool::new(false);

extern "C" fn use_and_close() {
    let limit = Duration::from_secs(60);
    let pool = LAST.get().unwrap();
    ENDS.store(true, Ordering::SeqCst);
    serves(pool);
    pool.close();
    let closed = Some(TaskErrorKind::Closed);
    let refused = pool.apply_async(|x: u32| x + 1, (1,)).get_timeout(limit);
    assert_eq!(refused.expect("at once").err().map(|e| e.kind()), closed);
    assert_eq!(pool.map(|x: u32| x, 0..9).err().map(|e| e.kind()), closed);
    let mut lazy = pool.imap(|x: u32| x, 0..9);
    assert!(lazy.all(|one| one.is_err_and(|e| Some(e.kind()) == closed)));
    pool.terminate();
    assert!(pool.join_timeout(limit).unwrap());
    say("the hook has run");
}
