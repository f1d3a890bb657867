//! Starting a child: what it inherits, what refuses, what a refusal leaves behind, and whose thread it belongs to.

mod support;

use std::io::Read;
use std::process::Stdio;

use procession_os::{Received, Signal, Socket, Spawn, check_descriptors, prologue};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

fn main() {
    support::main(
        &[
            (
                "missing_directory_is_a_clear_error",
                missing_directory_is_a_clear_error,
            ),
            (
                "nul_byte_in_the_environment_is_an_error",
                nul_byte_in_the_environment_is_an_error,
            ),
            (
                "environment_is_set_removed_and_cleared",
                environment_is_set_removed_and_cleared,
            ),
            (
                "directory_and_name_are_the_childs",
                directory_and_name_are_the_childs,
            ),
            ("outputs_are_captured", outputs_are_captured),
            (
                "child_outlives_the_thread_that_asked",
                child_outlives_the_thread_that_asked,
            ),
            ("child_leads_its_own_group", child_leads_its_own_group),
            (
                "full_descriptor_table_is_an_error_and_starts_nothing",
                full_descriptor_table_is_an_error_and_starts_nothing,
            ),
            ("many_threads_start_at_once", many_threads_start_at_once),
        ],
        &[("describe", describe), ("stay", stay)],
    );
}

/// Sends what it sees of itself, one line each.
fn describe() {
    let control = Socket::from_fd(prologue::take_control_fd().unwrap());
    let mut lines = vec![format!(
        "cwd={}",
        std::env::current_dir().unwrap().display()
    )];
    lines.push(format!("arg0={}", std::env::args().next().unwrap()));
    lines.extend(std::env::vars().map(|(name, value)| format!("{name}={value}")));
    println!("to stdout");
    eprintln!("to stderr");
    control.send(lines.join("\n").as_bytes(), &[]).unwrap();
}

/// Says so and stays until its parent is gone.
fn stay() {
    let control = Socket::from_fd(prologue::take_control_fd().unwrap());
    prologue::reset_signals(prologue::Interrupts::Default).unwrap();
    assert!(prologue::die_with_parent(std::os::unix::process::parent_id()).unwrap());
    control.send(b"up", &[]).unwrap();
    let _ = control.recv(0);
}

fn text(socket: &Socket) -> String {
    match socket.recv(0).unwrap() {
        Received::Packet { bytes, .. } => String::from_utf8(bytes).unwrap(),
        Received::Closed => panic!("the child ended without a word"),
    }
}

fn described(change: impl FnOnce(&mut Spawn)) -> Vec<String> {
    let (started, socket) = support::start("describe", |spawn| {
        spawn.stdout = Stdio::null();
        spawn.stderr = Stdio::null();
        change(spawn);
    });
    let lines = text(&socket).lines().map(str::to_owned).collect();
    assert!(started.child.wait().unwrap().success());
    lines
}

fn missing_directory_is_a_clear_error() {
    let (_socket, control) = Socket::pair().unwrap();
    let mut spawn = Spawn::own_image(control);
    spawn.current_dir = Some("/no/such/directory".into());
    let error = spawn.start().unwrap_err();
    assert_eq!(
        error.to_string(),
        "cannot start /proc/self/exe in directory /no/such/directory (posix_spawn): No such file or directory (os error 2)"
    );
    assert_eq!(error.raw_os_error(), Some(2));
}

fn nul_byte_in_the_environment_is_an_error() {
    let (_socket, control) = Socket::pair().unwrap();
    let mut spawn = Spawn::own_image(control);
    spawn.env.push(("NAME".into(), Some("a\0b".into())));
    let error = spawn.start().unwrap_err();
    assert!(error.to_string().contains("nul byte"), "{error}");
}

fn environment_is_set_removed_and_cleared() {
    let lines = described(|spawn| {
        spawn.env.push(("ADDED".into(), Some("yes".into())));
        spawn.env.push(("PATH".into(), None));
    });
    assert!(lines.contains(&"ADDED=yes".to_owned()));
    assert!(!lines.iter().any(|line| line.starts_with("PATH=")));

    let lines = described(|spawn| spawn.env_clear = true);
    let variables = lines.len() - 2;
    assert_eq!(
        variables, 0,
        "only the role was set, and it was taken: {lines:?}"
    );
}

