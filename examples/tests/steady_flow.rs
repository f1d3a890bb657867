//! The example of back-pressure and callbacks: every page is told of once. How fast is not checked.

mod support;

use support::program;

#[test]
fn every_page_is_told_of_once() {
    let ended = program(env!("CARGO_BIN_EXE_steady_flow")).run().code(0);
    let lines = ended.lines();
    // Whole are all 10 pages of one digit, 88 of two and 98 of three.
    let letters = 10 * 6 + 88 * 7 + 98 * 8;
    assert_eq!(
        lines[0],
        format!("{letters} letters, 4 pages torn"),
        "{ended:?}"
    );
    assert!(lines[1].contains("page 49 is torn"), "{ended:?}");
}
