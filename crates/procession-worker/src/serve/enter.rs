//! From a booted worker to its loop: maps the segment, runs the initializer, says `Ready`.
//!
//! A worker that fails here must say why and end; it never serves half set up.

use std::os::fd::OwnedFd;
use std::sync::Arc;

use procession_os::clock::{self, monotonic_ns};
use procession_os::prologue;
use procession_os::segment::Segment;
use procession_os::socket::Socket;
use procession_task::codec::Limits;
use procession_task::descriptor::{Descriptor, resolve};
use procession_task::failure::{Failure, Stage, panic};
use procession_task::message::{Boot, CallSpec, FromWorker, Role};
use procession_task::state;

use crate::boot::{EXIT_INITIALIZER, EXIT_PARENT_GONE, EXIT_PROTOCOL, call_arguments};
use crate::hold;
use crate::link::{self, Layout};

use super::control::Control;
use super::leave::ExitHook;
use super::{Server, said, words};
use crate::shares;

/// Under which number a worker keeps its state: the one of a thread that no inline pool uses.
const OWN_STATE: u64 = 0;

/// What [`crate::boot`] hands over: everything the parent sent, checked.
pub(crate) struct Pooled {
    pub(crate) control: Socket,
    pub(crate) boot: Boot,
    /// The segment, then the arguments of the initializer, of the state and of the exit hook that were too long for the message.
    pub(crate) fds: Vec<OwnedFd>,
}

/// Serves calls until the parent says stop or is gone. Never returns.
pub(crate) fn run(pooled: Pooled) -> ! {
    let Pooled { control, boot, fds } = pooled;
    let Role::Pool {
        segment_bytes,
        segment_id,
        max_frame,
        initializer,
        state,
        limits: held,
        exit_hook,
    } = boot.role
    else {
        prologue::exit_now(EXIT_PROTOCOL);
    };
    let mut fds = fds.into_iter();
    let segment = match segment_id {
        Some(id) => Segment::attach(id, link::SEGMENT_BYTES).ok(),
        None => fds
            .next()
            .and_then(|fd| Segment::open(fd, link::SEGMENT_BYTES).ok()),
    };
    let Some(layout) = segment.and_then(|segment| map_link(segment, segment_bytes)) else {
        prologue::exit_now(EXIT_PROTOCOL);
    };
    if layout.get(link::WANTED) & link::SUSPENSION_COUNTED != 0 {
        clock::count_suspended_time();
    }
    words::open(&layout);
    prologue::install_fatal_signal_note(
        layout.header.sub(link::FATAL_NOTE, link::FATAL_NOTE_WORDS),
    );
    panic::install_hook(words::write_last_words, panic::Report::Quiet);

    let limits = Limits {
        max_bytes: max_frame as usize,
        ..Limits::default()
    };
    let Ok((calls, replies)) = layout.worker_ends() else {
        prologue::exit_now(EXIT_PROTOCOL);
    };
    layout.set(link::BOOTED_NS, monotonic_ns());
    said::open_stdout(&layout);
    said::open_logs(&layout, &control);
    let control = Control::new(control, layout.clone());
    let started = hold::hold(&held, &layout).and_then(|()| {
        if let Some(spec) = &initializer {
            initialize(spec, &mut fds, &limits)?;
        }
        if let Some(spec) = &state {
            make_state(spec, &mut fds, &limits)?;
        }
        let receive = |spec| ExitHook::receive(spec, &mut fds, &limits);
        exit_hook.as_ref().map(receive).transpose()
    });
    said::send_logs();
    let exit_hook = match started {
        Ok(exit_hook) => exit_hook,
        Err(failure) => {
            let _ = control.say(&FromWorker::StartFailed(failure));
            std::process::exit(EXIT_INITIALIZER)
        }
    };
    layout.set_last_words(&[]);
    layout.set(link::READY_NS, monotonic_ns());
    if control.say(&FromWorker::Ready).is_err() {
        prologue::exit_now(EXIT_PARENT_GONE);
    }
    let finder = control.finder();
    let mut server = Server::new(layout, control, calls, replies, limits);
    server.exit_hook = exit_hook;
    shares::with(finder, || server.serve())
}

fn map_link(mut segment: Segment, segment_bytes: u64) -> Option<Layout> {
    if segment_bytes != link::SEGMENT_BYTES as u64 {
        return None;
    }
    // The mapping is enough. A task that lists or closes descriptors is not to meet this one.
    segment.close_fd();
    Layout::new(&Arc::new(segment)).ok()
}

fn initialize(
    spec: &CallSpec,
    fds: &mut std::vec::IntoIter<OwnedFd>,
    limits: &Limits,
) -> Result<(), Failure> {
    let (descriptor, args) = receive(spec, fds, limits)?;
    let mut output = Vec::new();
    descriptor.call(&args, &mut output, limits)?;
    reported_error(descriptor, &output)
}

/// Makes what tasks are lent, in the thread that runs them.
fn make_state(
    spec: &CallSpec,
    fds: &mut std::vec::IntoIter<OwnedFd>,
    limits: &Limits,
) -> Result<(), Failure> {
    let (descriptor, args) = receive(spec, fds, limits)?;
    let maker = state::Maker::new(descriptor, Arc::new(args));
    let made = state::within(OWN_STATE, Some(&maker)).make();
    made.map_err(|failure| Failure::new(Stage::Start, failure.message))
}

/// Takes a call out of the orders.
pub(super) fn receive(
    spec: &CallSpec,
    fds: &mut std::vec::IntoIter<OwnedFd>,
    limits: &Limits,
) -> Result<(&'static Descriptor, Vec<u8>), Failure> {
    let args = call_arguments(spec, fds, limits)?;
    let descriptor = resolve(spec.offset, spec.fingerprint)
        .map_err(|e| Failure::new(Stage::UnknownTask, e.to_string()))?;
    Ok((descriptor, args))
}

/// An initializer that returns `Err` has failed as one that panics has.
fn reported_error(descriptor: &Descriptor, output: &[u8]) -> Result<(), Failure> {
    match descriptor.returned_error(output) {
        None => Ok(()),
        Some(error) => {
            let name = descriptor.name();
            let message = format!("the initializer {name} returned an error: {error}");
            Err(Failure::new(Stage::Start, message))
        }
    }
}
