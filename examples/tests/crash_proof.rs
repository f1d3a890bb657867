//! `crash_proof`: every good input has its result, every bad one its own reason, whatever happened to the workers.

mod support;

use support::program;

/// The line of an input begins so. What follows (a core dump, for instance) depends on the machine.
fn line_of(input: &str) -> String {
    let rest = match input {
        "abort" => "error  worker died: signal SIGABRT (6)".to_string(),
        "segfault" => "error  worker died: signal SIGSEGV (11)".to_string(),
        "exit" => "error  worker died: exit code 7".to_string(),
        "panic" => "error  panicked: an invariant does not hold".to_string(),
        "loop" => "error  no result within 5 s".to_string(),
        "x" => "error  refused: \"x\": invalid digit found in string".to_string(),
        number => format!("ok     {}", number.parse::<u64>().unwrap().pow(2)),
    };
    format!("{input:<10} {rest}")
}

/// Each input has one line, in the order of the inputs, and the last line counts them.
#[track_caller]
fn check(lines: &[&str], inputs: &[&str], last: &str) {
    assert_eq!(lines.len(), inputs.len() + 1, "{lines:#?}");
    for (line, input) in lines.iter().zip(inputs) {
        assert!(
            line.starts_with(&line_of(input)),
            "{line:?} is not about {input:?}: {lines:#?}"
        );
    }
    assert_eq!(lines.last(), Some(&last));
}

#[test]
fn good_inputs_survive_bad_ones() {
    let ended = program(env!("CARGO_BIN_EXE_crash_proof")).run().code(1);
    let inputs = [
        "1", "abort", "2", "segfault", "3", "panic", "4", "exit", "5", "loop", "x", "6",
    ];
    check(&ended.lines(), &inputs, "6 of 12 inputs have their result");
}

#[test]
fn many_crashes_in_a_row_harm_nobody() {
    let numbers: Vec<String> = (0..50).map(|number| number.to_string()).collect();
    let crashes = ["abort", "segfault", "exit", "panic"].iter().cycle();
    let inputs: Vec<&str> = numbers
        .iter()
        .zip(crashes)
        .flat_map(|(number, crash)| [number, *crash])
        .collect();
    // The case is that nobody hangs; how long 38 starts take is the machine's affair.
    let ended = program(env!("CARGO_BIN_EXE_crash_proof"))
        .args(["--patience", "60"])
        .args(&inputs)
        .run()
        .code(1);
    check(
        &ended.lines(),
        &inputs,
        "50 of 100 inputs have their result",
    );
}

#[test]
fn good_inputs_alone_are_a_success() {
    let ended = program(env!("CARGO_BIN_EXE_crash_proof"))
        .args(["2", "3"])
        .run()
        .code(0);
    check(
        &ended.lines(),
        &["2", "3"],
        "2 of 2 inputs have their result",
    );
}
