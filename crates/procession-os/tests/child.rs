//! A child handle: every way to wait, to signal and to let go of a process. The children are real.

mod support;

use std::io::Read;
use std::sync::Arc;
use std::time::{Duration, Instant};

use procession_os::{Child, ExitStatus, Received, Signal, Socket, Spawn, prologue};

fn main() {
    support::main(
        &[
            ("exit_code_is_reported", exit_code_is_reported),
            ("signal_is_reported_by_name", signal_is_reported_by_name),
            (
                "deadline_passes_while_it_runs",
                deadline_passes_while_it_runs,
            ),
            (
                "deadline_in_the_past_looks_once",
                deadline_in_the_past_looks_once,
            ),
            ("signal_after_the_end_is_ok", signal_after_the_end_is_ok),
            ("stopped_child_can_be_killed", stopped_child_can_be_killed),
            (
                "many_threads_wait_for_one_child",
                many_threads_wait_for_one_child,
            ),
            (
                "adopting_a_stranger_is_an_error",
                adopting_a_stranger_is_an_error,
            ),
            (
                "adopting_a_reaped_child_is_an_error",
                adopting_a_reaped_child_is_an_error,
            ),
            (
                "dropped_handle_of_an_ended_child_reaps",
                dropped_handle_of_an_ended_child_reaps,
            ),
            (
                "dropped_handle_of_a_running_child_reaps_later",
                dropped_handle_of_a_running_child_reaps_later,
            ),
            (
                "group_is_killed_after_its_leader_was_reaped",
                group_is_killed_after_its_leader_was_reaped,
            ),
        ],
        &[("obey", obey), ("leave_a_grandchild", leave_a_grandchild)],
    );
}

/// Exits with the code it is told, and waits for ever when told nothing.
fn obey() {
    prologue::reset_signals(prologue::Interrupts::Default).unwrap();
    let control = Socket::from_fd(prologue::take_control_fd().unwrap());
    control.send(b"ready", &[]).unwrap();
    match control.recv(0).unwrap() {
        Received::Packet { bytes, .. } => prologue::exit_now(i32::from(bytes[0])),
        Received::Closed => prologue::exit_now(121),
    }
}

/// Starts a process that stays in this one's group, holds the pipe of our output, and is left alone.
fn leave_a_grandchild() {
    prologue::reset_signals(prologue::Interrupts::Default).unwrap();
    let control = prologue::take_control_fd().unwrap();
    #[expect(clippy::zombie_processes, reason = "leaving it is the test")]
    std::process::Command::new("sleep")
        .arg("1000")
        .spawn()
        .unwrap();
    Socket::from_fd(control).send(b"left", &[]).unwrap();
    prologue::exit_now(0);
}

fn start_ready() -> (Child, Socket) {
    let (started, socket) = support::start("obey", |_| {});
    assert!(matches!(socket.recv(0).unwrap(), Received::Packet { .. }));
    (started.child, socket)
}

fn exit_code_is_reported() {
    let (child, socket) = start_ready();
    assert_eq!(child.try_wait().unwrap(), None);
    socket.send(&[7], &[]).unwrap();
    assert_eq!(child.wait().unwrap(), ExitStatus::exited(7));
    assert_eq!(child.try_wait().unwrap(), Some(ExitStatus::exited(7)));
}

fn signal_is_reported_by_name() {
    let (child, _socket) = start_ready();
    child.signal(Signal::TERM).unwrap();
    assert_eq!(child.wait().unwrap().to_string(), "signal SIGTERM (15)");
}

fn deadline_passes_while_it_runs() {
    let (child, _socket) = start_ready();
    let began = Instant::now();
    let deadline = began + Duration::from_millis(30);
    assert_eq!(child.wait_deadline(Some(deadline)).unwrap(), None);
    assert!(began.elapsed() >= Duration::from_millis(30));
    child.kill().unwrap();
    assert_eq!(
        child.wait_deadline(None).unwrap(),
        Some(ExitStatus::signaled(9, false))
    );
}

