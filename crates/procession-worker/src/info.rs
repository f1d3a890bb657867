//! Who this process is: name, pid, parent, depth. Starts nothing and waits for nothing.

use std::sync::OnceLock;

use procession_task::message::Boot;

/// The name of the process the user started.
const MAIN_NAME: &str = "main";

/// A process of this program, as others know it: its name and its pid.
///
/// ```
/// # procession_worker::init();
/// let me = procession_worker::current_process();
/// assert_eq!((me.name(), me.pid(), me.is_main()), ("main", std::process::id(), true));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProcessInfo {
    name: String,
    pid: u32,
    depth: u32,
}

impl ProcessInfo {
    pub(crate) fn child(name: String, pid: u32) -> ProcessInfo {
        ProcessInfo {
            name,
            pid,
            depth: depth() + 1,
        }
    }

    /// `main` for the process the user started, `Process-1` and the like for the others.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// True for the process the user started, false for every process this library started.
    #[must_use]
    pub fn is_main(&self) -> bool {
        self.depth == 0
    }
}

/// What the parent told this process about itself; empty in the process the user started.
static BOOTED: OnceLock<Booted> = OnceLock::new();

struct Booted {
    name: String,
    index: Option<usize>,
    depth: u32,
    parent: ProcessInfo,
}

/// Remembers what the parent said. Called once, by the prologue.
pub(crate) fn set_booted(boot: &Boot) {
    let _ = BOOTED.set(Booted {
        name: boot.name.clone(),
        index: boot.index.map(|index| index as usize),
        depth: boot.depth,
        parent: ProcessInfo {
            name: boot.parent_name.clone(),
            pid: boot.parent_pid,
            depth: boot.depth.saturating_sub(1),
        },
    });
}

/// True in a process this library started.
///
/// ```
/// # procession_worker::init();
/// assert!(!procession_worker::is_worker());
/// ```
#[must_use]
pub fn is_worker() -> bool {
    BOOTED.get().is_some()
}

/// The process this is called in.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # use procession_worker::{Process, current_process, init};
/// # init();
/// let name = Process::spawn(|| current_process().name().to_owned(), ())?.into_result()?;
/// assert_eq!(name, "Process-1");
/// # Ok(()) }
/// ```
#[must_use]
pub fn current_process() -> ProcessInfo {
    let name = BOOTED
        .get()
        .map_or(MAIN_NAME, |booted| &booted.name)
        .to_owned();
    ProcessInfo {
        name,
        pid: std::process::id(),
        depth: depth(),
    }
}

/// The process that started this one; `None` in the process the user started.
///
/// ```
/// # procession_worker::init();
/// assert_eq!(procession_worker::parent_process(), None);
/// ```
#[must_use]
pub fn parent_process() -> Option<ProcessInfo> {
    BOOTED.get().map(|booted| booted.parent.clone())
}

/// The position of this worker in its pool, stable from 0 to the size of the pool; `None` outside of a pool's worker.
///
/// ```
/// # procession_worker::init();
/// assert_eq!(procession_worker::worker_index(), None);
/// ```
#[must_use]
pub fn worker_index() -> Option<usize> {
    BOOTED.get().and_then(|booted| booted.index)
}

/// True inside a task of a pool that its owner has cancelled, or that has overrun its time limit: it may return early, with
/// anything, and its worker is kept if the pool gives it the time. False everywhere else, and in an inline pool, which neither
/// cancels nor limits.
///
/// ```
/// # procession_worker::init();
/// assert!(!procession_worker::cancelled());
/// ```
#[must_use]
pub fn cancelled() -> bool {
    crate::serve::is_cancelled()
}

/// How deep this process is nested: 0 in the process the user started, 1 in its children. At most [`MAX_DEPTH`](crate::MAX_DEPTH).
///
/// ```
/// # procession_worker::init();
/// assert_eq!(procession_worker::depth(), 0);
/// ```
#[must_use]
pub fn depth() -> u32 {
    BOOTED.get().map_or(0, |booted| booted.depth)
}

/// How many CPUs this process may use: those of its affinity mask, and no more than its cgroup's quota pays for, rounded up;
/// at least 1.
///
/// ```
/// assert!(procession_worker::cpu_count() >= 1);
/// ```
#[must_use]
pub fn cpu_count() -> usize {
    procession_os::limits::cpu_count()
}
