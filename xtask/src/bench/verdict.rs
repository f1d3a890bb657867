//! Where the claim holds in this run and where it does not, in words and from the figures alone. Has no opinion of its own.

use std::fmt;

use super::cell::{Cell, Kind, Mode, Shape, System};
use super::plan::POOL;
use super::summary::{Row, Spread};
use crate::project::Result;

const SYSTEMS: [System; 4] = [
    System::Procession,
    System::PythonFork,
    System::PythonForkserver,
    System::PythonSpawn,
];
/// A ratio from which on the claim holds strongly.
const STRONG: f64 = 2.0;
/// Ratios nearer to one than this show no difference.
const NOISE: f64 = 0.05;

/// What a ratio (processes / pool) says about the claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Strongly,
    Weakly,
    Undecided,
    False,
}

/// Processes against a pool in one figure.
struct Comparison {
    processes: Spread,
    pool: Spread,
    rounds: usize,
}

impl Comparison {
    fn ratio(&self) -> f64 {
        self.processes.median / self.pool.median
    }

    fn verdict(&self) -> Verdict {
        let ratio = self.ratio();
        let apart = self.processes.min > self.pool.max || self.pool.min > self.processes.max;
        if (ratio - 1.0).abs() < NOISE || !apart {
            Verdict::Undecided
        } else if ratio >= STRONG {
            Verdict::Strongly
        } else if ratio > 1.0 {
            Verdict::Weakly
        } else {
            Verdict::False
        }
    }
}

/// All sentences; the last ones say the whole in short.
pub(crate) fn sentences(rows: &[Row], cpus: usize) -> Vec<String> {
    let mut sentences = Vec::new();
    let mut short = Vec::new();
    for system in SYSTEMS {
        let space = space(rows, system);
        sentences.extend(space.as_ref().map(|space| space_sentence(system, space)));
        let times: Vec<(Kind, Comparison)> = [Kind::Nothing, Kind::Compute, Kind::Wait]
            .into_iter()
            .filter_map(|kind| Some((kind, time(rows, system, kind, POOL)?)))
            .collect();
        for (kind, comparison) in &times {
            sentences.push(time_sentence(rows, system, *kind, comparison, cpus));
        }
        short.extend(in_short(system, space.as_ref(), &times));
    }
    sentences.extend(against_python(rows));
    sentences.extend(short);
    sentences
}

/// The smoke's own check: the space claim holds for every system that was measured.
pub(crate) fn smoke(rows: &[Row]) -> Result {
    let Some(ours) = space(rows, System::Procession) else {
        return Err("the smoke measured no memory".into());
    };
    if ours.ratio() <= 1.0 {
        return Err(format!(
            "the pool took more memory than a process for each task (ratio {:.2})",
            ours.ratio()
        )
        .into());
    }
    Ok(())
}

fn space(rows: &[Row], system: System) -> Option<Comparison> {
    let row = |shape| find(rows, system, Kind::Nothing, Mode::Held, shape);
    let (processes, pool) = (row(Shape::Processes)?, row(Shape::Pool(POOL))?);
    Some(Comparison {
        processes: processes.memory_mib,
        pool: pool.memory_mib,
        rounds: processes.rounds.min(pool.rounds),
    })
}

fn time(rows: &[Row], system: System, kind: Kind, workers: usize) -> Option<Comparison> {
    let row = |shape| find(rows, system, kind, Mode::AsTheyCome, shape);
    let (processes, pool) = (row(Shape::Processes)?, row(Shape::Pool(workers))?);
    Some(Comparison {
        processes: processes.wall_ms,
        pool: pool.wall_ms,
        rounds: processes.rounds.min(pool.rounds),
    })
}

fn find(rows: &[Row], system: System, kind: Kind, mode: Mode, shape: Shape) -> Option<&Row> {
    let wanted = |cell: &Cell| {
        (cell.system, cell.kind, cell.mode, cell.shape) == (system, kind, mode, shape)
    };
    rows.iter().find(|row| wanted(&row.cell))
}

fn tasks(rows: &[Row], system: System, kind: Kind, mode: Mode) -> usize {
    find(rows, system, kind, mode, Shape::Processes).map_or(0, |row| row.cell.tasks)
}

fn space_sentence(system: System, space: &Comparison) -> String {
    format!(
        "Space, {system}: a process for each task, all alive, took {} MiB, the pool of {POOL} {} MiB: {:.1} times as much. {}",
        figure(space.processes),
        figure(space.pool),
        space.ratio(),
        claim(space)
    )
}

