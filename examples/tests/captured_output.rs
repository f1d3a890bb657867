//! `captured_output`: each line behind its worker's name, before the result it belongs to, and a crash's last words.

mod support;

use support::program;

#[test]
fn every_line_is_tagged_and_in_its_place() {
    let ended = program(env!("CARGO_BIN_EXE_captured_output")).run().code(0);
    assert_eq!(
        ended.lines(),
        [
            "[pdf/1] page 1: 1 fonts",
            "page 1 has 100 bytes",
            "[pdf/1] page 2: 2 fonts",
            "page 2 has 200 bytes",
            "[pdf/1] page 3: 0 fonts",
            "page 3 failed: page 3: the image is truncated",
            "3 lines for 3 pages",
        ]
    );
    assert_eq!(ended.stderr, "[pdf/1] page 3: the image is truncated\n");
}
