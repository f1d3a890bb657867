//! Programs with a pool, ended in every way while it works: no worker outlives them, and they end quietly.

#[path = "support/host.rs"]
mod host;

use std::os::unix::process::ExitStatusExt;
use std::time::{Duration, Instant};

use host::{Host, SOON};
use procession_integration_tests::audit::{assert_all_end, is_running, watchdog};
use rustix::process::Signal;

const HOST: &str = env!("CARGO_BIN_EXE_pool_host");

fn ready(scenario: &str) -> Host {
    let mut host = Host::start(HOST, scenario);
    host.until("ready");
    assert!(host.workers.len() >= 3);
    host
}

/// A program whose pool of three has two tasks running.
fn running(scenario: &str) -> Host {
    let host = ready(scenario);
    assert!(host.workers.iter().all(|&pid| is_running(pid)));
    host
}

/// OR01, FAULTS 79: Ctrl-C reaches the whole foreground group; the workers are in groups of their own.
#[test]
fn an_interrupted_group_ends_quietly() {
    let _watchdog = watchdog(120);
    for scenario in ["idle", "busy"] {
        let host = running(scenario);
        let start = Instant::now();
        host.signal_group(Signal::INT);
        let (status, stderr) = host.end();
        assert_eq!(status.signal(), Some(2), "a shell calls it 130");
        assert_eq!(stderr, "");
        assert!(start.elapsed() < SOON);
    }
}

/// OR02, FAULTS 79
#[test]
fn an_interrupted_parent_ends_quietly() {
    let _watchdog = watchdog(120);
    for scenario in ["idle", "busy"] {
        let host = running(scenario);
        host.signal(Signal::INT);
        let (status, stderr) = host.end();
        assert_eq!((status.signal(), stderr.as_str()), (Some(2), ""));
    }
}

/// OR03
#[test]
fn a_terminated_parent_takes_its_workers_along() {
    let _watchdog = watchdog(120);
    for scenario in ["idle", "busy"] {
        let host = running(scenario);
        host.signal(Signal::TERM);
        assert_eq!(host.end().0.signal(), Some(15));
    }
}

/// OR04, FAULTS 58
#[test]
fn a_killed_parent_takes_its_workers_along() {
    let _watchdog = watchdog(120);
    for scenario in ["idle", "busy"] {
        let host = running(scenario);
        host.signal(Signal::KILL);
        assert_eq!(host.end().0.signal(), Some(9));
    }
}

/// OR04: killed at any instant of a pool's start.
#[test]
fn a_parent_killed_while_its_pool_starts_leaves_nothing() {
    let _watchdog = watchdog(120);
    for delay in 0..30 {
        let mut host = Host::start(HOST, "busy");
        std::thread::sleep(Duration::from_micros(delay * 400));
        host.signal(Signal::KILL);
        // Ends when the last holder of the pipe does, so a worker left behind would be waited for.
        host.until_silent();
        host.end();
    }
}

/// OR10: nothing that has a name is made, so nothing with a name is left, not even when parent and workers are killed at once.
#[test]
fn a_killed_program_leaves_nothing_in_shared_memory() {
    let _watchdog = watchdog(120);
    let named = || {
        let entries = std::fs::read_dir("/dev/shm")
            .into_iter()
            .flatten()
            .flatten();
        let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
        names.filter(|name| name.contains("procession")).count()
    };
    let before = named();
    for scenario in ["idle", "busy"] {
        let host = running(scenario);
        let maps = std::fs::read_to_string(format!("/proc/{}/maps", host.workers[0])).unwrap();
        assert!(maps.contains("/memfd:procession-link (deleted)"), "{maps}");
        for pid in &host.workers {
            procession_integration_tests::pool_scene::murder(*pid);
        }
        host.signal(Signal::KILL);
        assert_eq!(host.end().0.signal(), Some(9));
    }
    assert_eq!(named(), before);
}

/// FAULTS 106: the workers of a worker end with it, and it with the program.
#[test]
fn a_killed_parent_takes_the_workers_of_its_workers_along() {
    let _watchdog = watchdog(120);
    let host = running("nested");
    host.signal(Signal::KILL);
    assert_eq!(host.end().0.signal(), Some(9));
}

/// FAULTS 59
#[test]
fn a_panicking_program_takes_its_workers_along() {
    let _watchdog = watchdog(120);
    let mut host = Host::start(HOST, "panic");
    host.until_silent();
    assert!(host.workers.len() >= 3);
    assert_eq!(host.end().0.code(), Some(101));
}

/// FAULTS 60: `exec` destroys the thread the workers are bound to, and closes their sockets.
#[test]
fn a_program_that_becomes_another_takes_its_workers_along() {
    let _watchdog = watchdog(120);
    let host = ready("exec");
    assert_all_end(&host.workers, SOON);
    host.signal(Signal::KILL);
    host.end();
}

/// PO24, SH12, FAULTS 109, SH22: no `close`, no `drop`: the program ends with its own status all the same.
#[test]
fn a_program_that_forgets_its_pool_ends() {
    let _watchdog = watchdog(120);
    for scenario in ["return", "exit", "static"] {
        let mut host = Host::start(HOST, scenario);
        host.until("done");
        let (status, stderr) = host.end();
        assert!(status.success(), "{scenario}: {status} {stderr}");
        assert_eq!(stderr, "", "{scenario}");
    }
}

/// SH11: dropped with work that would run for ever.
#[test]
fn a_program_that_drops_its_pool_ends() {
    let _watchdog = watchdog(120);
    let mut host = Host::start(HOST, "drop");
    host.until("done");
    let (status, stderr) = host.end();
    assert!(status.success(), "{status} {stderr}");
}

/// OR06, FAULTS 61: the parent-death signal belongs to a thread, and that is not the one that makes the pool.
#[test]
fn workers_outlive_the_thread_that_made_the_pool() {
    let _watchdog = watchdog(120);
    let mut host = Host::start(HOST, "thread");
    host.until("done");
    let (status, stderr) = host.end();
    assert!(status.success(), "{status} {stderr}");
}

/// OR09: the host's handler is the one that runs, and its pool works on.
#[test]
fn the_host_s_own_interrupt_handler_runs() {
    let _watchdog = watchdog(120);
    let mut host = Host::start(env!("CARGO_BIN_EXE_pool_c_host"), "handler");
    host.until("ready");
    host.signal_group(Signal::INT);
    host.until("done");
    let (status, stderr) = host.end();
    assert!(status.success(), "{status} {stderr}");
}
