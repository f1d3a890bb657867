//! A host program that does to its processes what hosts do: ends in every way, forks, execs, steals statuses, loses its stdio.
//!
//! `process_host <scenario> [argument]`. It prints `child <pid>` for every process it starts and `done` at its end.
//!
//! # Safety
//! The C calls here are the host's, not the library's: each is made with valid arguments, in a program that exists to misbehave.
#![expect(unsafe_code, reason = "hosts use C: fork, signal, waitpid, atexit")]

use std::io::Write;
use std::os::unix::process::CommandExt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use procession_worker::{Error, Process, TaskErrorKind, active_children};

fn main() {
    procession_worker::init();
    let mut args = std::env::args().skip(1);
    let scenario = args.next().unwrap_or_default();
    let argument = args.next().unwrap_or_default();
    match scenario.as_str() {
        "wait" => wait(),
        "busy" => busy(),
        "panic" => panics(),
        "exec" => execs(),
        "handler" => own_handler(),
        "ignore-sigchld" => ignores_sigchld(),
        "steal" => steals(),
        "fork" => forks(),
        "closed-stdio" => closed_stdio(),
        "deleted" => deleted(),
        "not-executable" => not_executable(),
        "basic" => basic(),
        "no-processes" => no_processes(),
        "atexit" => at_exit(&argument),
        "child-handler" => child_handler(&argument),
        "threads" => threads(&argument),
        other => panic!("no scenario {other:?}"),
    }
    say("done");
}

