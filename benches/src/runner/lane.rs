//! The process in which one side lives. Must survive whatever that process does: absence, crash, garbage, silence.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};

use crate::protocol::{Hello, Reply, Request};
use crate::works::{BEFORE, SideInfo};

/// The programs that sides run in, besides this one.
#[derive(Clone, Debug)]
pub struct Images {
    /// The Python whose modules are measured.
    pub python: PathBuf,
    /// This program as another build of the project made it.
    pub before: Option<PathBuf>,
}

impl Images {
    /// Whether the side can take part.
    #[must_use]
    pub fn offer(&self, side: SideInfo) -> bool {
        side.id != BEFORE || self.before.is_some()
    }

    fn command(&self, side: SideInfo) -> Result<Command, String> {
        Ok(match (side.script, &self.before) {
            (Some(script), _) => {
                let mut command = Command::new(&self.python);
                command.arg("-B").arg(scripts().join(script));
                command
            }
            (None, Some(before)) if side.id == BEFORE => match lane_beside(before, "ours") {
                Ok(lane) => Command::new(lane),
                // A build from when one program was all lanes.
                Err(_) => {
                    let mut command = Command::new(before);
                    command.args(["--lane", "ours"]);
                    command
                }
            },
            (None, _) => {
                let own = std::env::current_exe().map_err(|error| error.to_string())?;
                Command::new(lane_beside(&own, side.id)?)
            }
        })
    }
}

/// The program of a side, which is built together with `peers`.
fn lane_beside(peers: &Path, side: &str) -> Result<PathBuf, String> {
    let lane = peers.with_file_name(format!("lane-{side}"));
    if lane.exists() {
        return Ok(lane);
    }
    Err(format!(
        "{} is not there: build all programs by `cargo build --release -p procession-benches --bins`",
        lane.display()
    ))
}

/// A side that is ready for requests.
#[derive(Debug)]
pub struct Lane {
    child: Child,
    requests: Option<ChildStdin>,
    replies: Receiver<String>,
}

impl Lane {
    /// Starts the side's process and reads its greeting; `Err` says why the side cannot take part.
    pub fn start(side: SideInfo, images: &Images) -> Result<(Lane, Hello), String> {
        let mut command = images.command(side)?;
        // A group of its own, so that a lane that hangs can be ended together with its workers.
        let spawned = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .process_group(0)
            .spawn();
        let mut child = spawned.map_err(|error| {
            format!("cannot start {}: {error}", command.get_program().display())
        })?;
        let requests = child.stdin.take();
        let output = child.stdout.take().ok_or("no standard output")?;
        let (sender, replies) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        let mut lane = Lane {
            child,
            requests,
            replies,
        };
        let line = lane.line(Duration::from_secs(20))?;
        let hello: Hello = serde_json::from_str(&line)
            .map_err(|error| format!("not a greeting ({error}): {line}"))?;
        match hello.absent {
            Some(why) => Err(why),
            None => Ok((lane, hello)),
        }
    }

    /// One measurement. `Err` means that the lane is of no more use and has been ended.
    pub fn ask(&mut self, request: &Request, patience: Duration) -> Result<Reply, String> {
        let asked = self.send(request).and_then(|()| self.line(patience));
        let reply = asked.and_then(|line| {
            serde_json::from_str(&line).map_err(|error| format!("not a reply ({error}): {line}"))
        });
        if reply.is_err() {
            self.end();
        }
        reply
    }

    fn send(&mut self, request: &Request) -> Result<(), String> {
        let text = serde_json::to_string(request).map_err(|error| error.to_string())?;
        let pipe = self.requests.as_mut().ok_or("the lane has been ended")?;
        writeln!(pipe, "{text}").map_err(|error| format!("the lane has ended: {error}"))
    }

    fn line(&mut self, patience: Duration) -> Result<String, String> {
        self.replies
            .recv_timeout(patience)
            .map_err(|error| match error {
                RecvTimeoutError::Timeout => format!("no answer within {} s", patience.as_secs()),
                RecvTimeoutError::Disconnected => match self.child.wait() {
                    Ok(status) => format!("the lane ended without an answer ({status})"),
                    Err(error) => format!("the lane ended without an answer ({error})"),
                },
            })
    }

    fn end(&mut self) {
        self.requests = None;
        // Fact: the child is reaped below or by `line`; until then its pid, which is the group's id, cannot be reused.
        if let (Ok(None), Some(group)) =
            (self.child.try_wait(), Pid::from_raw(self.child.id() as i32))
        {
            let _ = kill_process_group(group, Signal::KILL);
        }
        let _ = self.child.wait();
    }
}

impl Drop for Lane {
    /// An orderly end first: a Python side stops its pools when stdin ends.
    fn drop(&mut self) {
        self.requests = None;
        let _ = self.line(Duration::from_secs(5));
        self.end();
    }
}

/// Where the Python sides lie.
fn scripts() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("peers")
}
