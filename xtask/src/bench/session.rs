//! The rounds of a plan, one after the other, inside its time box. Summarises nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use super::Round;
use super::cell::Cell;
use super::machine;
use super::observe::Observer;
use super::plan::Plan;
use super::usage::Usage;
use crate::project::Result;

/// What a session leaves behind.
pub(crate) struct Session {
    observer: Observer,
    cpus: usize,
    started: Instant,
    all_before: Duration,
    own_before: Usage,
    budget: Option<Duration>,
    pub(crate) rounds: Vec<Round>,
    failures: BTreeMap<String, usize>,
    left_out: BTreeSet<Cell>,
    /// What each cell's latest round took, in seconds.
    took: BTreeMap<Cell, f64>,
}

impl Session {
    pub(crate) fn new(observer: Observer, cpus: usize) -> Result<Session> {
        Ok(Session {
            observer,
            cpus,
            started: Instant::now(),
            all_before: machine::used_by_all(),
            own_before: Usage::now()?,
            budget: None,
            rounds: Vec::new(),
            failures: BTreeMap::new(),
            left_out: BTreeSet::new(),
            took: BTreeMap::new(),
        })
    }

    /// Runs every round there is time for, behind a progress bar.
    pub(crate) fn run(&mut self, plan: &Plan) -> Result {
        self.budget = plan.budget;
        let bar = ProgressBar::new(plan.rounds() as u64);
        bar.set_style(ProgressStyle::with_template(
            "{bar:30} {pos}/{len} rounds  {elapsed_precise}  {msg}",
        )?);
        for (pass, cells) in plan.passes.iter().enumerate() {
            for cell in cells {
                bar.set_message(cell.to_string());
                self.round(*cell, pass);
                bar.inc(1);
            }
        }
        bar.finish_and_clear();
        Ok(())
    }

    pub(crate) fn seconds(&self) -> f64 {
        self.started.elapsed().as_secs_f64()
    }

    /// The part of all CPUs' time that went to programs other than the rounds and their observer, from 0 to 1.
    pub(crate) fn others(&self) -> Result<f64> {
        let all = machine::used_by_all().saturating_sub(self.all_before);
        let own = Usage::now()?.since(&self.own_before).cpu;
        Ok(all.saturating_sub(own).as_secs_f64() / (self.seconds() * self.cpus as f64))
    }

    /// One line for each distinct failure.
    pub(crate) fn failures(&self) -> Vec<String> {
        let lines = self.failures.iter();
        lines
            .map(|(failure, times)| format!("{failure} ({times}x)"))
            .collect()
    }

    /// One line that names the cells without a single round.
    pub(crate) fn never(&self) -> Option<String> {
        let missing = |cell: &&Cell| !self.took.contains_key(*cell);
        let names: Vec<String> = self
            .left_out
            .iter()
            .filter(missing)
            .map(Cell::to_string)
            .collect();
        (!names.is_empty()).then(|| format!("no time for: {}", names.join("; ")))
    }

    fn round(&mut self, cell: Cell, pass: usize) {
        let end = self.seconds() + self.expected(&cell);
        if self.budget.is_some_and(|budget| end > budget.as_secs_f64()) {
            self.left_out.insert(cell);
            return;
        }
        let begun = Instant::now();
        match self.observer.observe(&cell) {
            Ok(observed) => self.rounds.push(Round {
                cell,
                pass,
                observed,
            }),
            Err(error) => *self.failures.entry(format!("{cell}: {error}")).or_default() += 1,
        }
        self.took.insert(cell, begun.elapsed().as_secs_f64());
    }

    /// What the cell took before; else its guess, stretched by how far guesses have been too short on this machine.
    fn expected(&self, cell: &Cell) -> f64 {
        let stretch = || {
            let took: f64 = self.took.values().sum();
            let guessed: f64 = self.took.keys().map(|cell| cell.guess(self.cpus)).sum();
            if guessed > 0.0 {
                (took / guessed).max(1.0)
            } else {
                1.0
            }
        };
        let before = self.took.get(cell).copied();
        before.unwrap_or_else(|| cell.guess(self.cpus) * stretch())
    }
}
