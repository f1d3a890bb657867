//! `dashboard`: a death, a birth, and counts that add up.

mod support;

use support::program;

#[test]
fn what_happened_has_its_line() {
    let ended = program(env!("CARGO_BIN_EXE_dashboard")).run().code(0);
    assert_eq!(
        ended.lines(),
        [
            "plant/1: signal SIGABRT (6)",
            "place 0: a new worker",
            "40 done, 1 failed, 41 in all",
            "1 of the map",
            "40 waits and 40 runs measured",
            "slowest: item 17 of dashboard::work, long: true",
            "plant/1: Idle, 1 restart",
        ]
    );
}
