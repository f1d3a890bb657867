//! Runs one round in a fresh process and watches it from outside: processes, memory, time limit. Runs no task itself.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};
use serde::Serialize;

use super::cell::{Cell, Mode};
use super::round::{HELD, Report};
use super::tree::Census;
use crate::project::{self, Result};

/// A round that takes longer is killed and counts as failed.
const LIMIT: Duration = Duration::from_secs(120);
/// Watching may use so much of one CPU while a round runs: after a sample that took t, the next comes 20 t later.
const DUTY: u32 = 20;
const SHORTEST_PAUSE: Duration = Duration::from_millis(4);

/// A round's own report, and what was seen from outside.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Observed {
    #[serde(flatten)]
    pub(crate) report: Report,
    /// Held: the moment at which all were alive, exactly. As they come: the largest of the samples.
    pub(crate) peak: Census,
    pub(crate) samples: usize,
}

/// Starts rounds.
pub(crate) struct Observer {
    program: PathBuf,
    script: PathBuf,
    stderr: PathBuf,
}

impl Observer {
    pub(crate) fn new(root: &Path) -> Result<Observer> {
        let stderr = root.join("target/bench/round.stderr");
        project::write(&stderr, "")?;
        let script = root.join("xtask/src/bench/round.py");
        Ok(Observer {
            program: std::env::current_exe()?,
            script,
            stderr,
        })
    }

    /// One round. An error says what the round wrote to its standard error.
    pub(crate) fn observe(&self, cell: &Cell) -> Result<Observed> {
        let mut child = self.command(cell)?.spawn()?;
        let outcome = watch(&mut child, cell);
        if outcome.is_err() {
            // The round is the leader of its group; its children die with it or by their own parent-death signal.
            if let Some(pid) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
                let _ = kill_process_group(pid, Signal::KILL);
            }
        }
        let status = child.wait()?;
        outcome.map_err(|error| {
            let stderr = project::read(&self.stderr).unwrap_or_default();
            let lines: Vec<&str> = stderr.lines().rev().take(4).collect();
            let tail: Vec<&str> = lines.into_iter().rev().collect();
            format!("{error} ({status}): {}", tail.join(" | ")).into()
        })
    }

    fn command(&self, cell: &Cell) -> Result<Command> {
        let json = serde_json::to_string(cell)?;
        let mut command = match cell.system.start_method() {
            None => {
                let mut command = Command::new(&self.program);
                command.args(["bench-round", &json]);
                command
            }
            Some(method) => {
                let mut command = Command::new("python3");
                command.arg(&self.script).args([&json, method]);
                command
            }
        };
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(File::create(&self.stderr)?);
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        Ok(command)
    }
}

fn watch(child: &mut Child, cell: &Cell) -> Result<Observed> {
    let end = Instant::now() + LIMIT;
    let lines = lines_of(child)?;
    let mut peak = Census::default();
    let mut samples = 0;
    let mut held = None;
    let mut pause = SHORTEST_PAUSE;
    loop {
        match lines.recv_timeout(pause) {
            Ok(line) if line == HELD => {
                held = Some(Census::of(child.id()));
                let stdin = child
                    .stdin
                    .as_mut()
                    .ok_or("the round has no standard input")?;
                stdin.write_all(b"measured\n")?;
            }
            Ok(line) => {
                let report = serde_json::from_str(&line)
                    .map_err(|e| format!("the round said `{line}`: {e}"))?;
                return finish(cell, report, held, peak, samples);
            }
            Err(RecvTimeoutError::Disconnected) => {
                return Err("the round ended without a report".into());
            }
            Err(RecvTimeoutError::Timeout) if Instant::now() > end => {
                return Err(format!("the round took longer than {LIMIT:?}").into());
            }
            Err(RecvTimeoutError::Timeout) if cell.mode == Mode::Held => {}
            Err(RecvTimeoutError::Timeout) => {
                let begun = Instant::now();
                peak = peak.max(Census::of(child.id()));
                samples += 1;
                pause = SHORTEST_PAUSE.max(begun.elapsed() * DUTY);
            }
        }
    }
}

fn finish(
    cell: &Cell,
    report: Report,
    held: Option<Census>,
    sampled: Census,
    samples: usize,
) -> Result<Observed> {
    if report.done != cell.tasks {
        return Err(format!("only {} of {} tasks returned", report.done, cell.tasks).into());
    }
    match (cell.mode, held) {
        (Mode::AsTheyCome, _) => Ok(Observed {
            report,
            peak: sampled,
            samples,
        }),
        (Mode::Held, None) => Err("the round was never held".into()),
        (Mode::Held, Some(census)) if census.children < cell.workers() => Err(format!(
            "only {} of {} processes were alive at once",
            census.children,
            cell.workers()
        )
        .into()),
        (Mode::Held, Some(peak)) => Ok(Observed {
            report,
            peak,
            samples: 1,
        }),
    }
}

/// The lines of the round's standard output, read by a thread of their own so that waiting for one can time out.
fn lines_of(child: &mut Child) -> Result<Receiver<String>> {
    let stdout = child
        .stdout
        .take()
        .ok_or("the round has no standard output")?;
    let (send, lines) = mpsc::channel();
    std::thread::spawn(move || {
        for line in BufReader::new(stdout)
            .lines()
            .map_while(std::io::Result::ok)
        {
            if send.send(line).is_err() {
                break;
            }
        }
    });
    Ok(lines)
}
