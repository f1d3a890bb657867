//! A run as one HTML page with bar charts in SVG. No script, no outside file.

use super::Run;
use super::cell::System;
use super::summary::{Row, Spread};
use super::table::{groups, how, name};
use super::verdict::figure;

const WIDTH: f64 = 960.0;
const LABEL: f64 = 270.0;
const BAR: f64 = 480.0;
const LINE: f64 = 26.0;

const STYLE: &str = "body{font:15px/1.5 system-ui,sans-serif;max-width:62em;margin:2em auto;padding:0 1em;color:#222;background:#fff}\
svg{display:block;width:100%;height:auto;margin:.5em 0 1.5em}text{font:13px system-ui,sans-serif;fill:#222}\
.procession{fill:#c2410c}.std_command{fill:#78716c}.python_fork{fill:#1d4ed8}.python_forkserver{fill:#0e7490}.python_spawn{fill:#6d28d9}\
line{stroke:#222;stroke-width:1.5}li{margin:.3em 0}p.small{color:#555}";

/// The page.
pub(crate) fn page(run: &Run) -> String {
    let mut body = format!(
        "<h1>500 processes for 500 tasks, against a pool</h1><p class=\"small\">{}.</p><p class=\"small\">{}</p>",
        escape(&run.machine.line()),
        escape(&how(run))
    );
    body += &list("Verdict", &run.verdict);
    for (kind, mode, rows) in groups(&run.rows) {
        body += &format!("<h2>Tasks of {kind}, {mode}</h2>");
        body += &chart(
            "Wall time, ms: median, line from smallest to largest",
            &rows,
            |row| row.wall_ms,
        );
        body += &chart("CPU time, ms", &rows, |row| row.cpu_ms);
        body += &chart("Memory (PSS with the parent), MiB", &rows, |row| {
            row.memory_mib
        });
    }
    body += &list("Notes", &run.notes);
    body += &list("Failed", &run.failures);
    format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>500 processes against a pool</title>\
         <style>{STYLE}</style></head><body>{body}</body></html>\n"
    )
}

fn list(title: &str, lines: &[String]) -> String {
    if lines.is_empty() {
        return String::new();
    }
    let items: String = lines
        .iter()
        .map(|line| format!("<li>{}</li>", escape(line)))
        .collect();
    format!("<h2>{title}</h2><ul>{items}</ul>")
}

/// Horizontal bars that all begin at zero.
fn chart(title: &str, rows: &[&Row], of: fn(&Row) -> Spread) -> String {
    let largest = rows.iter().map(|row| of(row).max).fold(0.0, f64::max);
    let scale = if largest > 0.0 { BAR / largest } else { 0.0 };
    let height = LINE * (rows.len() as f64 + 1.0);
    let mut svg = format!(
        "<svg viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" aria-label=\"{title}\"><text x=\"0\" y=\"16\" font-weight=\"bold\">{title}</text>"
    );
    for (index, row) in rows.iter().enumerate() {
        let spread = of(row);
        let top = LINE * (index as f64 + 1.0);
        let (base, middle) = (top + 17.0, top + 12.0);
        let [bar, low, high] = [spread.median, spread.min, spread.max].map(|value| value * scale);
        svg += &format!(
            "<text x=\"{}\" y=\"{base}\" text-anchor=\"end\">{}</text>\
             <rect class=\"{}\" x=\"{LABEL}\" y=\"{}\" width=\"{bar:.1}\" height=\"16\"/>\
             <line x1=\"{:.1}\" x2=\"{:.1}\" y1=\"{middle}\" y2=\"{middle}\"/>\
             <text x=\"{:.1}\" y=\"{base}\">{}</text>",
            LABEL - 8.0,
            escape(&name(row)),
            class(row.cell.system),
            top + 4.0,
            LABEL + low,
            LABEL + high,
            LABEL + bar.max(high) + 8.0,
            figure(spread)
        );
    }
    svg + "</svg>"
}

fn class(system: System) -> &'static str {
    match system {
        System::Procession => "procession",
        System::StdCommand => "std_command",
        System::PythonFork => "python_fork",
        System::PythonForkserver => "python_forkserver",
        System::PythonSpawn => "python_spawn",
    }
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}
