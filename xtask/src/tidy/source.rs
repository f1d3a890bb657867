//! A Rust file as lines of code with comments and literals blanked out. Only as much of a lexer as the rules need.

use std::path::{Path, PathBuf};

use crate::project::{self, Result};

/// One file of the workspace.
pub(crate) struct Source {
    /// From the workspace's root, with `/`.
    pub(crate) path: String,
    pub(crate) text: String,
    /// The lines with comments, strings and characters replaced by spaces.
    pub(crate) code: Vec<String>,
}

impl Source {
    /// Every `.rs` file of the workspace except programs that are meant not to compile.
    pub(crate) fn all(root: &Path) -> Result<Vec<Source>> {
        let mut sources = Vec::new();
        for folder in [
            "crates",
            "xtask",
            "benches",
            "examples",
            "integration-tests",
        ] {
            for path in project::files(&root.join(folder), "rs")? {
                let source = Source::read(root, path)?;
                if !source.path.contains("/tests/ui/") {
                    sources.push(source);
                }
            }
        }
        Ok(sources)
    }

    fn read(root: &Path, path: PathBuf) -> Result<Source> {
        let text = project::read(&path)?;
        let name = path
            .strip_prefix(root)
            .unwrap_or(&path)
            .display()
            .to_string();
        Ok(Source::new(name, text))
    }

    pub(crate) fn new(path: String, text: String) -> Source {
        let code = blank(&text).lines().map(str::to_string).collect();
        Source { path, text, code }
    }

    /// Whether it is part of a published library, tests inside it included.
    pub(crate) fn is_library(&self) -> bool {
        self.path.starts_with("crates/") && self.path.contains("/src/")
    }

    /// `path:line`, lines counted from one, as terminals and editors understand it.
    pub(crate) fn at(&self, line: usize) -> String {
        format!("{}:{}", self.path, line + 1)
    }
}

/// Whether `word` stands in `code` with no letter, digit or underscore beside it.
pub(crate) fn has_word(code: &str, word: &str) -> bool {
    let part = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
    code.match_indices(word).any(|(at, _)| {
        let before = code.get(..at).and_then(|text| text.chars().next_back());
        let after = code
            .get(at + word.len()..)
            .and_then(|text| text.chars().next());
        !part(before) && !part(after)
    })
}

/// Replaces every character of comments and literals by a space; line breaks stay.
fn blank(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let mut code = String::with_capacity(text.len());
    let mut at = 0;
    while let Some(&c) = chars.get(at) {
        let rest = chars.get(at..).unwrap_or_default();
        let before = at.checked_sub(1).and_then(|i| chars.get(i)).copied();
        let length = match literal(rest, before) {
            0 => {
                code.push(c);
                at += 1;
                continue;
            }
            length => length,
        };
        code.extend(
            rest.iter()
                .take(length)
                .map(|c| if *c == '\n' { '\n' } else { ' ' }),
        );
        at += length;
    }
    code
}

/// How many characters the comment or literal at the start of `rest` has; 0 when there is none.
fn literal(rest: &[char], before: Option<char>) -> usize {
    let in_name = before.is_some_and(|c| c.is_alphanumeric() || c == '_');
    match rest {
        ['/', '/', ..] => rest.iter().take_while(|c| **c != '\n').count(),
        ['/', '*', ..] => block_comment(rest),
        ['"', ..] => quoted(rest, '"'),
        ['r', '"' | '#', ..] if !in_name => raw(rest, 1),
        ['b' | 'c', 'r', '"' | '#', ..] if !in_name => raw(rest, 2),
        ['\'', '\\', ..] => quoted(rest, '\''),
        // Three characters are a character literal; anything longer is a lifetime.
        ['\'', _, '\'', ..] => 3,
        _ => 0,
    }
}

fn block_comment(rest: &[char]) -> usize {
    let (mut depth, mut at) = (0_usize, 0);
    loop {
        match rest.get(at..) {
            Some(['/', '*', ..]) => (depth, at) = (depth + 1, at + 2),
            Some(['*', '/', ..]) if depth == 1 => return at + 2,
            Some(['*', '/', ..]) => (depth, at) = (depth - 1, at + 2),
            Some([_, ..]) => at += 1,
            Some([]) | None => return rest.len(),
        }
    }
}

fn quoted(rest: &[char], quote: char) -> usize {
    let mut at = 1;
    loop {
        match rest.get(at) {
            Some('\\') => at += 2,
            Some(c) if *c == quote => return at + 1,
            Some(_) => at += 1,
            None => return rest.len(),
        }
    }
}

/// A raw string whose hashes begin at `from`; 0 for a raw identifier.
fn raw(rest: &[char], from: usize) -> usize {
    let hashes = rest.iter().skip(from).take_while(|c| **c == '#').count();
    if rest.get(from + hashes) != Some(&'"') {
        return 0;
    }
    let mut at = from + hashes + 1;
    while let Some(c) = rest.get(at) {
        let closing = rest
            .iter()
            .skip(at + 1)
            .take(hashes)
            .filter(|c| **c == '#')
            .count();
        at += 1;
        if *c == '"' && closing == hashes {
            return at + hashes;
        }
    }
    rest.len()
}

#[cfg(test)]
mod tests {
    use super::{blank, has_word};

    #[test]
    fn comments_and_literals_are_blanked_and_code_is_kept() {
        assert_eq!(blank("a // b\nc"), "a     \nc");
        assert_eq!(blank("a /* b /* c */ d */ e"), "a                   e");
        assert_eq!(blank(r#"f("un\"safe") g"#), "f(          ) g");
        assert_eq!(blank("r#\"a\"b\"# c"), "         c");
        assert_eq!(blank("r#type 'a' '\\'' &'a b"), "r#type          &'a b");
        assert_eq!(blank("br\"x\" tr\"y\""), "      tr   ");
    }

    #[test]
    fn a_word_inside_a_name_is_not_the_word() {
        assert!(has_word("unsafe {", "unsafe"));
        assert!(has_word("(unsafe)", "unsafe"));
        assert!(!has_word("unsafe_code", "unsafe"));
        assert!(!has_word("very_unsafe", "unsafe"));
    }
}
