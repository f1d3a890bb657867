//! The summary as one JSON object, complete. Its names and shapes are a contract with whoever parses it.

use std::{
    ffi::OsStr,
    io::{self, Write},
};

use serde_json::{Value, json};

use super::{
    names::shown,
    tally::{Copies, Longest, Row, Summary},
    walk::Problem,
};

/// Writes the summary and a newline. An error is `out`'s own.
///
/// ```
/// use procession_examples::survey::{json, tally::Tally};
///
/// let mut out = Vec::new();
/// json::write(&Tally::default().summary(), &mut out).unwrap();
/// let value: serde_json::Value = serde_json::from_slice(&out).unwrap();
/// assert_eq!(value["total"]["files"], 0);
/// assert!(value["duplicates"].as_array().unwrap().is_empty());
/// ```
pub fn write(summary: &Summary, out: &mut impl Write) -> io::Result<()> {
    let extensions: Vec<Value> = summary
        .rows
        .iter()
        .map(|(name, row)| extension(name.as_deref(), row))
        .collect();
    let value = json!({
        "total": row(&summary.total),
        "folders": summary.counts.folders,
        "links_not_followed": summary.counts.links,
        "special_files": summary.counts.special,
        "further_names": summary.counts.same_files,
        "extensions": extensions,
        "longest_line": summary.longest.as_ref().map(longest),
        "duplicates": summary.copies.iter().map(copies).collect::<Vec<_>>(),
        "not_read": summary.problems.iter().map(problem).collect::<Vec<_>>(),
    });
    serde_json::to_writer_pretty(&mut *out, &value)?;
    writeln!(out)?;
    out.flush()
}

fn row(row: &Row) -> Value {
    json!({ "files": row.files, "bytes": row.bytes, "texts": row.texts, "lines": row.lines, "words": row.words })
}

/// A file without an extension has `null` there: an empty one (`name.`) is something else.
fn extension(name: Option<&OsStr>, sums: &Row) -> Value {
    let mut value = row(sums);
    value["extension"] = name.map(shown).into();
    value
}

fn longest(longest: &Longest) -> Value {
    json!({ "path": shown(&longest.path), "line": longest.line, "bytes": longest.bytes })
}

fn copies(group: &Copies) -> Value {
    let hash = blake3::Hash::from_bytes(group.hash).to_hex();
    let paths: Vec<String> = group.paths.iter().map(|path| shown(path)).collect();
    json!({ "bytes": group.bytes, "blake3": hash.as_str(), "paths": paths })
}

fn problem(problem: &Problem) -> Value {
    json!({ "path": shown(&problem.path), "reason": problem.reason })
}
