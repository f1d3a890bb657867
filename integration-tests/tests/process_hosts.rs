//! Whole programs that host processes: how they end, and what of theirs must not be left.

use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
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

/// Runs a scenario that ends by itself.
fn run(command: &mut Command) -> Output {
    let output = command.output().unwrap();
    let text = format!(
        "{}\n{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(output.status.success(), "{}: {text}", output.status);
    assert!(text.contains("done\n"), "{text}");
    output
}

struct Directory(PathBuf);

impl Directory {
    fn new(name: &str) -> Directory {
        let path = std::env::temp_dir().join(format!("procession-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Directory(path)
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
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

/// FAULTS 62
#[test]
fn a_host_that_ignores_sigchld_loses_nothing_but_statuses() {
    let _watchdog = watchdog(120);
    run(Command::new(HOST).arg("ignore-sigchld"));
}

/// FAULTS 63
#[test]
fn a_host_that_steals_statuses_loses_nothing_but_statuses() {
    let _watchdog = watchdog(120);
    run(Command::new(HOST).arg("steal"));
}

/// FAULTS 64, PR24: joining from a process that is not the parent is an error.
#[test]
fn handles_in_a_forked_copy_are_inert() {
    let _watchdog = watchdog(120);
    run(Command::new(HOST).arg("fork"));
}

/// PR21
#[test]
fn closed_standard_descriptors_do_not_matter() {
    let _watchdog = watchdog(120);
    let output = Command::new(HOST).arg("closed-stdio").output().unwrap();
    assert!(output.status.success(), "{output:?}");
    assert!(
        String::from_utf8_lossy(&output.stdout).ends_with("survived\n"),
        "{output:?}"
    );
    for closed in ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"] {
        let script = format!("exec \"$0\" basic {closed}");
        let status = Command::new("sh")
            .args(["-c", &script, HOST])
            .stdout(Stdio::null())
            .status()
            .unwrap();
        assert!(status.success(), "{closed}: {status}");
    }
}

fn copy_to(directory: &Directory) -> PathBuf {
    let copy = directory.0.join("host");
    std::fs::copy(HOST, &copy).unwrap();
    copy
}

/// Runs a file that was just written: another thread's start may hold it open for writing for an instant.
fn run_copy(copy: &Path, scenario: &str, adjust: impl Fn(&mut Command)) -> Output {
    for _ in 0..1000 {
        let mut command = Command::new(copy);
        command.arg(scenario);
        adjust(&mut command);
        match command.output() {
            Err(error) if error.raw_os_error() == Some(libc::ETXTBSY) => {
                std::thread::sleep(Duration::from_millis(5))
            }
            other => return other.unwrap(),
        }
    }
    panic!("{} stays busy", copy.display());
}

/// FAULTS 72
#[test]
fn a_deleted_or_replaced_program_still_starts_itself() {
    let _watchdog = watchdog(120);
    let directory = Directory::new("deleted");
    let output = run_copy(&copy_to(&directory), "deleted", |_| {});
    assert!(output.status.success(), "{output:?}");
}

/// PR33, FAULTS 71
#[test]
fn a_program_that_cannot_be_executed_is_an_error() {
    let _watchdog = watchdog(120);
    let directory = Directory::new("noexec");
    let output = run_copy(&copy_to(&directory), "not-executable", |_| {});
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        text.contains("(posix_spawn): Permission denied (os error 13)"),
        "{text}"
    );
}

/// PR33: EAGAIN. Root has no such limit, so root runs it as somebody else.
#[test]
fn no_process_to_spare_is_an_error() {
    let _watchdog = watchdog(120);
    let directory = Directory::new("nproc");
    let output = run_copy(&copy_to(&directory), "no-processes", |command| {
        if rustix::process::geteuid().is_root() {
            command.uid(65534).gid(65534).current_dir("/");
        }
    });
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("(os error 11)"), "{text}");
}

/// FAULTS 73: where mounting is allowed, without /proc.
#[test]
fn without_proc_it_works() {
    let _watchdog = watchdog(120);
    let script = "mount -t tmpfs none /proc && exec \"$0\" basic";
    let mut command = Command::new("unshare");
    let output = command
        .args(["--mount", "--map-root-user", "sh", "-c", script, HOST])
        .output();
    match output {
        Ok(output) if output.status.success() => {
            assert!(String::from_utf8_lossy(&output.stdout).contains("basic"))
        }
        Ok(output)
            if String::from_utf8_lossy(&output.stderr).contains("procession")
                || output.status.code() == Some(101) =>
        {
            panic!("{output:?}")
        }
        other => eprintln!("skipped: no mount namespace here: {other:?}"),
    }
}

/// PR26
#[test]
fn at_exit_hooks_run_on_a_normal_end_only() {
    let _watchdog = watchdog(120);
    let directory = Directory::new("atexit");
    run(Command::new(HOST).arg("atexit").arg(&directory.0));
    let ran = |how: &str| directory.0.join(how).exists();
    assert!(ran("return") && ran("panic") && !ran("kill"));
    assert!(ran("kill.registered"));
}

/// PR11
#[test]
fn a_process_s_own_interrupt_handler_runs() {
    let _watchdog = watchdog(120);
    let directory = Directory::new("handler");
    run(Command::new(HOST).arg("child-handler").arg(&directory.0));
}

/// PR20
#[test]
fn a_thread_left_behind_ends_with_its_process() {
    let _watchdog = watchdog(120);
    let directory = Directory::new("threads");
    run(Command::new(HOST).arg("threads").arg(&directory.0));
    std::thread::sleep(Duration::from_secs(3));
    assert!(!directory.0.join("late").exists());
}

/// PR27, FAULTS 74: forgotten altogether.
#[test]
fn without_init_nothing_is_started() {
    let _watchdog = watchdog(120);
    let output = Command::new(env!("CARGO_BIN_EXE_process_no_init"))
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(text.lines().count(), 2, "one main, one answer: {text}");
    assert!(text.contains(
        "true procession is not initialized: write `procession::init();` as the first line of main"
    ));
    assert!(output.status.success());
}

/// PR27, FAULTS 74: children reach main without it. One generation, one line, one clear error.
#[test]
fn a_child_that_reaches_main_without_init_ends_there() {
    let _watchdog = watchdog(120);
    let output = Command::new(env!("CARGO_BIN_EXE_process_late_init"))
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(
        text.matches("main of ").count(),
        2,
        "one parent, one child: {text}"
    );
    assert!(text.contains("Broken"), "{text}");
    assert!(
        text.contains("its process reached main without procession::init()"),
        "{text}"
    );
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
    assert!(
        stderr.starts_with("procession: a child process reached this program's main without"),
        "{stderr}"
    );
}

/// FAULTS 74: the marker of a child in a program that nobody started as one.
#[test]
fn a_program_that_is_no_child_but_marked_as_one_says_so() {
    let _watchdog = watchdog(120);
    let mut command = Command::new(HOST);
    let output = command
        .arg("basic")
        .env("PROCESSION_BOOT", "1234")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(120));
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
    assert!(
        stderr.starts_with("procession: a child process cannot take its control socket: "),
        "{stderr}"
    );
}
