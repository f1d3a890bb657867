//! The encoded items of a job, and which of them make a frame. It must never look into an item.

use std::sync::Arc;

use procession_task::bytes::Encoded;

use crate::broadcast::Mentions;
use crate::cell::Raw;

/// Items of one frame together stay below this, so that a frame never fills the ring.
const FRAME_BYTES: usize = 32 * 1024;

/// The encoded items of a job.
#[derive(Debug)]
pub(crate) enum Payload {
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

/// Items of a map that were added together.
#[derive(Debug)]
pub(crate) struct Segment {
    pub(crate) first: u32,
    pub(crate) bytes: Arc<Vec<u8>>,
    /// Where each item starts in `bytes`, and last where the last one ends.
    pub(crate) starts: Vec<u32>,
    /// The shared values in any of them.
    pub(crate) mentions: Mentions,
}

impl Segment {
    pub(crate) fn empty() -> Segment {
        Segment {
            first: 0,
            bytes: Arc::default(),
            starts: vec![0],
            mentions: None,
        }
    }

    pub(super) fn items(&self) -> u32 {
        (self.starts.len() as u32).saturating_sub(1)
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
