//! The input of a stream: the caller's iterator, read and encoded a portion at a time.
//!
//! All of it is user code, which may block or panic: it must never run while a lock is held.

use std::fmt;
use std::sync::Arc;

use procession_task::task::Arguments;
use procession_worker::TaskError;

use crate::broadcast::{Encoding, Mentions};
use crate::describe::Described;
use crate::driver::parts::Segment;
use crate::map::encode_error;

/// A portion ends at this many bytes, whatever it holds.
const PORTION_BYTES: usize = 256 * 1024;

/// The input of an [`Imap`](crate::Imap), whatever its type: it appears only in `dyn Items + 'a`, where `'a` is what the
/// input borrows. Nothing else implements it.
pub trait Items: sealed::Fill {}

impl<I: sealed::Fill + ?Sized> Items for I {}

impl fmt::Debug for dyn Items + '_ {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Items")
    }
}

pub(crate) mod sealed {
    use super::Portion;

    /// What can be read in portions.
    pub trait Fill {
        /// Reads until `portion` holds `most` items, or is full otherwise, or the input ends. When the input panics, the
        /// portion holds what came before.
        fn fill(&mut self, portion: &mut Portion, most: u32);
    }
}

/// Items read together.
#[derive(Debug)]
pub struct Portion {
    bytes: Vec<u8>,
    starts: Vec<u32>,
    mentions: Mentions,
    /// Why the item after these cannot be sent.
    pub(crate) refused: Option<TaskError>,
    /// The input has no more.
    pub(crate) ended: bool,
}

impl Portion {
    pub(crate) fn new() -> Portion {
        Portion {
            bytes: Vec::new(),
            starts: vec![0],
            mentions: None,
            refused: None,
            ended: false,
        }
    }

    pub(crate) fn items(&self) -> u32 {
        (self.starts.len() as u32).saturating_sub(1)
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes.len()
    }

    /// Takes the items, for the workers.
    pub(crate) fn take_segment(&mut self) -> Segment {
        Segment {
            first: 0,
            bytes: Arc::new(std::mem::take(&mut self.bytes)),
            starts: std::mem::take(&mut self.starts),
            mentions: self.mentions.take(),
        }
    }
}

/// The caller's iterator, with what it takes to encode its items.
pub(crate) struct Input<I> {
    items: I,
    name: &'static str,
    encoding: Encoding,
    /// Where the arguments are kept as text, if that is wanted.
    described: Option<Arc<Described>>,
    /// Items read so far.
    read: u64,
}

impl<I> Input<I> {
    pub(crate) fn new(
        items: I,
        name: &'static str,
        encoding: Encoding,
        described: Option<Arc<Described>>,
    ) -> Input<I> {
        Input {
            items,
            name,
            encoding,
            described,
            read: 0,
        }
    }
}

impl<I: Iterator<Item: Arguments>> sealed::Fill for Input<I> {
    fn fill(&mut self, portion: &mut Portion, most: u32) {
        while portion.items() < most && portion.bytes.len() < PORTION_BYTES {
            let Some(args) = self.items.next() else {
                portion.ended = true;
                return;
            };
            if let Some(described) = &self.described {
                described.note(self.read, &args);
            }
            self.read += 1;
            let encoded = self
                .encoding
                .push(&args, &mut portion.bytes, &mut portion.mentions);
            match encoded {
                Ok(()) => {
                    let end = u32::try_from(portion.bytes.len()).unwrap_or(u32::MAX);
                    portion.starts.push(end);
                }
                Err(e) => {
                    portion.refused = Some(encode_error(self.name, &e));
                    return;
                }
            }
        }
    }
}
