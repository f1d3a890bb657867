//! What one round does: which system, how many processes, which task, ended as they come or held. Runs nothing itself.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Whose processes run the tasks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum System {
    Procession,
    StdCommand,
    PythonFork,
    PythonForkserver,
    PythonSpawn,
}

/// How the tasks are spread over processes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Shape {
    /// A process for each task.
    Processes,
    /// A pool of so many workers.
    Pool(usize),
}

/// What one task does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kind {
    Nothing,
    /// 10 ms of CPU time.
    Compute,
    /// 10 ms asleep.
    Wait,
}

/// Whether processes may end before the last one has begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Mode {
    /// All are started in a loop, then all are joined; a process ends when its task ends.
    AsTheyCome,
    /// Every process stays until all have done their work; memory is read at that moment.
    Held,
}

/// One cell of the matrix.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(crate) struct Cell {
    pub(crate) kind: Kind,
    pub(crate) mode: Mode,
    pub(crate) system: System,
    pub(crate) shape: Shape,
    pub(crate) tasks: usize,
}

impl System {
    /// The name multiprocessing knows the start method by; `None` for what is not Python.
    pub(crate) fn start_method(self) -> Option<&'static str> {
        match self {
            System::Procession | System::StdCommand => None,
            System::PythonFork => Some("fork"),
            System::PythonForkserver => Some("forkserver"),
            System::PythonSpawn => Some("spawn"),
        }
    }
}

impl Cell {
    /// Who runs it and in what shape: the row's name in tables and charts.
    pub(crate) fn label(&self) -> String {
        match self.shape {
            Shape::Processes => format!("{}: {} processes", self.system, self.tasks),
            Shape::Pool(workers) => format!("{}: pool of {workers}", self.system),
        }
    }

    /// How many worker processes must be alive at the moment a held round is measured.
    pub(crate) fn workers(&self) -> usize {
        match self.shape {
            Shape::Processes => self.tasks,
            Shape::Pool(workers) => workers,
        }
    }

    /// Seconds a round is expected to take before one has been seen: a guess for the time box only.
    pub(crate) fn guess(&self, cpus: usize) -> f64 {
        let tasks = self.tasks as f64;
        let start = match self.system {
            System::Procession | System::StdCommand => 0.001,
            System::PythonFork => 0.0015,
            System::PythonForkserver => 0.003,
            System::PythonSpawn => 0.045,
        };
        let once = if self.system.start_method().is_some() {
            0.3
        } else {
            0.05
        };
        let work = match (self.kind, self.shape) {
            (Kind::Nothing, _) => 0.0,
            (Kind::Compute, _) => 0.011 * tasks / cpus as f64,
            (Kind::Wait, Shape::Processes) => 0.01,
            (Kind::Wait, Shape::Pool(workers)) => 0.0105 * tasks / workers as f64,
        };
        once + start * self.workers() as f64 + work
    }
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, {}, {}", self.label(), self.kind, self.mode)
    }
}

impl fmt::Display for System {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            System::Procession => "procession",
            System::StdCommand => "std Command",
            System::PythonFork => "Python fork",
            System::PythonForkserver => "Python forkserver",
            System::PythonSpawn => "Python spawn",
        })
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Kind::Nothing => "no work",
            Kind::Compute => "10 ms of CPU",
            Kind::Wait => "10 ms of waiting",
        })
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Mode::AsTheyCome => "as they come",
            Mode::Held => "all held alive together",
        })
    }
}
