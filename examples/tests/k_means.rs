//! `k_means`: three heaps are found in many passes, and each part was read once.

mod support;

use support::program;

#[test]
fn every_part_is_read_once_for_all_passes() {
    let ended = program(env!("CARGO_BIN_EXE_k_means")).run().code(0);
    let (first, heaps) = ended.stdout.split_once('\n').unwrap();
    assert_eq!(
        heaps,
        "a heap around 16, 16\na heap around 26, 46\na heap around 56, 26\n"
    );
    let (passes, read) = first.split_once(" passes ").unwrap();
    assert_eq!(read, "over 12 parts, 12 of them read");
    assert!(passes.parse::<u32>().unwrap() > 5, "{passes}");
}
