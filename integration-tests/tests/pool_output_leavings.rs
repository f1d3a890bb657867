//! What tasks leave behind in their worker, and programs in their surroundings: threads, hooks, limits, closed outputs.

use std::io::Read;
use std::process::{Command, Stdio};
use std::time::Duration;

use procession::{Pool, TaskErrorKind};
use procession_integration_tests::audit::watchdog;
use procession_integration_tests::pool_scene::{
    Scratch, assert_usable, error_of, finish, own_pid, scene, until, warm,
};

procession::init_before_main!();

/// In a task: waits until the file is there, as a thread does that outlives its task.
fn once_there(file: &str) {
    until("the file is there", || std::path::Path::new(file).exists());
}

/// FAULTS 44: a thread that outlives its task and panics is nobody's error.
#[test]
fn a_thread_that_panics_after_its_task_costs_nothing() {
    scene(|| {
        let pool = warm(1);
        let pid = pool.apply(own_pid, ()).unwrap();
        let scratch = Scratch::new();
        let leave = |go: String, over: String| {
            std::thread::spawn(move || {
                /// Tells that its thread has unwound.
                struct Over(String);
                impl Drop for Over {
                    fn drop(&mut self) {
                        std::fs::write(&self.0, "").unwrap();
                    }
                }
                let _over = Over(over);
                once_there(&go);
                panic!("a thread that was left behind");
            });
        };
        pool.apply(leave, (scratch.at("go"), scratch.at("over")))
            .unwrap();
        let next = |go: String, over: String| {
            std::fs::write(go, "").unwrap();
            once_there(&over);
            17
        };
        let outcome = pool.apply(next, (scratch.at("go"), scratch.at("over")));
        assert_eq!(outcome.unwrap(), 17);
        // Nor is its panic taken for one of a later task's.
        let error = error_of(
            pool.apply(|| -> () { panic!("the task's own") }, ()),
            TaskErrorKind::Panicked,
        );
        assert_eq!(error.panic().unwrap().message(), "the task's own");
        assert_eq!(pool.apply(own_pid, ()).unwrap(), pid);
        finish(pool);
    });
}

/// FAULTS 44, FAULTS 45: one that ends the process costs the task that runs by then, and the error says how it ended.
#[test]
fn a_thread_that_ends_the_process_costs_the_task_that_runs() {
    scene(|| {
        let pool = warm(1);
        for (how, ending) in [("exit", "exited with code 3"), ("abort", "SIGABRT (6)")] {
            let scratch = Scratch::new();
            let leave = |go: String, how: String| {
                std::thread::spawn(move || {
                    once_there(&go);
                    if how == "exit" {
                        std::process::exit(3);
                    }
                    std::process::abort();
                });
            };
            pool.apply(leave, (scratch.at("go"), how.to_owned()))
                .unwrap();
            let error = error_of(
                pool.apply(innocent, (scratch.at("go"),)),
                TaskErrorKind::WorkerDied,
            );
            let text = error.to_string();
            assert!(text.contains(ending) && text.contains("innocent"), "{text}");
            assert_usable(&pool);
        }
        finish(pool);
    });
}

fn innocent(go: String) {
    std::fs::write(go, "").unwrap();
    std::thread::sleep(Duration::from_secs(60));
}

/// What a process has of its own: directory, a variable, a limit, a creation mask.
type State = (String, Option<String>, u64, u32);

fn state() -> State {
    let mask = rustix::process::umask(rustix::fs::Mode::empty());
    rustix::process::umask(mask);
    (
        std::env::current_dir().unwrap().display().to_string(),
        std::fs::read_to_string("/proc/thread-self/comm").ok(),
        rustix::process::getrlimit(rustix::process::Resource::Nofile)
            .current
            .unwrap_or(u64::MAX),
        mask.bits(),
    )
}

/// FAULTS 49: a task's changes to its process stay in that worker, and end with it.
#[test]
fn what_a_task_changes_stays_in_its_worker() {
    scene(|| {
        let own = state();
        let pool = warm(2);
        let scratch = Scratch::new();
        let before = pool.apply(state, ()).unwrap();
        let change = |directory: String| {
            std::env::set_current_dir(directory).unwrap();
            rustix::thread::set_name(c"changed").unwrap();
            rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o77));
            let resource = rustix::process::Resource::Nofile;
            let maximum = rustix::process::getrlimit(resource).maximum;
            let current = Some(99);
            let limit = rustix::process::Rlimit { current, maximum };
            rustix::process::setrlimit(resource, limit).unwrap();
            (own_pid(), state())
        };
        let (pid, changed) = pool.apply(change, (scratch.text(),)).unwrap();
        assert!(changed.0 != before.0 && changed.2 == 99 && changed.3 == 0o77);
        let see = |_: u32| {
            std::thread::sleep(Duration::from_millis(1));
            (own_pid(), state())
        };
        for (at, seen) in pool.call(see).chunk_size(1).map(0..40).unwrap() {
            assert_eq!(seen == changed, at == pid, "only there: {seen:?}");
        }
        // A replacement knows nothing of it.
        let pids = pool.worker_pids();
        pids.iter()
            .for_each(|pid| procession_integration_tests::pool_scene::murder(*pid));
        until("both are replaced", || {
            let now = pool.worker_pids();
            now.len() == 2 && now.iter().all(|pid| !pids.contains(pid))
        });
        for (_, seen) in pool.call(see).chunk_size(1).map(0..40).unwrap() {
            assert_eq!((&seen.0, seen.2, seen.3), (&before.0, before.2, before.3));
        }
        assert_eq!(state(), own, "and neither does this program");
        finish(pool);
    });
}

