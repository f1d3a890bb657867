//! Values for many calls on their way to a worker: each is sent once, before the first call that names it.
//! It must never wait for room on the control socket: what does not go now goes later.

use std::collections::HashSet;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use procession_os::{Sealed, memfd_with};
use procession_task::message::{ArgBytes, ToWorker};

use super::Worker;
use crate::error::Error;
use crate::link;
use crate::shares::Content;

/// Encodings up to this many bytes travel in a message to each worker; longer ones are one file for all of them.
const INLINE_SHARE: usize = 32 * 1024;
/// Numbers in one message, which fits into a packet whatever they are.
const MOST_FORGOTTEN: usize = 4096;

/// A value's encoding as its maker keeps it, to send it to any worker at any time.
#[derive(Debug)]
pub struct Parcel {
    id: u64,
    body: Body,
}

#[derive(Debug)]
enum Body {
    Inline(Arc<Content>),
    File(OwnedFd),
}

impl Parcel {
    /// Packs an encoding under a number from [`next_id`]; a long one takes a descriptor.
    ///
    /// # Errors
    /// When memory or descriptors run out.
    pub fn pack(id: u64, encoding: &[u8]) -> Result<Parcel, Error> {
        let body = if encoding.len() <= INLINE_SHARE {
            Body::Inline(Arc::new(Content::Here(encoding.to_vec())))
        } else {
            let file = memfd_with("procession-share", encoding)
                .map_err(|e| Error::os("cannot share a value", e))?;
            Body::File(file)
        };
        Ok(Parcel { id, body })
    }

    /// What calls name it by.
    pub fn id(&self) -> u64 {
        self.id
    }

    /// The bytes as any process sees them, without a copy.
    ///
    /// # Errors
    /// When they cannot be mapped.
    pub fn content(&self) -> Result<Arc<Content>, Error> {
        match &self.body {
            Body::Inline(content) => Ok(Arc::clone(content)),
            Body::File(file) => Sealed::open(file.as_fd())
                .map(|sealed| Arc::new(Content::Mapped(sealed)))
                .map_err(|e| Error::os("cannot share a value", e)),
        }
    }
}

/// A number for a shared value, which no other one of this process has.
pub fn next_id() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// What became of a value given to [`Worker::share`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivered {
    /// The worker has it, or will have read it before any call sent from here on.
    Before,
    /// The same, from this moment.
    Now,
    /// There is no room on its control socket; nothing was sent.
    NoRoom,
}

/// What a worker was told of shared values.
#[derive(Debug, Default)]
pub(super) struct Shares {
    given: HashSet<u64>,
    /// What it has yet to be told to forget.
    forgotten: Vec<u64>,
    told: u64,
}

impl Worker {
    /// Sees to it that the worker has a value before any call sent from here on.
    pub fn share(&mut self, parcel: &Parcel) -> Delivered {
        if self.shares.given.contains(&parcel.id) {
            return Delivered::Before;
        }
        let (value, fds) = match &parcel.body {
            Body::Inline(content) => (ArgBytes::Inline(content.to_vec()), None),
            Body::File(file) => (ArgBytes::Descriptor, Some(file.as_fd())),
        };
        let id = parcel.id;
        let sent = self
            .control
            .try_send(&ToWorker::Share { id, value }.encode(), fds.as_slice());
        // An error is a worker about to end, or too many descriptors under way in all of this user's sockets.
        if !matches!(sent, Ok(true)) {
            return Delivered::NoRoom;
        }
        self.shares.given.insert(id);
        self.has_told();
        Delivered::Now
    }

    /// Notes that no call will name this value any more; [`Worker::tell_forgotten`] says so, if the worker has it.
    pub fn forget(&mut self, id: u64) {
        if self.shares.given.remove(&id) {
            self.shares.forgotten.push(id);
        }
    }

    /// Tells the worker what to forget; false: there is no room on its control socket, ask again when there is.
    pub fn tell_forgotten(&mut self) -> bool {
        while !self.shares.forgotten.is_empty() {
            let from = self.shares.forgotten.len().saturating_sub(MOST_FORGOTTEN);
            let ids = self.shares.forgotten.get(from..).unwrap_or_default().into();
            match self
                .control
                .try_send(&ToWorker::Forget { ids }.encode(), &[])
            {
                Ok(true) => self.shares.forgotten.truncate(from),
                Ok(false) => return false,
                // It is about to end, and forgets everything then.
                Err(_) => self.shares.forgotten.clear(),
            }
            self.has_told();
            // An idle worker gives the memory back at once.
            self.waker.wake_if_asleep();
        }
        true
    }

    fn has_told(&mut self) {
        self.shares.told += 1;
        let told = self.layout.header.at(link::TOLD);
        told.store(self.shares.told, Ordering::Release);
    }
}
