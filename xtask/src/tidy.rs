//! `cargo xtask tidy`: the project's rules that the compiler does not check. Reports every fault; mends none.

mod arrows;
mod gotchas;
mod programs;
mod protocol;
mod rules;
mod source;
mod words;

use std::path::Path;

use self::source::Source;
use crate::project::{self, Result};

/// A check returns its faults, each a whole line for the reader; an error means that it could not be made.
type Check = fn(&Path, &[Source]) -> Result<Vec<String>>;

const CHECKS: [(&str, Check); 6] = [
    ("layers", arrows::check),
    ("sources", rules::check),
    ("docs/protocol.md against the code", protocol::check),
    ("docs/gotchas.md against the tests", gotchas::check),
    ("docs/testing.md against the tests", programs::check),
    ("leftover words", words::check),
];

/// The command.
pub(crate) fn run() -> Result {
    let root = project::root()?;
    let sources = Source::all(&root)?;
    let mut faults = 0;
    for (name, check) in CHECKS {
        let found = check(&root, &sources).unwrap_or_else(|error| vec![error.to_string()]);
        println!(
            "tidy: {name}: {}",
            if found.is_empty() {
                "ok".to_string()
            } else {
                format!("{} fault(s)", found.len())
            }
        );
        for fault in &found {
            println!("  {fault}");
        }
        faults += found.len();
    }
    println!("tidy: {}", rules::lengths(&sources));
    match faults {
        0 => Ok(()),
        n => Err(format!("tidy found {n} fault(s)").into()),
    }
}
