//! `survey` against hostile trees and surroundings: it never hangs, never panics, and says what it could not read.

mod support;

use std::{
    ffi::OsStr,
    fs,
    os::unix::{
        ffi::OsStrExt,
        fs::{PermissionsExt, symlink},
        net::UnixListener,
    },
    path::Path,
    time::{Duration, Instant},
};

use rustix::{
    fs::{CWD, Mode},
    process::{Signal, geteuid},
};
use serde_json::Value;
use support::{Ended, Folder, Program, kill, program, terminal, within};

fn survey(path: impl AsRef<OsStr>) -> Program {
    program(env!("CARGO_BIN_EXE_survey")).args([path])
}

fn json(ended: &Ended) -> Value {
    serde_json::from_str(&ended.stdout).unwrap_or_else(|error| panic!("{error}: {ended:?}"))
}

#[test]
fn a_loop_of_links_is_not_entered() {
    let folder = Folder::new();
    folder.file("a/file", "text");
    symlink("..", folder.path().join("a/up")).unwrap();
    symlink("self", folder.path().join("self")).unwrap();

    let counted = survey(folder.path()).args(["--json"]).run().code(0);
    assert_eq!(json(&counted)["links_not_followed"], 2);

    let followed = survey(folder.path())
        .args(["--json", "--follow"])
        .run()
        .code(1);
    let value = json(&followed);
    assert_eq!(value["total"]["files"], 1);
    let reasons: Vec<&str> = value["not_read"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|p| p["reason"].as_str())
        .collect();
    assert_eq!(reasons.len(), 2, "{followed:?}");
    assert!(
        reasons.contains(&"a loop of symbolic links"),
        "{followed:?}"
    );
}

#[test]
fn special_files_are_not_opened() {
    let folder = Folder::new();
    folder.file("file", "text");
    rustix::fs::mkfifoat(CWD, folder.path().join("fifo"), Mode::RWXU).unwrap();
    // A socket's name must be short, so it is bound elsewhere and moved here.
    let short = format!("/tmp/procession-{}", std::process::id());
    let _listener = UnixListener::bind(&short).unwrap();
    fs::rename(&short, folder.path().join("socket")).unwrap();
    let ended = survey(folder.path())
        .args(["--json", "/dev/zero"])
        .run()
        .code(0);
    let value = json(&ended);
    assert_eq!(
        (&value["total"]["files"], &value["special_files"]),
        (&1.into(), &3.into())
    );
}

