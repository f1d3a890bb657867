//! The plain way without this project: `std::process::Command` on this very binary, once for each task.

use std::process::{Command, Stdio};

use super::cell::{Cell, Kind, Mode};
use super::round::Stopwatch;
use super::work::{self, Gate};
use crate::project::Result;

/// Runs each task as a child of its own and returns how many ended well.
pub(crate) fn processes(cell: &Cell, watch: &mut Stopwatch) -> Result<usize> {
    let program = std::env::current_exe()?;
    let mut gate = match cell.mode {
        Mode::AsTheyCome => None,
        Mode::Held => Some(Gate::new()?),
    };
    let kind = serde_json::to_string(&cell.kind)?;
    let mut children = Vec::with_capacity(cell.tasks);
    for _ in 0..cell.tasks {
        let mut command = Command::new(&program);
        command
            .args(["bench-task", &kind])
            .args(gate.as_ref().map(Gate::address))
            .stdin(Stdio::null());
        children.push(command.spawn()?);
    }
    if let Some(gate) = &mut gate {
        gate.wait_for(cell.tasks)?;
        watch.hold()?;
        gate.release()?;
    }
    let mut done = 0;
    for mut child in children {
        done += usize::from(child.wait()?.success());
    }
    Ok(done)
}

/// The command behind `bench-task`: the child's side.
pub(crate) fn child(kind: &str, gate: Option<&str>) -> Result {
    let kind: Kind = serde_json::from_str(kind)?;
    work::perform(kind);
    if let Some(gate) = gate {
        work::pass(gate);
    }
    Ok(())
}
