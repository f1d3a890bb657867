//! A single-producer, single-consumer ring of frames in shared memory; must never trust a word the other side can write.
//!
//! # Layout
//! A *frame* is a header word, payload length in the low half and tag in the high half, then the payload, filled up with
//! zeros to a whole word. A *short* frame is one word: its highest bit set, four bits of tag, three of length, and up to
//! seven bytes of payload, the first in the lowest place. Frames lie one behind the other in the data words and wrap at their end; a frame may be longer
//! than the ring and is then *streamed* through it. Four indices stand in the ring's header, 128 bytes apart. Each counts
//! bytes since the beginning, never wraps, is a multiple of 8, and only grows:
//!
//! | word | index | says | written by |
//! |---|---|---|---|
//! | 0 | `tail` | published | producer |
//! | 16 | `claim` | begun by the consumer, or taken back from it | both, by compare-and-swap |
//! | 32 | `released` | may be overwritten | consumer |
//! | 48 | `staged` | complete in memory, published or not | producer |
//!
//! # Who owns a frame
//! 1. A frame belongs to the producer until `claim` passes its start. The consumer passes it by a swap from the frame's
//!    start to its end and owns it from then on; the producer passes everything not begun by one swap from the claim it
//!    found to the end of what it wrote, and owns that again.
//! 2. Both swaps start from the same value of one word, so one of them fails: no frame has two owners, and none has none.
//! 3. The consumer may read a frame's header before its swap: the producer overwrites only what is before `released`,
//!    which only the consumer moves, and never beyond the claim it has seen.
//!
//! # What a kill leaves
//! | killed | the other side finds |
//! |---|---|
//! | producer while it writes a frame | nothing: neither `staged` nor `tail` covers it |
//! | producer after `stage` | the frame, through [`Consumer::drain_staged`] |
//! | producer after `publish`, before the bell | the frame; who sees the death drains, and rings in its place |
//! | producer in a streamed frame | an incomplete frame at the end, which [`Frames`] does not yield |
//! | consumer before its claim's swap | the frame, taken back |
//! | consumer after it | a begun frame: `claim` is at its end |
//! | consumer before `release` | a ring with less room, which dies with the link |
//!
//! No step needs repair: each index has one writer, or changes by one swap.
//!
//! # Against a hostile peer
//! Each index is read once, checked against what the side knows itself (it never goes back, never passes what was
//! written, never runs more than the capacity ahead of what was released), and used masked. Payloads are copied out
//! before they are looked at. What fails a check is [`Corrupt`]; a lie that passes harms only the liar's own frames.

mod claims;
mod consumer;
mod drain;
mod frames;
mod gather;
mod header;
mod producer;
mod short;
mod stream;

pub use self::consumer::Consumer;
pub use self::frames::Frames;
pub use self::header::{Corrupt, RING_HEADER_WORDS};
pub use self::producer::Producer;
pub use self::short::Short;

use crate::error::Result;
use crate::words::Words;

/// Both sides of a ring of `data_words` words on the heap of this process, for tests and examples.
///
/// # Errors
/// When `data_words` is not a power of two of at least 2.
///
/// ```
/// let (mut producer, mut consumer) = procession_os::ring::on_heap(8)?;
/// producer.write(1, &[b"hello"]);
/// producer.publish();
/// assert!(!consumer.is_empty());
/// assert!(procession_os::ring::on_heap(7).is_err());
/// # Ok::<(), procession_os::Error>(())
/// ```
pub fn on_heap(data_words: usize) -> Result<(Producer, Consumer)> {
    let (header, data) = (Words::heap(RING_HEADER_WORDS), Words::heap(data_words));
    Ok((
        Producer::new(header.clone(), data.clone())?,
        Consumer::new(header, data)?,
    ))
}
