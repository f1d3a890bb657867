//! The link: the layout of the one shared segment between a parent and one pool worker.
//!
//! It says where things lie and what each word means; it must never decide anything. Both sides build
//! their view from the same constants, and `docs/protocol.md` lists them (checked by `cargo xtask tidy`).
//!
//! ```text
//! byte 0        header page (4,096 bytes, one 128-byte line per word that one side writes often)
//! byte 4,096    call ring     parent -> worker   (RING_BYTES)
//! byte 135,168  reply ring    worker -> parent   (RING_BYTES)
//! ```

use std::sync::Arc;
use std::sync::atomic::Ordering;

use procession_os::ring::{Consumer, Producer, RING_HEADER_WORDS};
use procession_os::segment::Segment;
use procession_os::words::Words;

use crate::error::Error;

/// Bytes of the header page.
pub(crate) const HEADER_BYTES: usize = 4096;
/// Bytes of each of the two rings.
pub(crate) const RING_BYTES: usize = 128 * 1024;
/// Bytes of the whole segment.
pub(crate) const SEGMENT_BYTES: usize = HEADER_BYTES + 2 * RING_BYTES;

/// Bytes of a streamed frame published together: a part of the ring, so that one side reads while the other writes.
pub(crate) const PIECE: usize = 16 * 1024;

const CALL_RING: usize = 0;
const REPLY_RING: usize = RING_HEADER_WORDS;
/// Futex word the worker sleeps on.
pub(crate) const SLEEP: usize = 128;
/// Futex word the worker sleeps on when its reply ring is full.
pub(crate) const ROOM: usize = 130;
/// Futex word a waiting thread of the parent sleeps on; the worker adds one and wakes.
pub(crate) const RUNG: usize = 144;
/// What bell the parent asks for: see [`Bell`].
pub(crate) const BELL: usize = 160;
/// Nanoseconds the worker may spin before it sleeps; written by the parent.
pub(crate) const SPIN: usize = 176;
/// What the parent wants to hear besides replies, written once, before the start: see [`OUTPUT_CAPTURED`].
pub(crate) const WANTED: usize = 177;
/// In [`WANTED`]: stdout is captured, so it is flushed after each item.
pub(crate) const OUTPUT_CAPTURED: u64 = 1;
/// In [`WANTED`]: the worker notes its resident memory after each call.
pub(crate) const MEMORY_NOTED: u64 = 2;
/// In [`WANTED`]: the parent's clock goes on while the machine is suspended, and so is the worker's to do.
pub(crate) const SUSPENSION_COUNTED: u64 = 4;
/// In [`WANTED`], from this bit on: the finest level of log records to send, 1 to 5; 0: none.
pub(crate) const LOG_LEVEL_SHIFT: u32 = 8;
/// Progress of the worker (0: at no task), in one line only it writes.
pub(crate) const TASK: usize = 192;
pub(crate) const ITEM: usize = 193;
pub(crate) const STARTED_NS: usize = 194;
pub(crate) const BUSY_NS: usize = 195;
pub(crate) const ITEMS_DONE: usize = 196;
/// In `ITEMS_DONE` while the two are being changed.
pub(crate) const COUNTING: u64 = 1 << 63;
/// When its initializer was begun and when it was ready; 0 before. Written once each.
pub(crate) const BOOTED_NS: usize = 197;
pub(crate) const READY_NS: usize = 198;
/// Bytes of resident memory after its last call, before that call's last reply can be seen; 0: not known, or not asked for.
pub(crate) const MEMORY: usize = 199;
/// What a fatal signal's handler noted, and how many words it may use.
pub(crate) const FATAL_NOTE: usize = 208;
pub(crate) const FATAL_NOTE_WORDS: usize = procession_os::FatalNote::WORDS;
/// 1: the worker aborted for want of memory. Only a worker with a memory limit writes it.
pub(crate) const OUT_OF_MEMORY: usize = 212;
/// How many messages the parent has sent after the orders; the worker compares it with what it has heard, for every frame.
/// Beside the fatal note, which nobody writes while calls run.
pub(crate) const TOLD: usize = 216;
/// The task of which nobody waits for what the worker is at: written by the parent, compared by the worker with the one it
/// runs. In a line of its own, because the worker looks at it for every frame.
pub(crate) const CANCEL: usize = 224;
/// The slowest items the worker has run, in no order, three words each: nanoseconds (0: none), task, and
/// [`item_and_offset`].
pub(crate) const SLOWEST: usize = 225;
pub(crate) const SLOWEST_ITEMS: usize = 10;
pub(crate) const SLOWEST_WORDS: usize = 3;
/// The last words: a length in bytes, then the postcard bytes of a `Failure`.
pub(crate) const LAST_WORDS: usize = 256;
pub(crate) const LAST_WORDS_BYTES: usize = 2040;

