//! `cargo xtask bench`: are 500 processes for 500 tasks slower and larger than a pool? Drives rounds; measures nothing itself.

pub(crate) mod cell;
pub(crate) mod command;
mod comparison;
mod html;
mod machine;
mod observe;
mod peers;
mod plan;
pub(crate) mod round;
mod save;
mod session;
mod summary;
mod table;
mod tree;
mod usage;
mod verdict;
mod work;
pub(crate) mod workload;

use std::path::Path;

use serde::Serialize;

use self::cell::Cell;
use self::machine::Machine;
use self::observe::{Observed, Observer};
use self::plan::{Plan, Scale};
use self::session::Session;
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
    /// The part of all CPUs' time that other programs used meanwhile, from 0 to 1.
    pub(crate) others: f64,
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
    seed: u64,
}

/// The command.
pub(crate) fn run(options: &[&str]) -> Result {
    let root = project::root()?;
    if options.contains(&"--peers") {
        let others: Vec<&str> = options
            .iter()
            .filter(|option| **option != "--peers")
            .copied()
            .collect();
        return peers::run(&root, &others);
    }
    let options = parse(options)?;
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
        seed: machine::seed(),
    };
    let mut rest = options.iter();
    while let Some(option) = rest.next() {
        match *option {
            "--quick" => parsed.scale = Scale::Quick,
            "--smoke" => parsed.scale = Scale::Smoke,
            "--save" => parsed.save = true,
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
    let mut session = Session::new(Observer::new(root)?, machine.cpus)?;
    session.run(&plan)?;
    let mut notes = plan.notes;
    let others = session.others()?;
    notes.extend(verdict::busy(others));
    notes.extend(session.never());
    let rows = summary::rows(&session.rounds);
    Ok(Run {
        scale,
        seed,
        seconds: session.seconds(),
        notes,
        failures: session.failures(),
        others,
        verdict: verdict::sentences(&rows, machine.cpus, others),
        machine: machine.finished(),
        rows,
        rounds: session.rounds,
    })
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
