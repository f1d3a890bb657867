//! The frame around every pool test: alone, watched, and nothing left over. Knows nothing of what is tested.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use procession::{Pool, TaskError, TaskErrorKind};

use crate::audit;

/// Waits no test should ever see the end of.
pub const LONG: Duration = Duration::from_secs(60);

/// Runs `scene` while no other scene of this process runs, under a watchdog, and checks what it leaves behind.
///
/// # Panics
/// When a descriptor, thread, child or mapping is left over.
pub fn scene(scene: impl FnOnce()) {
    let _alone = audit::alone(watched_for());
    // The thread that starts children lives as long as this process, so it is there before the first look.
    drop(Pool::new(1).expect("a pool"));
    let before = audit::snapshot();
    scene();
    before.assert_nothing_left();
}

/// Seconds until a scene counts as hung: an hour for the long mode, whose rounds are the caller's affair.
fn watched_for() -> u64 {
    match std::env::var_os("PROCESSION_LONG") {
        Some(_) => 3600,
        None => 180,
    }
}

/// A pool of `workers`, all of them booted.
///
/// # Panics
/// When it cannot be made.
#[must_use]
pub fn warm(workers: usize) -> Pool {
    let pool = Pool::new(workers).expect("a pool");
    assert_eq!(
        pool.map(|x: u32| x, 0..8).expect("a first map"),
        (0..8).collect::<Vec<u32>>()
    );
    pool
}

/// Finishes everything and waits for the workers.
///
/// # Panics
/// When the pool cannot be joined.
pub fn finish(pool: Pool) {
    pool.close();
    pool.join().expect("a closed pool joins");
    drop(pool);
}

/// Waits until `condition` holds.
///
/// # Panics
/// When it does not within a minute.
pub fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + LONG;
    while !condition() {
        assert!(Instant::now() < deadline, "waited in vain until {what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// The error of an outcome, of the kind expected.
///
/// # Panics
/// When it is a value or another kind of error.
#[track_caller]
pub fn error_of<R: std::fmt::Debug>(
    outcome: Result<R, TaskError>,
    kind: TaskErrorKind,
) -> TaskError {
    let error = outcome.expect_err("an error");
    assert_eq!(error.kind(), kind, "{error}");
    error
}

/// Checks that `pool` still runs tasks on each of its places.
///
/// # Panics
/// When it does not.
#[track_caller]
pub fn assert_usable(pool: &Pool) {
    let doubled = pool
        .map(|x: u64| 2 * x, 0..50)
        .expect("a map on a usable pool");
    assert_eq!(doubled, (0..50).map(|x| 2 * x).collect::<Vec<u64>>());
}

/// A directory of its own, removed when dropped.
#[derive(Debug)]
pub struct Scratch(PathBuf);

impl Scratch {
    /// Makes an empty one.
    ///
    /// # Panics
    /// When it cannot be made.
    #[must_use]
    pub fn new() -> Scratch {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!(
            "procession-{}-{}",
            std::process::id(),
            NEXT.fetch_add(1, Ordering::Relaxed)
        );
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).expect("a scratch directory");
        Scratch(path)
    }

    /// Where it is, as an argument.
    #[must_use]
    pub fn text(&self) -> String {
        self.0.to_string_lossy().into_owned()
    }

    /// A place in it, as an argument.
    #[must_use]
    pub fn at(&self, name: &str) -> String {
        self.0.join(name).to_string_lossy().into_owned()
    }

    /// How many entries it has.
    #[must_use]
    pub fn count(&self) -> usize {
        entries(&self.0)
    }
}

impl Default for Scratch {
    fn default() -> Scratch {
        Scratch::new()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// How many entries the directory has; 0 when there is none.
#[must_use]
pub fn entries(directory: &Path) -> usize {
    std::fs::read_dir(directory).map_or(0, Iterator::count)
}

/// In a task: notes its presence in `directory`, then waits until `others` have done so.
///
/// # Panics
/// When they have not within a minute.
pub fn meet(directory: &str, me: u32, others: usize) {
    std::fs::write(format!("{directory}/{me}"), "").expect("a note");
    until("the others have come", || {
        entries(Path::new(directory)) >= others
    });
}

/// In a task: ends this process by a signal.
pub fn die_by(signal: rustix::process::Signal) {
    let _ = rustix::process::kill_process(rustix::process::getpid(), signal);
    std::thread::sleep(LONG);
}

/// Kills process `pid`, as a user of the machine might.
pub fn murder(pid: u32) {
    if let Some(pid) = i32::try_from(pid)
        .ok()
        .and_then(rustix::process::Pid::from_raw)
    {
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
    }
}

/// In a task: this process's id.
#[must_use]
pub fn own_pid() -> u32 {
    std::process::id()
}
