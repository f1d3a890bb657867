//! What a child does to itself, seen from the outside: the host left descriptors open, signals ignored and blocked.
#![expect(unsafe_code, reason = "ignores signals as a hostile host would")]

mod support;

use std::os::fd::{AsFd, AsRawFd, IntoRawFd, OwnedFd};

use procession_os::prologue::{self, Interrupts};
use procession_os::{Received, Signal, Socket};

fn main() {
    // SAFETY: no handler is installed; the dispositions are this test binary's own, and every child inherits them.
    unsafe { libc::signal(libc::SIGTERM, libc::SIG_IGN) };
    // SAFETY: as above.
    unsafe { libc::signal(libc::SIGUSR1, libc::SIG_IGN) };
    support::main(
        &[
            (
                "only_the_control_socket_stays_open",
                only_the_control_socket_stays_open,
            ),
            ("any_descriptor_can_be_kept", any_descriptor_can_be_kept),
            (
                "signals_are_as_if_nobody_meddled",
                signals_are_as_if_nobody_meddled,
            ),
            ("pool_worker_ignores_ctrl_c", pool_worker_ignores_ctrl_c),
            (
                "terminated_although_the_host_ignored_and_blocked_it",
                terminated_although_the_host_ignored_and_blocked_it,
            ),
            ("standard_input_is_empty", standard_input_is_empty),
            ("limits_name_and_environment", limits_name_and_environment),
            (
                "no_control_socket_is_an_error",
                no_control_socket_is_an_error,
            ),
        ],
        &[
            ("list_descriptors", list_descriptors),
            ("keep_one", keep_one),
            ("signal_state", signal_state),
            ("signal_state_of_a_worker", signal_state_of_a_worker),
            ("wait_for_a_signal", wait_for_a_signal),
            ("read_standard_input", read_standard_input),
            ("describe", describe),
        ],
    );
}

fn reply(role: &str) -> String {
    let (started, socket) = support::start(role, |_| {});
    let Received::Packet { bytes, .. } = socket.recv(0).unwrap() else {
        panic!("the child ended without a word")
    };
    assert!(started.child.wait().unwrap().success());
    String::from_utf8(bytes).unwrap()
}

fn control() -> Socket {
    Socket::from_fd(prologue::take_control_fd().unwrap())
}

fn open_descriptors() -> Vec<i32> {
    let listing = std::fs::read_dir("/proc/self/fd")
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let others =
        listing.filter(|path| std::fs::read_link(path).is_ok_and(|target| !target.ends_with("fd")));
    let mut open: Vec<i32> = others
        .map(|path| path.file_name().unwrap().to_str().unwrap().parse().unwrap())
        .collect();
    open.sort_unstable();
    open
}

fn list_descriptors() {
    let control = control();
    prologue::close_other_fds(control.as_fd()).unwrap();
    let open = open_descriptors();
    let own = control.as_fd().as_raw_fd();
    control
        .send(format!("{open:?} {own}").as_bytes(), &[])
        .unwrap();
}

fn only_the_control_socket_stays_open() {
    // Descriptors that a careless host left open for its children.
    let careless: Vec<OwnedFd> = (0..5)
        .map(|_| rustix::io::dup(std::io::stdin()).unwrap())
        .collect();
    let high = rustix::io::fcntl_dupfd_cloexec(std::io::stdin(), 500).unwrap();
    rustix::io::fcntl_setfd(&high, rustix::io::FdFlags::empty()).unwrap();
    let reply = reply("list_descriptors");
    drop((careless, high));
    let (open, own) = reply.rsplit_once(' ').unwrap();
    assert_eq!(open, format!("[0, 1, 2, {own}]"));
}

/// Whatever number is kept: one that leaves a gap, one above all others, the smallest there can be.
fn keep_one() {
    let mut control = prologue::take_control_fd().unwrap();
    let mut seen = Vec::new();
    for number in [50, 900, 3] {
        let keep = rustix::io::fcntl_dupfd_cloexec(&control, number).unwrap();
        prologue::close_other_fds(keep.as_fd()).unwrap();
        seen.push(open_descriptors());
        // The former owner's descriptor was closed under its feet: it must not close another one by that number.
        let _ = std::mem::replace(&mut control, keep).into_raw_fd();
    }
    Socket::from_fd(control)
        .send(format!("{seen:?}").as_bytes(), &[])
        .unwrap();
}

fn any_descriptor_can_be_kept() {
    assert_eq!(
        reply("keep_one"),
        "[[0, 1, 2, 50], [0, 1, 2, 900], [0, 1, 2, 3]]"
    );
}

