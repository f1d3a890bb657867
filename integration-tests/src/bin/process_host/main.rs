//! A host program that does to its processes what hosts do: ends in every way, forks, execs, steals statuses, loses its stdio.
//!
//! `process_host <scenario> [directory]`. It prints `child <pid>` for every process it keeps and `done` at its end.

mod endings;
mod inside;
mod surroundings;

use std::io::Write;

use procession_worker::Process;

fn main() {
    procession_worker::init();
    let mut args = std::env::args().skip(1);
    let scenario = args.next().unwrap_or_default();
    let directory = args.next().unwrap_or_default();
    match scenario.as_str() {
        "wait" => endings::wait(),
        "busy" => endings::busy(),
        "panic" => endings::panics(),
        "exec" => endings::execs(),
        "handler" => endings::own_handler(),
        "ignore-sigchld" => surroundings::ignores_sigchld(),
        "steal" => surroundings::steals(),
        "undisturbed" => surroundings::is_undisturbed(),
        "waits-for-sigchld" => surroundings::waits_for_sigchld(),
        "fork" => surroundings::forks(),
        "closed-stdio" => surroundings::closed_stdio(),
        "deleted" => surroundings::deleted(),
        "not-executable" => surroundings::not_executable(),
        "basic" => surroundings::basic(),
        "no-processes" => surroundings::no_processes(),
        "atexit" => inside::at_exit(&directory),
        "child-handler" => inside::child_handler(&directory),
        "threads" => inside::threads(&directory),
        other => panic!("no scenario {other:?}"),
    }
    say("done");
}

fn say(line: &str) {
    // Not `println!`: stdout is closed in some scenarios.
    let mut out = std::io::stdout();
    let _ = out.write_all(format!("{line}\n").as_bytes());
    let _ = out.flush();
}

fn sleep_for_ever() {
    loop {
        std::thread::park();
    }
}

fn spin_for_ever() {
    loop {
        std::hint::spin_loop();
    }
}

fn start_idle() -> Process<()> {
    announced(Process::spawn(sleep_for_ever, ()).unwrap())
}

fn start_busy() -> Process<()> {
    announced(Process::spawn(spin_for_ever, ()).unwrap())
}

fn announced(process: Process<()>) -> Process<()> {
    say(&format!("child {}", process.pid()));
    process
}
