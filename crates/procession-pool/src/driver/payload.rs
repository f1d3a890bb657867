//! The encoded items of a job, and which of them make a frame. It must never look into an item.

use std::sync::Arc;

use procession_task::bytes::Encoded;
use procession_worker::handle::Short;

use crate::broadcast::Mentions;
use crate::cell::Raw;

/// Items of one frame together stay below this, so that a frame never fills the ring.
const FRAME_BYTES: usize = 32 * 1024;

/// The encoded items of a job.
#[derive(Debug)]
pub(crate) enum Payload {
    /// One item that is no longer than a word.
    Word(Short),
    /// One short item, in place.
    Short(Raw),
    /// One long item.
    Long(Arc<Encoded>),
    /// One item that mentions shared values.
    Mentioning(Box<Mentioning>),
    /// The items of a map, in the order they were added.
    Many(Vec<Segment>),
}

impl Default for Payload {
    fn default() -> Payload {
        Payload::Many(Vec::new())
    }
}

/// An item, and the shared values in it.
#[derive(Debug)]
pub(crate) struct Mentioning {
    pub(crate) item: Arc<Encoded>,
    pub(crate) mentions: Mentions,
}

/// The memory of a [`Segment`], to be used again.
#[derive(Debug)]
pub(crate) struct Spent {
    pub(crate) bytes: Vec<u8>,
    pub(crate) starts: Vec<u32>,
}

impl Payload {
    /// So many items of a map from `first` on have their outcome: they are not asked for again.
    #[inline]
    pub(super) fn answered(&mut self, first: u32, count: u32) {
        // To count replies that come one by one costs more than the memory is worth: it is then kept to the map's end.
        const WORTH_COUNTING: u32 = 16;
        if let Payload::Many(segments) = self
            && count >= WORTH_COUNTING
        {
            let after = segments.partition_point(|s| s.first <= first);
            if let Some(segment) = after.checked_sub(1).and_then(|at| segments.get_mut(at)) {
                segment.answered(count);
            }
        }
    }

    /// Adds items to a map; gives the memory of some that are over, if there are any.
    pub(super) fn append(&mut self, segment: Segment) -> Option<Spent> {
        // The newest are the ones at work.
        const LOOKED_AT: usize = 8;
        let Payload::Many(segments) = self else {
            return None;
        };
        let mut last = segments.iter_mut().rev().take(LOOKED_AT);
        let spent = last.find_map(Segment::take_spent);
        segments.push(segment);
        spent
    }
}

/// Items of a map that were added together.
#[derive(Debug)]
pub(crate) struct Segment {
    /// How many items they are, and how many of them may still be asked for.
    count: u32,
    left: u32,
    pub(crate) first: u32,
    pub(crate) bytes: Arc<Vec<u8>>,
    /// Where each item starts in `bytes`, and last where the last one ends.
    pub(crate) starts: Vec<u32>,
    /// The shared values in any of them.
    pub(crate) mentions: Mentions,
}

impl Segment {
    pub(crate) fn empty() -> Segment {
        Segment::new(0, Vec::new(), vec![0], None)
    }

    pub(crate) fn new(first: u32, bytes: Vec<u8>, starts: Vec<u32>, mentions: Mentions) -> Segment {
        let count = (starts.len() as u32).saturating_sub(1);
        Segment {
            count,
            left: count,
            first,
            bytes: Arc::new(bytes),
            starts,
            mentions,
        }
    }

    pub(super) fn items(&self) -> u32 {
        self.count
    }

    /// So many items more have their outcome.
    #[inline]
    fn answered(&mut self, count: u32) {
        self.left = self.left.saturating_sub(count);
    }

    /// Takes the memory of items that all have their outcome.
    fn take_spent(&mut self) -> Option<Spent> {
        if self.left > 0 || self.starts.is_empty() {
            return None;
        }
        let bytes = std::mem::take(Arc::get_mut(&mut self.bytes)?);
        let starts = std::mem::take(&mut self.starts);
        Some(Spent { bytes, starts })
    }

    /// Byte range of `count` items from item `first` (of this segment) on.
    pub(super) fn range(&self, first: u32, count: u32) -> Option<std::ops::Range<usize>> {
        let start = *self.starts.get(first as usize)?;
        let end = *self.starts.get(first as usize + count as usize)?;
        Some(start as usize..end as usize)
    }

    /// The most items from `first` on, at most `count`, that stay below [`FRAME_BYTES`]; at least one.
    pub(super) fn fitting(&self, first: u32, count: u32) -> u32 {
        let Some(start) = self.starts.get(first as usize) else {
            return 0;
        };
        let limit = *start as usize + FRAME_BYTES;
        let ends = self
            .starts
            .get(first as usize + 1..=(first as usize + count as usize))
            .unwrap_or_default();
        (ends.partition_point(|end| *end as usize <= limit) as u32).max(1)
    }
}
