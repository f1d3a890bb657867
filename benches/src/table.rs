//! A run as text: the table of targets, all sides' figures, and what was lost or missed in words. Must hide no losing case.

mod row;
mod units;

use std::fmt::Write;

use crate::runner::{Results, SideResult};
use crate::stats::{median, range};
use crate::targets::TARGETS;
use crate::works::{SIDES, Unit, WORKS, side};
use row::Row;
pub use units::shown;
use units::{time, times};

/// The whole report in Markdown, which reads as well on a terminal.
pub fn report(results: &Results) -> String {
    let rows: Vec<Row> = TARGETS
        .iter()
        .filter_map(|target| Row::of(target, results))
        .collect();
    let mut text = String::new();
    let _ = writeln!(text, "## Against the targets\n\n{}", targets(&rows));
    let _ = writeln!(text, "{}", missed(&rows));
    let _ = writeln!(text, "## All sides\n\n{}", all_sides(results));
    let _ = writeln!(text, "{}", slower_than_somebody(results));
    text
}

/// What stands above the tables of a saved run.
pub fn heading(results: &Results) -> String {
    let machine = &results.machine;
    let mut text = format!("# procession beside other systems, {}\n\n", results.date);
    let _ = writeln!(
        text,
        "{} ({} CPUs, {} MiB), Linux {}, {}, commit {}.\n{} run of {} rounds at {} UTC, order from seed {}; load average {} at the start, {} at the end.",
        machine.cpu,
        machine.cpus,
        machine.memory_mib,
        machine.kernel,
        machine.rustc,
        machine.commit,
        results.mode,
        results.rounds,
        results.time,
        results.seed,
        machine.load_at_start,
        machine.load_at_end,
    );
    if !results.note.is_empty() {
        let _ = writeln!(text, "{}", results.note);
    }
    let versions: Vec<String> = results
        .versions
        .iter()
        .map(|(name, version)| format!("{name} {version}"))
        .collect();
    let _ = writeln!(text, "Versions: {}.", versions.join(", "));
    for (id, why) in &results.absent {
        let _ = writeln!(
            text,
            "Absent: {} ({why}).",
            side(id).map_or(id.as_str(), |side| side.title)
        );
    }
    text
}

fn figure(side: &SideResult) -> Option<f64> {
    let medians = side.medians();
    (!medians.is_empty()).then(|| median(&medians))
}

fn targets(rows: &[Row]) -> String {
    let head = [
        "work",
        "procession",
        "rival",
        "ratio (lowest–highest)",
        "at least",
        "met",
        "moonshot",
    ];
    let lines = rows.iter().map(|row| {
        vec![
            row.work.to_string(),
            row.ours.clone(),
            row.rival.clone(),
            row.ratio.clone(),
            row.target.clone(),
            row.met.to_string(),
            row.moonshot.clone(),
        ]
    });
    grid(&head.map(str::to_string), lines.collect())
}

fn missed(rows: &[Row]) -> String {
    let mut missed: Vec<&str> = rows.iter().filter_map(|row| row.miss.as_deref()).collect();
    missed.dedup();
    match (rows.is_empty(), missed.is_empty()) {
        (true, _) => "No target was measured.\n".to_string(),
        (false, true) => "Every target that was measured is met.\n".to_string(),
        (false, false) => format!(
            "Missed:\n{}",
            missed
                .iter()
                .map(|miss| format!("- {miss}\n"))
                .collect::<String>()
        ),
    }
}

fn all_sides(results: &Results) -> String {
    let head = [
        "work",
        "side",
        "median of rounds",
        "lowest–highest",
        "count",
        "ours is",
    ];
    let mut lines = Vec::new();
    for work in WORKS {
        let Some(measured) = results.works.get(work.id) else {
            continue;
        };
        for info in SIDES {
            let Some(side) = measured.sides.get(info.id) else {
                continue;
            };
            let medians = side.medians();
            let Some(middle) = figure(side) else {
                if let Some(why) = side.failure() {
                    lines.push(vec![
                        work.title.into(),
                        info.title.into(),
                        why.into(),
                        "–".into(),
                        side.count.to_string(),
                        "–".into(),
                    ]);
                }
                continue;
            };
            let (low, high) = match (work.unit, range(&medians)) {
                // A rate shows the inverse of its samples.
                (Unit::Rate | Unit::Bandwidth, (low, high)) => (high, low),
                (_, range) => range,
            };
            let ratios = measured.ratios("ours", info.id);
            let p50_p99 = match (side.extra("p50"), side.extra("p99")) {
                (Some(p50), Some(p99)) => format!(" (p50 {}, p99 {})", time(p50), time(p99)),
                _ => String::new(),
            };
            lines.push(vec![
                work.title.to_string(),
                info.title.to_string(),
                format!("{}{p50_p99}", shown(work.unit, middle)),
                format!("{} – {}", shown(work.unit, low), shown(work.unit, high)),
                side.count.to_string(),
                if info.id == "ours" || ratios.is_empty() || work.unit == Unit::Count {
                    "–".to_string()
                } else {
                    times(median(&ratios))
                },
            ]);
        }
    }
    grid(&head.map(str::to_string), lines)
}

fn slower_than_somebody(results: &Results) -> String {
    let mut text = String::new();
    for work in WORKS.iter().filter(|work| work.unit != Unit::Count) {
        let Some(measured) = results.works.get(work.id) else {
            continue;
        };
        for info in SIDES.iter().filter(|info| info.id != "ours") {
            let ratio = median(&measured.ratios("ours", info.id));
            if ratio < 1.0 {
                let _ = writeln!(
                    text,
                    "- {}: {} of the speed of {}",
                    work.title,
                    times(ratio),
                    info.title
                );
            }
        }
    }
    if !results
        .works
        .values()
        .any(|work| work.sides.contains_key("ours"))
    {
        "procession was not measured in this run.\n".to_string()
    } else if text.is_empty() {
        "procession lost to nobody in this run.\n".to_string()
    } else {
        format!("Where procession loses:\n\n{text}")
    }
}

/// A Markdown table with aligned columns.
fn grid(head: &[String], lines: Vec<Vec<String>>) -> String {
    let all: Vec<&[String]> = std::iter::once(head)
        .chain(lines.iter().map(Vec::as_slice))
        .collect();
    let widths: Vec<usize> = (0..head.len())
        .map(|column| {
            all.iter()
                .map(|line| line[column].chars().count())
                .max()
                .unwrap_or(0)
        })
        .collect();
    let mut text = String::new();
    for (number, line) in all.iter().enumerate() {
        for (cell, width) in line.iter().zip(&widths) {
            let _ = write!(
                text,
                "| {cell}{} ",
                " ".repeat(width - cell.chars().count())
            );
        }
        text.push_str("|\n");
        if number == 0 {
            widths
                .iter()
                .for_each(|width| text.push_str(&format!("|{}", "-".repeat(width + 2))));
            text.push_str("|\n");
        }
    }
    text
}