fn directory_and_name_are_the_childs() {
    let lines = described(|spawn| {
        spawn.current_dir = Some("/usr".into());
        spawn.arg0 = "worker".into();
    });
    assert_eq!(lines[..2], ["cwd=/usr", "arg0=worker"]);
}

fn outputs_are_captured() {
    let (mut started, socket) = support::start("describe", |spawn| {
        spawn.stdout = Stdio::piped();
        spawn.stderr = Stdio::piped();
    });
    text(&socket);
    let (mut stdout, mut stderr) = (String::new(), String::new());
    started
        .stdout
        .take()
        .unwrap()
        .read_to_string(&mut stdout)
        .unwrap();
    started
        .stderr
        .take()
        .unwrap()
        .read_to_string(&mut stderr)
        .unwrap();
    assert_eq!(
        (stdout.as_str(), stderr.as_str()),
        ("to stdout\n", "to stderr\n")
    );
    assert!(started.child.wait().unwrap().success());
}

fn child_outlives_the_thread_that_asked() {
    let asking = std::thread::spawn(|| {
        let (started, socket) = support::start("stay", |_| {});
        assert_eq!(text(&socket), "up"); // its parent-death signal is set by now
        (started, socket)
    });
    let (started, socket) = asking.join().unwrap();
    // The kernel delivers the signal while the thread ends, and `join` returns after that: had it been meant for this
    // child, the signal would be pending by now.
    let grace = std::time::Instant::now() + std::time::Duration::from_millis(50);
    assert_eq!(started.child.wait_deadline(Some(grace)).unwrap(), None);
    drop(socket);
    assert!(started.child.wait().unwrap().success());
}

fn child_leads_its_own_group() {
    let (started, socket) = support::start("stay", |_| {});
    assert_eq!(text(&socket), "up");
    let pid = rustix::process::Pid::from_raw(started.child.pid().cast_signed()).unwrap();
    assert_eq!(rustix::process::getpgid(Some(pid)).unwrap(), pid);
    started.child.kill_group().unwrap();
    assert_eq!(
        started.child.wait().unwrap().signal(),
        Some(Signal::KILL.as_raw())
    );
}

fn full_descriptor_table_is_an_error_and_starts_nothing() {
    let before = getrlimit(Resource::Nofile);
    let (_socket, control) = Socket::pair().unwrap();
    let mut refusals = 0;
    // Room for 0, 1, 2, .. more: a start needs a few, and every shortage on the way is an error that leaves nothing.
    for room in 0..12 {
        let spawn = Spawn::own_image(control.try_clone().unwrap());
        setrlimit(
            Resource::Nofile,
            Rlimit {
                current: Some(64),
                ..before
            },
        )
        .unwrap();
        let mut filling: Vec<_> = std::iter::from_fn(|| control.try_clone().ok()).collect();
        filling.truncate(filling.len() - room);
        let outcome = spawn.start();
        drop(filling.split_off(filling.len() - 1)); // the count takes one
        let budget = check_descriptors(64, "64 tests");
        setrlimit(Resource::Nofile, before).unwrap();
        let text = budget.unwrap_err().to_string();
        assert!(
            text.starts_with("64 tests need 64 descriptors; ")
                && text.contains(" soft limit 64, hard limit "),
            "{text}"
        );
        match outcome {
            Ok(started) => {
                started.child.kill().unwrap();
                started.child.wait().unwrap();
            }
            Err(error) => {
                refusals += 1;
                assert_eq!(error.raw_os_error(), Some(24), "{error}");
            }
        }
    }
    assert!((1..12).contains(&refusals), "{refusals} refusals");
}

fn many_threads_start_at_once() {
    let starters: Vec<_> = (0..8)
        .map(|_| {
            std::thread::spawn(|| {
                let (started, socket) = support::start("stay", |_| {});
                assert_eq!(text(&socket), "up");
                drop(socket);
                assert!(started.child.wait().unwrap().success());
            })
        })
        .collect();
    starters
        .into_iter()
        .for_each(|starter| starter.join().unwrap());
}
