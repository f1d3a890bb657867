//! `elastic`: workers come with the work and go without it.

mod support;

use support::program;

#[test]
fn workers_come_and_go() {
    let ended = program(env!("CARGO_BIN_EXE_elastic")).run().code(0);
    assert_eq!(
        ended.lines(),
        [
            "nothing to do: 0 processes",
            "one call: 1 process",
            "40 calls: 4 processes",
            "idle for a while: 0 processes",
            "warm: true",
            "resized: at most 1 process",
            "a worker sees all processors and may run 2 threads",
        ]
    );
}
