//! What a worker knows of its own work: readings of the clock, time spent, the slowest items. It must never read the
//! clock more often than [`stride`] says: for short items a reading costs more than the item.

use std::sync::atomic::{Ordering, fence};

use procession_os::clock::monotonic_ns;

use crate::link::{self, Layout, SLOWEST_ITEMS, SLOWEST_WORDS};

/// Results are published at least this often while a frame runs, so that progress is visible.
const PUBLISH_NS: u64 = 50_000;
/// Items run between two readings of the clock while items are shorter than [`SHORT_ITEM_NS`]: as many as take that long,
/// within bounds. More would hide a slow one among them, and a cancel, for longer than is worth the nanosecond an item.
const CLOCK_STRIDE: std::ops::RangeInclusive<u64> = 16..=64;
const SHORT_ITEM_NS: u64 = 2_000;

/// The worker's readings of the monotonic clock, so that it is read no oftener than needed.
pub(super) struct Clock {
    /// Items run since the last reading.
    pub(super) unread: u32,
    /// Items from one reading to the next.
    stride: u32,
    pub(super) now: u64,
    pub(super) published: u64,
    busy: u64,
    items: u64,
    per_item: u64,
    slowest: Slowest,
}

impl Clock {
    pub(super) fn new() -> Clock {
        let now = monotonic_ns();
        Clock {
            unread: 0,
            stride: 1,
            now,
            published: now,
            busy: 0,
            items: 0,
            per_item: 0,
            slowest: Slowest::default(),
        }
    }

    /// One more item has run; `offset` is its function's.
    #[inline]
    pub(super) fn item_ran(&mut self, layout: &Layout, offset: i64) {
        self.unread += 1;
        if self.unread >= self.stride {
            self.read(layout, offset);
        }
    }

    fn read(&mut self, layout: &Layout, offset: i64) {
        let now = monotonic_ns();
        let items = u64::from(self.unread.max(1));
        let took = now.saturating_sub(self.now);
        // Of several items since the last reading, one that was slow took what the others, short as before, did not.
        let slow = took.saturating_sub((items - 1).saturating_mul(self.per_item));
        self.per_item = (took / items).max(1);
        self.stride = stride(self.per_item);
        self.unread = 0;
        self.now = now;
        if slow > self.slowest.least {
            self.slowest.note(layout, slow, offset);
        }
    }

    /// Nothing was published for a while.
    #[inline]
    pub(super) fn is_publishing_due(&self) -> bool {
        self.now.saturating_sub(self.published) > PUBLISH_NS
    }

    /// The frame begun at `begun` is over. Comes before its last reply can be seen: whoever sees that sees this.
    #[inline]
    pub(super) fn frame_ran(&mut self, layout: &Layout, begun: u64, items: u32, offset: i64) {
        if self.unread > 0 {
            self.read(layout, offset);
        }
        layout.set(link::TASK, 0);
        self.busy += self.now.saturating_sub(begun);
        // A reader that finds the same count before and after, and not this mark, has seen both of the same frames.
        layout.set(link::ITEMS_DONE, self.items | link::COUNTING);
        fence(Ordering::Release);
        layout.set(link::BUSY_NS, self.busy);
        self.items += u64::from(items);
        let done = layout.header.at(link::ITEMS_DONE);
        done.store(self.items, Ordering::Release);
    }
}

/// Items between two readings: one while they are long.
fn stride(per_item: u64) -> u32 {
    if per_item > SHORT_ITEM_NS {
        return 1;
    }
    let items = SHORT_ITEM_NS / per_item.max(1);
    items.clamp(*CLOCK_STRIDE.start(), *CLOCK_STRIDE.end()) as u32
}

/// The slowest items so far, as they stand on the link.
struct Slowest {
    taken: [u64; SLOWEST_ITEMS],
    /// What an item has to exceed to be noted.
    least: u64,
}

impl Default for Slowest {
    fn default() -> Slowest {
        Slowest {
            taken: [0; SLOWEST_ITEMS],
            least: 0,
        }
    }
}

impl Slowest {
    /// Notes the item the worker is at in the place of the least slow one.
    #[cold]
    fn note(&mut self, layout: &Layout, took: u64, offset: i64) {
        let least = self.taken.iter_mut().enumerate().min_by_key(|(_, ns)| **ns);
        let Some((place, ns)) = least else { return };
        *ns = took;
        let at = link::SLOWEST + place * SLOWEST_WORDS;
        // A reader that finds the same time before and after has not seen a mixture.
        layout.set(at, 0);
        fence(Ordering::Release);
        layout.set(at + 1, layout.get(link::TASK));
        layout.set(
            at + 2,
            link::item_and_offset(layout.get(link::ITEM), offset),
        );
        layout.header.at(at).store(took, Ordering::Release);
        self.least = self.taken.iter().copied().min().unwrap_or(0);
    }
}
