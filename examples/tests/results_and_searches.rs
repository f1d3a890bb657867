//! `mirrors` and `counterexample`: results as they come, and searches that stop early, with workers and without.

mod support;

use support::program;

#[test]
fn the_first_answer_wins_and_the_others_are_cancelled() {
    let ended = program(env!("CARGO_BIN_EXE_mirrors")).run().code(0);
    assert_eq!(
        ended.lines(),
        [
            "south has the file",
            "2 others cancelled",
            "answer to question 0: south has the index",
            "answer to question 1: west has the index",
            "all there: true",
            "south has the list; south has the last file",
        ]
    );
}

#[test]
fn a_search_decides_the_same_with_workers_and_without() {
    for workers in ["4", "0"] {
        let ended = program(env!("CARGO_BIN_EXE_counterexample"))
            .args([workers])
            .run()
            .code(0);
        assert_eq!(
            ended.lines(),
            [
                "for the first forty: true",
                "for all: false",
                "a counterexample is found: true",
                "40 primes up to 1601",
                "the claim fails at 40",
                "the least: [(40, 41), (41, 41), (44, 43), (49, 47), (56, 53)]",
            ],
            "{workers} workers"
        );
    }
}
