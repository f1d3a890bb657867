//! The rules for every Rust file: headers, `mod.rs`, unsafe, words that must not stay, length. Knows nothing of the documents.

use std::path::Path;

use super::source::{Source, has_word};
use crate::project::Result;

/// More lines than this need a reason in the header.
const LONGEST: usize = 500;
const REASON: &str = "//! Long because ";

/// Not in any code of the workspace, tests included.
const BANNED: [(&str, &str); 5] = [
    ("#[allow", "write `#[expect(…, reason = …)]`"),
    ("#![allow", "write `#![expect(…, reason = …)]`"),
    ("todo!", "finish it"),
    ("unimplemented!", "finish it"),
    ("dbg!", "remove it"),
];

/// The check.
pub(crate) fn check(_root: &Path, sources: &[Source]) -> Result<Vec<String>> {
    let rules = [
        header,
        mod_file,
        unsafe_file,
        unsafe_blocks,
        banned,
        sleeps,
        length,
    ];
    Ok(sources
        .iter()
        .flat_map(|source| rules.iter().flat_map(|rule| rule(source)))
        .collect())
}

/// One line: how long the libraries' files are.
pub(crate) fn lengths(sources: &[Source]) -> String {
    let mut lengths: Vec<usize> = sources
        .iter()
        .filter(|s| s.is_library())
        .map(|s| s.text.lines().count())
        .collect();
    lengths.sort_unstable();
    let at = |part: usize| {
        lengths
            .get((lengths.len() * part / 100).min(lengths.len().saturating_sub(1)))
            .copied()
            .unwrap_or(0)
    };
    format!(
        "{} library files; lines: median {}, p90 {}, longest {}",
        lengths.len(),
        at(50),
        at(90),
        at(100)
    )
}

fn header(source: &Source) -> Vec<String> {
    if source.text.starts_with("//!") {
        return Vec::new();
    }
    vec![format!(
        "{}: the first line is not a `//!` that says what the file is responsible for",
        source.at(0)
    )]
}

fn mod_file(source: &Source) -> Vec<String> {
    // Cargo's way to share code between test binaries is a tests/…/mod.rs.
    if !source.path.ends_with("/mod.rs") || !source.path.contains("/src/") {
        return Vec::new();
    }
    const LOGIC: [&str; 8] = [
        "fn",
        "struct",
        "enum",
        "union",
        "impl",
        "trait",
        "static",
        "macro_rules",
    ];
    let logic = |line: &str| LOGIC.iter().any(|word| has_word(line, word));
    let first = source.code.iter().position(|line| logic(line));
    first
        .map(|line| format!("{}: a mod.rs holds no logic", source.at(line)))
        .into_iter()
        .collect()
}

/// The compiler denies unsafe code without the `expect`, but not an `expect` on one item, nor a file that argues nothing.
/// An unsafe attribute in a macro's body is the user's; its SAFETY comment is asked for below.
fn unsafe_file(source: &Source) -> Vec<String> {
    let unsafe_code = |line: &String| has_word(line, "unsafe") && !line.contains("#[unsafe(");
    let Some(first) = source.code.iter().position(unsafe_code) else {
        return Vec::new();
    };
    let mut faults = Vec::new();
    let code: String = source
        .code
        .iter()
        .flat_map(|line| line.split_whitespace())
        .collect();
    if !code.contains("#![expect(unsafe_code") {
        faults.push(format!(
            "{}: unsafe in a file that has no `#![expect(unsafe_code, reason = …)]`",
            source.at(first)
        ));
    }
    if source.is_library()
        && !source
            .text
            .lines()
            .any(|line| line.starts_with("//! # Safety"))
    {
        faults.push(format!(
            "{}: unsafe in a file whose header has no `# Safety` section",
            source.at(first)
        ));
    }
    faults
}

/// Every unsafe block, impl and attribute has its argument above it; a declaration of an unsafe function has `# Safety`.
/// A block of foreign declarations runs nothing: its uses argue.
fn unsafe_blocks(source: &Source) -> Vec<String> {
    let mut faults = Vec::new();
    for (line, code) in source.code.iter().enumerate() {
        if !has_word(code, "unsafe") {
            continue;
        }
        let after = code
            .split_once("unsafe")
            .map_or("", |(_, rest)| rest.trim_start());
        let uses = after.is_empty() || after.starts_with(['{', '(']) || after.starts_with("impl");
        if uses && !argued(source, line, "SAFETY:") {
            faults.push(format!(
                "{}: unsafe without a SAFETY comment above it",
                source.at(line)
            ));
        }
        let argued = |word| argued(source, line, word);
        let foreign = after.starts_with("extern") && after.ends_with('{') && !has_word(after, "fn");
        if !uses && !foreign && is_item(code) && !argued("# Safety") && !argued("SAFETY:") {
            faults.push(format!(
                "{}: an unsafe item without a `# Safety` section",
                source.at(line)
            ));
        }
    }
    faults
}

/// Whether the line begins an item: a pointer type such as `unsafe extern fn(…)` inside one promises nothing.
fn is_item(code: &str) -> bool {
    let code = code.trim_start();
    ["unsafe", "pub", "extern", "const"]
        .iter()
        .any(|word| code.starts_with(word))
}

