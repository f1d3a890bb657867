//! Leak audit and watchdog for tests with real processes. Uses `/proc` and `std` only, never the code under test.
//!
//! ```no_run
//! use procession_integration_tests::audit;
//! let _alone = audit::alone(60); // one audited test at a time in this process; aborts the process after 60 s
//! let before = audit::snapshot();
//! // ... the scenario ...
//! before.assert_nothing_left();
//! ```
//!
//! Threads are compared only when their name starts with `procession`: test harnesses start and end threads of their own.
//! What lives as long as the process (the thread that starts children) must exist before the first snapshot: run one
//! scenario before it.

use std::collections::BTreeSet;
use std::fs;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// What this process holds at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// `number -> link target` of every open descriptor.
    pub descriptors: BTreeSet<String>,
    /// `id name` of every thread of the library.
    pub threads: BTreeSet<String>,
    /// `pid state (name)` of every child, zombies (state `Z`) included.
    pub children: BTreeSet<String>,
    /// Every mapping of a memfd.
    pub memfd_maps: BTreeSet<String>,
}

/// Takes stock of this process.
#[must_use]
pub fn snapshot() -> Snapshot {
    Snapshot {
        descriptors: descriptors(),
        threads: threads(),
        children: children_of(std::process::id()),
        memfd_maps: memfd_maps(),
    }
}

impl Snapshot {
    /// What is here in `later` and was not in `self`, one line each.
    #[must_use]
    pub fn leftovers(&self, later: &Snapshot) -> Vec<String> {
        let mut left = Vec::new();
        for (what, then, now) in [
            ("descriptor", &self.descriptors, &later.descriptors),
            ("thread", &self.threads, &later.threads),
            ("child", &self.children, &later.children),
            ("memfd mapping", &self.memfd_maps, &later.memfd_maps),
        ] {
            left.extend(now.difference(then).map(|one| format!("{what}: {one}")));
        }
        left
    }

    /// Waits up to 10 s until nothing is left over, then panics with the list of what is.
    ///
    /// # Panics
    /// When something is left over.
    pub fn assert_nothing_left(&self) {
        let deadline = Instant::now() + Duration::from_secs(10);
        loop {
            let left = self.leftovers(&snapshot());
            if left.is_empty() {
                return;
            }
            assert!(
                Instant::now() < deadline,
                "left over:\n  {}",
                left.join("\n  ")
            );
            thread::sleep(Duration::from_millis(5));
        }
    }
}

fn descriptors() -> BTreeSet<String> {
    let Ok(entries) = fs::read_dir("/proc/self/fd") else {
        return BTreeSet::new();
    };
    let links = entries.flatten().filter_map(|entry| {
        let target = fs::read_link(entry.path()).ok()?;
        Some(format!(
            "{} -> {}",
            entry.file_name().to_string_lossy(),
            target.display()
        ))
    });
    // The descriptor that lists the directory is gone by the time it is looked at twice.
    links
        .filter(|line| !line.contains("/proc/") || !line.ends_with("/fd"))
        .collect()
}

fn threads() -> BTreeSet<String> {
    let Ok(entries) = fs::read_dir("/proc/self/task") else {
        return BTreeSet::new();
    };
    let named = entries.flatten().filter_map(|entry| {
        let name = fs::read_to_string(entry.path().join("comm")).ok()?;
        Some(format!(
            "{} {}",
            entry.file_name().to_string_lossy(),
            name.trim_end()
        ))
    });
    named
        .filter(|line| {
            line.split(' ')
                .nth(1)
                .is_some_and(|name| name.starts_with("procession"))
        })
        .collect()
}

