//! The control socket at its edges: closed peers, too much of anything, and descriptors that must not leak.
#![expect(
    unsafe_code,
    reason = "gives SIGPIPE its default action, so that a wrong send would end the test"
)]

mod support;

use std::io::{ErrorKind, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use procession_os::{Received, Socket, prologue};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

fn main() {
    // SAFETY: no handler is installed; the disposition is this test binary's own.
    unsafe { libc::signal(libc::SIGPIPE, libc::SIG_DFL) };
    support::main(
        &[
            (
                "descriptors_reach_another_process",
                descriptors_reach_another_process,
            ),
            (
                "packets_keep_bounds_and_order",
                packets_keep_bounds_and_order,
            ),
            (
                "sizes_outside_the_limits_are_errors",
                sizes_outside_the_limits_are_errors,
            ),
            (
                "closed_peer_is_an_error_for_send_and_an_end_for_recv",
                closed_peer_is_an_error_for_send_and_an_end_for_recv,
            ),
            (
                "last_words_of_a_peer_that_read_nothing_arrive",
                last_words_of_a_peer_that_read_nothing_arrive,
            ),
            (
                "more_descriptors_than_expected_is_an_error",
                more_descriptors_than_expected_is_an_error,
            ),
            (
                "no_room_for_descriptors_is_an_error_and_leaks_nothing",
                no_room_for_descriptors_is_an_error_and_leaks_nothing,
            ),
            (
                "full_socket_blocks_nobody_who_only_tries",
                full_socket_blocks_nobody_who_only_tries,
            ),
            (
                "received_descriptors_are_closed_on_exec",
                received_descriptors_are_closed_on_exec,
            ),
        ],
        &[("write_to_it", write_to_it)],
    );
}

fn pair() -> (Socket, Socket) {
    let (ours, theirs) = Socket::pair().unwrap();
    (ours, Socket::from_fd(theirs))
}

fn packet(received: Received) -> (Vec<u8>, Vec<OwnedFd>) {
    match received {
        Received::Packet { bytes, fds } => (bytes, fds),
        Received::Closed => panic!("closed"),
    }
}

/// Receives a pipe's write end and writes into it.
fn write_to_it() {
    let control = Socket::from_fd(prologue::take_control_fd().unwrap());
    let (_, mut fds) = packet(control.recv(1).unwrap());
    std::fs::File::from(fds.pop().unwrap())
        .write_all(b"through your own descriptor")
        .unwrap();
}

fn descriptors_reach_another_process() {
    let (started, socket) = support::start("write_to_it", |_| {});
    let (mut reader, writer) = std::io::pipe().unwrap();
    socket.send(b"write", &[writer.as_fd()]).unwrap();
    drop(writer);
    let mut text = String::new();
    reader.read_to_string(&mut text).unwrap();
    assert_eq!(text, "through your own descriptor");
    assert!(started.child.wait().unwrap().success());
}

fn packets_keep_bounds_and_order() {
    let (ours, theirs) = pair();
    let largest = vec![3; Socket::MAX_PACKET];
    for bytes in [&[1][..], &[2; 1000], &largest] {
        ours.send(bytes, &[]).unwrap();
    }
    for bytes in [&[1][..], &[2; 1000], &largest] {
        assert_eq!(packet(theirs.recv(0).unwrap()).0, bytes);
    }
    assert!(theirs.try_recv(0).unwrap().is_none());
}

fn sizes_outside_the_limits_are_errors() {
    let (ours, theirs) = pair();
    assert_eq!(
        ours.send(&vec![0; Socket::MAX_PACKET + 1], &[])
            .unwrap_err()
            .raw_os_error(),
        Some(90)
    );
    assert_eq!(ours.send(&[], &[]).unwrap_err().raw_os_error(), Some(22));
    let many: Vec<BorrowedFd<'_>> = vec![ours.as_fd(); Socket::MAX_FDS + 1];
    assert_eq!(ours.send(b"x", &many).unwrap_err().raw_os_error(), Some(22));
    ours.send(b"x", &many[..Socket::MAX_FDS]).unwrap();
    assert_eq!(
        packet(theirs.recv(Socket::MAX_FDS).unwrap()).1.len(),
        Socket::MAX_FDS
    );

    // A peer that does not keep to the packet limit.
    rustix::net::send(
        &ours,
        &vec![0; Socket::MAX_PACKET + 1],
        rustix::net::SendFlags::empty(),
    )
    .unwrap();
    let error = theirs.recv(0).unwrap_err();
    assert_eq!(error.to_string(), "a packet was longer than 65536 bytes");
}

fn closed_peer_is_an_error_for_send_and_an_end_for_recv() {
    let (ours, theirs) = pair();
    theirs.send(b"last", &[]).unwrap();
    drop(theirs);
    for _ in 0..3 {
        let error = ours.send(b"anyone?", &[]).unwrap_err();
        assert!(
            matches!(
                error.io_kind(),
                ErrorKind::BrokenPipe | ErrorKind::ConnectionReset
            ),
            "{error}"
        );
        assert!(ours.try_send(b"anyone?", &[]).is_err());
    }
    assert_eq!(packet(ours.recv(0).unwrap()).0, b"last");
    assert!(matches!(ours.recv(0).unwrap(), Received::Closed));
    assert!(matches!(ours.try_recv(0).unwrap(), Some(Received::Closed)));
}

fn last_words_of_a_peer_that_read_nothing_arrive() {
    let (ours, theirs) = pair();
    ours.send(b"never read", &[]).unwrap();
    theirs.send(b"last words", &[]).unwrap();
    drop(theirs); // the kernel notes ECONNRESET for us, ahead of the packet
    assert_eq!(packet(ours.recv(0).unwrap()).0, b"last words");
    assert!(matches!(ours.recv(0).unwrap(), Received::Closed));
}

fn more_descriptors_than_expected_is_an_error() {
    let (ours, theirs) = pair();
    for (sent, expected) in [(1, 0), (2, 1), (20, 3), (253, 252)] {
        ours.send(b"flood", &vec![ours.as_fd(); sent]).unwrap();
        let error = theirs.recv(expected).unwrap_err();
        assert!(
            error.to_string().contains("more descriptors than expected"),
            "{error}"
        );
    }
    ours.send(b"still works", &[]).unwrap();
    assert_eq!(packet(theirs.recv(0).unwrap()).0, b"still works");
}

fn no_room_for_descriptors_is_an_error_and_leaks_nothing() {
    let (ours, theirs) = pair();
    ours.send(b"ten", &[ours.as_fd(); 10]).unwrap();
    let before = getrlimit(Resource::Nofile);
    setrlimit(
        Resource::Nofile,
        Rlimit {
            current: Some(64),
            ..before
        },
    )
    .unwrap();
    let mut filling: Vec<_> =
        std::iter::from_fn(|| ours.as_fd().try_clone_to_owned().ok()).collect();
    filling.truncate(filling.len() - 4); // room for four of the ten
    let open = std::fs::read_dir("/proc/self/fd").unwrap().count();
    let outcome = theirs.recv(10);
    let open_after = std::fs::read_dir("/proc/self/fd").unwrap().count();
    setrlimit(Resource::Nofile, before).unwrap();
    let error = outcome.unwrap_err();
    assert!(
        error
            .to_string()
            .ends_with("or than this process has room for; 4 were closed"),
        "{error}"
    );
    assert_eq!(open, open_after);
}

fn full_socket_blocks_nobody_who_only_tries() {
    let (ours, theirs) = pair();
    let mut sent = 0;
    while ours.try_send(&[0; 1000], &[]).unwrap() {
        sent += 1;
    }
    ours.set_nonblocking().unwrap();
    assert_eq!(
        ours.send(b"x", &[]).unwrap_err().io_kind(),
        ErrorKind::WouldBlock
    );
    let mut received = 0;
    while theirs.try_recv(0).unwrap().is_some() {
        received += 1;
    }
    assert_eq!(sent, received);
}

fn received_descriptors_are_closed_on_exec() {
    let (ours, theirs) = pair();
    ours.send(b"x", &[ours.as_fd()]).unwrap();
    let (_, fds) = packet(theirs.recv(1).unwrap());
    for fd in [fds[0].as_fd(), ours.as_fd(), theirs.as_fd()] {
        assert!(
            rustix::io::fcntl_getfd(fd)
                .unwrap()
                .contains(rustix::io::FdFlags::CLOEXEC)
        );
    }
}
