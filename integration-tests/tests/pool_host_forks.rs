//! Code of the host that forks in the middle of what it asks of a pool: the copy neither hangs nor harms.

#[path = "support/run.rs"]
mod run;

use std::process::Command;

use procession_integration_tests::audit::watchdog;
use run::run;

const HOST: &str = env!("CARGO_BIN_EXE_pool_fork_host");

fn forks_in(scenario: &str) {
    let _watchdog = watchdog(120);
    run(Command::new(HOST).arg(scenario));
}

/// SH23
#[test]
fn the_input_of_a_map_may_fork() {
    forks_in("map-input");
}

/// SH23
#[test]
fn the_input_of_a_lazy_map_may_fork() {
    forks_in("lazy-input");
}

/// SH23
#[test]
fn the_input_of_a_map_that_tells_may_fork() {
    forks_in("told-input");
}

/// SH23
#[test]
fn an_encoding_may_fork() {
    forks_in("encoding");
}

/// SH23
#[test]
fn a_decoding_may_fork() {
    forks_in("decoding");
}

/// SH23
#[test]
fn a_progress_function_may_fork() {
    forks_in("progress");
}

/// SH23
#[test]
fn a_callback_may_fork() {
    forks_in("callback");
}

/// SH23
#[test]
fn a_judge_of_retries_may_fork() {
    forks_in("judge");
}

/// SH23
#[test]
fn an_iterator_of_handles_may_be_copied() {
    forks_in("as-completed");
}

/// SH23
#[test]
fn lines_that_a_reader_holds_up_hold_up_no_copy() {
    forks_in("captured");
}

/// SH23
#[test]
fn sizes_of_a_copied_pool_say_so() {
    forks_in("sizes");
}
