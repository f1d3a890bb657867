//! Replies on their way into the ring: one for each item, in order.
//!
//! A reply must be whole or not be there; one that does not fit is streamed.

use procession_task::codec::{self, Limits};
use procession_task::failure::Failure;
use procession_task::frame::ReplyTag;

use crate::link;

use super::Server;

impl Server {
    /// Replies with the output, which does not fit into a word.
    #[inline(never)]
    pub(super) fn reply_value(&mut self) {
        let output = std::mem::take(&mut self.output);
        self.reply(ReplyTag::OK, &output);
        self.output = output;
    }

    #[cold]
    pub(super) fn reply_failure(&mut self, failure: &Failure) {
        let mut bytes = Vec::new();
        // A failure's parts are bounded, so it always fits.
        if codec::encode(failure, &mut bytes, &Limits::default()).is_err() {
            bytes.clear();
        }
        self.reply(ReplyTag::FAILED, &bytes);
    }

    /// Puts one reply on the ring; one longer than the free space is streamed as the parent makes room.
    pub(super) fn reply(&mut self, tag: u32, bytes: &[u8]) {
        if self.replies.write(tag, &[bytes]) {
            return;
        }
        while !self.replies.begin(tag, bytes.len() as u32) {
            self.wait_for_room();
        }
        let mut rest = bytes;
        while !rest.is_empty() {
            let piece = rest.get(..link::PIECE).unwrap_or(rest);
            let fed = self.replies.feed(piece);
            rest = rest.get(fed..).unwrap_or_default();
            if fed == 0 {
                self.wait_for_room();
            } else if !rest.is_empty() {
                self.publish();
            }
        }
        // The last piece is seen with the next look: the last of a frame not before its account.
        self.clock.published = 0;
    }
}