/// Ring tag of a call frame.
pub(crate) const TAG_CALL: u32 = 1;
/// Ring tag of the frame that ends a worker in good order.
pub(crate) const TAG_STOP: u32 = 2;
/// Ring tag of a short call frame that is like the one before it: a step, as [`CallHeader::step_from`] gives it, and the
/// arguments of its one item.
///
/// [`CallHeader::step_from`]: procession_task::frame::CallHeader::step_from
pub(crate) const TAG_NEXT: u32 = 3;

/// An item's index and its function's offset in one word. An offset that does not fit becomes 0, which is no function's.
pub(crate) fn item_and_offset(item: u64, offset: i64) -> u64 {
    let offset = i32::try_from(offset).unwrap_or(0);
    (item << 32) | u64::from(offset.cast_unsigned())
}

/// The two parts of [`item_and_offset`].
pub(crate) fn split_item_and_offset(word: u64) -> (u32, i64) {
    let offset = (word as u32).cast_signed();
    ((word >> 32) as u32, i64::from(offset))
}

/// Who wants to hear of replies, and from which call on.
///
/// One word of the header page, written by the parent, taken (set to zero) by the worker when it rings:
/// bits 62 and 63 say who, the rest is a position in the call ring. The worker rings after the reply to the
/// frame that ends there, and whenever it runs dry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bell {
    /// Nobody asks.
    Silent,
    /// The pool's own thread: one empty packet on the control socket.
    Loop,
    /// A thread that sleeps on the link's futex word.
    Waiter,
    /// A thread that polls: publish in time, wake nobody.
    Poller,
}

const AT_BITS: u32 = 62;
const AT_MASK: u64 = (1 << AT_BITS) - 1;

impl Bell {
    pub(crate) fn word(self, at: u64) -> u64 {
        let who = match self {
            Bell::Silent => return 0,
            Bell::Loop => 1,
            Bell::Waiter => 2,
            Bell::Poller => 3,
        };
        (who << AT_BITS) | at.min(AT_MASK)
    }

    pub(crate) fn parse(word: u64) -> (Bell, u64) {
        let who = match word >> AT_BITS {
            0 => Bell::Silent,
            1 => Bell::Loop,
            2 => Bell::Waiter,
            _ => Bell::Poller,
        };
        (who, word & AT_MASK)
    }
}

/// The header page and both rings' words, for either side.
#[derive(Clone)]
pub(crate) struct Layout {
    pub(crate) header: Words,
    call_data: Words,
    reply_data: Words,
}

impl Layout {
    pub(crate) fn new(segment: &Arc<Segment>) -> Result<Layout, Error> {
        let view = |offset, bytes: usize| {
            segment
                .words(offset, bytes / 8)
                .map_err(|e| Error::os("map a worker's link", e))
        };
        Ok(Layout {
            header: view(0, HEADER_BYTES)?,
            call_data: view(HEADER_BYTES, RING_BYTES)?,
            reply_data: view(HEADER_BYTES + RING_BYTES, RING_BYTES)?,
        })
    }

    fn call_header(&self) -> Words {
        self.header.sub(CALL_RING, RING_HEADER_WORDS)
    }

    fn reply_header(&self) -> Words {
        self.header.sub(REPLY_RING, RING_HEADER_WORDS)
    }

    /// The parent's ends: it produces calls and consumes replies.
    pub(crate) fn parent_ends(&self) -> Result<(Producer, Consumer), Error> {
        Ok((
            Producer::new(self.call_header(), self.call_data.clone()).map_err(ring)?,
            Consumer::new(self.reply_header(), self.reply_data.clone()).map_err(ring)?,
        ))
    }

    /// The worker's ends: it consumes calls and produces replies.
    pub(crate) fn worker_ends(&self) -> Result<(Consumer, Producer), Error> {
        Ok((
            Consumer::new(self.call_header(), self.call_data.clone()).map_err(ring)?,
            Producer::new(self.reply_header(), self.reply_data.clone()).map_err(ring)?,
        ))
    }

    pub(crate) fn get(&self, word: usize) -> u64 {
        self.header.at(word).load(Ordering::Relaxed)
    }

    pub(crate) fn set(&self, word: usize, value: u64) {
        self.header.at(word).store(value, Ordering::Relaxed);
    }

    /// Stores `bytes` as the last words, cut to what fits.
    pub(crate) fn set_last_words(&self, bytes: &[u8]) {
        if bytes.len() <= LAST_WORDS_BYTES {
            self.header.copy_in(LAST_WORDS + 1, bytes);
            self.header
                .at(LAST_WORDS)
                .store(bytes.len() as u64, Ordering::Release);
        }
    }

    /// Reads the last words; what a hostile worker wrote there is bytes like any other.
    pub(crate) fn last_words(&self) -> Option<Vec<u8>> {
        let len = self.header.at(LAST_WORDS).load(Ordering::Acquire) as usize;
        if len == 0 || len > LAST_WORDS_BYTES {
            return None;
        }
        let mut bytes = vec![0; len];
        self.header.copy_out(LAST_WORDS + 1, &mut bytes);
        Some(bytes)
    }
}

fn ring(e: impl std::fmt::Display) -> Error {
    Error::message(format!("cannot use a worker's link: {e}"))
}
