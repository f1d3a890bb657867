//! Which cells a run has and in what order: shuffled passes, so that a drift of the machine meets every cell. Runs nothing.

use std::time::Duration;

use serde::Serialize;

use super::cell::{Cell, Kind, Mode, Shape, System};
use super::machine::Machine;

/// The claim's figure.
pub(crate) const TASKS: usize = 500;
/// The pool of the claim.
pub(crate) const POOL: usize = 8;
/// What an idle spawned interpreter takes, generously: decides whether a cell fits into memory.
const PYTHON_MIB: u64 = 12;

/// How long a run may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Scale {
    /// About five seconds: does every part work, does the space claim hold?
    Smoke,
    /// Under a minute.
    Quick,
    /// The whole matrix, several minutes.
    Full,
}

/// The rounds of a run.
pub(crate) struct Plan {
    /// Each pass holds a cell at most once.
    pub(crate) passes: Vec<Vec<Cell>>,
    /// No round is begun that would end after this.
    pub(crate) budget: Option<Duration>,
    pub(crate) notes: Vec<String>,
}

/// A cell, how many rounds it gets, and its place in a pass: lower ranks come first, equal ones in random order.
struct Planned {
    cell: Cell,
    rounds: usize,
    rank: u8,
}

impl Plan {
    pub(crate) fn new(scale: Scale, machine: &Machine, seed: u64) -> Plan {
        let mut notes = Vec::new();
        let mut planned = match scale {
            Scale::Smoke => smoke(),
            Scale::Quick => quick(machine.cpus, &mut notes),
            Scale::Full => full(machine.cpus, &mut notes),
        };
        if machine.python.is_none() {
            planned.retain(|planned| planned.cell.system.start_method().is_none());
            notes.push("python3 was not found: all Python cells are left out".to_string());
        }
        planned.retain(|planned| {
            let fits = fits(&planned.cell, machine.available_mib);
            if !fits {
                notes.push(format!("not enough free memory for: {}", planned.cell));
            }
            fits
        });
        let budget = match scale {
            Scale::Smoke => None,
            Scale::Quick => Some(Duration::from_secs(54)),
            Scale::Full => Some(Duration::from_secs(15 * 60)),
        };
        Plan {
            passes: passes(&planned, seed),
            budget,
            notes,
        }
    }

    pub(crate) fn rounds(&self) -> usize {
        self.passes.iter().map(Vec::len).sum()
    }
}

fn fits(cell: &Cell, available_mib: u64) -> bool {
    let interpreters = match cell.system {
        System::PythonSpawn => cell.workers() as u64,
        System::PythonFork | System::PythonForkserver => cell.workers() as u64 / 4,
        System::Procession | System::StdCommand => 0,
    };
    interpreters * PYTHON_MIB < available_mib / 2
}

fn smoke() -> Vec<Planned> {
    let mut all = Vec::new();
    for mode in [Mode::AsTheyCome, Mode::Held] {
        for system in [System::Procession, System::StdCommand, System::PythonFork] {
            for shape in shapes(system, &[POOL]) {
                let cell = Cell {
                    kind: Kind::Nothing,
                    mode,
                    system,
                    shape,
                    tasks: 60,
                };
                all.push(Planned {
                    cell,
                    rounds: 2,
                    rank: 0,
                });
            }
        }
    }
    all
}

/// The claim's cells three times, the costly ones as often as the time box allows.
fn quick(cpus: usize, notes: &mut Vec<String>) -> Vec<Planned> {
    notes.push("quick: held rounds, Python forkserver and Python spawn with no work only; Python spawn with 40 tasks in place of 500".to_string());
    let mut all = Vec::new();
    for cell in matrix(cpus) {
        let python = cell.system.start_method().is_some();
        let per_cpu = cell.shape == Shape::Pool(cpus) && cpus != POOL;
        let wanted = match (cell.system, cell.mode, cell.kind) {
            (_, Mode::Held, kind) => kind == Kind::Nothing,
            (System::PythonForkserver | System::PythonSpawn, _, kind) => kind == Kind::Nothing,
            (System::StdCommand, _, kind) => kind != Kind::Compute,
            (_, _, kind) => kind == Kind::Nothing || !(python && per_cpu),
        };
        if !wanted {
            continue;
        }
        let server = matches!(cell.system, System::PythonForkserver | System::PythonSpawn);
        let tasks = if cell.system == System::PythonSpawn {
            40
        } else {
            TASKS
        };
        let rounds = if server || per_cpu { 1 } else { 3 };
        let rank = rank(&cell, server || per_cpu);
        all.push(Planned {
            cell: Cell { tasks, ..cell },
            rounds,
            rank,
        });
    }
    all
}

