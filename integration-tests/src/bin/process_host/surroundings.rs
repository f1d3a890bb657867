//! Hosts that change what their processes and their handles stand on.
//!
//! # Safety
//! The C calls here are the host's, not the library's: each is made with valid arguments, in a program that exists to misbehave.
#![expect(unsafe_code, reason = "hosts use C: fork, signal, waitpid, atexit")]

use std::time::Duration;

use rustix::buffer::spare_capacity;
use rustix::event::{Timespec, epoll};

use procession_worker::{Error, Process, TaskErrorKind, active_children};

use crate::{say, start_idle};

fn exits(code: i32) {
    std::process::exit(code);
}

/// The kernel reaps for us: values still arrive, and nothing hangs; the status is right where the kernel keeps one.
pub(crate) fn ignores_sigchld() {
    // SAFETY: SIG_IGN is a valid disposition for SIGCHLD.
    unsafe { libc::signal(libc::SIGCHLD, libc::SIG_IGN) };
    check_without_reaping();
}

/// Somebody reaps everything that ends, before us.
pub(crate) fn steals() {
    std::thread::spawn(|| {
        loop {
            // SAFETY: a null status pointer means that nobody wants the status.
            unsafe { libc::waitpid(-1, std::ptr::null_mut(), 0) };
        }
    });
    check_without_reaping();
}

/// The end of a process interrupts nothing that the host waits for.
pub(crate) fn is_undisturbed() {
    let process = Process::spawn(std::thread::sleep, (Duration::from_millis(100),)).unwrap();
    let epoll = epoll::create(epoll::CreateFlags::CLOEXEC).unwrap();
    let mut events: Vec<epoll::Event> = Vec::with_capacity(1);
    let second = Timespec {
        tv_sec: 1,
        tv_nsec: 0,
    };
    let waited = epoll::wait(&epoll, spare_capacity(&mut events), Some(&second));
    assert_eq!(waited, Ok(0), "it passed in peace");
    assert!(!process.is_alive());
}

/// All threads block SIGCHLD, and one waits for it: those of the host's own children come.
pub(crate) fn waits_for_sigchld() {
    // SAFETY: all-zero bytes are the empty set.
    let mut sigchld: libc::sigset_t = unsafe { std::mem::zeroed() };
    // SAFETY: the set is valid for the call.
    unsafe { libc::sigaddset(&raw mut sigchld, libc::SIGCHLD) };
    // SAFETY: the set is valid for the call, and no old mask is asked for.
    unsafe { libc::pthread_sigmask(libc::SIG_BLOCK, &raw const sigchld, std::ptr::null_mut()) };
    let process = start_idle();
    for _ in 0..20 {
        let mut own = std::process::Command::new("true").spawn().unwrap();
        let long = libc::timespec {
            tv_sec: 20,
            tv_nsec: 0,
        };
        // SAFETY: the set and the time are valid for the call, and nobody wants the details.
        let signal = unsafe {
            libc::sigtimedwait(&raw const sigchld, std::ptr::null_mut(), &raw const long)
        };
        assert_eq!(signal, libc::SIGCHLD);
        own.wait().unwrap();
    }
    process.kill().unwrap();
    process.join().unwrap();
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
        let c = start_idle();
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
pub(crate) fn forks() {
    let a = start_idle();
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
pub(crate) fn closed_stdio() {
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
pub(crate) fn deleted() {
    let own = std::env::current_exe().unwrap();
    std::fs::remove_file(&own).unwrap();
    basic();
    std::fs::write(&own, "#!/bin/sh\nexit 3\n").unwrap();
    basic();
}

pub(crate) fn basic() {
    let p = Process::spawn(|n: u32| n + 1, (1,)).unwrap();
    assert_eq!(p.into_result().unwrap(), 2);
    say("basic");
}

/// Our file may no longer be executed.
pub(crate) fn not_executable() {
    use std::os::unix::fs::PermissionsExt;
    basic();
    let own = std::env::current_exe().unwrap();
    std::fs::set_permissions(&own, std::fs::Permissions::from_mode(0o644)).unwrap();
    failing_start(libc::EACCES);
}

/// The user has as many processes as allowed.
pub(crate) fn no_processes() {
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
