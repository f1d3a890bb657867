//! Runs a helper program's scenario to its end; judges nothing but that it succeeds.

use std::process::{Command, Output};

/// Runs a scenario that ends by itself and must succeed.
pub(crate) fn run(command: &mut Command) -> Output {
    let output = command.output().unwrap();
    let text = format!(
        "{}\n{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(output.status.success(), "{}: {text}", output.status);
    assert!(text.contains("done\n"), "{text}");
    output
}
