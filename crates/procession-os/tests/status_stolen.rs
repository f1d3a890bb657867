//! A host whose own thread collects every child with `waitpid(-1)`: nothing hangs, and the status is exact all the same.

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

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

/// Every other child is surely stolen before anyone asks for it; for the rest the thief and the waiter race.
fn thief_does_not_change_the_status() {
    let stop = Arc::new(AtomicBool::new(false));
    let stolen = Arc::new(AtomicU32::new(0));
    let thief = std::thread::spawn({
        let (stop, stolen) = (Arc::clone(&stop), Arc::clone(&stolen));
        move || {
            while !stop.load(Ordering::Relaxed) {
                // Sleeps while there is a child; without one it is an error at once.
                match wait(WaitOptions::empty()) {
                    Ok(Some(_)) => drop(stolen.fetch_add(1, Ordering::Release)),
                    Ok(None) | Err(_) => std::thread::yield_now(),
                }
            }
        }
    });
    for code in 0..100_u8 {
        let (started, socket) = support::start("obey", |_| {});
        let before = stolen.load(Ordering::Acquire);
        socket.send(&[code], &[]).unwrap();
        while code % 2 == 0 && stolen.load(Ordering::Acquire) == before {
            std::thread::yield_now();
        }
        let status = started.child.wait().unwrap();
        let stolen_and_lost = !kernel_keeps_statuses() && !status.is_known();
        assert!(
            stolen_and_lost || status == ExitStatus::exited(i32::from(code)),
            "{status}"
        );
    }
    stop.store(true, Ordering::Relaxed);
    thief.join().unwrap();
    assert!(stolen.load(Ordering::Relaxed) >= 50);
}