/// FAULTS 50: with a hook of the task's own, the place of a panic is its affair; the message still comes.
#[test]
fn a_task_may_set_its_own_panic_hook() {
    scene(|| {
        let pool = warm(1);
        let pid = pool.apply(own_pid, ()).unwrap();
        pool.apply(|| std::panic::set_hook(Box::new(|_| ())), ())
            .unwrap();
        for n in 0..3u32 {
            let error = error_of(
                pool.apply(|n: u32| -> () { panic!("number {n}") }, (n,)),
                TaskErrorKind::Panicked,
            );
            assert_eq!(error.panic().unwrap().message(), format!("number {n}"));
        }
        let error = error_of(
            pool.apply(|| -> () { std::panic::panic_any(7) }, ()),
            TaskErrorKind::Panicked,
        );
        assert_eq!(error.panic().unwrap().message(), "<non-string payload>");
        assert_eq!(pool.apply(own_pid, ()).unwrap(), pid);
        finish(pool);
    });
}

/// FAULTS 50: a hook that passes on to the one before keeps the place as well.
#[test]
fn a_chained_panic_hook_keeps_the_place() {
    scene(|| {
        let pool = warm(1);
        let chain = || {
            let before = std::panic::take_hook();
            std::panic::set_hook(Box::new(move |info| before(info)));
        };
        pool.apply(chain, ()).unwrap();
        let error = error_of(
            pool.apply(|| -> () { panic!("chained") }, ()),
            TaskErrorKind::Panicked,
        );
        assert_eq!(error.panic().unwrap().message(), "chained");
        assert!(error.panic().unwrap().line().is_some(), "{error}");
        finish(pool);
    });
}

/// FAULTS 50: limits a task sets on its own process do not reach the link.
#[test]
fn a_task_may_limit_its_own_process() {
    scene(|| {
        let pool = warm(1);
        let limit = || {
            use rustix::process::{Resource, Rlimit, setrlimit};
            for resource in [Resource::Nofile, Resource::Fsize, Resource::Core] {
                let none = Some(0);
                let limit = Rlimit {
                    current: none,
                    maximum: none,
                };
                setrlimit(resource, limit).unwrap();
            }
            own_pid()
        };
        let pid = pool.apply(limit, ()).unwrap();
        // More than a ring holds, in both directions.
        let long = vec![7u8; 1 << 20];
        assert_eq!(
            pool.apply(|bytes: Vec<u8>| bytes, (long.clone(),)).unwrap(),
            long
        );
        assert_usable(&pool);
        assert_eq!(pool.apply(own_pid, ()).unwrap(), pid);
        finish(pool);
    });
}

/// WL33: with `RUST_BACKTRACE` in the workers, a panic brings its backtrace along; a fatal signal always says where.
#[test]
fn backtraces_and_fatal_signals_are_reported() {
    scene(|| {
        let with = |backtrace: &str| {
            let pool = Pool::builder().workers(1).env("RUST_BACKTRACE", backtrace);
            pool.env_remove("RUST_LIB_BACKTRACE").build().unwrap()
        };
        fn panics_deep_inside() {
            panic!("out of paper");
        }
        let pool = with("1");
        let error = error_of(pool.apply(panics_deep_inside, ()), TaskErrorKind::Panicked);
        let backtrace = error.panic().unwrap().backtrace().expect("a backtrace");
        assert!(backtrace.contains("panics_deep_inside"), "{backtrace}");
        let overflows = || -> u64 {
            fn deeper(n: u64) -> u64 {
                if std::hint::black_box(n) == u64::MAX {
                    return 0;
                }
                std::hint::black_box(deeper(n + 1)) + 1
            }
            deeper(0)
        };
        let error = error_of(pool.apply(overflows, ()), TaskErrorKind::WorkerDied);
        let words = error.death().unwrap().last_words();
        assert!(
            words.is_some_and(|words| words.contains("stack overflow")),
            "{error}"
        );
        finish(pool);
        let pool = with("0");
        let error = error_of(pool.apply(panics_deep_inside, ()), TaskErrorKind::Panicked);
        assert_eq!(error.panic().unwrap().backtrace(), None);
        assert_eq!(error.panic().unwrap().message(), "out of paper");
        finish(pool);
    });
}

const MUTE: &str = env!("CARGO_BIN_EXE_pool_mute");

/// FAULTS 82: nothing depends on this program's outputs, captured lines included.
#[test]
fn a_program_with_closed_or_broken_outputs_works() {
    let _watchdog = watchdog(120);
    for how in ["plain", "captured"] {
        let closed = Command::new("sh")
            .args(["-c", "exec \"$0\" \"$1\" >&- 2>&-", MUTE, how])
            .stdin(Stdio::null())
            .status()
            .unwrap();
        assert!(closed.success(), "{how} {closed}");
        // Pipes that nobody reads any more.
        let (out, err) = (std::io::pipe().unwrap(), std::io::pipe().unwrap());
        drop((out.0, err.0));
        let broken = Command::new(MUTE)
            .arg(how)
            .stdin(Stdio::null())
            .stdout(out.1)
            .stderr(err.1)
            .status()
            .unwrap();
        assert!(broken.success(), "{how} {broken}");
    }
}

/// FAULTS 82: the library writes nothing of its own, whatever goes wrong.
#[test]
fn the_library_writes_nothing() {
    let _watchdog = watchdog(120);
    let mut program = Command::new(MUTE)
        .arg("plain")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut text = String::new();
    program
        .stdout
        .take()
        .unwrap()
        .read_to_string(&mut text)
        .unwrap();
    program
        .stderr
        .take()
        .unwrap()
        .read_to_string(&mut text)
        .unwrap();
    assert!(program.wait().unwrap().success());
    assert_eq!(text, "");
}
