//! What goes into a process and comes out of it: arguments, results, names, surroundings.
#![forbid(unsafe_code)] // and yet `init_before_main!` compiles here

#[expect(dead_code, reason = "other test files need the rest")]
mod common;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use common::scenario;
use procession_worker::{Bytes, Process, TaskErrorKind};
use serde::{Deserialize, Serialize};

procession_worker::init_before_main!();

/// PR01
#[test]
fn a_process_lives_ends_and_has_a_status() {
    scenario(|| {
        let p = Process::spawn(|| std::thread::sleep(Duration::from_millis(50)), ()).unwrap();
        assert!(p.is_alive());
        assert_eq!(p.exit_status(), None);
        assert_ne!(p.pid(), std::process::id());
        assert_eq!(p.join().unwrap().code(), Some(0));
        assert!(!p.is_alive());
        assert_eq!(p.exit_status().unwrap().code(), Some(0));
        assert_eq!(p.join().unwrap().code(), Some(0), "join is repeatable");
        p.into_result().unwrap();
    });
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Order {
    id: u64,
    lines: Vec<(String, f64)>,
    notes: BTreeMap<String, Option<char>>,
}

/// PR04
#[test]
fn arguments_arrive_identical() {
    scenario(|| {
        let order = Order {
            id: u64::MAX,
            lines: vec![("käse".to_owned(), 1.5), (String::new(), f64::MIN_POSITIVE)],
            notes: [("a".to_owned(), Some('ß')), ("b".to_owned(), None)].into(),
        };
        let p = Process::spawn(|order: Order| order, (order.clone(),)).unwrap();
        assert_eq!(p.into_result().unwrap(), order);
        type Eight = (u8, i16, u32, i64, f32, bool, char, String);
        #[expect(clippy::too_many_arguments, reason = "eight is the most there can be")]
        fn eight(a: u8, b: i16, c: u32, d: i64, e: f32, f: bool, g: char, h: String) -> Eight {
            (a, b, c, d, e, f, g, h)
        }
        let args = (1, -2, 3, -4, 5.5, true, 'g', "h".to_owned());
        let p = Process::spawn(eight, args.clone()).unwrap();
        assert_eq!(p.into_result().unwrap(), args);
        let vector: Vec<u32> = (0..1000).collect();
        let p = Process::spawn(|v: Vec<u32>| v, (vector.clone(),)).unwrap();
        assert_eq!(p.into_result().unwrap(), vector);
    });
}

/// PR04: around the border between a message and a memory file, and far beyond.
#[test]
fn arguments_and_results_of_every_size_arrive() {
    scenario(|| {
        fn reverse(mut bytes: Bytes) -> Bytes {
            bytes.reverse();
            bytes
        }
        for size in [
            0,
            1,
            32 * 1024 - 8,
            32 * 1024,
            32 * 1024 + 8,
            100_000,
            8 << 20,
        ] {
            let bytes: Vec<u8> = (0..size).map(|i| (i % 251) as u8).collect();
            let p = Process::spawn(reverse, (Bytes::from(bytes.clone()),)).unwrap();
            let mut back = p.into_result().unwrap();
            back.reverse();
            assert!(back == bytes, "{size} bytes");
        }
    });
}

/// The result of a process nobody asks for does not keep it from ending.
#[test]
fn join_does_not_wait_for_a_large_result_to_be_read() {
    scenario(|| {
        let p = Process::spawn(|| Bytes::from(vec![7; 8 << 20]), ()).unwrap();
        assert!(p.join().unwrap().success());
        assert_eq!(p.into_result().unwrap().len(), 8 << 20);
        let dropped = Process::spawn(|| Bytes::from(vec![7; 8 << 20]), ()).unwrap();
        assert!(dropped.join().unwrap().success());
    });
}

#[test]
fn a_result_above_the_limit_is_its_own_error() {
    scenario(|| {
        let p = Process::builder()
            .result_limit(1 << 20)
            .spawn(|| Bytes::from(vec![1; 2 << 20]), ())
            .unwrap();
        let error = p.into_result().unwrap_err();
        assert_eq!(error.kind(), TaskErrorKind::TooLarge);
        assert!(
            error.to_string().contains("the limit is 1048576 bytes"),
            "{error}"
        );
    });
}

/// PR18
#[test]
fn arguments_are_dropped_in_the_parent_once_it_has_started() {
    use std::sync::atomic::{AtomicUsize, Ordering};
    static DROPS: AtomicUsize = AtomicUsize::new(0);
    #[derive(Serialize, Deserialize)]
    struct Noisy(u8);
    impl Drop for Noisy {
        fn drop(&mut self) {
            DROPS.fetch_add(1, Ordering::SeqCst);
        }
    }
    scenario(|| {
        let p = Process::spawn(|_: Noisy| common::sleep_for_ever(), (Noisy(1),)).unwrap();
        assert_eq!(
            DROPS.load(Ordering::SeqCst),
            1,
            "it runs, and the argument is gone here"
        );
        assert!(p.is_alive());
        p.kill().unwrap();
        p.join().unwrap();
    });
}

/// An argument that cannot be encoded is the caller's error at once; one that cannot be decoded is the call's.
#[test]
fn arguments_that_cannot_travel_are_errors() {
    #[derive(Deserialize)]
    struct Never;
    impl Serialize for Never {
        fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
            Err(serde::ser::Error::custom("no such thing"))
        }
    }
    #[derive(Deserialize)]
    struct Panics;
    impl Serialize for Panics {
        fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
            panic!("not today")
        }
    }
    struct OneWay;
    impl Serialize for OneWay {
        fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
            to.serialize_unit()
        }
    }
    impl<'de> Deserialize<'de> for OneWay {
        fn deserialize<D: serde::Deserializer<'de>>(_: D) -> Result<OneWay, D::Error> {
            Err(serde::de::Error::custom("one way only"))
        }
    }
    scenario(|| {
        let error = Process::spawn(|_: Never| (), (Never,)).unwrap_err();
        assert_eq!(
            error.task_error().unwrap().kind(),
            TaskErrorKind::EncodeArgs,
            "{error}"
        );
        let error = Process::spawn(|_: Panics| (), (Panics,)).unwrap_err();
        assert_eq!(
            error.task_error().unwrap().kind(),
            TaskErrorKind::EncodeArgs,
            "{error}"
        );
        assert!(error.to_string().contains("panicked: not today"), "{error}");
        let error = Process::spawn(|_: OneWay| (), (OneWay,))
            .unwrap()
            .into_result()
            .unwrap_err();
        assert_eq!(error.kind(), TaskErrorKind::DecodeArgs, "{error}");
        let error = Process::spawn(|| Never, ())
            .unwrap()
            .into_result()
            .map(|_| ())
            .unwrap_err();
        assert_eq!(error.kind(), TaskErrorKind::EncodeResult, "{error}");
        let error = Process::spawn(|| OneWay, ())
            .unwrap()
            .into_result()
            .map(|_| ())
            .unwrap_err();
        assert_eq!(error.kind(), TaskErrorKind::DecodeResult, "{error}");
    });
}

