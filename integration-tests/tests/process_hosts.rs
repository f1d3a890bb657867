//! Whole programs that host processes: however they end, none of theirs is left.

use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use procession_integration_tests::audit::{assert_all_end, is_running, watchdog};
use rustix::process::{Pid, Signal, kill_process, kill_process_group};

const HOST: &str = env!("CARGO_BIN_EXE_process_host");
/// The promise is one second; machines that run tests are busy.
const SOON: Duration = Duration::from_secs(20);

/// A running host, in a process group of its own as a shell would start it.
struct Host {
    program: Child,
    lines: BufReader<std::process::ChildStdout>,
    children: Vec<u32>,
}

impl Host {
    fn start(scenario: &str) -> Host {
        let mut command = Command::new(HOST);
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
            children: Vec::new(),
        }
    }

    /// Reads until the host says `word`; notes the children it names.
    fn until(&mut self, word: &str) {
        loop {
            let mut line = String::new();
            assert_ne!(
                self.lines.read_line(&mut line).unwrap(),
                0,
                "it ended before {word:?}"
            );
            if let Some(pid) = line.trim_end().strip_prefix("child ") {
                self.children.push(pid.parse().unwrap());
            }
            if line.trim_end() == word {
                return;
            }
        }
    }

    fn pid(&self) -> Pid {
        Pid::from_child(&self.program)
    }

    /// Its status and what it wrote to stderr, once it has ended; its children have ended as well.
    fn end(mut self) -> (ExitStatus, String) {
        let status = self.program.wait().unwrap();
        assert_all_end(&self.children, SOON);
        let mut stderr = String::new();
        self.program
            .stderr
            .take()
            .unwrap()
            .read_to_string(&mut stderr)
            .unwrap();
        (status, stderr)
    }
}

/// OR01: Ctrl-C reaches the whole foreground group.
#[test]
fn an_interrupted_group_ends_quietly_with_its_processes() {
    let _watchdog = watchdog(120);
    let mut host = Host::start("wait");
    host.until("ready");
    assert!(host.children.iter().all(|&pid| is_running(pid)));
    kill_process_group(host.pid(), Signal::INT).unwrap();
    let (status, stderr) = host.end();
    assert_eq!(status.signal(), Some(2), "a shell calls it 130");
    assert_eq!(stderr, "");
}

/// OR02
#[test]
fn an_interrupted_parent_ends_quietly_with_its_processes() {
    let _watchdog = watchdog(120);
    let mut host = Host::start("busy");
    host.until("ready");
    kill_process(host.pid(), Signal::INT).unwrap();
    let (status, stderr) = host.end();
    assert_eq!((status.signal(), stderr.as_str()), (Some(2), ""));
}

/// OR03
#[test]
fn a_terminated_parent_takes_its_processes_along() {
    let _watchdog = watchdog(120);
    for scenario in ["wait", "busy"] {
        let mut host = Host::start(scenario);
        host.until("ready");
        kill_process(host.pid(), Signal::TERM).unwrap();
        assert_eq!(host.end().0.signal(), Some(15));
    }
}

/// OR04, FAULTS 58
#[test]
fn a_killed_parent_takes_its_processes_along() {
    let _watchdog = watchdog(120);
    for scenario in ["wait", "busy"] {
        let mut host = Host::start(scenario);
        host.until("ready");
        kill_process(host.pid(), Signal::KILL).unwrap();
        assert_eq!(host.end().0.signal(), Some(9));
    }
}

/// OR04: killed at any instant of a start.
#[test]
fn a_parent_killed_while_it_starts_leaves_nothing() {
    let _watchdog = watchdog(120);
    for delay in 0..20 {
        let mut host = Host::start("wait");
        std::thread::sleep(Duration::from_micros(delay * 500));
        kill_process(host.pid(), Signal::KILL).unwrap();
        let mut rest = String::new();
        // Ends when the last holder of the pipe does, so a process left behind would be waited for.
        host.lines.read_to_string(&mut rest).unwrap();
        host.end();
    }
}

/// OR09
#[test]
fn the_host_s_own_interrupt_handler_runs() {
    let _watchdog = watchdog(120);
    let mut host = Host::start("handler");
    host.until("ready");
    kill_process_group(host.pid(), Signal::INT).unwrap();
    host.until("done");
    assert!(host.end().0.success());
}

/// FAULTS 59
#[test]
fn a_panicking_host_takes_its_processes_along() {
    let _watchdog = watchdog(120);
    let mut host = Host::start("panic");
    let mut rest = String::new();
    host.lines.read_to_string(&mut rest).unwrap();
    host.children = rest
        .lines()
        .filter_map(|line| line.strip_prefix("child ")?.parse().ok())
        .collect();
    assert_eq!(host.children.len(), 1);
    assert_eq!(host.end().0.code(), Some(101));
}

/// FAULTS 60
#[test]
fn a_host_that_becomes_another_program_takes_its_processes_along() {
    let _watchdog = watchdog(120);
    let mut host = Host::start("exec");
    host.until("ready");
    assert_eq!(host.children.len(), 2);
    assert_all_end(&host.children, SOON);
    kill_process(host.pid(), Signal::KILL).unwrap();
    host.end();
}