#[test]
fn names_of_any_bytes_are_read_and_shown_safely() {
    let folder = Folder::new();
    for name in [
        &b"not-utf8-\xff"[..],
        b"line\nend",
        b"\x1b[31mred",
        b"back\\slash",
    ] {
        folder.file(OsStr::from_bytes(name), "the same");
    }
    let ended = survey(folder.path()).args(["--json"]).run().code(0);
    let value = json(&ended);
    assert_eq!(value["total"]["files"], 4);
    let names: Vec<&str> = value["duplicates"][0]["paths"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(Value::as_str)
        .collect();
    for expected in [
        r"not-utf8-\xff",
        r"line\x0aend",
        r"\x1b[31mred",
        r"back\\slash",
    ] {
        assert!(
            names.iter().any(|name| name.ends_with(expected)),
            "{expected} in {names:?}"
        );
    }
    let text = survey(folder.path()).run().code(0);
    assert!(!text.stdout.contains('\u{1b}'), "{text:?}");
}

#[test]
fn what_cannot_be_read_is_listed_and_not_fatal() {
    let folder = Folder::new();
    folder.file("good", "text").file("locked", "secret");
    fs::set_permissions(
        folder.path().join("locked"),
        fs::Permissions::from_mode(0o0),
    )
    .unwrap();
    // A regular file whose first byte nobody can read, not even root.
    let ended = survey(folder.path())
        .args(["--json", "/no/such/path", "/proc/self/mem"])
        .run()
        .code(1);
    let value = json(&ended);
    let not_read = value["not_read"].as_array().unwrap();
    let root = geteuid().is_root();
    assert_eq!(value["total"]["files"], if root { 2 } else { 1 });
    assert_eq!(not_read.len(), if root { 2 } else { 3 }, "{ended:?}");
    assert!(
        ended
            .stderr
            .contains("survey: /no/such/path: No such file or directory (os error 2)"),
        "{ended:?}"
    );
    assert!(
        ended
            .stderr
            .contains("survey: /proc/self/mem: Input/output error (os error 5)"),
        "{ended:?}"
    );
}

#[test]
fn a_reader_that_stops_early_is_no_error() {
    let folder = Folder::new();
    folder.file("a", "text");
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let ended = survey(folder.path()).stdout(writer).run().code(0);
    assert!(
        !ended.stderr.contains("panicked") && !ended.stderr.contains("cannot write"),
        "{ended:?}"
    );
}

#[test]
fn a_full_disk_is_an_error_with_its_own_code() {
    let folder = Folder::new();
    folder.file("a", "text");
    let full = fs::OpenOptions::new()
        .write(true)
        .open("/dev/full")
        .unwrap();
    let ended = survey(folder.path()).stdout(full).run().code(3);
    assert!(
        ended
            .stderr
            .contains("cannot write to standard output: No space left on device"),
        "{ended:?}"
    );
}

#[test]
fn nobody_reading_standard_error_changes_nothing() {
    let folder = Folder::new();
    folder.file("a", "text");
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let ended = survey(folder.path())
        .args(["/no/such/path"])
        .stderr(writer)
        .run()
        .code(1);
    assert!(
        ended.stdout.starts_with("1 files in 1 folders"),
        "{ended:?}"
    );
}

/// The process, if any, that has this file open.
fn reader_of(path: &Path, among: &[u32]) -> Option<u32> {
    let has_open = |pid: &&u32| {
        let files = fs::read_dir(format!("/proc/{pid}/fd"))
            .into_iter()
            .flatten()
            .flatten();
        files
            .filter_map(|entry| fs::read_link(entry.path()).ok())
            .any(|target| target == path)
    };
    among.iter().find(has_open).copied()
}

#[test]
fn an_interrupt_ends_it_at_once() {
    let folder = Folder::new();
    let endless = folder.endless("endless").canonicalize().unwrap();
    let running = survey(folder.path()).start();
    assert!(
        within(Duration::from_secs(20), || reader_of(
            &endless,
            &running.started()
        )
        .is_some()),
        "a worker reads"
    );
    let begun = Instant::now();
    running.signal(Signal::INT);
    let ended = running.finish().killed_by(Signal::INT);
    assert!(
        begun.elapsed() < Duration::from_secs(5),
        "{:?}",
        begun.elapsed()
    );
    assert!(
        ended.stdout.is_empty() && !ended.stderr.contains("panicked"),
        "{ended:?}"
    );
}

#[test]
fn a_worker_that_is_killed_costs_only_the_file_it_read() {
    let folder = Folder::new();
    let endless = folder.endless("endless").canonicalize().unwrap();
    for number in 0..200 {
        folder.file(format!("{number}.txt"), "text");
    }
    let running = survey(folder.path()).args(["--json", "-w", "2"]).start();
    let mut reader = None;
    assert!(
        within(Duration::from_secs(20), || {
            reader = reader_of(&endless, &running.started());
            reader.is_some()
        }),
        "a worker reads"
    );
    kill(reader.unwrap());
    let ended = running.finish().code(1);
    let value = json(&ended);
    assert_eq!(value["total"]["files"], 200);
    let problem = &value["not_read"][0];
    assert!(
        problem["path"].as_str().unwrap().ends_with("endless"),
        "{ended:?}"
    );
    assert!(
        problem["reason"].as_str().unwrap().contains("SIGKILL"),
        "{ended:?}"
    );
}

#[test]
fn a_terminal_gets_a_bar() {
    let folder = Folder::new();
    for number in 0..2000 {
        folder.file(format!("{number}.txt"), "text ".repeat(100));
    }
    let (terminal, shown) = terminal();
    let program = survey(folder.path()).stderr(terminal);
    let running = program.start();
    let ended = running.finish().code(0);
    let shown = shown.join().unwrap();
    assert!(
        ended.stdout.starts_with("2,000 files in 1 folders"),
        "{ended:?}"
    );
    assert!(
        shown.contains("\u{1b}[") && shown.contains("files"),
        "{shown:?}"
    );
    assert!(
        shown.contains("survey: 2,000 files"),
        "the last line stays: {shown:?}"
    );
}
