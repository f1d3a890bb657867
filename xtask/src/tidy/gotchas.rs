//! `docs/gotchas.md` against the tests: each gotcha names a test that guards it, and that test exists. Runs no test.

use std::path::Path;

use super::source::Source;
use crate::project::{self, Result};

const DOCUMENT: &str = "docs/gotchas.md";
const GUARD: &str = "Guarded by:";

/// The check.
pub(crate) fn check(root: &Path, sources: &[Source]) -> Result<Vec<String>> {
    Ok(faults(&project::read(&root.join(DOCUMENT))?, sources))
}

fn faults(document: &str, sources: &[Source]) -> Vec<String> {
    let mut faults = Vec::new();
    let sections = document.split("\n## ").skip(1);
    for section in sections.clone() {
        let title = section.lines().next().unwrap_or_default();
        let guards = guards(section);
        if guards.is_empty() {
            faults.push(format!(
                "{DOCUMENT}: \"{title}\" names no test: add `{GUARD} \\`path::to::test\\``"
            ));
        }
        for guard in guards {
            let name = guard.rsplit("::").next().unwrap_or_default();
            if !sources.iter().any(|source| has_test(source, name)) {
                faults.push(format!(
                    "{DOCUMENT}: \"{title}\": there is no test `{guard}`"
                ));
            }
        }
    }
    if sections.count() == 0 {
        faults.push(format!("{DOCUMENT}: no gotcha: each is a `## ` section"));
    }
    faults
}

/// The names in backticks between `Guarded by:` and the end of its paragraph.
fn guards(section: &str) -> Vec<&str> {
    let Some((_, rest)) = section.split_once(GUARD) else {
        return Vec::new();
    };
    let paragraph = rest.split("\n\n").next().unwrap_or_default();
    paragraph.split('`').skip(1).step_by(2).collect()
}

/// Whether the file has a test of this name, in either way to write one.
fn has_test(source: &Source, name: &str) -> bool {
    has_attributed_test(source, name) || has_listed_test(source, name)
}

/// A test without the usual harness: its file lists `("name", name)` and has that function.
fn has_listed_test(source: &Source, name: &str) -> bool {
    let listed = || {
        let text: String = source.text.split_whitespace().collect();
        [
            format!("(\"{name}\",{name})"),
            format!("(\"{name}\",{name},)"),
        ]
        .iter()
        .any(|entry| text.contains(entry))
    };
    let declaration = format!("fn {name}(");
    source.path.contains("/tests/")
        && source.code.iter().any(|code| code.contains(&declaration))
        && listed()
}

/// A function of this name with a test attribute above it.
fn has_attributed_test(source: &Source, name: &str) -> bool {
    let declaration = format!("fn {name}(");
    source.code.iter().enumerate().any(|(line, code)| {
        let above = source.code.iter().take(line).rev();
        code.contains(&declaration)
            && above
                .take_while(|code| {
                    code.trim().is_empty() || code.trim().starts_with(['#', ')', ']'])
                })
                .any(|code| code.contains("test]"))
    })
}

#[cfg(test)]
mod tests {
    use super::faults;
    use crate::tidy::source::Source;

    #[test]
    fn a_gotcha_without_an_existing_test_is_a_fault() {
        let text = "//! X.\n#[test]\n// why\nfn held() {}\nfn helper() {}\n";
        let sources = [Source::new(
            "crates/a/src/b.rs".to_string(),
            text.to_string(),
        )];
        assert_eq!(
            faults("# G\n\n## One\ntext\nGuarded by: `a::b::held`\n", &sources).len(),
            0
        );
        assert_eq!(faults("# G\n\n## One\ntext\n", &sources).len(), 1);
        assert_eq!(
            faults(
                "# G\n\n## One\nGuarded by: `a::b::helper`, `a::gone`\n",
                &sources
            )
            .len(),
            2
        );
        assert_eq!(faults("# G\n", &sources).len(), 1);
    }
    #[test]
    fn a_test_listed_for_its_own_harness_is_a_guard() {
        let text = "//! X.\nfn main() {\n    main(&[(\n        \"held\",\n        held,\n    ), (\"gone\", gone)]);\n}\nfn held() {}\nfn unlisted() {}\n";
        let sources = [Source::new(
            "crates/a/tests/b.rs".to_string(),
            text.to_string(),
        )];
        let found =
            |name: &str| faults(&format!("# G\n\n## One\nGuarded by: `{name}`\n"), &sources);
        assert_eq!(found("held").len(), 0);
        assert_eq!(found("unlisted").len(), 1);
        assert_eq!(found("gone").len(), 1);
    }
}
