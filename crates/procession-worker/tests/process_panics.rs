//! Panics in a process: what is printed there, and what its parent is told.

#[expect(dead_code, reason = "other test files need the rest")]
mod common;

use std::io::Read;
use std::process::Stdio;

use common::scenario;
use procession_worker::{Process, TaskErrorKind};

procession_worker::init_before_main!();

/// PR22
#[test]
fn a_panic_is_on_stderr_before_the_exit_is_seen() {
    scenario(|| {
        let mut p = Process::builder()
            .stderr(Stdio::piped())
            .spawn(
                |n: u32| -> u32 { panic!("number {n} is out of paper") },
                (7,),
            )
            .unwrap();
        assert_eq!(p.join().unwrap().code(), Some(101));
        let mut stderr = p.take_stderr().unwrap();
        rustix::io::ioctl_fionbio(&stderr, true).unwrap(); // what is not there by now never was
        let mut text = String::new();
        stderr.read_to_string(&mut text).unwrap();
        assert!(text.contains("number 7 is out of paper"), "{text}");
        assert!(text.contains("process_panics.rs:"), "{text}");
        let error = p.into_result().unwrap_err();
        assert_eq!(error.kind(), TaskErrorKind::Panicked);
        let panic = error.panic().unwrap();
        assert_eq!(panic.message(), "number 7 is out of paper");
        assert!(panic.file().unwrap().ends_with("process_panics.rs") && panic.line().is_some());
        assert!(error.to_string().contains("panicked at "), "{error}");
        assert!(error.death().is_none());
    });
}

/// FAULTS 6, 7: panics with payloads that are no text, or that panic when dropped.
#[test]
fn odd_panics_are_panics() {
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            panic!("the payload panics too");
        }
    }
    scenario(|| {
        let p = Process::spawn(|| -> () { std::panic::panic_any(7_u8) }, ()).unwrap();
        assert_eq!(p.join().unwrap().code(), Some(101));
        let error = p.into_result().unwrap_err();
        assert_eq!(error.panic().unwrap().message(), "<non-string payload>");
        let p = Process::spawn(|| -> () { std::panic::panic_any(Bomb) }, ()).unwrap();
        assert_eq!(p.into_result().unwrap_err().kind(), TaskErrorKind::Panicked);
    });
}

/// FAULTS 8: a panic that cannot unwind aborts; its reason still arrives, with the death.
#[test]
fn a_double_panic_tells_both_the_reason_and_the_signal() {
    struct Second;
    impl Drop for Second {
        fn drop(&mut self) {
            panic!("second");
        }
    }
    scenario(|| {
        fn twice() {
            let _second = Second;
            panic!("first");
        }
        let p = Process::spawn(twice, ()).unwrap();
        assert_eq!(p.join().unwrap().signal(), Some(6));
        let error = p.into_result().unwrap_err();
        assert_eq!(error.kind(), TaskErrorKind::Panicked, "{error}");
        assert!(
            error
                .panic()
                .unwrap()
                .message()
                .starts_with("second (panic in a destructor"),
            "{error}"
        );
        assert_eq!(error.death().unwrap().exit_status().signal(), Some(6));
        assert!(
            error.to_string().contains("was killed by SIGABRT (6)"),
            "{error}"
        );
    });
}

/// A panic that the function catches itself is none.
#[test]
fn a_caught_panic_is_no_failure() {
    scenario(|| {
        fn careful() -> usize {
            (0..100)
                .filter(|n| std::panic::catch_unwind(|| assert!(n % 2 == 0)).is_err())
                .count()
        }
        let p = Process::builder()
            .stderr(Stdio::null())
            .spawn(careful, ())
            .unwrap();
        assert_eq!(p.into_result().unwrap(), 50);
    });
}

/// A thread of the process that panics is not the function's panic.
#[test]
fn a_panic_on_another_thread_is_that_thread_s() {
    scenario(|| {
        fn survive() -> bool {
            std::thread::spawn(|| panic!("not mine")).join().is_err()
        }
        let p = Process::builder()
            .stderr(Stdio::null())
            .spawn(survive, ())
            .unwrap();
        assert!(p.into_result().unwrap());
    });
}
