//! The prologue of a child. The law: single-threaded, in exactly this order, and no user code before its last step.
//!
//! 1. stdout and stderr are open, so that no later descriptor lands there
//! 2. take the control socket from descriptor 0; `/dev/null` is stdin from here on
//! 3. close every other inherited descriptor
//! 4. receive the call (or the pool's orders); a closed socket means the parent is gone
//! 5. reset signals: SIGINT ends a process of its own, pool workers ignore it
//! 6. own process group
//! 7. die with the parent, then look whether it, and the thread of it that started this process, is still there: a
//!    parent that became another program (`exec`) keeps its pid and loses that thread
//! 8. name
//! 9. hello (magic, version, nonce, build id), then refuse a parent of another build
//!
//! A step that fails ends the child with one line on stderr and a reserved exit code.

use std::os::fd::{AsFd, IntoRawFd, OwnedFd};

use procession_os::prologue::{self, Interrupts};
use procession_os::socket::{Received, Socket};
use procession_task::codec::Limits;
use procession_task::descriptor;
use procession_task::failure::{Failure, Stage};
use procession_task::message::{
    ArgBytes, Boot, CallSpec, FromWorker, MAGIC, PROTOCOL_VERSION, Role, ToWorker,
};

use super::{EXIT_BUILD, EXIT_PARENT_GONE, EXIT_PROTOCOL, die, run};
use crate::info;
use crate::serve::{self, Pooled};

/// Descriptors a start may carry: a pool's segment and its initializer's arguments, or a process's arguments.
const MAX_FDS: usize = 4;

/// Runs the prologue, then the call or the pool's loop.
pub(super) fn enter(nonce: &str) -> ! {
    open_outputs();
    let control = must("take its control socket", prologue::take_control_fd());
    must(
        "close inherited descriptors",
        prologue::close_other_fds(control.as_fd()),
    );
    let control = Socket::from_fd(control);
    let (boot, fds) = receive(&control, nonce);
    let interrupts = match boot.role {
        Role::Pool { .. } => Interrupts::Ignore,
        Role::Process { .. } => Interrupts::Default,
    };
    must("reset its signals", prologue::reset_signals(interrupts));
    must("make its process group", prologue::new_process_group());
    // The signal tells of the end of the thread that started this process: one that ended before is looked for.
    let bound = must(
        "bind its life to its parent",
        prologue::die_with_parent(boot.parent_pid),
    );
    if !bound || !prologue::is_thread_alive(boot.parent_pid, boot.parent_thread) {
        prologue::exit_now(EXIT_PARENT_GONE);
    }
    // A name is a convenience: one the kernel refuses is no reason to fail.
    let _ = prologue::set_name(&boot.name);
    info::set_booted(&boot);
    say_hello(&control, &boot);
    match boot.role {
        Role::Pool { .. } => serve::run(Pooled { control, boot, fds }),
        Role::Process { call, max_result } => run::run(control, &call, max_result, fds),
    }
}

fn must<T>(step: &str, result: procession_os::Result<T>) -> T {
    result.unwrap_or_else(|error| {
        die(
            EXIT_PROTOCOL,
            &format!("a child process cannot {step}: {error}"),
        )
    })
}

/// A parent with closed outputs starts a child with closed outputs: the next descriptor opened would become its stdout.
fn open_outputs() {
    for output in [rustix::stdio::stdout(), rustix::stdio::stderr()] {
        if rustix::io::fcntl_getfd(output).is_ok() {
            continue;
        }
        // The lowest free number is the closed output's: descriptor 0 is the control socket.
        if let Ok(null) = std::fs::OpenOptions::new().write(true).open("/dev/null") {
            let _ = OwnedFd::from(null).into_raw_fd();
        }
    }
}

fn receive(control: &Socket, nonce: &str) -> (Boot, Vec<OwnedFd>) {
    let (bytes, fds) = match control.recv(MAX_FDS) {
        Ok(Received::Packet { bytes, fds }) => (bytes, fds),
        Ok(Received::Closed) => prologue::exit_now(EXIT_PARENT_GONE),
        Err(error) => die(
            EXIT_PROTOCOL,
            &format!("a child process cannot receive its orders: {error}"),
        ),
    };
    let boot = match ToWorker::decode(&bytes) {
        Ok(ToWorker::Boot(boot)) => boot,
        Ok(other) => die(
            EXIT_PROTOCOL,
            &format!("a child process was not sent its orders first but {other:?}"),
        ),
        Err(error) => die(
            EXIT_PROTOCOL,
            &format!("a child process cannot read its orders: {error}"),
        ),
    };
    if boot.magic != MAGIC || boot.version != PROTOCOL_VERSION || nonce != marker(boot.nonce) {
        die(
            EXIT_PROTOCOL,
            "a child process was sent the orders of another one",
        );
    }
    (boot, fds)
}

/// The value of the environment variable that marks the child of this start.
pub(crate) fn marker(nonce: u64) -> String {
    format!("{nonce:016x}")
}

fn say_hello(control: &Socket, boot: &Boot) {
    let build_id = descriptor::build_id();
    let hello = FromWorker::Hello {
        magic: MAGIC,
        version: PROTOCOL_VERSION,
        nonce: boot.nonce,
        build_id: build_id.clone(),
        pid: std::process::id(),
    };
    if control.send(&hello.encode(), &[]).is_err() {
        prologue::exit_now(EXIT_PARENT_GONE);
    }
    if build_id != boot.build_id {
        die(
            EXIT_BUILD,
            "a child process is another build of the program than its parent",
        );
    }
}

/// The argument bytes of a call: inline, or the next of the descriptors that came with it.
pub(crate) fn call_arguments(
    call: &CallSpec,
    fds: &mut impl Iterator<Item = OwnedFd>,
    limits: &Limits,
) -> Result<Vec<u8>, Failure> {
    match &call.args {
        ArgBytes::Inline(bytes) => Ok(bytes.clone()),
        ArgBytes::Descriptor => {
            let missing = || {
                Failure::new(
                    Stage::DecodeArgs,
                    "the descriptor with the arguments did not arrive",
                )
            };
            let fd = fds.next().ok_or_else(missing)?;
            procession_os::read_all(fd.as_fd(), limits.max_bytes as u64)
                .map_err(|error| Failure::new(Stage::DecodeArgs, error.to_string()))
        }
    }
}
