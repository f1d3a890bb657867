//! `watched`: the warnings of the workers, of the program and of the pool stand in one log.

mod support;

use support::program;

#[test]
fn all_warnings_are_in_one_log() {
    let ended = program(env!("CARGO_BIN_EXE_watched")).run().code(0);
    let mut lines = ended.lines();
    assert_eq!(lines.pop(), Some("28 in all, of 3 lists"));
    // Each thread tells of its own, so they come in any order.
    for [begin, end] in [
        [
            "WARN watched: [import/",
            "] globex, line 2: invalid digit found in string",
        ],
        [
            r#"WARN list{supplier="initech"}: watched: left out error=worker "#,
            "s)",
        ],
        [
            r#"WARN procession: worker died pool="import" worker="#,
            " was killed by SIGABRT (6)",
        ],
    ] {
        let count = lines.len();
        lines.retain(|line| !(line.starts_with(begin) && line.ends_with(end)));
        assert_eq!(lines.len(), count - 1, "{begin} … {end}: {ended:?}");
    }
    let [lost] = lines[..] else {
        panic!("{ended:?}");
    };
    let within =
        r#"WARN list{supplier="initech"}:task{pool="import" task=3 name="watched::import"}: "#;
    let lost_task = r#"procession: task lost pool="import" task=3 name="watched::import" item=0 "#;
    assert!(lost.starts_with(&format!("{within}{lost_task}")), "{lost}");
    assert_eq!(ended.stderr, "", "the log is a file's");
}