fn signal_line(name: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/thread-self/status").unwrap();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix(name))
        .unwrap();
    u64::from_str_radix(line.trim_start_matches(':').trim(), 16).unwrap()
}

fn report_signals(interrupts: Interrupts) {
    let control = control();
    let before = (signal_line("SigBlk"), signal_line("SigIgn"));
    prologue::reset_signals(interrupts).unwrap();
    let after = (signal_line("SigBlk"), signal_line("SigIgn"));
    let bit = |signal: Signal| 1_u64 << (signal.as_raw() - 1);
    assert_ne!(
        before.0 & bit(Signal::TERM),
        0,
        "the child starts with everything blocked"
    );
    assert_ne!(
        before.1 & bit(Signal::TERM),
        0,
        "the host's ignored signals are inherited"
    );
    assert_ne!(before.1 & bit(Signal::USR1), 0);
    let c_library = 1_u64 << 31 | 1 << 32; // signals 32 and 33: nobody else can set them
    control
        .send(
            format!("{:x} {:x}", after.0, after.1 & !c_library).as_bytes(),
            &[],
        )
        .unwrap();
}

fn signal_state() {
    report_signals(Interrupts::Default);
}

fn signal_state_of_a_worker() {
    report_signals(Interrupts::Ignore);
}

/// SIGPIPE is 13, SIGXFSZ 25, SIGINT 2: bit n - 1 each.
fn signals_are_as_if_nobody_meddled() {
    assert_eq!(
        reply("signal_state"),
        format!("0 {:x}", 1_u64 << 12 | 1 << 24)
    );
}

fn pool_worker_ignores_ctrl_c() {
    assert_eq!(
        reply("signal_state_of_a_worker"),
        format!("0 {:x}", 1_u64 << 12 | 1 << 24 | 1 << 1)
    );
}

fn wait_for_a_signal() {
    let control = control();
    control.send(b"blocked", &[]).unwrap();
    assert!(matches!(control.recv(0).unwrap(), Received::Packet { .. }));
    prologue::reset_signals(Interrupts::Default).unwrap();
    control.send(b"alive", &[]).unwrap();
    let _ = control.recv(0);
}

fn terminated_although_the_host_ignored_and_blocked_it() {
    let (started, socket) = support::start("wait_for_a_signal", |_| {});
    assert!(matches!(socket.recv(0).unwrap(), Received::Packet { .. }));
    socket.send(b"go on", &[]).unwrap();
    assert!(matches!(socket.recv(0).unwrap(), Received::Packet { .. }));
    started.child.signal(Signal::TERM).unwrap();
    assert_eq!(started.child.wait().unwrap().signal(), Some(15));
}

fn read_standard_input() {
    let control = control();
    let text = std::io::read_to_string(std::io::stdin()).unwrap();
    let target = std::fs::read_link("/proc/self/fd/0").unwrap();
    control
        .send(format!("{text:?} {}", target.display()).as_bytes(), &[])
        .unwrap();
}

fn standard_input_is_empty() {
    assert_eq!(reply("read_standard_input"), "\"\" /dev/null");
}

fn describe() {
    let control = control();
    let score = || {
        std::fs::read_to_string("/proc/self/oom_score_adj")
            .unwrap()
            .trim()
            .parse::<i32>()
            .unwrap()
    };
    let before = score();
    prologue::set_name("a-name-of-more-than-15-bytes").unwrap();
    prologue::no_core_dumps().unwrap();
    prologue::raise_oom_score(100).unwrap();
    prologue::new_process_group().unwrap();
    assert_eq!(score(), (before + 100).min(1000));
    prologue::raise_oom_score(i32::MAX).unwrap();
    assert_eq!(score(), 1000);
    assert!(prologue::raise_oom_score(-1).is_err());
    let comm = std::fs::read_to_string("/proc/self/comm").unwrap();
    let core = rustix::process::getrlimit(rustix::process::Resource::Core).current;
    assert_eq!(rustix::process::getpgrp(), rustix::process::getpid());
    // The role was taken from the environment before this ran.
    assert!(std::env::vars().all(|(name, _)| !name.starts_with("PROCESSION_OS_TEST")));
    control
        .send(format!("{} {core:?}", comm.trim()).as_bytes(), &[])
        .unwrap();
}

fn limits_name_and_environment() {
    assert_eq!(reply("describe"), "a-name-of-more- Some(0)");
}

fn no_control_socket_is_an_error() {
    // This test's own standard input is a file, a terminal or a pipe: anything but a control socket.
    let error = prologue::take_control_fd().unwrap_err();
    assert!(error.to_string().starts_with("descriptor 0 is"), "{error}");
}
