//! `night_shift`: customers do not wait for the batch, failures name their account, and a terminal gets a bar.

mod support;

use support::{program, terminal};

#[test]
fn customers_come_first_and_failures_name_their_account() {
    let ended = program(env!("CARGO_BIN_EXE_night_shift")).run().code(0);
    let lines = ended.lines();
    assert_eq!(
        lines[..6],
        [
            "served at once: customer 399",
            "served at once: customer 399",
            "398 statements, 2 failures",
            "attempt to divide by zero",
            r#"  of (Account { number: 77, owner: "customer 77", bookings: [] })"#,
            "an amount: ParseIntError { kind: InvalidDigit }",
        ]
    );
    let cut = r#"  of (Account { number: 123, owner: "customer 123", bookings: ["0", "123", "#;
    assert!(
        lines[6].starts_with(cut) && lines[6].ends_with('…'),
        "{lines:?}"
    );
    assert_eq!(lines.len(), 7);
    assert_eq!(ended.stderr, "", "no terminal, no bar");
}

#[test]
fn a_terminal_gets_a_bar() {
    let (terminal, shown) = terminal();
    let night = program(env!("CARGO_BIN_EXE_night_shift")).stderr(terminal);
    let running = night.start();
    running.finish().code(0);
    let shown = shown.join().unwrap();
    assert!(
        shown.contains("\u{1b}[") && shown.contains("/400"),
        "{shown:?}"
    );
}
