//! `retries`: what fails now and then is done, and what always fails says how often it was tried.

mod support;

use support::program;

#[test]
fn every_attempt_has_its_line() {
    let ended = program(env!("CARGO_BIN_EXE_retries")).run().code(0);
    assert_eq!(
        ended.lines(),
        [
            "a.gif: a.gif.png",
            "b.tiff: b.tiff.png",
            "c.jpeg: c.jpeg.png",
            "d.broken: given up after 3 attempts",
            "Err(\"busy\")",
            "Ok(\"page 2\")",
            "1 attempt",
        ]
    );
}