/// Whether the comment above the line's statement, or on the line itself, holds `word`.
fn argued(source: &Source, line: usize, word: &str) -> bool {
    let text: Vec<&str> = source.text.lines().collect();
    if text.get(line).is_some_and(|text| text.contains(word)) {
        return true;
    }
    let mut commented = false;
    for above in (0..line).rev() {
        let (text, code) = (
            text.get(above).map_or("", |t| t.trim()),
            source.code.get(above).map_or("", |c| c.trim()),
        );
        // The file's own header argues for the file, not for one place in it.
        if text.starts_with("//!") || code.starts_with("#![") {
            return false;
        }
        if text.contains(word) && code.is_empty() {
            return true;
        }
        let comment = code.is_empty() && !text.is_empty();
        let attribute = code.starts_with("#[");
        let ended = code.is_empty() && text.is_empty() || code.ends_with([';', '}', '{']);
        // Once the comment has begun, code above it belongs to something else.
        if ended || (commented && !comment && !attribute) {
            return false;
        }
        commented |= comment;
    }
    false
}

fn banned(source: &Source) -> Vec<String> {
    let mut faults = Vec::new();
    for (line, code) in source.code.iter().enumerate() {
        for (word, advice) in BANNED {
            if code.contains(word) {
                faults.push(format!("{}: `{word}`: {advice}", source.at(line)));
            }
        }
    }
    faults
}

fn sleeps(source: &Source) -> Vec<String> {
    if !source.is_library() {
        return Vec::new();
    }
    let sleeping = source
        .code
        .iter()
        .enumerate()
        .filter(|(_, code)| code.contains("thread::sleep"));
    sleeping
        .map(|(line, _)| {
            format!(
                "{}: a sleep in a library: wait for the event itself",
                source.at(line)
            )
        })
        .collect()
}

fn length(source: &Source) -> Vec<String> {
    let lines = source.text.lines().count();
    if lines <= LONGEST || source.text.lines().any(|line| line.starts_with(REASON)) {
        return Vec::new();
    }
    vec![format!(
        "{}: {lines} lines: split it, or give the reason in a header line `{REASON}…`",
        source.path
    )]
}

#[cfg(test)]
mod tests {
    use super::{Source, check};
    use std::path::Path;

    const UNSAFE_HEADER: &str =
        "//! X.\n//!\n//! # Safety\n//!\n//! Y.\n#![expect(unsafe_code, reason = \"z\")]\n";

    fn faults(path: &str, text: &str) -> usize {
        let source = Source::new(path.to_string(), text.to_string());
        check(Path::new(""), &[source])
            .expect("a check of text cannot fail")
            .len()
    }

    fn unsafe_faults(body: &str) -> usize {
        faults("crates/a/src/b.rs", &format!("{UNSAFE_HEADER}{body}"))
    }

    #[test]
    fn a_file_without_a_header_is_found() {
        assert_eq!(faults("crates/a/src/b.rs", "use x;\n"), 1);
        assert_eq!(faults("crates/a/src/b.rs", "//! X.\nuse x;\n"), 0);
    }

    #[test]
    fn unsafe_needs_a_named_file_and_an_argument() {
        assert_eq!(
            faults(
                "crates/a/src/b.rs",
                "//! X.\nfn f() {\n    unsafe { g() }\n}\n"
            ),
            3
        );
        assert_eq!(unsafe_faults("fn f() {\n    unsafe { g() }\n}\n"), 1);
        assert_eq!(
            unsafe_faults("fn f() {\n    // SAFETY: z.\n    unsafe { g() }\n}\n"),
            0
        );
        assert_eq!(
            unsafe_faults(
                "fn f() {\n    // SAFETY: z,\n    // and more.\n    let a =\n        b(unsafe { g() });\n}\n"
            ),
            0
        );
        assert_eq!(
            unsafe_faults(
                "fn f() {\n    // SAFETY: z.\n    unsafe { g() };\n    unsafe { h() }\n}\n"
            ),
            1
        );
        assert_eq!(unsafe_faults("unsafe impl Send for A {}\n"), 1);
        assert_eq!(unsafe_faults("/// # Safety\n/// z.\nunsafe fn f() {}\n"), 0);
        assert_eq!(unsafe_faults("unsafe fn f() {}\n"), 1);
    }

    #[test]
    fn banned_words_count_in_code_only() {
        assert_eq!(
            faults("xtask/src/b.rs", "//! todo!\nfn f() { g(\"dbg!\") }\n"),
            0
        );
        assert_eq!(
            faults(
                "xtask/src/b.rs",
                "//! X.\n#[allow(x)]\nfn f() { todo!() }\n"
            ),
            2
        );
        assert_eq!(
            faults(
                "crates/a/src/b.rs",
                "//! X.\nfn f() { std::thread::sleep(x) }\n"
            ),
            1
        );
        assert_eq!(
            faults(
                "examples/src/b.rs",
                "//! X.\nfn f() { std::thread::sleep(x) }\n"
            ),
            0
        );
    }

    #[test]
    fn a_mod_file_may_only_name_modules() {
        assert_eq!(
            faults(
                "crates/a/src/b/mod.rs",
                "//! X.\nmod c;\npub use c::{D, E};\n"
            ),
            0
        );
        assert_eq!(
            faults("crates/a/src/b/mod.rs", "//! X.\nmod c;\nfn d() {}\n"),
            1
        );
        assert_eq!(faults("crates/a/tests/b/mod.rs", "//! X.\nfn d() {}\n"), 0);
    }

    #[test]
    fn a_long_file_needs_a_reason() {
        let body = "fn f() {}\n".repeat(500);
        assert_eq!(faults("crates/a/src/b.rs", &format!("//! X.\n{body}")), 1);
        assert_eq!(
            faults(
                "crates/a/src/b.rs",
                &format!("//! X.\n//! Long because Z.\n{body}")
            ),
            0
        );
    }
}
