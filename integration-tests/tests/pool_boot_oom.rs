//! The kernel's memory killer: what it did is in the error, and what it did not do is not.

#[path = "support/run.rs"]
mod run;

use std::path::{Path, PathBuf};
use std::process::Command;

use procession_integration_tests::audit::watchdog;
use run::run;

const ROOM: &str = "100000000";

/// A memory cgroup of its own, gone with this value.
struct Group(PathBuf);

impl Group {
    /// `None` where this user may not make one, or the kernel has no memory controller.
    fn new() -> Option<Group> {
        let one = Path::new("/sys/fs/cgroup/memory");
        let (mount, limit) = if one.is_dir() {
            (one, "memory.limit_in_bytes")
        } else {
            (Path::new("/sys/fs/cgroup"), "memory.max")
        };
        let group = Group(mount.join(format!("procession-oom-{}", std::process::id())));
        std::fs::create_dir(&group.0).ok()?;
        std::fs::write(group.0.join(limit), ROOM).ok()?;
        Some(group)
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir(&self.0);
    }
}

/// FAULTS 12, CR24
#[test]
fn a_worker_ended_by_the_memory_killer_says_so() {
    let _watchdog = watchdog(120);
    let Some(group) = Group::new() else {
        println!("skipped: this user may not make a memory cgroup");
        return;
    };
    let procs = group.0.join("cgroup.procs");
    let output = run(Command::new(env!("CARGO_BIN_EXE_pool_boot_oom")).arg(procs));
    let text = String::from_utf8(output.stdout).unwrap();
    let mut lines = text.lines();
    let mut next = |about: &str| lines.find_map(|line| line.strip_prefix(about)).unwrap();
    let guess = "if nobody sent it, the kernel did for want of memory";
    assert!(next("killed: ").contains(guess), "{text}");
    let told = next("out of memory: ");
    assert!(told.contains("was killed by SIGKILL (9)"), "{text}");
    assert!(
        told.ends_with("; the memory cgroup reports 1 OOM kill"),
        "{text}"
    );
    assert!(next("killed: ").contains(guess), "{text}");
}
