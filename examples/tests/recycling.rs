//! `recycling`: workers are replaced by size, by count and by age, and no task is lost.

mod support;

use support::program;

#[test]
fn leaking_function_is_kept_in_bounds() {
    let ended = program(env!("CARGO_BIN_EXE_recycling")).run().code(0);
    assert_eq!(
        ended.lines(),
        [
            "40 pictures done, 0 failed, sum 20540",
            "never begun above 64 MiB: true",
            "workers replaced: true",
            "at most 10 items for each of at least ten workers: true",
            "another worker, 0 failed",
        ]
    );
}
