//! Items of an input, read and encoded together: how maps and lazy maps make what they hand to the workers.
//!
//! Reading and encoding are user code, which may block or panic: neither may run while a lock is held.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;

use procession_task::codec::{self, CodecError};
use procession_task::frame;
use procession_task::task::Arguments;
use procession_worker::{TaskError, TaskErrorKind};

use crate::broadcast::{Encoding, Mentions};
use crate::describe::Described;
use crate::driver::parts::{Segment, Spent};

/// A portion ends at this many bytes, whatever it holds.
const PORTION_BYTES: usize = 256 * 1024;

/// Items read together.
#[derive(Debug)]
pub struct Portion {
    bytes: Vec<u8>,
    /// Where each item starts, and last where the last one ends.
    starts: Vec<u32>,
    mentions: Mentions,
}

impl Portion {
    pub(crate) fn new() -> Portion {
        Portion {
            bytes: Vec::new(),
            starts: vec![0],
            mentions: None,
        }
    }

    /// An empty one, with room for so many items and bytes: in `spent` memory, if that is large enough.
    pub(crate) fn with_room(items: u32, bytes: usize, spent: Option<Spent>) -> Portion {
        let (items, bytes) = (items as usize + 1, bytes.min(PORTION_BYTES));
        let large_enough =
            |spent: &Spent| spent.starts.capacity() >= items && spent.bytes.capacity() >= bytes;
        let Spent {
            mut bytes,
            mut starts,
        } = spent.filter(large_enough).unwrap_or_else(|| Spent {
            bytes: Vec::with_capacity(bytes),
            starts: Vec::with_capacity(items),
        });
        bytes.clear();
        starts.clear();
        starts.push(0);
        Portion {
            bytes,
            starts,
            mentions: None,
        }
    }

    #[inline]
    pub(crate) fn items(&self) -> u32 {
        (self.starts.len() as u32).saturating_sub(1)
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes.len()
    }

    /// Takes the items for the workers, the first of them item `first` of the job, and leaves `next`.
    pub(crate) fn take_segment(&mut self, first: u32, next: Portion) -> Segment {
        let portion = std::mem::replace(self, next);
        Segment::new(first, portion.bytes, portion.starts, portion.mentions)
    }
}

/// Why no more items were read.
#[derive(Debug)]
pub enum Stopped {
    /// The portion is full.
    Full,
    /// The input has no more.
    Ended,
    /// The item after these cannot be sent.
    Refused(TaskError),
}

/// How the items of one call are read.
#[derive(Debug)]
pub(crate) struct ItemReader {
    name: &'static str,
    encoding: Encoding,
    /// Where the arguments are kept as text, if that is wanted.
    described: Option<Arc<Described>>,
    /// Items of the input read so far.
    read: u64,
}

impl ItemReader {
    pub(crate) fn new(
        name: &'static str,
        encoding: Encoding,
        described: Option<Arc<Described>>,
    ) -> ItemReader {
        ItemReader {
            name,
            encoding,
            described,
            read: 0,
        }
    }

    /// How many items of the input were read, those that were refused included.
    pub(crate) fn read(&self) -> u64 {
        self.read
    }

    /// An item that was refused is no item of the job.
    pub(crate) fn leave_out(&self, item: u64) {
        if let Some(described) = &self.described {
            described.leave_out(item);
        }
    }

    /// Adds items to `portion` until it holds `most`, or is full otherwise, or one is refused, or the input ends.
    ///
    /// An item whose `Serialize` panics is refused. A panic of the input itself goes on; the portion then holds what came
    /// before.
    pub(crate) fn fill<I: Iterator<Item: Arguments>>(
        &mut self,
        items: &mut I,
        portion: &mut Portion,
        most: u32,
    ) -> Stopped {
        let before = portion.items();
        let stopped = catch_unwind(AssertUnwindSafe(|| self.push_all(items, portion, most)));
        self.read += u64::from(portion.items() - before);
        let refused = match stopped {
            Ok(Ok(stopped)) => return stopped,
            Ok(Err(e)) => e,
            Err(payload) => {
                let whole = portion.starts.last().map_or(0, |end| *end as usize);
                if portion.bytes.len() <= whole {
                    resume_unwind(payload);
                }
                // The item has its place for the length, and no more.
                portion.bytes.truncate(whole);
                CodecError::panicked(payload)
            }
        };
        self.read += 1;
        Stopped::Refused(encode_error(self.name, &refused))
    }

    #[inline]
    fn push_all<I: Iterator<Item: Arguments>>(
        &self,
        items: &mut I,
        portion: &mut Portion,
        most: u32,
    ) -> Result<Stopped, CodecError> {
        let Portion {
            bytes,
            starts,
            mentions,
        } = portion;
        let limits = self.encoding.limits;
        let already = starts.len();
        // One session for all, whatever the input does meanwhile: a shared value that it encodes is mentioned in vain.
        let _noting = self.encoding.noting(mentions);
        while starts.len() <= most as usize && bytes.len() < PORTION_BYTES {
            let Some(args) = items.next() else {
                return Ok(Stopped::Ended);
            };
            if let Some(described) = &self.described {
                described.note(self.read + (starts.len() - already) as u64, &args);
            }
            frame::push_item(bytes, |out| codec::encode(&args, out, &limits))?;
            starts.push(u32::try_from(bytes.len()).unwrap_or(u32::MAX));
        }
        Ok(Stopped::Full)
    }
}

/// The error of arguments that cannot be encoded.
pub(crate) fn encode_error(name: &'static str, e: &CodecError) -> TaskError {
    let kind = match e.kind() {
        codec::CodecErrorKind::TooLarge { .. } => TaskErrorKind::TooLarge,
        _ => TaskErrorKind::EncodeArgs,
    };
    TaskError::new(kind, name).with_detail(e.to_string())
}
