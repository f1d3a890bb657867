//! A kernel that makes no memfd: the links are System V segments, and nothing else differs.

#[path = "support/run.rs"]
mod run;

use std::collections::BTreeSet;
use std::process::Command;

use procession_integration_tests::audit::watchdog;
use run::run;

/// The System V segments there are on this machine.
fn segments() -> BTreeSet<String> {
    let table = std::fs::read_to_string("/proc/sysvipc/shm").unwrap_or_default();
    let ids = table.lines().skip(1);
    ids.filter_map(|line| line.split_whitespace().nth(1).map(str::to_owned))
        .collect()
}

/// FAULTS 68
#[test]
fn a_pool_without_memfds_works_and_leaves_no_segment() {
    let _watchdog = watchdog(120);
    if Command::new("strace").arg("-V").output().is_err() {
        println!("skipped: strace is not installed");
        return;
    }
    let before = segments();
    for error in ["EACCES", "ENFILE", "ENOSYS"] {
        let inject = format!("inject=memfd_create:error={error}");
        let mut strace = Command::new("strace");
        strace.args([
            "-f",
            "-qq",
            "-e",
            "trace=memfd_create,shmget",
            "-e",
            &inject,
        ]);
        let output = run(strace.arg(env!("CARGO_BIN_EXE_pool_no_memfd")));
        let said = String::from_utf8_lossy(&output.stdout);
        let traced = String::from_utf8_lossy(&output.stderr);
        assert!(said.ends_with("done\n"), "{error}: {said}{traced}");
        let made = traced
            .lines()
            .filter(|line| line.contains("shmget(IPC_PRIVATE"))
            .count();
        assert_eq!(made, 3, "one for each worker: {traced}");
    }
    assert_eq!(segments(), before);
}
