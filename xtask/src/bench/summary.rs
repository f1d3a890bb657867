//! Rounds of one cell as one row: medians and spreads. Judges nothing.

use std::collections::BTreeMap;

use serde::Serialize;

use super::Round;
use super::cell::Cell;
use super::tree::Census;

/// A figure over several rounds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(crate) struct Spread {
    pub(crate) median: f64,
    pub(crate) min: f64,
    pub(crate) max: f64,
}

/// A cell and what its rounds showed.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Row {
    #[serde(flatten)]
    pub(crate) cell: Cell,
    pub(crate) rounds: usize,
    pub(crate) wall_ms: Spread,
    pub(crate) cpu_ms: Spread,
    pub(crate) switches: Spread,
    /// The largest of all rounds; as they come, of all samples.
    pub(crate) peak_processes: usize,
    /// With the round's own process; MiB.
    pub(crate) memory_mib: Spread,
    /// Without it.
    pub(crate) children_mib: Spread,
}

impl Spread {
    /// Of at least one figure.
    pub(crate) fn of(figures: impl IntoIterator<Item = f64>) -> Option<Spread> {
        let mut sorted: Vec<f64> = figures.into_iter().collect();
        sorted.sort_by(f64::total_cmp);
        let (min, max) = (*sorted.first()?, *sorted.last()?);
        let low = sorted.get((sorted.len() - 1) / 2)?;
        let high = sorted.get(sorted.len() / 2)?;
        Some(Spread {
            median: low.midpoint(*high),
            min,
            max,
        })
    }
}

/// One row for each cell that has a round, in the order of the matrix.
pub(crate) fn rows(rounds: &[Round]) -> Vec<Row> {
    let mut cells: BTreeMap<Cell, Vec<&Round>> = BTreeMap::new();
    for round in rounds {
        cells.entry(round.cell).or_default().push(round);
    }
    cells
        .into_iter()
        .filter_map(|(cell, rounds)| row(cell, &rounds))
        .collect()
}

fn row(cell: Cell, rounds: &[&Round]) -> Option<Row> {
    let over = |figure: fn(&Round) -> f64| Spread::of(rounds.iter().map(|round| figure(round)));
    let peak = rounds.iter().fold(Census::default(), |peak, round| {
        peak.max(round.observed.peak)
    });
    Some(Row {
        cell,
        rounds: rounds.len(),
        wall_ms: over(|round| round.observed.report.wall_ms)?,
        cpu_ms: over(|round| round.observed.report.cpu_ms)?,
        switches: over(|round| round.observed.report.switches as f64)?,
        peak_processes: peak.children,
        memory_mib: over(|round| round.observed.peak.total_kib as f64 / 1024.0)?,
        children_mib: over(|round| round.observed.peak.children_kib as f64 / 1024.0)?,
    })
}

#[cfg(test)]
mod tests {
    use super::Spread;

    #[test]
    fn the_median_of_an_even_count_lies_between_the_middle_two() {
        assert_eq!(
            Spread::of([4.0, 1.0, 3.0, 2.0]),
            Some(Spread {
                median: 2.5,
                min: 1.0,
                max: 4.0
            })
        );
        assert_eq!(
            Spread::of([5.0]),
            Some(Spread {
                median: 5.0,
                min: 5.0,
                max: 5.0
            })
        );
        assert_eq!(Spread::of([]), None);
    }
}
