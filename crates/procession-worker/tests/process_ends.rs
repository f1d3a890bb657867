//! The ways a process ends, and what its parent is told.

#[expect(dead_code, reason = "other test files need the rest")]
mod common;

use std::io::Read;
use std::os::fd::AsFd;
use std::process::Stdio;
use std::time::{Duration, Instant};

use common::{scenario, sleep_for_ever};
use procession_worker::{Process, TaskErrorKind};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

procession_worker::init_before_main!();

/// PR09
#[test]
fn join_with_a_limit_keeps_it() {
    scenario(|| {
        let p = Process::spawn(sleep_for_ever, ()).unwrap();
        let start = Instant::now();
        assert_eq!(p.join_timeout(Duration::ZERO).unwrap(), None);
        let past = start.checked_sub(Duration::from_secs(1)).unwrap();
        assert_eq!(p.join_deadline(past).unwrap(), None);
        assert!(start.elapsed() < Duration::from_secs(5));
        let start = Instant::now();
        assert_eq!(p.join_timeout(Duration::from_millis(200)).unwrap(), None);
        assert!(
            start.elapsed() >= Duration::from_millis(200),
            "{:?}",
            start.elapsed()
        );
        assert!(start.elapsed() < Duration::from_secs(5));
        p.kill().unwrap();
        assert_eq!(
            p.join_timeout(Duration::MAX).unwrap().unwrap().signal(),
            Some(9)
        );
    });
}

/// FAULTS 113: a stopped process has not ended, however long it is waited for; SIGKILL ends it as it is.
#[test]
fn join_with_a_limit_returns_while_the_process_is_stopped() {
    scenario(|| {
        let p = Process::spawn(sleep_for_ever, ()).unwrap();
        let pid = rustix::process::Pid::from_raw(p.pid() as i32).unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::STOP).unwrap();
        let (start, limit) = (Instant::now(), Duration::from_millis(100));
        assert_eq!(p.join_timeout(limit).unwrap(), None);
        assert_eq!(p.join_timeout(Duration::ZERO).unwrap(), None);
        assert!(start.elapsed() >= limit);
        assert!(p.is_alive());
        p.kill().unwrap();
        assert_eq!(p.join().unwrap().signal(), Some(9));
    });
}

/// PR10
#[test]
fn terminate_and_kill_end_it_by_their_signals() {
    scenario(|| {
        let p = Process::spawn(sleep_for_ever, ()).unwrap();
        assert!(p.is_alive());
        p.terminate().unwrap();
        let status = p
            .join_timeout(Duration::from_secs(30))
            .unwrap()
            .expect("ended by SIGTERM");
        assert_eq!(
            (status.signal(), status.code(), status.success()),
            (Some(15), None, false)
        );
        assert_eq!(status.to_string(), "signal SIGTERM (15)");
        assert!(!p.is_alive());
        let p = Process::spawn(sleep_for_ever, ()).unwrap();
        p.kill().unwrap();
        assert_eq!(p.join().unwrap().to_string(), "signal SIGKILL (9)");
    });
}

/// PR11: the default action of SIGINT.
#[test]
fn interrupt_ends_it_by_default() {
    scenario(|| {
        let p = Process::spawn(sleep_for_ever, ()).unwrap();
        p.interrupt().unwrap();
        assert_eq!(p.join().unwrap().to_string(), "signal SIGINT (2)");
    });
}

/// PR12
#[test]
fn signals_to_an_ended_process_change_nothing() {
    scenario(|| {
        let p = Process::spawn(|| (), ()).unwrap();
        let mut fds = [PollFd::new(&p, PollFlags::IN)];
        poll(&mut fds, None).unwrap();
        for _ in 0..2 {
            // First while it waits to be reaped, then after it was.
            p.terminate().unwrap();
            p.kill().unwrap();
            p.interrupt().unwrap();
            assert_eq!(p.join().unwrap().code(), Some(0));
        }
        p.into_result().unwrap();
    });
}

/// PR15: `spawn` is the only way to a handle, so there is none before the start.
#[test]
fn its_descriptor_is_readable_once_it_has_ended() {
    scenario(|| {
        let p = Process::spawn(sleep_for_ever, ()).unwrap();
        let at_once = Timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        let ready = |p: &Process<()>, limit| {
            poll(
                &mut [PollFd::from_borrowed_fd(p.as_fd(), PollFlags::IN)],
                limit,
            )
        };
        assert_eq!(ready(&p, Some(&at_once)).unwrap(), 0);
        p.terminate().unwrap();
        assert_eq!(ready(&p, None).unwrap(), 1);
        assert_eq!(
            p.join_timeout(Duration::ZERO).unwrap().unwrap().signal(),
            Some(15)
        );
        assert_eq!(ready(&p, Some(&at_once)).unwrap(), 1, "and stays so");
    });
}

