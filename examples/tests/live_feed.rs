//! `live_feed`: every archive in order, signs of life while one takes long, and an end when the reader has gone.

mod support;

use support::program;

#[test]
fn readers_get_all_in_order_or_hang_up() {
    let ended = program(env!("CARGO_BIN_EXE_live_feed")).run().code(0);
    assert_eq!(
        ended.lines(),
        [
            "data: archive 1: 23 letters",
            "data: archive 2: 29 letters",
            "data: archive 3: 24 letters",
            "data: archive 4: 28 letters",
            "data: archive 5: 16 letters",
            "data: archive 6: 37 letters",
            "data: failed: TimedOut",
            "data: archive 8: 28 letters",
            "data: that was all",
            "a reader has gone",
            "its last line was \": still searching\"",
        ]
    );
}
