//! `docs/protocol.md` against the code: every row of a `| constant | value | source |` table is looked up. Trusts no prose.

use std::path::Path;

use super::source::Source;
use crate::project::{self, Result};

const DOCUMENT: &str = "docs/protocol.md";

struct Row {
    line: usize,
    constant: String,
    value: String,
    source: String,
}

/// The check.
pub(crate) fn check(root: &Path, sources: &[Source]) -> Result<Vec<String>> {
    let rows = rows(&project::read(&root.join(DOCUMENT))?);
    if rows.is_empty() {
        return Ok(vec![format!(
            "{DOCUMENT}: no table `| constant | value | source |`"
        )]);
    }
    Ok(rows.iter().filter_map(|row| fault(row, sources)).collect())
}

fn rows(document: &str) -> Vec<Row> {
    let mut rows = Vec::new();
    let mut inside = false;
    for (line, text) in document.lines().enumerate() {
        let cells: Vec<String> = text
            .trim()
            .trim_matches('|')
            .split('|')
            .map(|cell| cell.replace('`', "").trim().to_string())
            .collect();
        let table = text.trim_start().starts_with('|');
        match cells.as_slice() {
            [constant, value, source, ..] if table => {
                let heads = [constant, value, source].map(|cell| cell.to_lowercase());
                if heads == ["constant", "value", "source"] {
                    inside = true;
                } else if inside && !constant.starts_with(['-', ':']) {
                    let (constant, value, source) =
                        (constant.clone(), value.clone(), source.clone());
                    rows.push(Row {
                        line: line + 1,
                        constant,
                        value,
                        source,
                    });
                }
            }
            _ => inside = false,
        }
    }
    rows
}

fn fault(row: &Row, sources: &[Source]) -> Option<String> {
    let at = format!("{DOCUMENT}:{}: `{}`", row.line, row.constant);
    let Some(source) = sources.iter().find(|source| source.path == row.source) else {
        return Some(format!("{at}: there is no file {}", row.source));
    };
    let name = row.constant.rsplit("::").next().unwrap_or(&row.constant);
    match value_of(&source.text, name) {
        None => Some(format!("{at} is not in {}", row.source)),
        Some(value) if same(&value, &row.value) => None,
        Some(value) => Some(format!(
            "{at} is {} in the document and {value} in {}",
            row.value, row.source
        )),
    }
}

/// What stands after the `=` of `const NAME: T = …;`, or of an enum's `NAME = …,`.
fn value_of(text: &str, name: &str) -> Option<String> {
    for keyword in ["const ", "static "] {
        let declared = text.match_indices(&format!("{keyword}{name}:")).next();
        if let Some((at, _)) = declared {
            let (_, value) = text.get(at..)?.split_once(" =")?;
            return Some(value.split_once(';')?.0.trim().to_string());
        }
    }
    let line = text
        .lines()
        .find_map(|line| line.trim_start().strip_prefix(name)?.strip_prefix(" = "))?;
    Some(line.split(',').next()?.trim().to_string())
}

/// Equal as numbers, or else as text without blanks.
fn same(code: &str, document: &str) -> bool {
    match (number(code), number(document)) {
        (Some(code), Some(document)) => code == document,
        _ => squeezed(code) == squeezed(document),
    }
}

fn squeezed(text: &str) -> String {
    text.chars().filter(|c| !c.is_whitespace()).collect()
}

/// Decimal and hexadecimal integers, with `_` and a type's suffix, joined by `+`, `*` and `<<`.
fn number(text: &str) -> Option<u128> {
    let text = squeezed(text);
    if let Some((left, right)) = text.split_once("<<") {
        return number(left)?.checked_shl(u32::try_from(number(right)?).ok()?);
    }
    if let Some((left, right)) = text.split_once('+') {
        return number(left)?.checked_add(number(right)?);
    }
    if let Some((left, right)) = text.split_once('*') {
        return number(left)?.checked_mul(number(right)?);
    }
    let digits = text.replace('_', "");
    const SUFFIXES: [&str; 6] = ["usize", "u8", "u16", "u32", "u64", "u128"];
    let digits = SUFFIXES
        .iter()
        .find_map(|suffix| digits.strip_suffix(suffix))
        .unwrap_or(&digits);
    match digits.strip_prefix("0x") {
        Some(hex) => u128::from_str_radix(hex, 16).ok(),
        None => digits.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::{fault, rows, same, value_of};
    use crate::tidy::source::Source;

    #[test]
    fn values_are_compared_as_numbers_where_they_are_numbers() {
        assert!(same("64 * 1024", "65_536"));
        assert!(same("1 << 20", "1048576"));
        assert!(same("0xFFu64", "255"));
        assert!(!same("64", "65"));
        assert!(same(
            "u64::from_le_bytes(*b\"abc\")",
            "u64::from_le_bytes( *b\"abc\" )"
        ));
    }

    #[test]
    fn a_constant_is_found_by_its_declaration_or_as_a_variant() {
        assert_eq!(
            value_of("pub const A_B: u32 = 7;\nconst A: u8 = 1;", "A").as_deref(),
            Some("1")
        );
        assert_eq!(
            value_of("enum E {\n    Ok = 0, // fine\n}", "Ok").as_deref(),
            Some("0")
        );
        assert_eq!(value_of("const AB: u32 = 7;", "A"), None);
    }

    #[test]
    fn a_document_that_differs_from_the_code_is_a_fault() {
        let sources = [Source::new(
            "crates/a/src/b.rs".to_string(),
            "//! X.\nconst C: u32 = 7;\n".to_string(),
        )];
        let document = "text\n| Constant | Value | Source |\n|---|---|---|\n| `C` | 7 | `crates/a/src/b.rs` |\n\
                        | `C` | 8 | `crates/a/src/b.rs` |\n| `D` | 8 | `crates/a/src/b.rs` |\n| `C` | 7 | `crates/x.rs` |\n\n| no | such | table |\n";
        let faults: Vec<bool> = rows(document)
            .iter()
            .map(|row| fault(row, &sources).is_some())
            .collect();
        assert_eq!(faults, [false, true, true, true]);
    }
}