/// `pid state (name)` of every child of process `parent`, zombies included.
#[must_use]
pub fn children_of(parent: u32) -> BTreeSet<String> {
    let Ok(entries) = fs::read_dir("/proc") else {
        return BTreeSet::new();
    };
    let stats = entries.flatten().filter(|entry| {
        entry
            .file_name()
            .to_string_lossy()
            .bytes()
            .all(|b| b.is_ascii_digit())
    });
    stats
        .filter_map(|entry| {
            let stat = fs::read_to_string(entry.path().join("stat")).ok()?;
            let (head, tail) = stat.rsplit_once(')')?;
            let (pid, name) = head.split_once(" (")?;
            let mut fields = tail.split_whitespace();
            let state = fields.next()?;
            let ppid: u32 = fields.next()?.parse().ok()?;
            (ppid == parent).then(|| format!("{pid} {state} ({name})"))
        })
        .collect()
}

/// True while process `pid` exists and is not a zombie.
#[must_use]
pub fn is_running(pid: u32) -> bool {
    let Ok(stat) = fs::read_to_string(format!("/proc/{pid}/stat")) else {
        return false;
    };
    let state = stat
        .rsplit_once(')')
        .and_then(|(_, tail)| tail.split_whitespace().next());
    !matches!(state, None | Some("Z" | "X"))
}

/// Waits until none of `pids` is running; panics with those that still are after `limit`.
///
/// # Panics
/// When one is still running.
pub fn assert_all_end(pids: &[u32], limit: Duration) {
    let deadline = Instant::now() + limit;
    loop {
        let running: Vec<u32> = pids
            .iter()
            .copied()
            .filter(|&pid| is_running(pid))
            .collect();
        if running.is_empty() {
            return;
        }
        assert!(
            Instant::now() < deadline,
            "still running after {limit:?}: {running:?}"
        );
        thread::sleep(Duration::from_millis(2));
    }
}

fn memfd_maps() -> BTreeSet<String> {
    let maps = fs::read_to_string("/proc/self/maps").unwrap_or_default();
    maps.lines()
        .filter(|line| line.contains("/memfd:"))
        .map(str::to_owned)
        .collect()
}

/// Aborts this process unless it is dropped in time.
#[derive(Debug)]
#[must_use = "the watchdog sleeps as soon as it is dropped"]
pub struct Watchdog {
    disarmed: Arc<(Mutex<bool>, Condvar)>,
    thread: Option<JoinHandle<()>>,
}

/// Aborts this process in `seconds` unless what it returns is dropped first.
///
/// # Panics
/// When no thread can be started.
pub fn watchdog(seconds: u64) -> Watchdog {
    let disarmed = Arc::new((Mutex::new(false), Condvar::new()));
    let watched = Arc::clone(&disarmed);
    let test = thread::current().name().unwrap_or("a test").to_owned();
    let body = move || {
        let (flag, changed) = &*watched;
        let guard = flag.lock().unwrap_or_else(PoisonError::into_inner);
        let limit = Duration::from_secs(seconds);
        let (guard, _) = changed
            .wait_timeout_while(guard, limit, |done| !*done)
            .unwrap_or_else(PoisonError::into_inner);
        if !*guard {
            eprintln!(
                "watchdog: {test} runs for {seconds} s; this process holds {:#?}",
                snapshot()
            );
            std::process::abort();
        }
    };
    let thread = thread::Builder::new()
        .name("watchdog".into())
        .spawn(body)
        .expect("a thread for the watchdog");
    Watchdog {
        disarmed,
        thread: Some(thread),
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        *self
            .disarmed
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = true;
        self.disarmed.1.notify_all();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Holds every other audited test of this process back, and carries the watchdog.
#[derive(Debug)]
#[must_use = "other tests run as soon as it is dropped"]
pub struct Alone {
    _watchdog: Watchdog,
    _turn: MutexGuard<'static, ()>,
}

/// Waits for this test's turn among the audited tests of this process, then starts a watchdog of `seconds`.
pub fn alone(seconds: u64) -> Alone {
    static TURN: Mutex<()> = Mutex::new(());
    let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    Alone {
        _watchdog: watchdog(seconds),
        _turn: turn,
    }
}
