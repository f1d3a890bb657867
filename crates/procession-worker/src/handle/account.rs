//! What a worker's page says of its work, for statistics: nothing here may decide anything, for the worker can write what
//! it likes.

use std::sync::atomic::{Ordering, fence};

use super::Worker;
use crate::link::{self, SLOWEST_ITEMS, SLOWEST_WORDS};

/// Looks at what a worker is just changing, at most: it may have been interrupted there, or be hostile.
const LOOKS: u32 = 16;

/// What a worker is at, by its own account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct At {
    /// The task's number.
    pub task: u64,
    /// Which of its items.
    pub item: u32,
    /// When it began that item, on the monotonic clock.
    pub since: u64,
}

/// One of the slowest items a worker has run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SlowItem {
    /// Nanoseconds it took.
    pub took: u64,
    /// The task's number.
    pub task: u64,
    /// Which of its items.
    pub item: u32,
    /// Where its function's descriptor is; 0 if that is not known.
    pub offset: i64,
}

impl Worker {
    /// When its start was asked for, on the monotonic clock.
    pub fn started_ns(&self) -> u64 {
        self.started_ns
    }

    /// When it began its initializer and when it was ready, by its own account; 0 before.
    pub fn boot_stamps(&self) -> (u64, u64) {
        (
            self.layout.get(link::BOOTED_NS),
            self.layout.get(link::READY_NS),
        )
    }

    /// Nanoseconds spent in frames and items run, since the start; the worker's own figures, both of the same frames. A
    /// frame counts before its last reply can be seen. `before`, what was found at the last look, if the worker does not
    /// let go of them.
    pub fn work_done(&self, before: (u64, u64)) -> (u64, u64) {
        let done = self.layout.header.at(link::ITEMS_DONE);
        for _ in 0..LOOKS {
            let items = done.load(Ordering::Acquire);
            let busy = self.layout.get(link::BUSY_NS);
            fence(Ordering::Acquire);
            if items & link::COUNTING == 0 && done.load(Ordering::Relaxed) == items {
                return (busy, items);
            }
            std::hint::spin_loop();
        }
        before
    }

    /// Bytes of resident memory after the last call whose last reply was seen, or a later one, by its own account; 0 when it
    /// was not asked to note that, or cannot.
    pub fn memory(&self) -> u64 {
        self.layout.get(link::MEMORY)
    }

    /// What it is at, if it is at anything.
    pub fn is_at(&self) -> Option<At> {
        let task = self.layout.header.at(link::TASK).load(Ordering::Acquire);
        (task != 0).then(|| At {
            task,
            item: self.layout.get(link::ITEM) as u32,
            since: self.layout.get(link::STARTED_NS),
        })
    }

    /// The slowest items it has run, in no order; one that is just being noted is left out.
    pub fn slowest(&self) -> impl Iterator<Item = SlowItem> + '_ {
        (0..SLOWEST_ITEMS).filter_map(|place| {
            let at = link::SLOWEST + place * SLOWEST_WORDS;
            let took = self.layout.header.at(at).load(Ordering::Acquire);
            let task = self.layout.get(at + 1);
            let (item, offset) = link::split_item_and_offset(self.layout.get(at + 2));
            fence(Ordering::Acquire);
            (took != 0 && self.layout.get(at) == took).then_some(SlowItem {
                took,
                task,
                item,
                offset,
            })
        })
    }
}