/// PR16: dropping is closing; PR24: starting twice, joining before the start and use after closing do not compile.
#[test]
fn dropping_the_handle_frees_its_two_descriptors() {
    scenario(|| {
        let before = common::audit::snapshot().descriptors.len();
        let p = Process::spawn(sleep_for_ever, ()).unwrap();
        assert_eq!(common::audit::snapshot().descriptors.len(), before + 2);
        p.kill().unwrap();
        p.join().unwrap();
        drop(p);
        assert_eq!(common::audit::snapshot().descriptors.len(), before);
    });
}

/// PR23
#[test]
fn every_exit_is_told_as_it_was() {
    scenario(|| {
        for code in [0, 7, 120, 124, 255] {
            let p =
                Process::spawn(|code: i32| -> () { std::process::exit(code) }, (code,)).unwrap();
            assert_eq!(p.join().unwrap().code(), Some(code));
            let (pid, name) = (p.pid(), p.name().to_owned());
            let error = p.into_result().unwrap_err();
            assert_eq!(error.kind(), TaskErrorKind::WorkerDied);
            let start = format!(
                "process {pid} ({name:?}) exited with code {code} before returning a result while running "
            );
            assert!(error.to_string().starts_with(&start), "{error}");
            let death = error.death().unwrap();
            assert_eq!((death.pid(), death.exit_status().code()), (pid, Some(code)));
            assert!(death.ran_for().is_some());
        }
    });
}

/// PR23
#[test]
fn a_returned_err_is_exit_code_1_and_still_the_value() {
    scenario(|| {
        fn refuse(n: u8) -> Result<u8, String> {
            if n == 0 {
                Err("zero".to_owned())
            } else {
                Ok(n)
            }
        }
        let mut p = Process::builder()
            .stderr(Stdio::piped())
            .spawn(refuse, (0,))
            .unwrap();
        assert_eq!(p.join().unwrap().code(), Some(1));
        let mut text = String::new();
        p.take_stderr().unwrap().read_to_string(&mut text).unwrap();
        assert!(
            text.ends_with("refuse) returned an error: \"zero\"\n") && text.lines().count() == 1,
            "{text:?}"
        );
        assert_eq!(p.into_result().unwrap(), Err("zero".to_owned()));
        let p = Process::spawn(refuse, (3,)).unwrap();
        assert_eq!(p.join().unwrap().code(), Some(0));
        assert_eq!(p.into_result().unwrap(), Ok(3));
    });
}

/// PR23, PR31
#[test]
fn a_fatal_signal_is_told_by_name() {
    scenario(|| {
        let p = Process::spawn(|| -> u8 { std::process::abort() }, ()).unwrap();
        let status = p.join().unwrap();
        assert_eq!(status.signal(), Some(6));
        assert!(
            status.to_string().starts_with("signal SIGABRT (6)"),
            "{status}"
        );
        let error = p.into_result().unwrap_err();
        assert!(
            error.to_string().contains("was killed by SIGABRT (6)"),
            "{error}"
        );
        assert!(
            error.to_string().contains("a_fatal_signal_is_told_by_name"),
            "names the function: {error}"
        );

        fn raise(signal: i32) {
            let signal = rustix::process::Signal::from_named_raw(signal).unwrap();
            rustix::process::kill_process(rustix::process::getpid(), signal).unwrap();
            sleep_for_ever();
        }
        for (signal, name) in [(11, "SIGSEGV"), (9, "SIGKILL"), (24, "SIGXCPU")] {
            let p = Process::spawn(raise, (signal,)).unwrap();
            let error = p.into_result().unwrap_err();
            assert!(
                error
                    .to_string()
                    .contains(&format!("was killed by {name} ({signal})")),
                "{error}"
            );
            let death = error.death().unwrap();
            assert!(death.exit_status().to_string().contains(name));
        }
    });
}

/// A value that was handed over counts, however the process ended after that.
#[test]
fn a_value_that_was_handed_over_survives_a_bad_end() {
    use std::sync::OnceLock;
    struct AtExit;
    impl Drop for AtExit {
        fn drop(&mut self) {
            std::process::abort();
        }
    }
    thread_local!(static LAST: OnceLock<AtExit> = const { OnceLock::new() });
    scenario(|| {
        fn doomed() -> u8 {
            // Dropped by the main thread's end, after the value went out.
            LAST.with(|last| last.set(AtExit).is_ok());
            7
        }
        let p = Process::spawn(doomed, ()).unwrap();
        assert_eq!(p.join().unwrap().signal(), Some(6));
        assert_eq!(p.into_result().unwrap(), 7);
    });
}

/// PR20: as in every Rust program, threads nobody joined end with the process.
#[test]
fn the_end_does_not_wait_for_threads() {
    scenario(|| {
        fn leave_a_thread() -> u8 {
            std::thread::spawn(sleep_for_ever);
            5
        }
        let p = Process::spawn(leave_a_thread, ()).unwrap();
        assert!(p.join().unwrap().success());
        assert_eq!(p.into_result().unwrap(), 5);
    });
}
