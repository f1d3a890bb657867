//! A host that forks itself: the copy's handles are errors, never a hang, and the original's children stay whole.
#![expect(unsafe_code, reason = "forks this test binary")]

mod support;

use std::time::{Duration, Instant};

use procession_os::{Child, Received, Socket, Spawn, Starting, prologue};

fn main() {
    support::main(
        &[("copy_can_touch_nothing", copy_can_touch_nothing)],
        &[("obey", obey)],
    );
}

fn obey() {
    let control = Socket::from_fd(prologue::take_control_fd().unwrap());
    match control.recv(0).unwrap() {
        Received::Packet { bytes, .. } => prologue::exit_now(i32::from(bytes[0])),
        Received::Closed => prologue::exit_now(121),
    }
}

/// What the copy checks; a number for each thing that is not as it should be.
fn in_the_copy(child: Child, starting: Starting) -> i32 {
    let is_refused = |error: procession_os::Error| error.to_string().contains("forked copy");
    let Ok((_socket, control)) = Socket::pair() else {
        return 1;
    };
    if !Spawn::own_image(control)
        .start()
        .err()
        .is_some_and(is_refused)
    {
        return 2;
    }
    if !starting.finish().err().is_some_and(is_refused) {
        return 5;
    }
    if !child.kill().err().is_some_and(is_refused)
        || !child.kill_group().err().is_some_and(is_refused)
    {
        return 3;
    }
    if !child.try_wait().err().is_some_and(is_refused)
        || !child.wait().err().is_some_and(is_refused)
    {
        return 4;
    }
    drop(child);
    0
}

fn copy_can_touch_nothing() {
    let (started, socket) = support::start("obey", |_| {});
    let child = started.child;
    let (_socket, control) = Socket::pair().unwrap();
    let mut spawn = Spawn::own_image(control);
    spawn.current_dir = Some("/no/such/directory".into());
    let starting = spawn.begin().unwrap();
    // SAFETY: the copy calls nothing that another thread could hold a lock of, and leaves with `_exit`.
    let pid = unsafe { libc::fork() };
    if pid == 0 {
        prologue::exit_now(in_the_copy(child, starting));
    }
    assert!(starting.finish().is_err(), "no such directory");
    let copy = Child::adopt(pid.cast_unsigned()).unwrap();
    let limit = Instant::now() + Duration::from_secs(20);
    let status = copy
        .wait_deadline(Some(limit))
        .unwrap()
        .expect("the copy hangs");
    assert_eq!(status.code(), Some(0), "see in_the_copy");

    assert_eq!(child.try_wait().unwrap(), None);
    socket.send(&[5], &[]).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(5));
}
