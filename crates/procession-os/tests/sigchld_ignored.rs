//! A host that ignores SIGCHLD: the kernel reaps every child by itself, and the status is exact all the same.
#![expect(unsafe_code, reason = "ignores SIGCHLD as a hostile host would")]

mod support;

use procession_os::{ExitStatus, Received, Signal, Socket, prologue, signal_name};

fn main() {
    // SAFETY: no handler is installed; the disposition is this test binary's own.
    unsafe { libc::signal(libc::SIGCHLD, libc::SIG_IGN) };
    support::main(
        &[(
            "status_is_exact_without_a_zombie",
            status_is_exact_without_a_zombie,
        )],
        &[("obey", obey)],
    );
}

fn obey() {
    let control = Socket::from_fd(prologue::take_control_fd().unwrap());
    prologue::reset_signals(prologue::Interrupts::Default).unwrap();
    match control.recv(0).unwrap() {
        Received::Packet { bytes, .. } if bytes[0] == 255 => std::process::abort(),
        Received::Packet { bytes, .. } => prologue::exit_now(i32::from(bytes[0])),
        Received::Closed => prologue::exit_now(121),
    }
}

/// `PIDFD_GET_INFO` keeps the status since Linux 6.15; before, it is lost, and said to be.
pub(crate) fn kernel_keeps_statuses() -> bool {
    let release = rustix::system::uname()
        .release()
        .to_str()
        .unwrap()
        .to_owned();
    let mut numbers = release
        .split(['.', '-'])
        .map_while(|part| part.parse::<u32>().ok());
    (numbers.next(), numbers.next()) >= (Some(6), Some(15))
}

fn expect(status: ExitStatus, exact: ExitStatus) {
    assert_eq!(
        status,
        if kernel_keeps_statuses() {
            exact
        } else {
            ExitStatus::lost()
        }
    );
}

fn status_is_exact_without_a_zombie() {
    for _ in 0..20 {
        let (started, socket) = support::start("obey", |_| {});
        socket.send(&[42], &[]).unwrap();
        expect(started.child.wait().unwrap(), ExitStatus::exited(42));

        let (started, socket) = support::start("obey", |_| {});
        socket.send(&[255], &[]).unwrap();
        let status = started.child.wait().unwrap();
        assert!(
            !kernel_keeps_statuses() || status.signal().and_then(signal_name) == Some("SIGABRT"),
            "{status}"
        );

        let (started, _socket) = support::start("obey", |_| {});
        started.child.kill().unwrap();
        expect(
            started.child.wait().unwrap(),
            ExitStatus::signaled(9, false),
        );
        started.child.signal(Signal::TERM).unwrap();
        started.child.kill_group().unwrap();
    }
}
