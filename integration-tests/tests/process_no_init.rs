//! Programs that forget `init`, or come by it too late: one clear error, and never a second generation.

use std::process::{Command, Stdio};

use procession_integration_tests::audit::watchdog;

/// PR27, FAULTS 74: forgotten altogether.
#[test]
fn without_init_nothing_is_started() {
    let _watchdog = watchdog(120);
    let output = Command::new(env!("CARGO_BIN_EXE_process_no_init"))
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(text.lines().count(), 2, "one main, one answer: {text}");
    assert!(text.contains(
        "true procession is not initialized: write `procession::init();` as the first line of main"
    ));
    assert!(output.status.success());
}

/// PR27, FAULTS 74: children reach main without it. One generation, one line, one clear error.
#[test]
fn a_child_that_reaches_main_without_init_ends_there() {
    let _watchdog = watchdog(120);
    let output = Command::new(env!("CARGO_BIN_EXE_process_late_init"))
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(
        text.matches("main of ").count(),
        2,
        "one parent, one child: {text}"
    );
    assert!(text.contains("Broken"), "{text}");
    assert!(
        text.contains("its process reached main without procession::init()"),
        "{text}"
    );
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
    assert!(
        stderr.starts_with("procession: a child process reached this program's main without"),
        "{stderr}"
    );
}

/// FAULTS 74: the marker of a child in a program that nobody started as one.
#[test]
fn a_program_that_is_no_child_but_marked_as_one_says_so() {
    let _watchdog = watchdog(120);
    let mut command = Command::new(env!("CARGO_BIN_EXE_process_host"));
    let output = command
        .arg("basic")
        .env("PROCESSION_BOOT", "1234")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(120));
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
    assert!(
        stderr.starts_with("procession: a child process cannot take its control socket: "),
        "{stderr}"
    );
}