fn say(line: &str) {
    // Not `println!`: stdout may be closed in some scenarios.
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

fn start(task: fn()) -> Process<()> {
    // A function pointer has a size; the two tasks are named instead.
    let process = if task as usize == spin_for_ever as *const () as usize {
        Process::spawn(spin_for_ever, ())
    } else {
        Process::spawn(sleep_for_ever, ())
    }
    .unwrap();
    say(&format!("child {}", process.pid()));
    process
}

/// Two idle processes, joined for ever: the test ends us.
fn wait() {
    let (a, b) = (start(sleep_for_ever), start(sleep_for_ever));
    say("ready");
    a.join().unwrap();
    b.join().unwrap();
}

/// Two processes inside user code that never looks up.
fn busy() {
    let (a, b) = (start(spin_for_ever), start(spin_for_ever));
    say("ready");
    a.join().unwrap();
    b.join().unwrap();
}

fn panics() {
    let _a = start(sleep_for_ever);
    panic!("the host panics");
}

fn execs() {
    let (_a, _b) = (start(sleep_for_ever), start(spin_for_ever));
    say("ready");
    let error = std::process::Command::new("sleep").arg("60").exec();
    panic!("cannot exec: {error}");
}

static INTERRUPTED: AtomicBool = AtomicBool::new(false);

extern "C" fn on_interrupt(_: libc::c_int) {
    INTERRUPTED.store(true, Ordering::SeqCst);
}

/// The host handles SIGINT: its handler runs, its processes go on until it ends them.
fn own_handler() {
    // SAFETY: the handler only stores to an atomic.
    unsafe {
        libc::signal(
            libc::SIGINT,
            on_interrupt as *const () as libc::sighandler_t,
        )
    };
    let a = start(sleep_for_ever);
    say("ready");
    while !INTERRUPTED.load(Ordering::SeqCst) {
        std::thread::sleep(Duration::from_millis(1));
    }
    assert!(a.is_alive(), "the process is in a group of its own");
    say("handled");
    a.terminate().unwrap();
    assert_eq!(a.join().unwrap().signal(), Some(15));
}

fn exits(code: i32) {
    std::process::exit(code);
}

/// The kernel reaps for us: values still arrive, and nothing hangs; the status is right where the kernel keeps one.
fn ignores_sigchld() {
    // SAFETY: SIG_IGN is a valid disposition for SIGCHLD.
    unsafe { libc::signal(libc::SIGCHLD, libc::SIG_IGN) };
    check_without_reaping();
}

/// Somebody reaps everything that ends, before us.
fn steals() {
    std::thread::spawn(|| {
        loop {
            // SAFETY: a null status pointer means that nobody wants the status.
            unsafe { libc::waitpid(-1, std::ptr::null_mut(), 0) };
        }
    });
    check_without_reaping();
}

fn check_without_reaping() {
    for round in 0..20 {
        let a = match Process::spawn(|n: u32| n + 1, (round,)) {
            Ok(a) => a,
            Err(error) => panic!("round {round}: {error}"),
        };
        assert_eq!(a.into_result().unwrap(), round + 1);
        let b = Process::spawn(exits, (7,)).unwrap();
        let status = b.join().unwrap();
        assert!(status.code() == Some(7) || !status.is_known(), "{status}");
        let error = b.into_result().unwrap_err();
        assert_eq!(error.kind(), TaskErrorKind::WorkerDied, "{error}");
        let c = start(sleep_for_ever);
        assert_eq!(c.join_timeout(Duration::from_millis(1)).unwrap(), None);
        c.kill().unwrap();
        let status = c.join().unwrap();
        assert!(status.signal() == Some(9) || !status.is_known(), "{status}");
        assert!(active_children().is_empty());
    }
    say(&format!(
        "known {}",
        Process::spawn(exits, (7,))
            .unwrap()
            .join()
            .unwrap()
            .is_known()
    ));
}

/// In a forked copy every handle is inert, and what the copy does harms nothing of the original.
fn forks() {
    let a = start(sleep_for_ever);
    // SAFETY: the copy runs this thread alone; it calls nothing but the library under test and ends by `_exit`.
    let pid = unsafe { libc::fork() };
    if pid == 0 {
        let ok = forked(a);
        // SAFETY: ends the copy at once, with no at-exit hooks of the original.
        unsafe { libc::_exit(if ok { 0 } else { 1 }) }
    }
    let mut status = 0;
    // SAFETY: `status` is valid for the call.
    unsafe { libc::waitpid(pid, &raw mut status, 0) };
    assert_eq!(status, 0, "the copy found everything inert");
    assert_eq!(
        a.join_timeout(Duration::from_millis(100)).unwrap(),
        None,
        "and harmed nothing"
    );
    assert_eq!(active_children().len(), 1);
    a.terminate().unwrap();
    assert_eq!(a.join().unwrap().signal(), Some(15));
}

fn forked(a: Process<()>) -> bool {
    let inert = |result: Result<(), Error>| result.is_err_and(|error| error.is_forked());
    let inert = inert(a.join().map(drop))
        && inert(a.join_timeout(Duration::ZERO).map(drop))
        && inert(a.terminate())
        && inert(a.kill())
        && inert(a.interrupt())
        && inert(Process::spawn(|| (), ()).map(drop))
        && a.exit_status().is_none()
        && active_children().is_empty();
    drop(a);
    inert
}

/// Standard input, output and error are closed, one after the other; starting works, and no control socket becomes stdout.
fn closed_stdio() {
    // Kept to report: the numbers 0 to 2 will be free.
    let report = rustix::io::fcntl_dupfd_cloexec(std::io::stdout(), 10).unwrap();
    for fd in 0..3 {
        // SAFETY: nothing in this program owns the standard descriptors.
        unsafe { libc::close(fd) };
        for _ in 0..3 {
            let p = Process::spawn(
                |n: u32| {
                    println!("lost");
                    eprintln!("lost");
                    n + 1
                },
                (fd as u32,),
            )
            .unwrap();
            println!("garbage, if this went to a control socket");
            eprintln!("garbage, if this went to a control socket");
            assert_eq!(p.into_result().unwrap(), fd as u32 + 1);
        }
    }
    let text = b"survived\n";
    assert_eq!(rustix::io::write(&report, text).unwrap(), text.len());
}

/// Our file is deleted, and another one stands in its place.
fn deleted() {
    let own = std::env::current_exe().unwrap();
    std::fs::remove_file(&own).unwrap();
    basic();
    std::fs::write(&own, "#!/bin/sh\nexit 3\n").unwrap();
    basic();
}

fn basic() {
    let p = Process::spawn(|n: u32| n + 1, (1,)).unwrap();
    assert_eq!(p.into_result().unwrap(), 2);
    say("basic");
}

/// Our file may no longer be executed.
fn not_executable() {
    use std::os::unix::fs::PermissionsExt;
    basic();
    let own = std::env::current_exe().unwrap();
    std::fs::set_permissions(&own, std::fs::Permissions::from_mode(0o644)).unwrap();
    failing_start(libc::EACCES);
}

/// The user has as many processes as allowed.
fn no_processes() {
    basic();
    let maximum = rustix::process::getrlimit(rustix::process::Resource::Nproc).maximum;
    let none = rustix::process::Rlimit {
        current: Some(0),
        maximum,
    };
    rustix::process::setrlimit(rustix::process::Resource::Nproc, none).unwrap();
    failing_start(libc::EAGAIN);
}

fn failing_start(number: i32) {
    let before = procession_integration_tests::audit::snapshot();
    for _ in 0..5 {
        let error = Process::spawn(|| (), ()).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(number), "{error}");
        say(&format!("error {error}"));
    }
    before.assert_nothing_left();
}