fn time_sentence(
    rows: &[Row],
    system: System,
    kind: Kind,
    time_8: &Comparison,
    cpus: usize,
) -> String {
    let tasks = tasks(rows, system, kind, Mode::AsTheyCome);
    let mut text = format!(
        "Time, {system}, {tasks} tasks of {kind}: {} ms as processes, {} ms on the pool of {POOL}: {:.2} times as long. {}",
        figure(time_8.processes),
        figure(time_8.pool),
        time_8.ratio(),
        claim(time_8)
    );
    if let Some(other) = time(rows, system, kind, cpus).filter(|_| cpus != POOL) {
        text += &format!(
            " (Pool of {cpus}: {:.2} times, {}.)",
            other.ratio(),
            other.verdict()
        );
    }
    if kind == Kind::Wait && time_8.verdict() == Verdict::False {
        text += " Processes overlap their waiting; a pool waits for as many tasks at once as it has workers.";
    }
    text
}

fn claim(comparison: &Comparison) -> String {
    let once = if comparison.rounds == 1 {
        " (one round only)"
    } else {
        ""
    };
    match comparison.verdict() {
        Verdict::Undecided if (comparison.ratio() - 1.0).abs() < NOISE => {
            format!("No difference{once}.")
        }
        Verdict::Undecided => "The rounds overlap, so this run decides nothing.".to_string(),
        verdict => format!("The claim {verdict}{once}."),
    }
}

/// The project's 500 processes against Python's, where both were measured.
fn against_python(rows: &[Row]) -> Option<String> {
    let row = |system, mode| find(rows, system, Kind::Nothing, mode, Shape::Processes);
    let ours = row(System::Procession, Mode::AsTheyCome)?;
    let theirs = row(System::PythonFork, Mode::AsTheyCome)?;
    let memory = row(System::Procession, Mode::Held)?.memory_mib.median;
    let their_memory = row(System::PythonFork, Mode::Held)?.memory_mib.median;
    Some(format!(
        "{} processes with no work, procession against Python fork: {} ms against {} ms ({:.2} times as fast), {memory:.0} MiB against {their_memory:.0} MiB ({:.2} of it).",
        ours.cell.tasks,
        figure(ours.wall_ms),
        figure(theirs.wall_ms),
        theirs.wall_ms.median / ours.wall_ms.median,
        memory / their_memory
    ))
}

fn in_short(
    system: System,
    space: Option<&Comparison>,
    times: &[(Kind, Comparison)],
) -> Option<String> {
    let mut parts = Vec::new();
    parts.extend(
        space.map(|space| format!("for space it {} ({:.1}x)", space.verdict(), space.ratio())),
    );
    let time = |(kind, time): &(Kind, Comparison)| {
        format!(
            "for time with {kind} it {} ({:.2}x)",
            time.verdict(),
            time.ratio()
        )
    };
    parts.extend(times.iter().map(time));
    (!parts.is_empty()).then(|| {
        format!(
            "\"A process for each task is slower and larger than a pool of {POOL}\", {system}: {}.",
            parts.join("; ")
        )
    })
}

/// The median, and the whole range when there is more than one round.
pub(crate) fn figure(spread: Spread) -> String {
    let digits = usize::from(spread.median < 100.0);
    if spread.min < spread.max {
        format!(
            "{:.digits$} ({:.digits$}–{:.digits$})",
            spread.median, spread.min, spread.max
        )
    } else {
        format!("{:.digits$}", spread.median)
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Verdict::Strongly => "holds strongly",
            Verdict::Weakly => "holds weakly",
            Verdict::Undecided => "is undecided",
            Verdict::False => "is false here",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{Comparison, Verdict};
    use crate::bench::summary::Spread;

    fn verdict(processes: [f64; 3], pool: [f64; 3]) -> Verdict {
        let spread = |[min, median, max]: [f64; 3]| Spread { min, median, max };
        Comparison {
            processes: spread(processes),
            pool: spread(pool),
            rounds: 3,
        }
        .verdict()
    }

    #[test]
    fn a_verdict_follows_the_ratio_only_when_the_rounds_do_not_overlap() {
        assert_eq!(
            verdict([340.0, 350.0, 360.0], [13.0, 14.0, 15.0]),
            Verdict::Strongly
        );
        assert_eq!(
            verdict([2_800.0, 2_876.0, 2_900.0], [2_500.0, 2_536.0, 2_600.0]),
            Verdict::Weakly
        );
        assert_eq!(
            verdict([390.0, 396.0, 400.0], [650.0, 657.0, 660.0]),
            Verdict::False
        );
        assert_eq!(
            verdict([390.0, 396.0, 700.0], [390.0, 657.0, 660.0]),
            Verdict::Undecided
        );
        assert_eq!(
            verdict([102.0, 102.0, 102.0], [100.0, 100.0, 100.0]),
            Verdict::Undecided
        );
    }
}