/// Outputs can be captured; reading them ends when the process does.
#[test]
fn outputs_can_be_piped() {
    use std::io::Read;
    use std::process::Stdio;
    scenario(|| {
        fn talk() {
            print!("out"); // no newline: flushed at the end
            eprint!("err");
        }
        let mut p = Process::builder()
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn(talk, ())
            .unwrap();
        let (mut out, mut err) = (String::new(), String::new());
        p.take_stdout().unwrap().read_to_string(&mut out).unwrap();
        p.take_stderr().unwrap().read_to_string(&mut err).unwrap();
        assert_eq!((out.as_str(), err.as_str()), ("out", "err"));
        assert!(p.take_stdout().is_none() && p.take_stderr().is_none());
        assert!(p.join().unwrap().success());
    });
}

/// `Process` moves between threads, and threads share it.
#[test]
fn a_handle_is_shared_between_threads() {
    fn check<T: Send + Sync>(_: &T) {}
    scenario(|| {
        let p = Process::spawn(common::sleep_for_ever, ()).unwrap();
        check(&p);
        let started = Instant::now();
        std::thread::scope(|threads| {
            let waiters: Vec<_> = (0..4)
                .map(|_| threads.spawn(|| p.join().unwrap().signal()))
                .collect();
            p.terminate().unwrap();
            assert!(
                waiters
                    .into_iter()
                    .all(|waiter| waiter.join().unwrap() == Some(15))
            );
        });
        assert!(started.elapsed() < Duration::from_secs(30));
    });
}
