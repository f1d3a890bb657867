//! `deadlines`: what takes too long is ended, and nothing else.

mod support;

use support::program;

#[test]
fn every_deadline_has_its_line() {
    let ended = program(env!("CARGO_BIN_EXE_deadlines")).run().code(0);
    assert_eq!(
        ended.lines(),
        [
            "6: 8 steps",
            "0: no end within 500ms",
            "27: 111 steps",
            "27: no worker in time",
            "2 cancelled",
            "2 workers, none of them killed",
        ]
    );
}
