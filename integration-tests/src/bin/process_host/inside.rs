//! Functions that use C inside their process.
//!
//! # Safety
//! The C calls here are the host's, not the library's: each is made with valid arguments, in a program that exists to misbehave.
#![expect(unsafe_code, reason = "hosts use C: fork, signal, waitpid, atexit")]

use std::time::Duration;

use procession_worker::Process;

use crate::sleep_for_ever;

static AT_EXIT_FILE: std::sync::Mutex<String> = std::sync::Mutex::new(String::new());

extern "C" fn write_file() {
    if let Ok(file) = AT_EXIT_FILE.lock() {
        let _ = std::fs::write(&*file, "ran");
    }
}

/// At-exit hooks run on a normal end (a value, a panic), not on a kill.
pub(crate) fn at_exit(directory: &str) {
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
pub(crate) fn child_handler(directory: &str) {
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
pub(crate) fn threads(directory: &str) {
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
