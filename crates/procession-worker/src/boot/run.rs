//! A child with one call: runs it, hands the answer over, exits. It must never wait for the parent to read the answer.

use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Mutex, OnceLock};

use procession_os::memfd_with;
use procession_os::socket::Socket;
use procession_task::codec::Limits;
use procession_task::descriptor::{Descriptor, resolve};
use procession_task::failure::{Failure, Stage, panic};
use procession_task::message::{ArgBytes, CallSpec, FromWorker};

use super::{EXIT_PANIC, EXIT_PROTOCOL, call_arguments, say};
use crate::info;
use crate::serve;
use crate::start::MAX_INLINE;

/// Where the panic hook says its last words.
static CONTROL: OnceLock<Socket> = OnceLock::new();
/// The last panic seen: when the runtime then says that it cannot unwind, this is the reason of the abort.
static LAST_PANIC: Mutex<Option<Failure>> = Mutex::new(None);

/// Runs the call and ends this process: 0 for a value, 1 for `Err` or a value that cannot be handed over, 101 for a panic.
pub(super) fn run(control: Socket, call: &CallSpec, max_result: u64, fds: Vec<OwnedFd>) -> ! {
    let control = CONTROL.get_or_init(|| control);
    panic::install_hook(last_words, panic::Report::Print);
    let mut output = Vec::new();
    let answered = answer(call, max_result, fds, &mut output);
    let code = match answered {
        Ok(descriptor) => returned(control, descriptor, output),
        Err(failure) => failed(control, &failure),
    };
    // Not `exit_now`: at-exit hooks run and stdout is flushed, as after `main`.
    std::process::exit(code)
}

fn answer(
    call: &CallSpec,
    max_result: u64,
    fds: Vec<OwnedFd>,
    output: &mut Vec<u8>,
) -> Result<&'static Descriptor, Failure> {
    let max_bytes = usize::try_from(max_result).unwrap_or(usize::MAX);
    let args = call_arguments(
        call,
        &mut fds.into_iter(),
        &Limits {
            max_bytes: usize::MAX,
            ..Limits::default()
        },
    )?;
    let descriptor = resolve(call.offset, call.fingerprint)
        .map_err(|unknown| Failure::new(Stage::UnknownTask, unknown.to_string()))?;
    descriptor.call(
        &args,
        output,
        &Limits {
            max_bytes,
            ..Limits::default()
        },
    )?;
    Ok(descriptor)
}

fn returned(control: &Socket, descriptor: &Descriptor, output: Vec<u8>) -> i32 {
    let error = descriptor.returned_error(&output);
    if let Err(why) = hand_over(control, output, error.is_some()) {
        return failed(control, &Failure::new(Stage::EncodeResult, why));
    }
    if let Some(error) = &error {
        say(&format!(
            "{} ({}) returned an error: {error}",
            info::current_process().name(),
            descriptor.name()
        ));
    }
    i32::from(error.is_some())
}

/// Small values travel in the message; others in a memfd, which the socket keeps until the parent reads it or dies.
pub(crate) fn hand_over(control: &Socket, value: Vec<u8>, is_err: bool) -> Result<(), String> {
    if value.len() <= MAX_INLINE {
        let message = FromWorker::Returned {
            value: ArgBytes::Inline(value.clone()),
            is_err,
        };
        if let Ok(true) = control.try_send(&message.encode(), &[]) {
            return Ok(());
        }
    }
    let fd = memfd_with("procession-result", &value)
        .map_err(|error| format!("it cannot be handed over: {error}"))?;
    drop(value);
    let message = FromWorker::Returned {
        value: ArgBytes::Descriptor,
        is_err,
    };
    match control.try_send(&message.encode(), &[fd.as_fd()]) {
        Ok(true) => Ok(()),
        Ok(false) => Err("it cannot be handed over: the control socket is full".to_owned()),
        // The handle was dropped: nobody wants the value, and the exit code stays what the function made it.
        Err(_) => Ok(()),
    }
}

fn failed(control: &Socket, failure: &Failure) -> i32 {
    let code = match failure.stage {
        // The panic hook has printed message and location.
        Stage::Run | Stage::PanicDecode | Stage::PanicEncode => EXIT_PANIC,
        Stage::UnknownTask | Stage::DecodeArgs | Stage::Start => EXIT_PROTOCOL,
        Stage::EncodeResult | Stage::TooLarge { .. } | Stage::NoState => 1,
    };
    if code != EXIT_PANIC {
        say(&format!(
            "{} failed: {}",
            info::current_process().name(),
            failure.message
        ));
    }
    // Its parts are bounded, so it fits into one packet; a dropped handle is no reason to fail.
    let _ = control.try_send(&FromWorker::Failed(failure.clone()).encode(), &[]);
    code
}

/// Runs inside the panic hook, before the panic is printed. A panic that unwinds is reported when it is caught; one that
/// aborts is reported here, because nothing runs after it.
fn last_words(failure: &Failure) {
    let Some(control) = CONTROL.get() else { return };
    let cannot_unwind = serve::cannot_unwind(failure);
    let mut last = LAST_PANIC.try_lock().ok();
    let said = match last.as_mut().and_then(|last| last.take()) {
        Some(mut cause) if cannot_unwind => {
            cause.message = format!("{} ({})", cause.message, failure.message);
            cause
        }
        _ => failure.clone(),
    };
    if cannot_unwind || cfg!(panic = "abort") {
        let _ = control.try_send(&FromWorker::Failed(said).encode(), &[]);
    } else if let Some(last) = last.as_mut() {
        **last = Some(said);
    }
}
