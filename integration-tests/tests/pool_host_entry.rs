//! How workers come into being: without `init`, nested too deep, with descriptors that are none of their business.

use std::os::fd::{AsRawFd, OwnedFd};
use std::process::Command;
use std::time::Duration;

use procession::{Pool, TaskErrorKind};
use procession_integration_tests::audit::{alone, snapshot, watchdog};

procession::init_before_main!();

fn program(how: &str) -> (String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_pool_no_init"))
        .arg(how)
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    (
        String::from_utf8(output.stdout).unwrap(),
        String::from_utf8(output.stderr).unwrap(),
    )
}

/// FAULTS 74: forgotten altogether, nothing is started.
#[test]
fn without_init_there_is_no_pool() {
    let _watchdog = watchdog(120);
    let (text, stderr) = program("never");
    assert_eq!(text.lines().count(), 2, "one main, one answer: {text}");
    assert!(
        text.contains("error true procession is not initialized: write `procession::init();`"),
        "{text}"
    );
    assert_eq!(stderr, "");
}

/// FAULTS 74: workers reach main without it and make pools of their own there: a few starts, one clear error.
#[test]
fn a_worker_that_reaches_main_ends_there() {
    let _watchdog = watchdog(120);
    let (text, stderr) = program("late");
    let mains = text.matches("main of ").count();
    assert!(
        (2..=12).contains(&mains),
        "one parent, a bounded number of starts: {text}"
    );
    let errors: Vec<_> = text
        .lines()
        .filter(|line| !line.starts_with("main of "))
        .collect();
    assert_eq!(errors.len(), 4, "{text}");
    for error in errors {
        assert!(error.starts_with("Broken "), "{error}");
        assert!(
            error.contains("reached main without procession::init()"),
            "{error}"
        );
    }
    assert!(
        stderr.lines().all(|line| line.starts_with("procession: a child process reached this program's main")),
        "{stderr}"
    );
}

/// FAULTS 74: workers whose main just returns.
#[test]
fn a_worker_whose_main_returns_never_becomes_ready() {
    let _watchdog = watchdog(120);
    let (text, _) = program("returns");
    let errors: Vec<_> = text
        .lines()
        .filter(|line| !line.starts_with("main of "))
        .collect();
    assert_eq!(errors.len(), 4, "{text}");
    for error in errors {
        assert!(
            error.starts_with("Broken ") && error.contains("exited with code 0"),
            "{error}"
        );
    }
}

/// One level deeper: `Ok` carries how deep it went, `Err` the text of the error that ended it.
fn deeper(level: u32) -> (u32, String) {
    match Pool::new(1) {
        Ok(pool) => pool.apply(deeper, (level + 1,)).unwrap(),
        Err(error) => (level, error.to_string()),
    }
}

/// FAULTS 106
#[test]
fn pools_nest_to_a_limit_that_is_an_error() {
    let _alone = alone(240);
    drop(Pool::new(1).unwrap());
    let before = snapshot();
    let (depth, error) = deeper(0);
    assert_eq!(depth, 10, "{error}");
    assert!(error.contains("nested 10 deep"), "{error}");
    before.assert_nothing_left();
}

/// FAULTS 106: a worker that dies takes its own workers along; the pool above works on.
#[test]
fn a_nested_pool_ends_with_its_worker() {
    let _alone = alone(120);
    drop(Pool::new(1).unwrap());
    let before = snapshot();
    let pool = Pool::new(2).unwrap();
    let file = std::env::temp_dir().join(format!("procession-nested-{}", std::process::id()));
    let dies = |file: String| -> u32 {
        let inner = Pool::new(2).unwrap();
        assert_eq!(
            inner
                .map(|x: u32| x * 2, 0..10)
                .unwrap()
                .iter()
                .sum::<u32>(),
            90
        );
        let pids: Vec<_> = inner.worker_pids().iter().map(u32::to_string).collect();
        std::fs::write(file, pids.join(" ")).unwrap();
        std::process::abort()
    };
    let error = pool.apply(dies, (file.display().to_string(),)).unwrap_err();
    assert_eq!(error.kind(), TaskErrorKind::WorkerDied, "{error}");
    let text = std::fs::read_to_string(&file).unwrap();
    let _ = std::fs::remove_file(&file);
    let pids: Vec<u32> = text.split(' ').map(|pid| pid.parse().unwrap()).collect();
    assert_eq!(pids.len(), 2);
    procession_integration_tests::audit::assert_all_end(&pids, Duration::from_secs(20));
    assert_eq!(pool.apply(|x: u32| x + 1, (1,)).unwrap(), 2);
    drop(pool);
    before.assert_nothing_left();
}

/// HY01: descriptors that the program did not mark to be closed are closed in a worker, replacements included.
#[test]
fn workers_have_none_of_the_program_s_descriptors() {
    let _alone = alone(120);
    let (read, write) = rustix::pipe::pipe().unwrap();
    let (a, b) = std::os::unix::net::UnixStream::pair().unwrap();
    let foreign =
        [read, write, a.into(), b.into()].map(|fd: OwnedFd| rustix::io::dup(&fd).unwrap());
    assert!(foreign.iter().all(|fd| {
        !rustix::io::fcntl_getfd(fd)
            .unwrap()
            .contains(rustix::io::FdFlags::CLOEXEC)
    }));
    let open = || -> Vec<(i32, String)> {
        let entries = std::fs::read_dir("/proc/self/fd").unwrap().flatten();
        let named = entries.filter_map(|entry| {
            let target = std::fs::read_link(entry.path()).ok()?.display().to_string();
            Some((entry.file_name().to_string_lossy().parse().ok()?, target))
        });
        named
            .filter(|(_, target)| !target.ends_with("/fd"))
            .collect()
    };
    let inodes: Vec<String> = foreign
        .iter()
        .map(|fd| {
            std::fs::read_link(format!("/proc/self/fd/{}", fd.as_raw_fd()))
                .unwrap()
                .display()
                .to_string()
        })
        .collect();
    let pool = Pool::new(1).unwrap();
    for _ in 0..2 {
        let seen = pool.apply(open, ()).unwrap();
        assert!(
            seen.iter().all(|(_, target)| !inodes.contains(target)),
            "{seen:?}"
        );
        // Nor one of the library's own memory: its mapping is enough.
        assert!(
            seen.iter().all(|(_, target)| !target.contains("memfd:")),
            "{seen:?}"
        );
        assert_eq!(seen.iter().find(|(fd, _)| *fd == 0).unwrap().1, "/dev/null");
        let own = seen.iter().filter(|(fd, _)| *fd > 2).count();
        assert!(
            own <= 2,
            "its control socket and at most the link: {seen:?}"
        );
        let _ = pool.apply(|| std::process::exit(0), ()).map(|(): ()| ());
    }
}

/// Says at compile time whether a type can travel: the inherent constant exists for those alone, and comes first.
struct Probe<T>(std::marker::PhantomData<T>);

impl<T: serde::Serialize> Probe<T> {
    const TRAVELS: bool = true;
}

trait Otherwise {
    const TRAVELS: bool = false;
}

impl<T> Otherwise for Probe<T> {}

/// FAULTS 91: neither a pool nor a handle can be an argument or a result, so no task waits for its own pool by mistake.
#[test]
fn pools_and_handles_do_not_travel() {
    const {
        assert!(Probe::<u32>::TRAVELS);
        assert!(!Probe::<Pool>::TRAVELS);
        assert!(!Probe::<&Pool>::TRAVELS);
        assert!(!Probe::<procession::AsyncResult<u32>>::TRAVELS);
    }
}
