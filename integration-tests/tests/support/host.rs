//! A helper program run as a shell would run it, and what is left of it; judges nothing but that its workers end.

use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::time::Duration;

use procession_integration_tests::audit::assert_all_end;
use rustix::process::{Pid, Signal, kill_process, kill_process_group};

/// The promise is one second; machines that run tests are busy.
pub(crate) const SOON: Duration = Duration::from_secs(20);

/// A running program, in a process group of its own.
pub(crate) struct Host {
    program: Child,
    lines: BufReader<ChildStdout>,
    pub(crate) workers: Vec<u32>,
}

impl Host {
    pub(crate) fn start(program: &str, scenario: &str) -> Host {
        let mut command = Command::new(program);
        command
            .arg(scenario)
            .process_group(0)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut program = command.spawn().unwrap();
        let lines = BufReader::new(program.stdout.take().unwrap());
        Host {
            program,
            lines,
            workers: Vec::new(),
        }
    }

    /// Reads until the program says `word`; notes the workers it names before.
    pub(crate) fn until(&mut self, word: &str) {
        loop {
            let mut line = String::new();
            assert_ne!(
                self.lines.read_line(&mut line).unwrap(),
                0,
                "it ended before {word:?}: {}",
                self.stderr()
            );
            if let Some(pid) = line.trim_end().strip_prefix("worker ") {
                self.workers.push(pid.parse().unwrap());
            }
            if line.trim_end() == word {
                return;
            }
        }
    }

    /// Reads until the last holder of its stdout has ended, workers included.
    pub(crate) fn until_silent(&mut self) {
        let mut rest = String::new();
        self.lines.read_to_string(&mut rest).unwrap();
        let workers = rest
            .lines()
            .filter_map(|line| line.strip_prefix("worker ")?.parse::<u32>().ok());
        self.workers.extend(workers);
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.program), signal).unwrap();
    }

    pub(crate) fn signal_group(&self, signal: Signal) {
        kill_process_group(Pid::from_child(&self.program), signal).unwrap();
    }

    fn stderr(&mut self) -> String {
        let mut text = String::new();
        if let Some(mut stderr) = self.program.stderr.take() {
            stderr.read_to_string(&mut text).unwrap();
        }
        text
    }

    /// Its status and what was written to stderr, once it and its workers have ended.
    pub(crate) fn end(mut self) -> (ExitStatus, String) {
        let status = self.program.wait().unwrap();
        assert_all_end(&self.workers, SOON);
        let stderr = self.stderr();
        (status, stderr)
    }
}
