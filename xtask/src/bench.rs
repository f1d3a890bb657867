//! `cargo xtask bench`: are 500 processes for 500 tasks slower and larger than a pool? Drives rounds; measures nothing itself.

pub(crate) mod cell;
pub(crate) mod command;
mod html;
mod machine;
mod observe;
mod peers;
mod plan;
pub(crate) mod round;
mod save;
mod summary;
mod table;
mod tree;
mod usage;
mod verdict;
mod work;
pub(crate) mod workload;

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Instant;

use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;

use self::cell::Cell;
use self::machine::Machine;
use self::observe::{Observed, Observer};
use self::plan::{Plan, Scale};
use self::summary::Row;
use crate::project::{self, Result};

/// One round as it is kept in the raw data.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Round {
    #[serde(flatten)]
    pub(crate) cell: Cell,
    pub(crate) pass: usize,
    #[serde(flatten)]
    pub(crate) observed: Observed,
}

/// Everything one run found: the raw JSON is this.
#[derive(Debug, Serialize)]
pub(crate) struct Run {
    pub(crate) machine: Machine,
    pub(crate) scale: Scale,
    pub(crate) seed: u64,
    pub(crate) seconds: f64,
    /// What was left out, and why.
    pub(crate) notes: Vec<String>,
    pub(crate) failures: Vec<String>,
    pub(crate) verdict: Vec<String>,
    pub(crate) rows: Vec<Row>,
    pub(crate) rounds: Vec<Round>,
}

struct Options {
    scale: Scale,
    save: bool,
    peers: bool,
    seed: u64,
}

/// The command.
pub(crate) fn run(options: &[&str]) -> Result {
    let options = parse(options)?;
    let root = project::root()?;
    if options.peers {
        return peers::run(&root, options.scale == Scale::Quick, options.save);
    }
    let run = measure(&root, options.scale, options.seed)?;
    print!("{}", table::text(&run));
    let report = save::report(&root, &run)?;
    println!("\nraw data and charts: {}", report.display());
    if options.save {
        println!("kept as {}", save::keep(&root, &run)?.display());
    }
    judge(&run)
}

fn parse(options: &[&str]) -> Result<Options> {
    let mut parsed = Options {
        scale: Scale::Full,
        save: false,
        peers: false,
        seed: machine::seed(),
    };
    let mut rest = options.iter();
    while let Some(option) = rest.next() {
        match *option {
            "--quick" => parsed.scale = Scale::Quick,
            "--smoke" => parsed.scale = Scale::Smoke,
            "--save" => parsed.save = true,
            "--peers" => parsed.peers = true,
            "--seed" => {
                let seed = rest.next().ok_or("--seed needs a number")?;
                parsed.seed = seed.parse().map_err(|e| format!("--seed {seed}: {e}"))?;
            }
            other => return Err(format!("unknown option `{other}` of bench").into()),
        }
    }
    Ok(parsed)
}

fn measure(root: &Path, scale: Scale, seed: u64) -> Result<Run> {
    let machine = Machine::read();
    let plan = Plan::new(scale, &machine, seed);
    let observer = Observer::new(root)?;
    let started = Instant::now();
    let mut rounds: Vec<Round> = Vec::new();
    let mut failures: BTreeMap<String, usize> = BTreeMap::new();
    let mut seconds: BTreeMap<Cell, f64> = BTreeMap::new();
    let mut left_out: BTreeMap<Cell, usize> = BTreeMap::new();
    let bar = progress(plan.rounds());
    for (pass, cells) in plan.passes.iter().enumerate() {
        for cell in cells {
            bar.set_message(format!("{}, {}, {}", cell.label(), cell.kind, cell.mode));
            let guess = seconds
                .get(cell)
                .copied()
                .unwrap_or_else(|| cell.guess(machine.cpus));
            if plan.budget.is_some_and(|budget| {
                started.elapsed().as_secs_f64() + guess > budget.as_secs_f64()
            }) {
                *left_out.entry(*cell).or_default() += 1;
                bar.inc(1);
                continue;
            }
            let begun = Instant::now();
            match observer.observe(cell) {
                Ok(observed) => rounds.push(Round {
                    cell: *cell,
                    pass,
                    observed,
                }),
                Err(error) => {
                    let failure =
                        format!("{}, {}, {}: {error}", cell.label(), cell.kind, cell.mode);
                    *failures.entry(failure).or_default() += 1;
                }
            }
            seconds.insert(*cell, begun.elapsed().as_secs_f64());
            bar.inc(1);
        }
    }
    bar.finish_and_clear();
    let mut notes = plan.notes;
    let never = left_out
        .keys()
        .filter(|cell| !rounds.iter().any(|round| round.cell == **cell));
    notes.extend(never.map(|cell| {
        format!(
            "no time for: {}, {}, {}",
            cell.label(),
            cell.kind,
            cell.mode
        )
    }));
    let failures = failures
        .into_iter()
        .map(|(failure, times)| format!("{failure} ({times}x)"))
        .collect();
    let rows = summary::rows(&rounds);
    let verdict = verdict::sentences(&rows, machine.cpus);
    let seconds = started.elapsed().as_secs_f64();
    Ok(Run {
        machine: machine.finished(),
        scale,
        seed,
        seconds,
        notes,
        failures,
        verdict,
        rows,
        rounds,
    })
}

fn progress(rounds: usize) -> ProgressBar {
    let bar = ProgressBar::new(rounds as u64);
    if let Ok(style) =
        ProgressStyle::with_template("{bar:30} {pos}/{len} rounds  {elapsed_precise}  {msg}")
    {
        bar.set_style(style);
    }
    bar
}

/// A run with a failed round is shown in full and then fails; a smoke also fails when the space claim does not hold.
fn judge(run: &Run) -> Result {
    if let Some(first) = run.failures.first() {
        return Err(format!("{} cell(s) failed; the first: {first}", run.failures.len()).into());
    }
    if run.scale == Scale::Smoke {
        verdict::smoke(&run.rows)?;
    }
    Ok(())
}
