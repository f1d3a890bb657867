//! The note that a dying process leaves, and that leaving it changes nothing about the death.
#![expect(
    unsafe_code,
    reason = "faults on purpose, in every way a processor knows"
)]

mod support;

use std::sync::Arc;

use procession_os::{ExitStatus, FatalNote, Received, Segment, Signal, Socket, prologue};

fn main() {
    support::main(
        &[
            ("bad_address", bad_address),
            (
                "stack_overflow_is_near_the_stack_pointer",
                stack_overflow_is_near_the_stack_pointer,
            ),
            ("stack_overflow_of_a_thread", stack_overflow_of_a_thread),
            (
                "signal_sent_from_outside_still_kills",
                signal_sent_from_outside_still_kills,
            ),
            ("abort_leaves_no_note", abort_leaves_no_note),
            ("division_trap", division_trap),
        ],
        &[
            ("touch", touch),
            ("recurse", recurse),
            ("recurse_in_a_thread", recurse_in_a_thread),
            ("stay", stay),
            ("abort", abort),
            ("divide", divide),
        ],
    );
}

fn install() -> Socket {
    let control = Socket::from_fd(prologue::take_control_fd().unwrap());
    prologue::reset_signals(prologue::Interrupts::Ignore).unwrap();
    prologue::no_core_dumps().unwrap();
    let Received::Packet { mut fds, .. } = control.recv(1).unwrap() else {
        panic!("closed")
    };
    let segment = Arc::new(Segment::open(fds.pop().unwrap(), 4096).unwrap());
    prologue::install_fatal_signal_note(segment.words(64, FatalNote::WORDS).unwrap());
    control.send(b"installed", &[]).unwrap();
    control
}

fn died(role: &str, then: impl FnOnce(&procession_os::Child)) -> (ExitStatus, Option<FatalNote>) {
    let segment = Arc::new(Segment::create("note", 4096).unwrap());
    let (started, socket) =
        support::start(role, |spawn| spawn.stderr = std::process::Stdio::null());
    socket.send(b"here", &[segment.fd().unwrap()]).unwrap();
    assert!(matches!(socket.recv(0).unwrap(), Received::Packet { .. }));
    then(&started.child);
    let status = started.child.wait().unwrap();
    (
        status,
        FatalNote::read(&segment.words(64, FatalNote::WORDS).unwrap()),
    )
}

fn touch() {
    let _control = install();
    let nowhere = std::ptr::without_provenance_mut::<u64>(0x1000);
    // SAFETY: none: the fault is the test.
    unsafe { nowhere.write_volatile(1) };
}

fn bad_address() {
    let (status, note) = died("touch", |_| {});
    assert_eq!(status.to_string(), "signal SIGSEGV (11)");
    let note = note.unwrap();
    assert_eq!(
        (note.signo, note.code, note.address, note.near_stack_pointer),
        (11, 1, 0x1000, false)
    );
}

#[expect(unconditional_recursion, reason = "the overflow is the test")]
fn deeper(depth: u64) -> u64 {
    let frame = std::hint::black_box([depth; 64]);
    deeper(depth + 1) + std::hint::black_box(frame[7])
}

fn recurse() {
    let _control = install();
    deeper(0);
}

fn recurse_in_a_thread() {
    let _control = install();
    std::thread::spawn(|| deeper(0)).join().unwrap();
}

/// The runtime still prints its message and aborts.
fn stack_overflow_is_near_the_stack_pointer() {
    let (status, note) = died("recurse", |_| {});
    assert_eq!(status.to_string(), "signal SIGABRT (6)");
    let note = note.unwrap();
    assert_eq!(note.signo, 11);
    assert!(note.near_stack_pointer, "{note:?}");
}

fn stack_overflow_of_a_thread() {
    let (status, note) = died("recurse_in_a_thread", |_| {});
    assert_eq!(status.to_string(), "signal SIGABRT (6)");
    assert!(note.unwrap().near_stack_pointer);
}

fn stay() {
    let control = install();
    let _ = control.recv(0);
}

/// A handler that returns from a signal that was sent would swallow it.
fn signal_sent_from_outside_still_kills() {
    for (signal, name) in [
        (Signal::SEGV, "SIGSEGV (11)"),
        (Signal::BUS, "SIGBUS (7)"),
        (Signal::SYS, "SIGSYS (31)"),
    ] {
        let (status, note) = died("stay", |child| child.signal(signal).unwrap());
        assert_eq!(status.to_string(), format!("signal {name}"));
        let note = note.unwrap();
        assert_eq!(note.signo, signal.as_raw());
        assert!(note.code <= 0, "sent by a process: {note:?}");
    }
}

fn abort() {
    let _control = install();
    std::process::abort();
}

fn abort_leaves_no_note() {
    let (status, note) = died("abort", |_| {});
    assert_eq!((status.signal(), note), (Some(6), None));
}

#[cfg(target_arch = "x86_64")]
fn divide() {
    let _control = install();
    // SAFETY: none: the trap is the test.
    unsafe {
        std::arch::asm!("xor edx, edx", "xor ecx, ecx", "mov eax, 1", "div ecx", out("eax") _, out("ecx") _, out("edx") _)
    };
}

#[cfg(not(target_arch = "x86_64"))]
fn divide() {
    let _control = install();
    rustix::process::kill_process(rustix::process::getpid(), Signal::FPE).unwrap();
}

fn division_trap() {
    let (status, note) = died("divide", |_| {});
    assert_eq!(status.to_string(), "signal SIGFPE (8)");
    assert_eq!(note.unwrap().signo, 8);
}
