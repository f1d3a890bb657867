//! `limits_and_state`: each limit ends one task and says which it was; the state is there again in the replacements.

mod support;

use support::program;

#[test]
fn limits_are_told_and_the_state_is_kept() {
    let ended = program(env!("CARGO_BIN_EXE_limits_and_state"))
        .run()
        .code(0);
    assert_eq!(
        ended.lines(),
        [
            "exceeded its memory limit of 256 MiB",
            "exceeded its CPU limit of 1 s (SIGXCPU)",
            "12: [2, 2, 3]",
            "97: [97]",
            "360: [2, 2, 2, 3, 3, 5]",
            "3 questions answered",
        ]
    );
}
