//! A run as text: for the terminal, and as Markdown for the kept runs. Formats only.

use std::fmt::Write;

use super::Run;
use super::cell::{Kind, Mode};
use super::summary::Row;
use super::verdict::figure;

const HEAD: [&str; 7] = [
    "",
    "rounds",
    "wall, ms",
    "CPU, ms",
    "peak processes",
    "memory, MiB",
    "context switches",
];

/// The whole run for a terminal; its last lines are the verdict.
pub(crate) fn text(run: &Run) -> String {
    let mut text = String::new();
    for (kind, mode, rows) in groups(&run.rows) {
        let tasks = rows.first().map_or(0, |row| row.cell.tasks);
        text += &format!("\n{tasks} tasks of {kind}, {mode}\n");
        text += &aligned(&rows);
    }
    text += &format!("\n{}\n{}\n\n", run.machine.line(), how(run));
    for note in run.notes.iter().chain(&run.failures) {
        let _ = writeln!(text, "note: {note}");
    }
    text.push('\n');
    for sentence in &run.verdict {
        let _ = writeln!(text, "{sentence}");
    }
    text
}

/// The whole run as Markdown.
pub(crate) fn markdown(run: &Run) -> String {
    let mut text = format!(
        "# 500 processes against a pool, {}\n\n{}.\n{}\n",
        run.machine.date,
        run.machine.line(),
        how(run)
    );
    text += "\n## Verdict\n\n";
    for sentence in &run.verdict {
        let _ = writeln!(text, "- {sentence}");
    }
    text += "\n## Figures\n\nMedian (smallest–largest).\n";
    for (kind, mode, rows) in groups(&run.rows) {
        text += &format!(
            "\n### Tasks of {kind}, {mode}\n\n| tasks {} |\n|{}\n",
            HEAD.join(" | "),
            "---|".repeat(HEAD.len())
        );
        for row in &rows {
            let _ = writeln!(text, "| {} |", columns(row).join(" | "));
        }
    }
    if !run.notes.is_empty() || !run.failures.is_empty() {
        text += "\n## Notes\n\n";
    }
    for note in run.notes.iter().chain(&run.failures) {
        let _ = writeln!(text, "- {note}");
    }
    text
}

/// How the figures were made, in one paragraph.
pub(crate) fn how(run: &Run) -> String {
    format!(
        "{} rounds in {:.0} s (other programs used {:.0} % of the CPUs), each in a fresh process, order shuffled by seed {}. Wall: from before the first process to after \
         the last join. CPU and context switches: the round's process and its children. Memory: PSS of the round's process and \
         all descendants; kernel memory is not in it; sampled as they come, exact when held (read with the clock stopped).",
        run.rounds.len(),
        run.seconds,
        run.others * 100.0,
        run.seed
    )
}

/// Rows by kind and mode, in the order of the matrix.
pub(crate) fn groups(rows: &[Row]) -> Vec<(Kind, Mode, Vec<&Row>)> {
    let mut groups: Vec<(Kind, Mode, Vec<&Row>)> = Vec::new();
    for row in rows {
        match groups.last_mut() {
            Some((kind, mode, group)) if (*kind, *mode) == (row.cell.kind, row.cell.mode) => {
                group.push(row)
            }
            _ => groups.push((row.cell.kind, row.cell.mode, vec![row])),
        }
    }
    groups
}

/// The row's name; a pool that had fewer tasks than the claim says so, as its name does not.
pub(crate) fn name(row: &Row) -> String {
    match row.cell.shape {
        super::cell::Shape::Pool(_) if row.cell.tasks < super::plan::TASKS => {
            format!("{}, {} tasks", row.cell.label(), row.cell.tasks)
        }
        _ => row.cell.label(),
    }
}

fn columns(row: &Row) -> [String; 7] {
    [
        name(row),
        row.rounds.to_string(),
        figure(row.wall_ms),
        figure(row.cpu_ms),
        row.peak_processes.to_string(),
        figure(row.memory_mib),
        format!("{:.0}", row.switches.median),
    ]
}

fn aligned(rows: &[&Row]) -> String {
    let mut lines = vec![HEAD.map(str::to_string)];
    lines.extend(rows.iter().map(|row| columns(row)));
    let width = |column: usize| {
        let widths = lines
            .iter()
            .filter_map(|line| line.get(column))
            .map(|text| text.chars().count());
        widths.max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..HEAD.len()).map(width).collect();
    let mut text = String::new();
    for line in &lines {
        for (column, (field, width)) in line.iter().zip(&widths).enumerate() {
            let padding = " ".repeat(width.saturating_sub(field.chars().count()));
            text += &if column == 0 {
                format!("  {field}{padding}")
            } else {
                format!("  {padding}{field}")
            };
        }
        text.push('\n');
    }
    text
}
