//! What hosts do to their surroundings (signals, forks, descriptors, files) while their processes work all the same.

use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use procession_integration_tests::audit::watchdog;

const HOST: &str = env!("CARGO_BIN_EXE_process_host");

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

/// A wait of the host's is not cut short because a child of ours ends: some hosts take that for an error.
#[test]
fn the_end_of_a_process_interrupts_no_wait_of_its_host() {
    let _watchdog = watchdog(120);
    run(Command::new(HOST).arg("undisturbed"));
}

#[test]
fn a_host_that_waits_for_sigchld_gets_those_of_its_own_children() {
    let _watchdog = watchdog(120);
    run(Command::new(HOST).arg("waits-for-sigchld"));
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
