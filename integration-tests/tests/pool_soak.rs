//! A bounded storm: three threads submit while workers are killed, stopped, continued and told to end, and tasks crash.
//!
//! `PROCESSION_SOAK_SECONDS=<n>` goes on for so long instead of 5 s; `PROCESSION_SOAK_SEED=<n>` repeats a run's choices.

use std::collections::HashSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use procession::{AsyncResult, Bytes, Pool, TaskError, TaskErrorKind};
use procession_integration_tests::audit::{alone, snapshot};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

procession::init_before_main!();

const WORKERS: usize = 3;
/// Handles a thread has open at a time.
const OPEN: usize = 40;

/// What a task is to do, and what must come of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Echo(usize),
    Nap,
    Panic,
    Exit,
    Abort,
}

fn echo(number: u64, bytes: Bytes) -> (u64, Bytes) {
    (number, bytes)
}

fn nap(number: u64) -> u64 {
    std::thread::sleep(Duration::from_millis(3));
    number
}

fn panics(number: u64) -> u64 {
    panic!("intended {number}")
}

fn exits(number: u64) -> u64 {
    std::process::exit((number % 100) as i32)
}

fn aborts(_: u64) -> u64 {
    std::process::abort()
}

enum Handle {
    Echo(AsyncResult<(u64, Bytes)>),
    Number(AsyncResult<u64>),
}

/// Numbers that a seed determines.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % bound
    }

    fn fate(&mut self) -> Fate {
        match self.below(40) {
            0 => Fate::Exit,
            1 => Fate::Abort,
            2 | 3 => Fate::Panic,
            4..10 => Fate::Nap,
            10 => Fate::Echo(self.below(1 << 20) as usize),
            11..18 => Fate::Echo(self.below(40_000) as usize),
            _ => Fate::Echo(self.below(100) as usize),
        }
    }
}

/// What happened, as those who did it know.
#[derive(Default)]
struct Ledger {
    /// Pids that were sent a signal that ends them.
    killed: Mutex<HashSet<u32>>,
    kills: AtomicU64,
    good: AtomicU64,
    intended: AtomicU64,
    collateral: AtomicU64,
    over: AtomicBool,
}

/// Every byte says whose it is.
fn payload(number: u64, length: usize) -> Bytes {
    Bytes::from(vec![number as u8; length])
}

fn submit(pool: &Pool, number: u64, fate: Fate) -> Handle {
    match fate {
        Fate::Echo(length) => {
            Handle::Echo(pool.apply_async(echo, (number, payload(number, length))))
        }
        Fate::Nap => Handle::Number(pool.apply_async(nap, (number,))),
        Fate::Panic => Handle::Number(pool.apply_async(panics, (number,))),
        Fate::Exit => Handle::Number(pool.apply_async(exits, (number,))),
        Fate::Abort => Handle::Number(pool.apply_async(aborts, (number,))),
    }
}

impl Ledger {
    /// One handle, resolved: a right value, its intended end, or a kill's doing.
    fn settle(&self, number: u64, fate: Fate, handle: Handle) {
        let error = match (handle, fate) {
            (Handle::Echo(handle), Fate::Echo(length)) => match handle.get() {
                Ok((back, bytes)) => {
                    assert_eq!(back, number);
                    assert!(
                        bytes == payload(number, length),
                        "task {number}: another's bytes"
                    );
                    None
                }
                Err(error) => Some(error),
            },
            (Handle::Number(handle), _) => match handle.get() {
                Ok(back) => {
                    assert_eq!((back, fate), (number, Fate::Nap));
                    None
                }
                Err(error) => Some(error),
            },
            (Handle::Echo(_), _) => unreachable!("only echoes give bytes back"),
        };
        match error {
            None => self.good.fetch_add(1, Ordering::SeqCst),
            Some(error) if is_intended(&error, number, fate) => {
                self.intended.fetch_add(1, Ordering::SeqCst)
            }
            Some(error) => {
                assert_eq!(
                    error.kind(),
                    TaskErrorKind::WorkerDied,
                    "task {number} {fate:?}: {error}"
                );
                let death = error.death().unwrap();
                let status = death.exit_status();
                assert!(
                    matches!(status.signal(), Some(9 | 15)),
                    "task {number} {fate:?}: {error}"
                );
                let killed = self.killed.lock().unwrap();
                assert!(
                    killed.contains(&death.pid()),
                    "task {number} {fate:?}: nobody killed it: {error}"
                );
                drop(killed);
                self.collateral.fetch_add(1, Ordering::SeqCst)
            }
        };
    }

