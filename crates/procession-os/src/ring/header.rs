//! The ring's four indices, its frame header and the checks on both; must not remember anything.

use super::short::Short;
use crate::sync::AtomicU64;
use crate::words::Words;
use core::fmt;

/// Words between two indices: 128 bytes, so that no two share a cache line nor the line prefetched with it.
const LINE: usize = if cfg!(loom) { 1 } else { 16 };

/// How many words the header of a ring takes: four indices, each on a cache line of its own.
pub const RING_HEADER_WORDS: usize = 4 * LINE;

/// The bytes of a frame's header word: its payload's length (low half) and its tag (high half).
pub(super) const FRAME_HEADER: u64 = 8;

/// The other side wrote something into the ring that no correct peer writes. The link is of no further use.
///
/// ```
/// use procession_os::ring::{Consumer, RING_HEADER_WORDS};
/// use procession_os::{sync::Ordering, words::Words};
/// let header = Words::heap(RING_HEADER_WORDS);
/// let mut consumer = Consumer::new(header.clone(), Words::heap(8)).unwrap();
/// header.at(0).store(3, Ordering::Relaxed);
/// let corrupt = consumer.drain(&mut Vec::new()).unwrap_err();
/// assert_eq!(corrupt.to_string(), "ring index out of range (tail)");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Corrupt(pub(super) &'static str);

impl fmt::Display for Corrupt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for Corrupt {}

/// The index words of one ring, each named by what it says and who writes it.
#[derive(Debug)]
pub(super) struct Header(Words);

impl Header {
    pub(super) fn new(words: Words) -> Option<Header> {
        (words.len() >= RING_HEADER_WORDS).then_some(Header(words))
    }

    /// Bytes published. Written by the producer.
    #[inline]
    pub(super) fn tail(&self) -> &AtomicU64 {
        self.0.at(0)
    }

    /// Bytes begun or taken back. Compared and swapped by both.
    #[inline]
    pub(super) fn claim(&self) -> &AtomicU64 {
        self.0.at(LINE)
    }

    /// Bytes that may be overwritten. Written by the consumer.
    #[inline]
    pub(super) fn released(&self) -> &AtomicU64 {
        self.0.at(2 * LINE)
    }

    /// Bytes complete in memory, published or not. Written by the producer, read after its death.
    #[inline]
    pub(super) fn staged(&self) -> &AtomicU64 {
        self.0.at(3 * LINE)
    }
}

/// `value` when it is a word boundary in `least..=most`.
#[inline]
pub(super) fn in_range(
    value: u64,
    least: u64,
    most: u64,
    corrupt: &'static str,
) -> Result<u64, Corrupt> {
    if value >= least && value <= most && value.is_multiple_of(8) {
        Ok(value)
    } else {
        Err(Corrupt(corrupt))
    }
}

/// The capacity in bytes of a ring over `data`: a power of two of at least two words.
pub(super) fn capacity(data: &Words) -> Option<u64> {
    let words = data.len() as u64;
    (words >= 2 && words.is_power_of_two()).then_some(words * 8)
}

/// The word of a ring of `capacity` bytes that holds byte offset `at`.
#[inline]
pub(super) fn slot(at: u64, capacity: u64) -> usize {
    ((at & (capacity - 1)) / 8) as usize
}

/// What a frame with a payload of `len` bytes takes, header and padding included.
#[inline]
pub(super) fn frame_bytes(len: u32) -> u64 {
    FRAME_HEADER + u64::from(len).next_multiple_of(8)
}

/// A frame's header word. A tag of more than 31 bits loses its highest: that one marks a short frame.
#[inline]
pub(super) fn pack(tag: u32, len: u32) -> u64 {
    u64::from(tag) << 32 & !SHORT | u64::from(len)
}

/// The mark of a short frame's word: payload from the lowest byte on, then length and tag. The payload is to lie at the word's
/// first byte, which it does on little-endian machines only; on others there are no short frames.
pub(super) const SHORT: u64 = 1 << 63;
/// Tags and payloads of short frames are at most this.
const SHORT_TAG: u32 = 15;
pub(super) const SHORT_BYTES: usize = 7;

/// A short frame's word.
#[inline]
pub(super) fn pack_short(tag: u32, short: Short) -> Option<u64> {
    (tag <= SHORT_TAG).then(|| short.word() | u64::from(tag) << 59)
}

/// What a frame's first word says.
#[derive(Clone, Copy, Debug)]
pub(super) struct Front {
    pub(super) tag: u32,
    /// Bytes of the payload.
    pub(super) len: u32,
    /// Whether the payload is in this word already.
    pub(super) short: bool,
}

impl Front {
    #[inline]
    pub(super) fn of(word: u64) -> Front {
        let short = word & SHORT != 0 && cfg!(target_endian = "little");
        if short {
            Front {
                tag: (word >> 59) as u32 & SHORT_TAG,
                len: (word >> 56) as u32 & SHORT_BYTES as u32,
                short,
            }
        } else {
            Front {
                tag: (word >> 32) as u32,
                len: word as u32,
                short,
            }
        }
    }

    /// What the frame takes.
    #[inline]
    pub(super) fn total(self) -> u64 {
        if self.short {
            FRAME_HEADER
        } else {
            frame_bytes(self.len)
        }
    }
}
