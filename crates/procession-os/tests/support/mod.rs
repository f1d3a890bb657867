//! A small harness for tests that start children of their own image: it runs a role when the binary is such a child, and
//! otherwise one test after the other, each under a watchdog and a leak audit. It holds no test.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use procession_os::{Received, Socket, Spawn, Spawned, prologue};

const ROLE: &str = "PROCESSION_OS_TEST_ROLE";
const LIMIT: Duration = Duration::from_secs(60);

/// A test, or what a child does, by name.
pub(crate) type Named = (&'static str, fn());

/// Runs the tests (or the role) of one binary. Understands `--list`, `--exact` and name filters as the usual harness does.
pub(crate) fn main(tests: &[Named], roles: &[Named]) {
    if let Some(role) = prologue::take_env(ROLE) {
        // A child that outlives its test must not outlive the test's patience.
        std::thread::spawn(|| {
            std::thread::sleep(LIMIT);
            std::process::abort();
        });
        match roles.iter().find(|(name, _)| OsStr::new(name) == role) {
            Some((_, run)) => run(),
            None => {
                assert_eq!(role, "warm-up", "no such role");
                // Not gone before its parent has the pidfd: in a host that collects children by itself it would be lost.
                let control = Socket::from_fd(prologue::take_control_fd().unwrap());
                assert!(matches!(control.recv(0).unwrap(), Received::Closed));
            }
        }
        return;
    }
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let filters: Vec<&String> = arguments
        .iter()
        .filter(|argument| !argument.starts_with('-'))
        .collect();
    let exact = arguments.iter().any(|argument| argument == "--exact");
    let ignored = arguments.iter().any(|argument| argument == "--ignored");
    let wanted = |name: &str| {
        filters.is_empty()
            || filters.iter().any(|filter| {
                if exact {
                    name == *filter
                } else {
                    name.contains(filter.as_str())
                }
            })
    };
    let chosen: Vec<&Named> = tests
        .iter()
        .filter(|(name, _)| !ignored && wanted(name))
        .collect();
    if arguments.iter().any(|argument| argument == "--list") {
        chosen.iter().for_each(|(name, _)| println!("{name}: test"));
        return;
    }
    // The supervisor thread is made on the first start and stays: not a leak.
    warm_up();
    for (name, run) in chosen {
        let before = Audit::take();
        watched(name, *run);
        before.assert_nothing_left(name);
        println!("test {name} ... ok");
    }
}

fn warm_up() {
    let (started, socket) = start("warm-up", |_| {});
    drop(socket);
    assert!(started.child.wait().unwrap().success());
}

/// Runs a test on a thread of its own, so that a hang is a failure and a panic is this process's exit code.
fn watched(name: &'static str, run: fn()) {
    let (done, finished) = channel();
    let test = std::thread::spawn(move || {
        run();
        done.send(()).unwrap();
    });
    match finished.recv_timeout(LIMIT) {
        Err(RecvTimeoutError::Timeout) => {
            eprintln!("test {name} ... hangs");
            std::process::abort();
        }
        Ok(()) | Err(RecvTimeoutError::Disconnected) => {}
    }
    if test.join().is_err() {
        eprintln!("test {name} ... FAILED");
        std::process::exit(101);
    }
}

/// Starts a child of this binary in `role`; the caller keeps the other end of its control socket.
pub(crate) fn start(role: &str, change: impl FnOnce(&mut Spawn)) -> (Spawned, Socket) {
    let (socket, control) = Socket::pair().unwrap();
    let mut spawn = Spawn::own_image(control);
    spawn.env.push((ROLE.into(), Some(role.into())));
    change(&mut spawn);
    (spawn.start().unwrap(), socket)
}

/// What a test could leave behind.
#[derive(PartialEq, Debug)]
struct Audit {
    descriptors: BTreeMap<String, String>,
    threads: usize,
    children: String,
    memfd_maps: usize,
}

impl Audit {
    fn take() -> Audit {
        let listing = std::fs::read_dir("/proc/self/fd")
            .unwrap()
            .flatten()
            .map(|entry| entry.path());
        let target =
            |path: &std::path::Path| Some(std::fs::read_link(path).ok()?.display().to_string());
        let descriptors = listing
            .filter_map(|path| Some((path.display().to_string(), target(&path)?)))
            .filter(|(_, target)| !target.ends_with("/fd")) // the listing itself
            .collect();
        let threads: Vec<_> = std::fs::read_dir("/proc/self/task")
            .unwrap()
            .flatten()
            .collect();
        let children = threads
            .iter()
            .filter_map(|thread| std::fs::read_to_string(thread.path().join("children")).ok())
            .collect();
        let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
        Audit {
            descriptors,
            threads: threads.len(),
            children,
            memfd_maps: maps.matches("/memfd:").count(),
        }
    }

    /// A joined thread leaves `/proc` a moment after its join, so the audit looks again for a while.
    fn assert_nothing_left(&self, name: &str) {
        let give_up = Instant::now() + Duration::from_secs(5);
        while *self != Audit::take() {
            assert!(
                Instant::now() < give_up,
                "{name} left something:\nbefore {self:#?}\nafter {:#?}",
                Audit::take()
            );
            std::thread::yield_now();
        }
    }
}
