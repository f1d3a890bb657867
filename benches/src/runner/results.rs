//! What a run found: every sample of every round, and the ratios that follow. Must keep failures as plainly as figures.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::machine::Machine;
use crate::protocol::Reply;
use crate::stats;

/// A whole run.
#[derive(Debug, Serialize)]
pub struct Results {
    /// Date (UTC).
    pub date: String,
    /// Time of day at the start (UTC).
    pub time: String,
    /// Where it ran.
    pub machine: Machine,
    /// What the one who ran it says about the circumstances.
    pub note: String,
    /// `full` or `quick`.
    pub mode: String,
    /// Rounds.
    pub rounds: usize,
    /// What the order followed from.
    pub seed: u64,
    /// Versions of what was measured.
    pub versions: BTreeMap<String, String>,
    /// Sides that could not take part, and why.
    pub absent: BTreeMap<String, String>,
    /// Everything measured, by work.
    pub works: BTreeMap<String, WorkResult>,
}

/// One work on all sides.
#[derive(Debug, Default, Serialize)]
pub struct WorkResult {
    /// By side.
    pub sides: BTreeMap<String, SideResult>,
}

/// One work on one side.
#[derive(Debug, Default, Serialize)]
pub struct SideResult {
    /// The count of every measurement.
    pub count: usize,
    /// One reply a round.
    pub rounds: Vec<Reply>,
}

impl SideResult {
    /// The median of each round that gave samples.
    pub fn medians(&self) -> Vec<f64> {
        self.rounds
            .iter()
            .filter(|round| !round.samples.is_empty())
            .map(|round| stats::median(&round.samples))
            .collect()
    }

    /// The samples of all rounds together.
    pub fn samples(&self) -> Vec<f64> {
        self.rounds
            .iter()
            .flat_map(|round| round.samples.iter().copied())
            .collect()
    }

    /// Median over the rounds of a figure beside the samples.
    pub fn extra(&self, name: &str) -> Option<f64> {
        let values: Vec<f64> = self
            .rounds
            .iter()
            .filter_map(|round| round.extra.get(name).copied())
            .collect();
        (!values.is_empty()).then(|| stats::median(&values))
    }

    /// The first failure, in the side's own words.
    pub fn failure(&self) -> Option<&str> {
        self.rounds.iter().find_map(|round| round.failed.as_deref())
    }
}

impl WorkResult {
    /// How many times better `ours` was than `rival`, round by round (samples are "lower is better").
    pub fn ratios(&self, ours: &str, rival: &str) -> Vec<f64> {
        let (Some(ours), Some(rival)) = (self.sides.get(ours), self.sides.get(rival)) else {
            return Vec::new();
        };
        let both = ours.rounds.iter().zip(&rival.rounds);
        both.filter(|(ours, rival)| !ours.samples.is_empty() && !rival.samples.is_empty())
            .map(|(ours, rival)| stats::median(&rival.samples) / stats::median(&ours.samples))
            .collect()
    }
}
