//! What hosts do with signals, statuses and `fork`, while their pool works all the same.

#[path = "support/run.rs"]
mod run;

use std::process::Command;

use procession_integration_tests::audit::watchdog;
use run::run;

const HOST: &str = env!("CARGO_BIN_EXE_pool_c_host");

/// SH23, FAULTS 64
#[test]
fn a_pool_in_a_forked_copy_is_inert() {
    let _watchdog = watchdog(120);
    run(Command::new(HOST).arg("fork"));
}

/// FAULTS 62
#[test]
fn a_host_that_ignores_sigchld_loses_nothing_but_statuses() {
    let _watchdog = watchdog(120);
    run(Command::new(HOST).arg("ignore-sigchld"));
}

/// FAULTS 63
#[test]
fn a_host_that_steals_statuses_loses_nothing_but_statuses() {
    let _watchdog = watchdog(120);
    run(Command::new(HOST).arg("steal"));
}

/// OR08
#[test]
fn interrupted_calls_break_nothing_and_shorten_nothing() {
    let _watchdog = watchdog(120);
    run(Command::new(HOST).arg("interrupted-calls"));
}

/// FAULTS 18
#[test]
fn workers_that_ignore_sigterm_are_killed() {
    let _watchdog = watchdog(120);
    run(Command::new(HOST).arg("stubborn"));
}

/// What a host blocks and ignores does not reach its workers.
#[test]
fn blocked_and_ignored_signals_are_not_inherited() {
    let _watchdog = watchdog(120);
    run(Command::new(HOST).arg("masked"));
}
