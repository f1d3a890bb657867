//! What goes into a process and comes out of it: arguments, results, names, surroundings.
#![forbid(unsafe_code)] // and yet `init_before_main!` compiles here

#[expect(dead_code, reason = "other test files need the rest")]
mod common;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use common::scenario;
use procession_worker::{
    Bytes, Process, TaskErrorKind, current_process, is_worker, parent_process,
};
use serde::{Deserialize, Serialize};

procession_worker::init_before_main!();

fn who() -> (u32, String, bool, bool) {
    let me = current_process();
    (me.pid(), me.name().to_owned(), me.is_main(), is_worker())
}

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

/// PR02
#[test]
fn the_child_sees_what_the_parent_sees() {
    scenario(|| {
        fn echo(name: String, age: u8) -> (u32, String, String, u8) {
            (
                std::process::id(),
                current_process().name().to_owned(),
                name,
                age,
            )
        }
        let p = Process::builder()
            .name("echo")
            .spawn(echo, ("Ada".to_owned(), 36))
            .unwrap();
        let pid = p.pid();
        assert_eq!(
            p.into_result().unwrap(),
            (pid, "echo".to_owned(), "Ada".to_owned(), 36)
        );
    });
}

/// PR03
#[test]
fn names_are_unique_and_hierarchical() {
    scenario(|| {
        fn family() -> Vec<String> {
            let first = Process::spawn(who, ()).unwrap();
            let second = Process::spawn(who, ()).unwrap();
            let named = Process::builder().name("Ada").spawn(who, ()).unwrap();
            let names = vec![
                first.name().to_owned(),
                second.name().to_owned(),
                named.name().to_owned(),
            ];
            for (p, name) in [first, second, named].into_iter().zip(&names) {
                assert_eq!(&p.into_result().unwrap().1, name);
            }
            names
        }
        let p = Process::spawn(family, ()).unwrap();
        let parent = p.name().to_owned();
        assert!(parent.starts_with("Process-"));
        let names = p.into_result().unwrap();
        assert_eq!(
            names,
            [
                format!("{parent}:1"),
                format!("{parent}:2"),
                "Ada".to_owned()
            ]
        );
        let a = Process::spawn(|| (), ()).unwrap();
        let b = Process::spawn(|| (), ()).unwrap();
        assert_ne!(a.name(), b.name());
        a.join().unwrap();
        b.join().unwrap();
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
        fn reverse(Bytes(mut bytes): Bytes) -> Bytes {
            bytes.reverse();
            Bytes(bytes)
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
            let p = Process::spawn(reverse, (Bytes(bytes.clone()),)).unwrap();
            let mut back = p.into_result().unwrap().0;
            back.reverse();
            assert!(back == bytes, "{size} bytes");
        }
    });
}

/// The result of a process nobody asks for does not keep it from ending.
#[test]
fn join_does_not_wait_for_a_large_result_to_be_read() {
    scenario(|| {
        let p = Process::spawn(|| Bytes(vec![7; 8 << 20]), ()).unwrap();
        assert!(p.join().unwrap().success());
        assert_eq!(p.into_result().unwrap().0.len(), 8 << 20);
        let dropped = Process::spawn(|| Bytes(vec![7; 8 << 20]), ()).unwrap();
        assert!(dropped.join().unwrap().success());
    });
}

#[test]
fn a_result_above_the_limit_is_its_own_error() {
    scenario(|| {
        let p = Process::builder()
            .result_limit(1 << 20)
            .spawn(|| Bytes(vec![1; 2 << 20]), ())
            .unwrap();
        let error = p.into_result().unwrap_err();
        assert_eq!(error.kind(), TaskErrorKind::TooLarge);
        assert!(
            error.to_string().contains("the limit is 1048576 bytes"),
            "{error}"
        );
    });
}

/// PR05
#[test]
fn options_of_one_process_are_not_shared_with_another() {
    scenario(|| {
        let read = || std::env::var("PROCESS_TEST_ONLY").ok();
        let with = Process::builder()
            .name("with")
            .env("PROCESS_TEST_ONLY", "1")
            .spawn(read, ())
            .unwrap();
        let without = Process::builder().spawn(read, ()).unwrap();
        assert_ne!(without.name(), "with");
        assert_eq!(with.into_result().unwrap().as_deref(), Some("1"));
        assert_eq!(without.into_result().unwrap(), None);
    });
}

