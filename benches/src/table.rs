//! A run as text: the table of targets, all sides' figures, and what was lost or missed in words. Must hide no losing case.

use std::fmt::Write;

use crate::runner::{Results, SideResult};
use crate::stats::{median, percentile, range};
use crate::works::{Goal, SIDES, TARGETS, Target, Unit, WORKS, Weight, Work, side};

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

/// A sample in the words of its unit.
pub fn shown(unit: Unit, sample: f64) -> String {
    match unit {
        _ if sample.is_nan() => "no figure".to_string(),
        Unit::Rate => rate(1.0 / sample),
        Unit::Time => time(sample),
        Unit::Bandwidth => format!("{:.2} GB/s", (16 << 20) as f64 / sample / 1e9),
        Unit::Memory => format!("{:.1} MiB", sample / 1024.0),
        Unit::Count => format!("{sample:.2}"),
    }
}

fn rate(per_second: f64) -> String {
    match per_second {
        value if value >= 1e6 => format!("{:.2} M/s", value / 1e6),
        value if value >= 1e3 => format!("{:.1} k/s", value / 1e3),
        value => format!("{value:.1} /s"),
    }
}

fn time(seconds: f64) -> String {
    match seconds {
        value if value < 1e-6 => format!("{:.0} ns", value * 1e9),
        value if value < 1e-3 => format!("{:.1} µs", value * 1e6),
        value if value < 1.0 => format!("{:.2} ms", value * 1e3),
        value => format!("{value:.2} s"),
    }
}

/// One line of the table of targets.
struct Row {
    work: &'static str,
    ours: String,
    rival: String,
    ratio: String,
    target: String,
    met: &'static str,
    moonshot: String,
    miss: Option<String>,
}

impl Row {
    fn of(target: &Target, results: &Results) -> Option<Row> {
        let work = WORKS.iter().find(|work| work.id == target.work)?;
        let measured = results.works.get(work.id)?;
        let ours = measured.sides.get("ours")?;
        let Some(ours_median) = figure(ours) else {
            return Some(Row::without_figure(work, ours));
        };
        match target.goal {
            Goal::Ratio {
                rival,
                at_least,
                moonshot,
            } => {
                let ratios = measured.ratios("ours", rival);
                if ratios.is_empty() {
                    return None;
                }
                let (ratio, (low, high)) = (median(&ratios), range(&ratios));
                let title = side(rival).map_or(rival, |side| side.title);
                let theirs = measured
                    .sides
                    .get(rival)
                    .and_then(figure)
                    .unwrap_or(f64::NAN);
                Some(Row {
                    work: work.title,
                    ours: shown(work.unit, ours_median),
                    rival: format!("{title}: {}", shown(work.unit, theirs)),
                    ratio: format!("{} ({}–{})", times(ratio), times(low), times(high)),
                    target: if at_least > 0.0 {
                        format!("≥ {}", times(at_least))
                    } else {
                        "–".to_string()
                    },
                    met: verdict(at_least, ratio),
                    moonshot: moonshot.map_or("–".to_string(), |goal| {
                        format!("{} {}", times(goal), yes_no(ratio >= goal))
                    }),
                    miss: (ratio < at_least).then(|| {
                        format!(
                            "{} against {title}: {}, promised {}",
                            work.title,
                            times(ratio),
                            times(at_least)
                        )
                    }),
                })
            }
            Goal::Percentile {
                percent,
                at_most,
                weight,
            } => {
                let moonshot = weight == Weight::Moonshot;
                let value = percentile(&ours.samples(), percent);
                let met = value <= at_most;
                let name = if work.unit == Unit::Count {
                    String::new()
                } else {
                    format!("p{percent:.0} of {}", ours.samples().len())
                };
                let goal = if work.unit == Unit::Count {
                    format!("{at_most}")
                } else {
                    shown(work.unit, at_most)
                };
                Some(Row {
                    work: work.title,
                    ours: format!("{} {name}", shown(work.unit, value))
                        .trim_end()
                        .to_string(),
                    rival: "–".to_string(),
                    ratio: "–".to_string(),
                    target: if moonshot {
                        "–".to_string()
                    } else {
                        format!("≤ {goal}")
                    },
                    met: if moonshot { "–" } else { yes_no(met) },
                    moonshot: if moonshot {
                        format!("≤ {goal} {}", yes_no(met))
                    } else {
                        "–".to_string()
                    },
                    miss: (!met && !moonshot).then(|| {
                        format!(
                            "{}: {} {name}, promised {goal}",
                            work.title,
                            shown(work.unit, value)
                        )
                    }),
                })
            }
        }
    }

    fn without_figure(work: &Work, ours: &SideResult) -> Row {
        let why = ours.failure().unwrap_or("not offered").to_string();
        Row {
            work: work.title,
            ours: "no figure".to_string(),
            rival: "–".to_string(),
            ratio: "–".to_string(),
            target: "–".to_string(),
            met: "NO",
            moonshot: "–".to_string(),
            miss: Some(format!("{}: {why}", work.title)),
        }
    }
}

fn figure(side: &SideResult) -> Option<f64> {
    let medians = side.medians();
    (!medians.is_empty()).then(|| median(&medians))
}

fn verdict(at_least: f64, ratio: f64) -> &'static str {
    if at_least > 0.0 {
        yes_no(ratio >= at_least)
    } else {
        "–"
    }
}

fn yes_no(met: bool) -> &'static str {
    if met { "yes" } else { "NO" }
}

fn times(ratio: f64) -> String {
    match ratio {
        value if value >= 100.0 => format!("{value:.0}x"),
        value if value >= 10.0 => format!("{value:.1}x"),
        value => format!("{value:.2}x"),
    }
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
