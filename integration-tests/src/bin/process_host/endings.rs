//! Hosts that end while their processes run.
//!
//! # Safety
//! The C calls here are the host's, not the library's: each is made with valid arguments, in a program that exists to misbehave.
#![expect(unsafe_code, reason = "hosts use C: fork, signal, waitpid, atexit")]

use std::os::unix::process::CommandExt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use procession_worker::Process;

use crate::{announced, say, sleep_for_ever, spin_for_ever, start_busy, start_idle};

/// Two idle processes, joined for ever: the test ends us.
pub(crate) fn wait() {
    let (a, b) = (start_idle(), start_idle());
    say("ready");
    a.join().unwrap();
    b.join().unwrap();
}

/// Two processes inside user code that never looks up.
pub(crate) fn busy() {
    let (a, b) = (start_busy(), start_busy());
    say("ready");
    a.join().unwrap();
    b.join().unwrap();
}

pub(crate) fn panics() {
    let _a = start_idle();
    panic!("the host panics");
}

/// At once: the children may be anywhere in their prologue.
pub(crate) fn execs() {
    let _idle = announced(Process::spawn(sleep_for_ever, ()).unwrap());
    let _busy = announced(Process::spawn(spin_for_ever, ()).unwrap());
    say("ready");
    let error = std::process::Command::new("sleep").arg("60").exec();
    panic!("cannot exec: {error}");
}

static INTERRUPTED: AtomicBool = AtomicBool::new(false);

extern "C" fn on_interrupt(_: libc::c_int) {
    INTERRUPTED.store(true, Ordering::SeqCst);
}

/// The host handles SIGINT: its handler runs, its processes go on until it ends them.
pub(crate) fn own_handler() {
    // SAFETY: the handler only stores to an atomic.
    unsafe {
        libc::signal(
            libc::SIGINT,
            on_interrupt as *const () as libc::sighandler_t,
        )
    };
    let a = start_idle();
    say("ready");
    while !INTERRUPTED.load(Ordering::SeqCst) {
        std::thread::sleep(Duration::from_millis(1));
    }
    assert!(a.is_alive(), "the process is in a group of its own");
    say("handled");
    a.terminate().unwrap();
    assert_eq!(a.join().unwrap().signal(), Some(15));
}
