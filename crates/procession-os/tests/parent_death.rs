//! A parent that is killed takes its children with it, also one that never looks at its socket.

mod support;

use std::os::fd::OwnedFd;

use procession_os::{Received, Socket, prologue};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, pidfd_open};

fn main() {
    support::main(
        &[
            (
                "busy_child_dies_with_its_killed_parent",
                busy_child_dies_with_its_killed_parent,
            ),
            (
                "parent_that_is_already_gone_is_noticed",
                parent_that_is_already_gone_is_noticed,
            ),
        ],
        &[("parent", parent), ("busy", busy)],
    );
}

/// Starts a busy child from a thread that ends, tells its number, and waits to be killed.
fn parent() {
    let control = Socket::from_fd(prologue::take_control_fd().unwrap());
    let starter = std::thread::spawn(|| {
        let (started, socket) = support::start("busy", |_| {});
        assert!(matches!(socket.recv(0).unwrap(), Received::Packet { .. }));
        (started, socket)
    });
    let (started, _socket) = starter.join().unwrap();
    control
        .send(&started.child.pid().to_ne_bytes(), &[])
        .unwrap();
    let _ = control.recv(0);
}

fn busy() {
    let control = Socket::from_fd(prologue::take_control_fd().unwrap());
    prologue::reset_signals(prologue::Interrupts::Ignore).unwrap();
    assert!(prologue::die_with_parent(std::os::unix::process::parent_id()).unwrap());
    control.send(b"busy", &[]).unwrap();
    loop {
        std::hint::spin_loop();
    }
}

fn watch(pid: u32) -> OwnedFd {
    pidfd_open(
        Pid::from_raw(pid.cast_signed()).unwrap(),
        PidfdFlags::empty(),
    )
    .unwrap()
}

fn busy_child_dies_with_its_killed_parent() {
    let (started, socket) = support::start("parent", |_| {});
    let Received::Packet { bytes, .. } = socket.recv(0).unwrap() else {
        panic!("the parent ended early")
    };
    let grandchild = watch(u32::from_ne_bytes(bytes.try_into().unwrap()));
    started.child.kill().unwrap();
    assert_eq!(started.child.wait().unwrap().signal(), Some(9));
    let limit = Timespec {
        tv_sec: 10,
        tv_nsec: 0,
    };
    assert_eq!(
        poll(&mut [PollFd::new(&grandchild, PollFlags::IN)], Some(&limit)).unwrap(),
        1,
        "the busy child lives on"
    );
}

fn parent_that_is_already_gone_is_noticed() {
    // Asked on a thread of its own: the request itself is per thread and ends with it.
    let noticed = std::thread::spawn(|| prologue::die_with_parent(u32::MAX).unwrap())
        .join()
        .unwrap();
    assert!(!noticed);
    let own = std::thread::spawn(|| {
        prologue::die_with_parent(std::os::unix::process::parent_id()).unwrap()
    })
    .join()
    .unwrap();
    assert!(own);
    rustix::process::set_parent_process_death_signal(None).unwrap();
}
