//! A host whose own thread collects every child with `waitpid(-1)`: nothing hangs, and the status is exact all the same.

mod support;

use std::time::{Duration, Instant};

use procession_os::{ExitStatus, Received, Socket, prologue};
use rustix::process::{WaitOptions, wait};

fn main() {
    support::main(
        &[(
            "thief_does_not_change_the_status",
            thief_does_not_change_the_status,
        )],
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

fn kernel_keeps_statuses() -> bool {
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

fn thief_does_not_change_the_status() {
    let stop = Instant::now() + Duration::from_secs(1);
    let thief = std::thread::spawn(move || {
        let mut stolen = 0;
        while Instant::now() < stop {
            // Blocks while there is a child; without one it is an error at once.
            match wait(WaitOptions::NOHANG) {
                Ok(Some(_)) => stolen += 1,
                Ok(None) | Err(_) => std::hint::spin_loop(),
            }
        }
        stolen
    });
    let mut seen = 0;
    while Instant::now() < stop {
        let code = seen % 100;
        let (started, socket) = support::start("obey", |_| {});
        socket.send(&[code], &[]).unwrap();
        let status = started.child.wait().unwrap();
        let stolen_and_lost = !kernel_keeps_statuses() && !status.is_known();
        assert!(
            stolen_and_lost || status == ExitStatus::exited(i32::from(code)),
            "{status}"
        );
        seen = seen.wrapping_add(1);
    }
    assert!(
        thief.join().unwrap() > 0,
        "the thief stole nothing: the test tested nothing"
    );
}
