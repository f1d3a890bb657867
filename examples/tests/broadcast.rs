//! `broadcast`: every task has the table, and no worker is sent it twice.

mod support;

use support::program;

#[test]
fn all_tasks_have_the_table() {
    let ended = program(env!("CARGO_BIN_EXE_broadcast")).run().code(0);
    let lines = ended.lines();
    assert_eq!(lines[0], "10000 addresses, the last one of owner 99980");
    let sent = [
        "1 workers were sent the table",
        "2 workers were sent the table",
    ];
    assert!(sent.contains(&lines[1]), "{lines:?}");
    assert_eq!(
        lines[2..],
        [
            "b 20000", "e 20000", "n 10000", "o 40000", "r 10000", "t 30000"
        ]
    );
}
