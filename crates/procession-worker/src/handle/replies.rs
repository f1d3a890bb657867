//! Replies on their way from a worker: bytes copied out, and the walk over them. Nothing is decoded here.

use procession_os::ring::{Frames, Short};
use procession_task::frame::ReplyTag;

use super::Worker;
use crate::error::Error;

impl Worker {
    /// Takes the inbox, to walk it while the worker is used otherwise; give it back with
    /// [`Worker::put_inbox`].
    pub fn take_inbox(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.inbox)
    }

    /// Gives the inbox back without its first `consumed` bytes.
    pub fn put_inbox(&mut self, mut inbox: Vec<u8>, consumed: usize) {
        if consumed >= inbox.len() {
            inbox.clear();
        } else if consumed > 0 {
            inbox.drain(..consumed);
        }
        self.inbox = inbox;
    }

    /// Appends what the worker has replied to the inbox and returns how many bytes came; `staged` also takes
    /// replies it has not published yet.
    ///
    /// # Errors
    /// When the indices on the link are not possible ones.
    pub fn collect(&mut self, staged: bool) -> Result<usize, Error> {
        let took = if staged {
            self.replies.drain_staged(&mut self.inbox)
        } else {
            self.replies.drain(&mut self.inbox)
        };
        let took = took.map_err(|e| Error::message(e.to_string()))?;
        if took > 0 {
            self.room.wake_if_asleep();
        }
        Ok(took)
    }
}

/// Walks reply frames in bytes that [`Worker::collect`] gave: for each, whether it is a value, and its payload.
#[derive(Debug)]
pub struct Replies<'a> {
    frames: Frames<'a>,
    strange: bool,
}

impl<'a> Replies<'a> {
    /// Starts at the first byte of `bytes`.
    #[inline]
    pub fn new(bytes: &'a [u8]) -> Replies<'a> {
        Replies {
            frames: Frames::new(bytes),
            strange: false,
        }
    }

    /// Passes over values that are short, at most `most`; returns how many.
    #[inline]
    pub fn skip_short_values(&mut self, most: u32) -> u32 {
        self.frames.skip_short(ReplyTag::OK, most as usize) as u32
    }

    /// The next reply, if it is a value of at most seven bytes.
    #[inline]
    pub fn next_short_value(&mut self) -> Option<Short> {
        self.frames.next_short(ReplyTag::OK)
    }

    /// True once a frame was neither a value nor a failure, which no correct worker sends.
    pub fn is_strange(&self) -> bool {
        self.strange
    }

    /// Bytes of the whole frames walked so far.
    #[inline]
    pub fn consumed(&self) -> usize {
        self.frames.consumed()
    }

    /// Length of the frame that is not whole yet, as far as its header is there.
    pub fn wanted(&self) -> usize {
        self.frames.wanted()
    }
}

impl<'a> Iterator for Replies<'a> {
    type Item = (bool, &'a [u8]);

    #[inline]
    fn next(&mut self) -> Option<(bool, &'a [u8])> {
        let (tag, payload) = self.frames.next()?;
        let is_value = tag == ReplyTag::OK;
        self.strange |= !is_value && tag != ReplyTag::FAILED;
        Some((is_value, payload))
    }
}

/// The bytes of one reply frame that carries a value.
pub fn reply_frame(value: &[u8]) -> Vec<u8> {
    let mut frame = Vec::with_capacity(8 + value.len().next_multiple_of(8));
    frame.extend_from_slice(&(value.len() as u32).to_le_bytes());
    frame.extend_from_slice(&ReplyTag::OK.to_le_bytes());
    frame.extend_from_slice(value);
    frame.resize(frame.len().next_multiple_of(8), 0);
    frame
}