    fn storm(&self, pool: &Pool, mut dice: Dice) {
        let mut stopped: Vec<(Instant, rustix::fd::OwnedFd)> = Vec::new();
        while !self.over.load(Ordering::SeqCst) {
            std::thread::sleep(Duration::from_millis(1 + dice.below(60)));
            stopped.retain(|(until, pidfd)| {
                let wait = *until > Instant::now();
                if !wait {
                    let _ = pidfd_send_signal(pidfd, Signal::CONT);
                }
                wait
            });
            let pids = pool.worker_pids();
            let Some(&pid) = pids.get(dice.below(WORKERS as u64) as usize) else {
                continue;
            };
            let Ok(pidfd) = pidfd_open(
                Pid::from_raw(pid.cast_signed()).unwrap(),
                PidfdFlags::empty(),
            ) else {
                continue;
            };
            // The number may have changed hands before it was opened.
            if !pool.worker_pids().contains(&pid) {
                continue;
            }
            match dice.below(4) {
                0 | 1 => {
                    self.killed.lock().unwrap().insert(pid);
                    self.kills.fetch_add(1, Ordering::SeqCst);
                    let _ = pidfd_send_signal(pidfd, Signal::KILL);
                }
                2 => {
                    self.killed.lock().unwrap().insert(pid);
                    self.kills.fetch_add(1, Ordering::SeqCst);
                    let _ = pidfd_send_signal(pidfd, Signal::TERM);
                }
                _ => {
                    let _ = pidfd_send_signal(&pidfd, Signal::STOP);
                    stopped.push((
                        Instant::now() + Duration::from_millis(dice.below(30)),
                        pidfd,
                    ));
                }
            }
        }
        for (_, pidfd) in stopped {
            let _ = pidfd_send_signal(pidfd, Signal::CONT);
        }
    }
}

fn is_intended(error: &TaskError, number: u64, fate: Fate) -> bool {
    let status = error.death().map(procession::WorkerDeath::exit_status);
    match fate {
        Fate::Panic => error
            .panic()
            .is_some_and(|panic| panic.message() == format!("intended {number}")),
        Fate::Exit => status.is_some_and(|status| status.code() == Some((number % 100) as i32)),
        Fate::Abort => status.is_some_and(|status| status.signal() == Some(6)),
        Fate::Echo(_) | Fate::Nap => false,
    }
}

fn number_of(variable: &str) -> Option<u64> {
    std::env::var(variable)
        .ok()
        .map(|text| text.parse().unwrap())
}

/// HY12, SH20: every handle resolves once, no more fail than were killed or meant to, and the end equals the start.
#[test]
fn a_storm_of_kills_loses_what_it_hit_and_nothing_else() {
    let seconds = number_of("PROCESSION_SOAK_SECONDS").unwrap_or(5);
    let seed = number_of("PROCESSION_SOAK_SEED").unwrap_or_else(|| u64::from(std::process::id()));
    println!("seed {seed}");
    let _alone = alone(120 + 2 * seconds);
    drop(Pool::new(1).unwrap());
    let before = snapshot();
    let pool = Pool::builder()
        .workers(WORKERS)
        .name("soak")
        .build()
        .unwrap();
    let ledger = Ledger::default();
    let submitted = AtomicU64::new(0);
    let end = Instant::now() + Duration::from_secs(seconds);
    std::thread::scope(|scope| {
        scope.spawn(|| ledger.storm(&pool, Dice(seed)));
        let submitters: Vec<_> = (1..=3u64)
            .map(|thread| {
                let (pool, ledger, submitted) = (&pool, &ledger, &submitted);
                scope.spawn(move || {
                    let mut dice = Dice(seed ^ (thread << 32));
                    let mut open = Vec::new();
                    while Instant::now() < end {
                        let number = submitted.fetch_add(1, Ordering::SeqCst);
                        let fate = dice.fate();
                        open.push((number, fate, submit(pool, number, fate)));
                        if open.len() > OPEN {
                            let at = dice.below(open.len() as u64) as usize;
                            let (number, fate, handle) = open.swap_remove(at);
                            ledger.settle(number, fate, handle);
                        }
                    }
                    open.into_iter()
                        .for_each(|(number, fate, handle)| ledger.settle(number, fate, handle));
                })
            })
            .collect();
        let outcomes: Vec<_> = submitters.into_iter().map(|thread| thread.join()).collect();
        ledger.over.store(true, Ordering::SeqCst);
        outcomes.into_iter().for_each(|outcome| outcome.unwrap());
    });
    let count = |counter: &AtomicU64| counter.load(Ordering::SeqCst);
    let (good, intended, collateral) = (
        count(&ledger.good),
        count(&ledger.intended),
        count(&ledger.collateral),
    );
    let (submitted, kills) = (count(&submitted), count(&ledger.kills));
    println!(
        "{submitted} tasks: {good} good, {intended} as intended, {collateral} lost to {kills} kills"
    );
    assert_eq!(good + intended + collateral, submitted);
    assert!(collateral <= kills, "{collateral} lost to {kills} kills");
    assert!(good > 0 && intended > 0 && kills > 0);
    let stats = pool.stats();
    assert_eq!(
        (stats.done, stats.failed),
        (good, intended + collateral),
        "{stats:?}"
    );
    assert_eq!((stats.queued, stats.running), (0, 0), "{stats:?}");
    pool.close();
    pool.join().unwrap();
    drop(pool);
    before.assert_nothing_left();
}
