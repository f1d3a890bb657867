//! The summary as tables for people. It reads nothing but the summary.

use std::{
    ffi::OsString,
    io::{self, Write},
};

use indicatif::{HumanBytes, HumanCount};

use super::{
    names::shown,
    tally::{Copies, Row, Summary},
};

/// Rows of the table by extension, and groups of copies. JSON has them all.
const ROWS: usize = 20;

/// Paths printed for one group of copies.
const PATHS: usize = 4;

/// Writes the summary. An error is `out`'s own.
pub fn write(summary: &Summary, out: &mut impl Write) -> io::Result<()> {
    found(summary, out)?;
    if summary.total.files > 0 {
        table(summary, out)?;
    }
    if let Some(longest) = &summary.longest {
        let place = shown(&longest.path);
        writeln!(
            out,
            "\nlongest line   {} bytes, {place}:{}",
            HumanCount(longest.bytes),
            longest.line
        )?;
    }
    copies(&summary.copies, out)?;
    if !summary.problems.is_empty() {
        writeln!(
            out,
            "\nnot read       {} (listed on standard error)",
            HumanCount(summary.problems.len() as u64)
        )?;
    }
    out.flush()
}

fn found(summary: &Summary, out: &mut impl Write) -> io::Result<()> {
    let Summary { total, counts, .. } = summary;
    write!(
        out,
        "{} files in {} folders, {}",
        HumanCount(total.files),
        HumanCount(counts.folders),
        HumanBytes(total.bytes)
    )?;
    let others = [
        (counts.links, "links not followed"),
        (counts.special, "special files not opened"),
        (counts.same_files, "further names of the same files"),
    ];
    for (count, what) in others.into_iter().filter(|(count, _)| *count > 0) {
        write!(out, "; {} {what}", HumanCount(count))?;
    }
    writeln!(out)
}

fn table(summary: &Summary, out: &mut impl Write) -> io::Result<()> {
    writeln!(
        out,
        "\n{:<22} {:>10} {:>12} {:>12} {:>12}",
        "extension", "files", "bytes", "lines", "words"
    )?;
    for (extension, row) in summary.rows.iter().take(ROWS) {
        line(&extension_name(extension), row, out)?;
    }
    let rest = summary.rows.len().saturating_sub(ROWS);
    if rest > 0 {
        writeln!(out, "and {rest} more extensions")?;
    }
    line("total", &summary.total, out)
}

fn line(name: &str, row: &Row, out: &mut impl Write) -> io::Result<()> {
    let (files, bytes) = (
        HumanCount(row.files).to_string(),
        HumanBytes(row.bytes).to_string(),
    );
    // Where nothing is text there is nothing to count: a dash says more than a zero.
    let of_text = |count: u64| {
        if row.texts == 0 {
            "-".to_string()
        } else {
            HumanCount(count).to_string()
        }
    };
    writeln!(
        out,
        "{name:<22} {files:>10} {bytes:>12} {:>12} {:>12}",
        of_text(row.lines),
        of_text(row.words)
    )
}

fn extension_name(extension: &Option<OsString>) -> String {
    extension
        .as_ref()
        .map_or_else(|| "(none)".to_string(), |extension| shown(extension))
}

fn copies(groups: &[Copies], out: &mut impl Write) -> io::Result<()> {
    if groups.is_empty() {
        return writeln!(out, "\nduplicates     none");
    }
    let spare = HumanBytes(groups.iter().map(Copies::spare).sum());
    writeln!(
        out,
        "\nduplicates     {} groups, {spare} to spare",
        HumanCount(groups.len() as u64)
    )?;
    for group in groups.iter().take(ROWS) {
        writeln!(out, "  {} x {}", group.paths.len(), HumanBytes(group.bytes))?;
        for path in group.paths.iter().take(PATHS) {
            writeln!(out, "    {}", shown(path))?;
        }
        more(group.paths.len(), PATHS, "    ", out)?;
    }
    more(groups.len(), ROWS, "  ", out)
}

fn more(all: usize, printed: usize, indent: &str, out: &mut impl Write) -> io::Result<()> {
    match all.saturating_sub(printed) {
        0 => Ok(()),
        rest => writeln!(out, "{indent}and {rest} more"),
    }
}
