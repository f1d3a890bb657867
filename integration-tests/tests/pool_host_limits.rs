//! Hosts that run out of something, or lose their own file: errors that say so, pools that work on, nothing left.

#[path = "support/run.rs"]
mod run;

use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use procession_integration_tests::audit::watchdog;
use run::run;

const HOST: &str = env!("CARGO_BIN_EXE_pool_poor");

/// A copy of the program in a directory of its own, gone with this value.
struct Copy(PathBuf);

impl Copy {
    fn new(name: &str) -> Copy {
        let directory =
            std::env::temp_dir().join(format!("procession-pool-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        std::fs::copy(HOST, directory.join("host")).unwrap();
        Copy(directory)
    }

    fn run(&self, scenario: &str) -> String {
        for _ in 0..1000 {
            let mut command = Command::new(self.0.join("host"));
            command.arg(scenario);
            // Root has no limit of processes and may execute anything it owns.
            if rustix::process::geteuid().is_root() && scenario.contains("processes") {
                command.uid(65534).gid(65534).current_dir("/");
            }
            // Just written: another thread's start may hold it open for writing for an instant.
            match command.output() {
                Err(error) if error.raw_os_error() == Some(libc::ETXTBSY) => {
                    std::thread::sleep(Duration::from_millis(5));
                }
                output => {
                    let output = output.unwrap();
                    let text = String::from_utf8_lossy(&output.stdout).into_owned();
                    assert!(
                        output.status.success() && text.ends_with("done\n"),
                        "{output:?}"
                    );
                    return text;
                }
            }
        }
        panic!("{} stays busy", self.0.display());
    }
}

impl Drop for Copy {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// FAULTS 65
#[test]
fn too_few_descriptors_for_a_pool() {
    let _watchdog = watchdog(120);
    run(Command::new(HOST).arg("few-descriptors"));
}

/// FAULTS 65
#[test]
fn descriptors_run_out_while_a_pool_works() {
    let _watchdog = watchdog(120);
    run(Command::new(HOST).arg("descriptors-run-out"));
}

/// FAULTS 66
#[test]
fn no_process_to_spare() {
    let _watchdog = watchdog(120);
    let text = Copy::new("nproc").run("no-processes");
    assert!(text.contains("(os error 11)"), "{text}");
}

/// FAULTS 66
#[test]
fn processes_run_out_while_a_pool_works() {
    let _watchdog = watchdog(120);
    Copy::new("nproc-late").run("processes-run-out");
}

/// FAULTS 66: handles that wait for a judge resolve, and the pool can be joined, though nobody can be asked.
#[test]
fn no_thread_to_judge_a_failure_on() {
    let _watchdog = watchdog(120);
    Copy::new("judge").run("no-processes-to-judge");
}

/// FAULTS 67, 70
#[test]
fn no_memory_for_a_link() {
    let _watchdog = watchdog(120);
    run(Command::new(HOST).arg("no-address-space"));
}

/// FAULTS 68, 70: and the signal that belongs to the limit is not raised.
#[test]
fn no_memory_file_for_a_link() {
    let _watchdog = watchdog(120);
    run(Command::new(HOST).arg("no-file-size"));
}

/// FAULTS 71
#[test]
fn a_program_that_may_not_be_executed() {
    let _watchdog = watchdog(120);
    let text = Copy::new("noexec").run("not-executable");
    assert!(
        text.contains("(posix_spawn): Permission denied (os error 13)"),
        "{text}"
    );
}

/// FAULTS 72
#[test]
fn a_deleted_or_replaced_program_still_starts_its_workers() {
    let _watchdog = watchdog(120);
    Copy::new("deleted").run("deleted");
}

/// FAULTS 73: where mounting is allowed, without /proc.
#[test]
fn without_proc_it_works() {
    let _watchdog = watchdog(120);
    let script = "mount -t tmpfs none /proc && echo mounted && exec \"$0\" basic";
    let mut command = Command::new("unshare");
    let output = command
        .args(["--mount", "--map-root-user", "sh", "-c", script, HOST])
        .output();
    match output {
        Ok(output) if output.stdout.starts_with(b"mounted") => {
            assert!(output.status.success(), "{output:?}");
        }
        other => eprintln!("skipped: no mount namespace here: {other:?}"),
    }
}

/// FAULTS 108: five hundred processes at once under `ulimit -n 1024`.
#[test]
fn five_hundred_processes_at_once() {
    let _watchdog = watchdog(240);
    run(Command::new(HOST).arg("many-processes"));
}

/// FAULTS 108: five hundred tasks on a pool under `ulimit -n 1024`.
#[test]
fn five_hundred_tasks_on_a_pool() {
    let _watchdog = watchdog(240);
    run(Command::new(HOST).arg("many-tasks"));
}

/// PO23: more workers than one sleep can watch.
#[test]
fn three_hundred_workers() {
    let _watchdog = watchdog(240);
    run(Command::new(HOST).arg("large-pool"));
}
