//! What a process is held to, seen from the outside, and the note of one that ran out of memory.

mod support;

use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use procession_os::{ExitStatus, Received, Segment, Socket, hold, prologue};

fn main() {
    support::main(
        &[
            (
                "failed_allocation_is_noted_and_kills_as_before",
                failed_allocation_is_noted_and_kills_as_before,
            ),
            ("other_abort_is_not_noted", other_abort_is_not_noted),
            (
                "signal_from_outside_is_not_noted_and_kills",
                signal_from_outside_is_not_noted_and_kills,
            ),
            ("processor_time_ends", processor_time_ends),
            ("limits_are_only_lowered", limits_are_only_lowered),
        ],
        &[
            ("run_out", run_out),
            ("run_out_in_a_thread", run_out_in_a_thread),
            ("abort", abort),
            ("stay", stay),
            ("use_time", use_time),
            ("ask_for_more", ask_for_more),
        ],
    );
}

/// A child whose memory is limited and whose abort would be noted.
fn held() -> Socket {
    let control = Socket::from_fd(prologue::take_control_fd().unwrap());
    prologue::reset_signals(prologue::Interrupts::Ignore).unwrap();
    prologue::no_core_dumps().unwrap();
    let Received::Packet { mut fds, .. } = control.recv(1).unwrap() else {
        panic!("closed")
    };
    let segment = Arc::new(Segment::open(fds.pop().unwrap(), 4096).unwrap());
    hold::install_out_of_memory_note(segment.words(64, 1).unwrap());
    hold::limit_memory(64 << 20).unwrap();
    control.send(b"held", &[]).unwrap();
    control
}

/// How a child of this role ended, and whether for want of memory, by its note.
fn ended(role: &str, then: impl FnOnce(&procession_os::Child)) -> (ExitStatus, bool) {
    let segment = Arc::new(Segment::create("note", 4096).unwrap());
    let (started, socket) = support::start(role, |spawn| spawn.stderr = Stdio::null());
    socket.send(b"here", &[segment.fd().unwrap()]).unwrap();
    assert!(matches!(socket.recv(0).unwrap(), Received::Packet { .. }));
    then(&started.child);
    let status = started.child.wait().unwrap();
    let noted = hold::ran_out_of_memory(&segment.words(64, 1).unwrap());
    (status, noted)
}

fn fill() {
    std::hint::black_box(vec![1_u8; std::hint::black_box(1 << 30)]);
}

fn run_out() {
    let _control = held();
    fill();
}

fn run_out_in_a_thread() {
    let _control = held();
    std::thread::spawn(fill).join().unwrap();
}

fn failed_allocation_is_noted_and_kills_as_before() {
    for role in ["run_out", "run_out_in_a_thread"] {
        let (status, noted) = ended(role, |_| {});
        assert_eq!((status.signal(), noted), (Some(6), true), "{role}");
    }
}

fn abort() {
    let _control = held();
    let _ = std::fs::File::open("/no/such/file");
    std::process::abort();
}

fn other_abort_is_not_noted() {
    let (status, noted) = ended("abort", |_| {});
    assert_eq!((status.signal(), noted), (Some(6), false));
}

fn stay() {
    let control = held();
    let _ = control.recv(0);
}

fn signal_from_outside_is_not_noted_and_kills() {
    let abort = procession_os::Signal::ABORT;
    let (status, noted) = ended("stay", |child| child.signal(abort).unwrap());
    assert_eq!((status.signal(), noted), (Some(6), false));
}

fn use_time() {
    let control = held();
    hold::limit_cpu(1).unwrap();
    let _ = control.send(b"spinning", &[]);
    loop {
        std::hint::spin_loop();
    }
}

fn processor_time_ends() {
    let (status, _) = ended("use_time", |child| {
        // Ended and not collected, it still says what it used.
        rustix::event::poll(
            &mut [rustix::event::PollFd::new(
                child,
                rustix::event::PollFlags::IN,
            )],
            None,
        )
        .unwrap();
        // Counted by samples: a machine that is not left alone says less than a second.
        assert!(hold::processor_time(child.pid()).unwrap() >= Duration::from_millis(300));
    });
    assert_eq!(status.to_string(), "signal SIGXCPU (24)");
}

fn ask_for_more() {
    let control = held();
    hold::limit_memory(1 << 40).unwrap();
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap();
    let data = limits
        .lines()
        .find(|line| line.starts_with("Max data size"));
    assert!(data.unwrap().contains("67108864"), "{limits}");
    drop(control);
}

fn limits_are_only_lowered() {
    let (status, _) = ended("ask_for_more", |_| {});
    assert!(status.success(), "{status}");
}
