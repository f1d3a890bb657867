//! Words of one machine that must not reach the repository: paths that exist nowhere else. Looks at every text file.

use std::path::Path;

use super::source::Source;
use crate::project::{self, Result};

/// Written in two parts, so that this file does not hold them.
const LEFTOVERS: [&str; 4] = [
    concat!("/wo", "rk/"),
    concat!("/tmp/", "spec"),
    concat!("/tmp/", "target-"),
    concat!("/ro", "ot/"),
];

const KINDS: [&str; 9] = ["rs", "md", "toml", "py", "json", "html", "sh", "yml", "txt"];

/// The check.
pub(crate) fn check(root: &Path, _sources: &[Source]) -> Result<Vec<String>> {
    let mut paths = vec![root.join(".ci/run"), root.join(".cargo/config.toml")];
    for kind in KINDS {
        paths.extend(project::files(root, kind)?);
    }
    let mut faults = Vec::new();
    for path in paths {
        let text = project::read(&path)?;
        let name = path.strip_prefix(root).unwrap_or(&path).display();
        for (line, text) in text.lines().enumerate() {
            if let Some(word) = leftover(text) {
                faults.push(format!(
                    "{name}:{}: `{word}` is a path of one machine",
                    line + 1
                ));
            }
        }
    }
    Ok(faults)
}

/// A path counts only from its beginning: the same letters inside a longer path are something else.
fn leftover(text: &str) -> Option<&'static str> {
    let begins = |at: usize| {
        let before = text.get(..at).and_then(|text| text.chars().next_back());
        !before.is_some_and(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | '}' | '/'))
    };
    LEFTOVERS
        .into_iter()
        .find(|word| text.match_indices(word).any(|(at, _)| begins(at)))
}

#[cfg(test)]
mod tests {
    use super::{LEFTOVERS, leftover};

    #[test]
    fn only_a_path_from_the_root_is_a_leftover() {
        let [word, ..] = LEFTOVERS;
        assert!(leftover(&format!("see {word}main")).is_some());
        assert!(leftover(&format!("see docs{word}main")).is_none());
    }
}
