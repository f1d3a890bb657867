//! Tasks that disturb what surrounds them: descriptors, standard streams, processes of their own. The link is elsewhere.
#![expect(
    unsafe_code,
    reason = "descriptors of others are borrowed as a careless program would"
)]

use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};

use procession::TaskErrorKind;
use procession_integration_tests::audit::watchdog;
use procession_integration_tests::pool_scene::{
    LONG, Scratch, assert_usable, error_of, finish, murder, own_pid, scene, until, warm,
};

procession::init_before_main!();

/// FAULTS 46
#[test]
fn a_grandchild_that_keeps_every_descriptor_does_not_hide_a_death() {
    scene(|| {
        let pool = warm(2);
        let scratch = Scratch::new();
        let task = |file: String| -> () {
            for fd in 0..1024 {
                // Nothing is closed at exec, whatever it was opened for.
                // SAFETY: the number is only passed to fcntl, which checks it.
                let fd = unsafe { std::os::fd::BorrowedFd::borrow_raw(fd) };
                let _ = rustix::io::fcntl_setfd(fd, rustix::io::FdFlags::empty());
            }
            let grandchild = Command::new("sleep").arg("1000").spawn().unwrap();
            std::fs::write(&file, grandchild.id().to_string()).unwrap();
            std::process::abort();
        };
        let handle = pool.apply_async(task, (scratch.at("pid"),));
        let outcome = handle.get_timeout(LONG);
        let grandchild: u32 = std::fs::read_to_string(scratch.at("pid"))
            .unwrap()
            .parse()
            .unwrap();
        murder(grandchild);
        error_of(
            outcome.expect("an outcome while the grandchild lives"),
            TaskErrorKind::WorkerDied,
        );
        assert_usable(&pool);
        finish(pool);
    });
}

/// FAULTS 52
#[test]
fn a_socket_in_place_of_stdout_disturbs_nothing() {
    scene(|| {
        let pool = warm(1);
        let task = || {
            let (ours, theirs) = UnixStream::pair().unwrap();
            rustix::stdio::dup2_stdout(&ours).unwrap();
            rustix::stdio::dup2_stderr(&ours).unwrap();
            drop(ours);
            std::io::stdout().write_all(b"to the socket\n").unwrap();
            std::io::stdout().flush().unwrap();
            let mut heard = [0; 14];
            (&theirs).read_exact(&mut heard).unwrap();
            std::mem::forget(theirs);
            String::from_utf8_lossy(&heard).into_owned()
        };
        assert_eq!(pool.apply(task, ()).unwrap(), "to the socket\n");
        let pid = pool.apply(own_pid, ()).unwrap();
        error_of(
            pool.apply(|| -> () { panic!("still told") }, ()),
            TaskErrorKind::Panicked,
        );
        assert_usable(&pool);
        assert_eq!(pool.apply(own_pid, ()).unwrap(), pid);
        finish(pool);
    });
}

/// FAULTS 53
#[test]
fn a_task_that_reads_stdin_finds_its_end() {
    scene(|| {
        let pool = warm(1);
        let task = || {
            let mut text = String::new();
            std::io::stdin()
                .read_to_string(&mut text)
                .map_err(|e| e.to_string())?;
            Ok::<String, String>(text)
        };
        assert_eq!(pool.apply(task, ()).unwrap(), Ok(String::new()));
        finish(pool);
    });
}

/// FAULTS 52: a descriptor opened by a task is none of the library's.
#[test]
fn a_worker_has_no_descriptors_but_its_own() {
    scene(|| {
        let (_host_s, _other) = UnixStream::pair().unwrap();
        let careless = rustix::io::fcntl_dupfd_cloexec(_host_s.as_fd(), 100).unwrap();
        rustix::io::fcntl_setfd(&careless, rustix::io::FdFlags::empty()).unwrap();
        let pool = warm(1);
        let list = || {
            let open = std::fs::read_dir("/proc/self/fd").unwrap().flatten();
            open.map(|entry| {
                let target = std::fs::read_link(entry.path()).unwrap_or_default();
                format!("{} {}", entry.file_name().display(), target.display())
            })
            .collect::<Vec<String>>()
        };
        let open = pool.apply(list, ()).unwrap();
        // stdin, stdout, stderr, the control socket, the link, and the directory that is read.
        assert!(open.len() <= 6, "{open:#?}");
        assert_eq!(
            open.iter().filter(|line| line.contains("socket:")).count(),
            1 + outputs_that_are_sockets(),
            "{open:#?}"
        );
        finish(pool);
    });
}

fn outputs_that_are_sockets() -> usize {
    let is_socket = |fd: &str| {
        std::fs::read_link(format!("/proc/self/fd/{fd}"))
            .is_ok_and(|t| t.to_string_lossy().starts_with("socket:"))
    };
    usize::from(is_socket("1")) + usize::from(is_socket("2"))
}

/// What the program below writes to each stream.
const FLOOD: usize = 8 << 20;
const FLOODING: &str = "PROCESSION_TEST_FLOOD";

/// FAULTS 51: the part that floods; does nothing unless the test below runs it.
#[test]
fn flood() {
    if std::env::var_os(FLOODING).is_none() {
        return;
    }
    scene(|| {
        let pool = warm(2);
        let pour = |_: u32| {
            let line = [b'x'; 4096];
            for _ in 0..FLOOD / 4096 / 4 {
                std::io::stdout().write_all(&line).unwrap();
                std::io::stderr().write_all(&line).unwrap();
            }
        };
        pool.call(pour).chunk_size(1).map(0..4).unwrap();
        assert_usable(&pool);
        finish(pool);
    });
}

/// FAULTS 51
#[test]
fn a_flood_of_output_does_not_reach_the_link() {
    let _watchdog = watchdog(180);
    let mut program = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "flood", "--nocapture"])
        .env(FLOODING, "1")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let (mut out, mut err) = (
        program.stdout.take().unwrap(),
        program.stderr.take().unwrap(),
    );
    let errors = std::thread::spawn(move || {
        let mut bytes = Vec::new();
        err.read_to_end(&mut bytes).unwrap();
        bytes
    });
    let mut bytes = Vec::new();
    out.read_to_end(&mut bytes).unwrap();
    let errors = errors.join().unwrap();
    let status = program.wait().unwrap();
    let poured = |bytes: &[u8]| bytes.iter().filter(|b| **b == b'x').count();
    assert!(
        status.success(),
        "{}",
        String::from_utf8_lossy(&errors[errors.len().saturating_sub(2_000)..])
    );
    assert!(poured(&bytes) >= FLOOD && poured(&errors) >= FLOOD);
}

/// FAULTS 46: what a worker started is in its group, and the group is the worker's own.
#[test]
fn a_worker_leads_a_group_of_its_own() {
    scene(|| {
        let pool = warm(2);
        let groups = pool
            .map(
                |_: u32| {
                    std::thread::sleep(std::time::Duration::from_millis(1));
                    (own_pid(), rustix::process::getpgrp().as_raw_nonzero().get())
                },
                0..20,
            )
            .unwrap();
        assert!(groups.iter().all(|(pid, group)| *pid as i32 == *group));
        until("nothing runs", || pool.stats().running == 0);
        finish(pool);
    });
}
