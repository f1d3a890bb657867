//! The calls that travel with a worker's orders, and what comes back of the last one. It runs none of them.

use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use procession_os::{memfd_with, read_all};
use procession_task::message::{ArgBytes, CallSpec};

use crate::error::Error;

/// Arguments of calls in a worker's orders above this, together, travel in a memfd each.
const INLINE_ARGS: usize = 32 * 1024;

/// Offset, fingerprint and encoded arguments of a call.
pub type EncodedCall = (i64, u64, Arc<Vec<u8>>);

/// Packs calls, and the descriptors that go with them.
pub(super) struct Packing<'a> {
    room: usize,
    name: &'a str,
    pub(super) fds: Vec<OwnedFd>,
}

impl<'a> Packing<'a> {
    /// For the worker `name`, behind the descriptors it gets in any case.
    pub(super) fn new(name: &'a str, fds: Vec<OwnedFd>) -> Packing<'a> {
        Packing {
            room: INLINE_ARGS,
            name,
            fds,
        }
    }

    pub(super) fn call(&mut self, call: Option<&EncodedCall>) -> Result<Option<CallSpec>, Error> {
        let Some((offset, fingerprint, args)) = call else {
            return Ok(None);
        };
        let args = if args.len() <= self.room {
            self.room -= args.len();
            ArgBytes::Inline(args.to_vec())
        } else {
            let fd = memfd_with("procession-args", args)
                .map_err(|e| Error::os(format!("start worker {}", self.name), e))?;
            self.fds.push(fd);
            ArgBytes::Descriptor
        };
        Ok(Some(CallSpec {
            offset: *offset,
            fingerprint: *fingerprint,
            args,
        }))
    }
}

/// What a worker's exit hook returned, where the worker put it.
#[derive(Debug)]
pub struct ExitValue(Place);

#[derive(Debug)]
enum Place {
    Here(Vec<u8>),
    File(OwnedFd),
}

impl ExitValue {
    /// The value of a message and the descriptors that came with it; `None` when they do not fit together.
    pub(super) fn of(value: ArgBytes, mut fds: Vec<OwnedFd>) -> Option<ExitValue> {
        match (value, fds.pop()) {
            (ArgBytes::Inline(bytes), None) => Some(ExitValue(Place::Here(bytes))),
            (ArgBytes::Descriptor, Some(fd)) => Some(ExitValue(Place::File(fd))),
            (ArgBytes::Inline(_), Some(_)) | (ArgBytes::Descriptor, None) => None,
        }
    }

    /// Its bytes, at most `limit` of them. It may take as long as copying them does.
    ///
    /// # Errors
    /// When there are more, or the worker's file cannot be read.
    pub fn read(self, limit: usize) -> Result<Vec<u8>, Error> {
        match self.0 {
            Place::Here(bytes) => Ok(bytes),
            Place::File(fd) => read_all(fd.as_fd(), limit as u64)
                .map_err(|e| Error::os("read what an exit hook returned", e)),
        }
    }
}
