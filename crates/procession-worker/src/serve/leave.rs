//! The end of a worker in good order: its exit hook, what that returned, and the exit. It serves nothing any more.

use std::os::fd::OwnedFd;

use procession_os::socket::Socket;
use procession_task::codec::Limits;
use procession_task::descriptor::Descriptor;
use procession_task::failure::{Failure, Stage};
use procession_task::message::{CallSpec, FromWorker};
use procession_task::state;

use super::Server;
use super::enter::receive;
use crate::boot::hand_over;

/// A call to make before the exit.
pub(super) struct ExitHook {
    descriptor: &'static Descriptor,
    args: Vec<u8>,
}

impl ExitHook {
    /// Takes the call out of the orders, so that nothing is missing when it is wanted.
    pub(super) fn receive(
        spec: &CallSpec,
        fds: &mut std::vec::IntoIter<OwnedFd>,
        limits: &Limits,
    ) -> Result<ExitHook, Failure> {
        let (descriptor, args) = receive(spec, fds, limits)?;
        Ok(ExitHook { descriptor, args })
    }

    fn run(self, control: &Socket, limits: &Limits) {
        let mut output = Vec::new();
        let called = self.descriptor.call(&self.args, &mut output, limits);
        let said = called.and_then(|()| {
            hand_over(control, output, false).map_err(|e| Failure::new(Stage::EncodeResult, e))
        });
        if let Err(failure) = said {
            // A parent that is gone wants no reason.
            let _ = control.send(&FromWorker::Failed(failure).encode(), &[]);
        }
    }
}

impl Server {
    /// Ends the worker as a program ends that returns from `main`: at-exit hooks run, stdout is flushed.
    pub(super) fn leave(&mut self) -> ! {
        if let Some(hook) = self.exit_hook.take() {
            hook.run(self.control.socket(), &self.limits);
        }
        // What it kept is closed as a value that goes out of scope, before the runtime ends.
        state::end();
        // Also what threads have said since the last item.
        self.said.pass_on();
        std::process::exit(0)
    }
}
