//! One worker of a pool breaks the protocol in every way; the parent, and every other worker's task, survive it.
//!
//! `PROCESSION_HOSTILE_SEEDS=<n>` tries so many seeds instead of 50.

#[path = "support/run.rs"]
mod run;

use std::process::Command;

use procession_integration_tests::audit::watchdog;
use run::run;

/// HY12, FAULTS 31–35, 54, 55: each handle resolves, no panic, no hang, nothing left.
#[test]
fn a_hostile_worker_harms_its_own_tasks_only() {
    let seeds: u64 =
        std::env::var("PROCESSION_HOSTILE_SEEDS").map_or(50, |text| text.parse().unwrap());
    let _watchdog = watchdog(120 + 10 * seeds);
    let output =
        run(Command::new(env!("CARGO_BIN_EXE_pool_hostile")).args(["0", &seeds.to_string()]));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(
        text.lines()
            .filter(|line| line.starts_with("seed "))
            .count() as u64,
        seeds,
        "{text}"
    );
}

/// What the first task's error says when a pool of one has a worker that plays this act.
fn first_error(seed: u32) -> String {
    let _watchdog = watchdog(240);
    let output =
        run(Command::new(env!("CARGO_BIN_EXE_pool_hostile")).args(["alone", &seed.to_string()]));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.lines().next().unwrap_or_default().to_owned()
}

/// FAULTS 31
#[test]
fn a_worker_that_closes_its_channel() {
    let text = first_error(4);
    assert!(
        text.starts_with("Protocol: ")
            && text.contains("broke the protocol: it closed its channel; worker"),
        "{text}"
    );
}

/// FAULTS 32
#[test]
fn a_worker_that_sends_garbage() {
    let text = first_error(5);
    assert!(
        text.starts_with("Protocol: ") && text.contains("it sent a packet that is no message"),
        "{text}"
    );
}

/// FAULTS 32: its task's error, and its own end; calls behind it run in its replacement.
#[test]
fn a_worker_whose_failure_cannot_be_read() {
    let text = first_error(27);
    assert!(
        text.starts_with("Protocol: ") && text.contains("it sent a failure that cannot be read"),
        "{text}"
    );
}

/// FAULTS 33
#[test]
fn a_worker_with_impossible_indices() {
    let text = first_error(25);
    assert!(
        text.starts_with("Protocol: ") && text.contains("ring index out of range (tail)"),
        "{text}"
    );
}

/// FAULTS 34: a length that promises what never comes.
#[test]
fn a_worker_that_announces_an_absurd_length() {
    let text = first_error(9);
    assert!(
        text.starts_with("Protocol: ")
            && text.contains("it announced a result above the size limit"),
        "{text}"
    );
}

/// FAULTS 35: replies to calls it was not given, before and after those it was.
#[test]
fn a_worker_that_replies_unasked() {
    for seed in [10, 11] {
        let text = first_error(seed);
        assert!(
            text == "done" || text.contains("it replied to a call it was not given"),
            "{text}"
        );
    }
}

/// FAULTS 54
#[test]
fn a_worker_that_rings_without_end() {
    let text = first_error(16);
    assert!(
        text.starts_with("Protocol: ") && text.contains("wake flood: it rings without being asked"),
        "{text}"
    );
}

/// FAULTS 55
#[test]
fn a_worker_that_sends_descriptors() {
    let text = first_error(18);
    assert!(
        text.starts_with("Protocol: ") && text.contains("more descriptors than expected (0)"),
        "{text}"
    );
}

/// FU16, PO04: a call that nobody drains for is heard of, whatever bell the thread before has left behind.
#[test]
fn a_worker_that_rings_late_loses_no_wake_up() {
    let _watchdog = watchdog(240);
    let output = run(Command::new(env!("CARGO_BIN_EXE_pool_hostile")).arg("late"));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(text, "callback\nfuture\ndone\n");
}