/// What a time box cuts first: the claim's own cells come before the others, cheap ones before costly ones, so that on a
/// busy machine a comparison is whole or not there.
fn rank(cell: &Cell, extra: bool) -> u8 {
    match (cell.system, cell.kind) {
        _ if extra => 4,
        (System::Procession, Kind::Nothing) => 0,
        (System::PythonFork, Kind::Nothing) | (System::Procession, Kind::Wait) => 1,
        (System::PythonFork, Kind::Wait) | (System::Procession, Kind::Compute) => 2,
        (System::PythonFork, Kind::Compute) | (System::StdCommand, _) => 3,
        (System::PythonForkserver | System::PythonSpawn, _) => 4,
    }
}

fn full(cpus: usize, notes: &mut Vec<String>) -> Vec<Planned> {
    notes.push(
        "Python spawn with work: 100 tasks in place of 500; spawn one round, forkserver two"
            .to_string(),
    );
    let planned = matrix(cpus).into_iter().map(|cell| {
        let short = cell.system == System::PythonSpawn && cell.kind != Kind::Nothing;
        let rounds = match (cell.system, cell.mode, cell.kind) {
            (System::PythonSpawn, _, _) => 1,
            (System::PythonForkserver, _, _) => 2,
            (_, Mode::AsTheyCome, _) | (_, Mode::Held, Kind::Nothing) => 5,
            (_, Mode::Held, _) => 2,
        };
        let tasks = if short { 100 } else { TASKS };
        Planned {
            cell: Cell { tasks, ..cell },
            rounds,
            rank: 0,
        }
    });
    planned.collect()
}

/// Every cell there is.
fn matrix(cpus: usize) -> Vec<Cell> {
    let systems = [
        System::Procession,
        System::StdCommand,
        System::PythonFork,
        System::PythonForkserver,
        System::PythonSpawn,
    ];
    let mut cells = Vec::new();
    for kind in [Kind::Nothing, Kind::Compute, Kind::Wait] {
        for mode in [Mode::AsTheyCome, Mode::Held] {
            for system in systems {
                for shape in shapes(system, &[POOL, cpus]) {
                    cells.push(Cell {
                        kind,
                        mode,
                        system,
                        shape,
                        tasks: TASKS,
                    });
                }
            }
        }
    }
    cells
}

fn shapes(system: System, pools: &[usize]) -> Vec<Shape> {
    let mut shapes = vec![Shape::Processes];
    if system != System::StdCommand {
        shapes.extend(pools.iter().map(|workers| Shape::Pool(*workers)));
        shapes.dedup();
    }
    shapes
}

fn passes(planned: &[Planned], seed: u64) -> Vec<Vec<Cell>> {
    let most = planned
        .iter()
        .map(|planned| planned.rounds)
        .max()
        .unwrap_or(0);
    let mut random = Random(seed);
    let mut passes = Vec::new();
    for pass in 0..most {
        let mut cells: Vec<&Planned> = planned
            .iter()
            .filter(|planned| planned.rounds > pass)
            .collect();
        random.shuffle(&mut cells);
        // Stable: the order inside a rank stays shuffled.
        cells.sort_by_key(|planned| planned.rank);
        passes.push(cells.into_iter().map(|planned| planned.cell).collect());
    }
    passes
}

/// splitmix64: the same seed gives the same order everywhere.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            let other = usize::try_from(self.next() % (last as u64 + 1)).unwrap_or(0);
            items.swap(last, other);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Planned, matrix, passes};

    fn planned() -> Vec<Planned> {
        matrix(2)
            .into_iter()
            .map(|cell| Planned {
                cell,
                rounds: 2,
                rank: 0,
            })
            .collect()
    }

    #[test]
    fn every_pass_holds_each_cell_once_in_an_order_the_seed_decides() {
        let first = passes(&planned(), 7);
        assert_eq!(first, passes(&planned(), 7));
        assert_ne!(first, passes(&planned(), 8));
        assert_ne!(first[0], first[1]);
        for mut pass in first {
            pass.sort();
            pass.dedup();
            assert_eq!(pass.len(), matrix(2).len());
        }
    }

    #[test]
    fn a_pool_per_cpu_is_not_measured_twice_on_eight_cpus() {
        assert!(matrix(8).len() < matrix(2).len());
    }
}
