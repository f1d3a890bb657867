//! Where a run's files go: `target/bench/` always, `docs/benchmarks/runs/` on request. Computes nothing.

use std::path::{Path, PathBuf};

use super::{Run, html, table};
use crate::project::{self, Result};

/// Writes the raw data and the page; returns the page's path.
pub(crate) fn report(root: &Path, run: &Run) -> Result<PathBuf> {
    let page = root.join("target/bench/report.html");
    project::write(&root.join("target/bench/run.json"), &json(run)?)?;
    project::write(&page, &html::page(run))?;
    Ok(page)
}

/// Keeps the run in the repository, under its date; returns the Markdown's path.
pub(crate) fn keep(root: &Path, run: &Run) -> Result<PathBuf> {
    let name = format!("{}-claim", run.machine.date.replace(':', ""));
    let folder = root.join("docs/benchmarks/runs");
    let text = folder.join(format!("{name}.md"));
    project::write(&folder.join(format!("{name}.json")), &json(run)?)?;
    project::write(&text, &table::markdown(run))?;
    Ok(text)
}

fn json(run: &Run) -> Result<String> {
    let mut text = serde_json::to_string_pretty(run)?;
    text.push('\n');
    Ok(text)
}