static AT_EXIT_FILE: std::sync::Mutex<String> = std::sync::Mutex::new(String::new());

extern "C" fn write_file() {
    if let Ok(file) = AT_EXIT_FILE.lock() {
        let _ = std::fs::write(&*file, "ran");
    }
}

/// At-exit hooks run on a normal end (a value, a panic), not on a kill.
fn at_exit(directory: &str) {
    fn register(file: String, how: String) {
        *AT_EXIT_FILE.lock().unwrap() = file.clone();
        // SAFETY: the hook takes no arguments and does not unwind.
        unsafe { libc::atexit(write_file) };
        std::fs::write(file + ".registered", "").unwrap();
        match how.as_str() {
            "kill" => sleep_for_ever(),
            "panic" => panic!("on purpose"),
            _ => {}
        }
    }
    for how in ["return", "panic", "kill"] {
        let file = format!("{directory}/{how}");
        let p = Process::spawn(register, (file.clone(), how.to_owned())).unwrap();
        if how == "kill" {
            while !std::path::Path::new(&format!("{file}.registered")).exists() {
                std::thread::sleep(Duration::from_millis(1));
            }
            p.kill().unwrap();
        }
        p.join().unwrap();
    }
}

extern "C" fn exit_42(_: libc::c_int) {
    // SAFETY: `_exit` may be called in a signal handler.
    unsafe { libc::_exit(42) }
}

/// A process's own SIGINT handler is the one that runs.
fn child_handler(directory: &str) {
    fn handle(file: String) {
        // SAFETY: the handler only exits.
        unsafe { libc::signal(libc::SIGINT, exit_42 as *const () as libc::sighandler_t) };
        std::fs::write(file, "").unwrap();
        sleep_for_ever();
    }
    let file = format!("{directory}/handler");
    let p = Process::spawn(handle, (file.clone(),)).unwrap();
    while !std::path::Path::new(&file).exists() {
        std::thread::sleep(Duration::from_millis(1));
    }
    p.interrupt().unwrap();
    assert_eq!(p.join().unwrap().code(), Some(42));
}

/// A thread that the function left behind does not get to write its file.
fn threads(directory: &str) {
    fn leave(file: String) {
        std::thread::spawn(move || {
            std::thread::sleep(Duration::from_secs(2));
            let _ = std::fs::write(file, "");
        });
    }
    let p = Process::spawn(leave, (format!("{directory}/late"),)).unwrap();
    assert!(
        p.join_timeout(Duration::from_secs(30))
            .unwrap()
            .unwrap()
            .success()
    );
}