fn deadline_in_the_past_looks_once() {
    let (child, socket) = start_ready();
    let past = Instant::now();
    assert_eq!(child.wait_deadline(Some(past)).unwrap(), None);
    socket.send(&[3], &[]).unwrap();
    rustix::event::poll(
        &mut [rustix::event::PollFd::new(
            &child,
            rustix::event::PollFlags::IN,
        )],
        None,
    )
    .unwrap();
    assert_eq!(
        child.wait_deadline(Some(past)).unwrap(),
        Some(ExitStatus::exited(3))
    );
}

fn signal_after_the_end_is_ok() {
    let (child, socket) = start_ready();
    socket.send(&[0], &[]).unwrap();
    assert!(child.wait().unwrap().success());
    child.signal(Signal::TERM).unwrap();
    child.kill().unwrap();
    child.kill_group().unwrap();
    assert!(child.wait().unwrap().success());
}

fn stopped_child_can_be_killed() {
    let (child, _socket) = start_ready();
    child.signal(Signal::STOP).unwrap();
    assert_eq!(child.try_wait().unwrap(), None);
    child.kill().unwrap();
    assert_eq!(child.wait().unwrap().signal(), Some(9));
}

fn many_threads_wait_for_one_child() {
    let (child, socket) = start_ready();
    let child = Arc::new(child);
    let waiters: Vec<_> = (0..8)
        .map(|_| {
            let child = Arc::clone(&child);
            std::thread::spawn(move || child.wait().unwrap())
        })
        .collect();
    socket.send(&[9], &[]).unwrap();
    for waiter in waiters {
        assert_eq!(waiter.join().unwrap(), ExitStatus::exited(9));
    }
}

fn adopting_a_stranger_is_an_error() {
    let parent = std::os::unix::process::parent_id();
    for stranger in [std::process::id(), parent] {
        let error = Child::adopt(stranger).unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with(&format!("process {stranger} is not a child")),
            "{error}"
        );
        assert_eq!(error.raw_os_error(), Some(10));
    }
    for nonsense in [0, u32::MAX] {
        assert_eq!(
            Child::adopt(nonsense).unwrap_err().to_string(),
            format!("{nonsense} is no process number")
        );
    }
}

fn adopting_a_reaped_child_is_an_error() {
    let (child, socket) = start_ready();
    socket.send(&[0], &[]).unwrap();
    child.wait().unwrap();
    let error = Child::adopt(child.pid()).unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with(&format!("cannot open a pidfd for process {}", child.pid())),
        "{error}"
    );
}

fn dropped_handle_of_an_ended_child_reaps() {
    let (child, socket) = start_ready();
    socket.send(&[0], &[]).unwrap();
    rustix::event::poll(
        &mut [rustix::event::PollFd::new(
            &child,
            rustix::event::PollFlags::IN,
        )],
        None,
    )
    .unwrap();
    drop(child); // the audit finds no zombie
}

fn dropped_handle_of_a_running_child_reaps_later() {
    let (child, socket) = start_ready();
    let watch = rustix::io::dup(&child).unwrap();
    drop(child);
    socket.send(&[0], &[]).unwrap();
    rustix::event::poll(
        &mut [rustix::event::PollFd::new(
            &watch,
            rustix::event::PollFlags::IN,
        )],
        None,
    )
    .unwrap();
    let (other, _socket) = start_ready(); // a start sweeps
    other.kill().unwrap();
    other.wait().unwrap();
}

fn group_is_killed_after_its_leader_was_reaped() {
    let (mut started, socket) = support::start("leave_a_grandchild", |spawn: &mut Spawn| {
        spawn.stdout = std::process::Stdio::piped();
    });
    assert!(matches!(socket.recv(0).unwrap(), Received::Packet { .. }));
    assert!(started.child.wait().unwrap().success());
    started.child.kill_group().unwrap();
    // The grandchild held the pipe's write end: end of file means that it is gone.
    let mut rest = Vec::new();
    started
        .stdout
        .take()
        .unwrap()
        .read_to_end(&mut rest)
        .unwrap();
}
