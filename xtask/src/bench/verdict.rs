//! Where the claim holds in this run and where it does not, in words and from the figures alone. Has no opinion of its own.

use super::cell::{Cell, Kind, Mode, Shape, System};
use super::comparison::{BUSY, Comparison, Verdict};
use super::plan::POOL;
use super::summary::{Row, Spread};
use crate::project::Result;

const SYSTEMS: [System; 4] = [
    System::Procession,
    System::PythonFork,
    System::PythonForkserver,
    System::PythonSpawn,
];
/// All sentences; the last ones say the whole in short.
pub(crate) fn sentences(rows: &[Row], cpus: usize, others: f64) -> Vec<String> {
    let mut sentences = Vec::new();
    let mut short = Vec::new();
    for system in SYSTEMS {
        let space = space(rows, system);
        sentences.extend(space.as_ref().map(|space| space_sentence(system, space)));
        let times: Vec<(Kind, Comparison)> = [Kind::Nothing, Kind::Compute, Kind::Wait]
            .into_iter()
            .filter_map(|kind| Some((kind, time(rows, system, kind, POOL, others)?)))
            .collect();
        for (kind, comparison) in &times {
            let other = time(rows, system, *kind, cpus, others).filter(|_| cpus != POOL);
            let tasks = tasks(rows, system, *kind, Mode::AsTheyCome);
            let mut sentence = time_sentence(system, tasks, *kind, comparison);
            sentence.extend(other.map(|other| {
                format!(
                    " (Pool of {cpus}: {:.2} times, {}.)",
                    other.ratio(),
                    other.verdict()
                )
            }));
            sentences.push(sentence);
        }
        short.extend(in_short(system, space.as_ref(), &times));
    }
    sentences.extend(against_python(rows));
    sentences.extend(short);
    sentences
}

/// A warning when others used the machine during the run.
pub(crate) fn busy(others: f64) -> Option<String> {
    let part = others * 100.0;
    (others > BUSY).then(|| format!("other programs used {part:.0} % of the CPUs' time: only large ratios of times mean something"))
}

/// The smoke's own check: a process for each task takes more memory than a pool.
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
    Some(Comparison::of_space(processes.memory_mib, pool.memory_mib))
}

fn time(
    rows: &[Row],
    system: System,
    kind: Kind,
    workers: usize,
    others: f64,
) -> Option<Comparison> {
    let row = |shape| find(rows, system, kind, Mode::AsTheyCome, shape);
    let (processes, pool) = (row(Shape::Processes)?, row(Shape::Pool(workers))?);
    let rounds = processes.rounds.min(pool.rounds);
    Some(Comparison::of_time(
        processes.wall_ms,
        pool.wall_ms,
        rounds,
        others,
    ))
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
        "Space, {system}: a process for each task, all alive, took {} MiB, the pool of {POOL} {} MiB: {:.1} times as much. The claim {}.",
        figure(space.processes),
        figure(space.pool),
        space.ratio(),
        space.verdict()
    )
}

fn time_sentence(system: System, tasks: usize, kind: Kind, time: &Comparison) -> String {
    let mut text = format!(
        "Time, {system}, {tasks} tasks of {kind}: {} ms as processes, {} ms on the pool of {POOL}: {:.2} times as long. The claim {}.",
        figure(time.processes),
        figure(time.pool),
        time.ratio(),
        time.verdict()
    );
    if kind == Kind::Wait && time.verdict() == Verdict::False {
        text += " Processes overlap their waiting; a pool waits for as many tasks at once as it has workers.";
    }
    text
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