/// PR06
#[test]
fn each_process_knows_itself_and_its_parent() {
    scenario(|| {
        assert!(current_process().is_main() && !is_worker() && parent_process().is_none());
        fn look() -> (u32, String, bool, bool) {
            let parent = parent_process().unwrap();
            let alive = std::os::unix::process::parent_id() == parent.pid();
            (
                parent.pid(),
                parent.name().to_owned(),
                parent.is_main(),
                alive,
            )
        }
        let seen = Process::spawn(look, ()).unwrap().into_result().unwrap();
        let me = current_process();
        assert_eq!(seen, (me.pid(), me.name().to_owned(), true, true));
        let child = Process::spawn(who, ()).unwrap().into_result().unwrap();
        assert!(!child.2 && child.3);
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

/// PR29
#[test]
fn environment_and_directory_are_the_child_s_alone() {
    scenario(|| {
        fn look() -> (Option<String>, Option<String>, usize, String) {
            let read = |key| std::env::var(key).ok();
            let directory = std::env::current_dir().unwrap().display().to_string();
            (
                read("PROCESS_TEST_A"),
                read("PATH"),
                std::env::vars_os().count(),
                directory,
            )
        }
        let here = std::env::current_dir().unwrap();
        let p = Process::builder()
            .env("PROCESS_TEST_A", "x y")
            .env_remove("PATH")
            .current_dir("/")
            .spawn(look, ());
        let (a, path, _, directory) = p.unwrap().into_result().unwrap();
        assert_eq!(
            (a.as_deref(), path, directory.as_str()),
            (Some("x y"), None, "/")
        );
        let p = Process::builder()
            .env("PROCESS_TEST_B", "lost")
            .env_clear()
            .env("PROCESS_TEST_A", "1")
            .spawn(look, ());
        let (a, path, count, _) = p.unwrap().into_result().unwrap();
        assert_eq!(
            (a.as_deref(), path, count),
            (Some("1"), None, 1),
            "and the marker is gone as well"
        );
        assert_eq!(std::env::var_os("PROCESS_TEST_A"), None);
        assert_eq!(std::env::current_dir().unwrap(), here);
    });
}

/// PR32
#[test]
fn the_child_s_thread_is_another_one() {
    scenario(|| {
        fn thread_id() -> i32 {
            rustix::thread::gettid().as_raw_nonzero().get()
        }
        let theirs = Process::spawn(thread_id, ())
            .unwrap()
            .into_result()
            .unwrap();
        assert_ne!(theirs, thread_id());
    });
}

/// FAULTS 53: stdin of a process is empty, whatever the parent's is.
#[test]
fn stdin_is_empty() {
    scenario(|| {
        let read = || std::io::read_to_string(std::io::stdin()).unwrap();
        assert_eq!(Process::spawn(read, ()).unwrap().into_result().unwrap(), "");
    });
}

/// No descriptor of the parent reaches the child but its outputs, and the wire is none of them.
#[test]
fn a_child_starts_with_no_descriptor_of_its_parent() {
    scenario(|| {
        let file = std::fs::File::open("/proc/self/exe").unwrap();
        let leaky = rustix::io::dup(&file).unwrap(); // without close-on-exec
        fn open() -> Vec<String> {
            let fds = std::fs::read_dir("/proc/self/fd").unwrap().flatten();
            fds.filter_map(|fd| std::fs::read_link(fd.path()).ok())
                .map(|to| to.display().to_string())
                .collect()
        }
        let open = Process::spawn(open, ()).unwrap().into_result().unwrap();
        let own = std::fs::read_link("/proc/self/exe")
            .unwrap()
            .display()
            .to_string();
        assert!(!open.contains(&own), "{open:?}");
        assert_eq!(
            open.iter().filter(|to| to.starts_with("socket:")).count(),
            1,
            "{open:?}"
        );
        drop(leaky);
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
