//! `docs/testing.md` against the programs of tests: each is named there, and each that is named exists. Runs no test.

use std::path::Path;

use super::source::Source;
use crate::project::{self, Result};

const DOCUMENT: &str = "docs/testing.md";
const FOLDER: &str = "integration-tests/tests/";
/// What the names of these programs begin with; other things in backticks are none.
const KINDS: [&str; 2] = ["pool_", "process_"];

/// The check.
pub(crate) fn check(root: &Path, sources: &[Source]) -> Result<Vec<String>> {
    Ok(faults(&project::read(&root.join(DOCUMENT))?, sources))
}

fn faults(document: &str, sources: &[Source]) -> Vec<String> {
    let programs: Vec<&str> = sources.iter().filter_map(program).collect();
    let quoted = document.split('`').skip(1).step_by(2);
    let named: Vec<&str> = quoted.filter(|name| is_program(name)).collect();
    let unnamed = programs
        .iter()
        .filter(|program| !named.contains(program))
        .map(|program| format!("{DOCUMENT}: `{program}` is not named: say what it shows"));
    let gone = named
        .iter()
        .filter(|name| !programs.contains(name))
        .map(|name| format!("{DOCUMENT}: there is no program `{name}`"));
    unnamed.chain(gone).collect()
}

/// The name of the program that this file is, if it is one: `support` and the like are folders.
fn program(source: &Source) -> Option<&str> {
    let name = source.path.strip_prefix(FOLDER)?.strip_suffix(".rs")?;
    is_program(name).then_some(name)
}

fn is_program(name: &str) -> bool {
    let plain = name.chars().all(|c| c.is_ascii_lowercase() || c == '_');
    plain && KINDS.iter().any(|kind| name.starts_with(kind))
}

#[cfg(test)]
mod tests {
    use super::faults;
    use crate::tidy::source::Source;

    #[test]
    fn each_program_is_named_and_each_name_is_a_program() {
        let source = |path: &str| Source::new(path.to_string(), String::new());
        let sources = [
            source("integration-tests/tests/pool_a.rs"),
            source("integration-tests/tests/process_b.rs"),
            source("integration-tests/tests/support/host.rs"),
            source("crates/a/tests/pool_c.rs"),
        ];
        let found = |document: &str| faults(document, &sources).len();
        assert_eq!(found("| x | `pool_a`, `process_b`, `--test pool_z` |"), 0);
        assert_eq!(found("| x | `pool_a` |"), 1);
        assert_eq!(found("| x | `pool_a`, `process_b`, `pool_c` |"), 1);
    }
}
