//! How many items go into one frame; must not look at anything but the job's own numbers.

use super::{Chunk, Nanos};

/// Work aimed at per frame: long against the cost of a frame (about 1 µs), short against what a person notices.
pub(super) const AIM: Nanos = 500_000;
/// Work below which cutting finer for an even tail costs more than it evens out.
pub(super) const FLOOR: Nanos = 5_000;
/// Growth from one frame of a job to its next: one wrong measurement must not hand half a job to one worker.
pub(super) const GROWTH: u32 = 16;

/// The size of the job's latest frame, before the queue or the link cut it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Growth(u32);

impl Growth {
    /// The first frame has one item.
    pub(super) fn new() -> Growth {
        Growth(0)
    }

    pub(super) fn record(&mut self, size: u32) {
        self.0 = size;
    }

    fn limit(self) -> u32 {
        self.0.saturating_mul(GROWTH).max(1)
    }
}

/// What the job still has to hand out.
#[derive(Clone, Copy, Debug)]
pub(super) struct Left {
    /// Items in the queue.
    pub(super) queued: u32,
    /// More will come, so the end that is to be even is not this one.
    pub(super) open: bool,
}

/// The size of the next frame: `item` is the estimated time of one item, `workers` the size of the pool. At least 1.
#[inline]
pub(super) fn size(chunk: Chunk, growth: Growth, item: u32, left: Left, workers: u32) -> u32 {
    let Left { queued, open } = left;
    match chunk {
        Chunk::Fixed(size) => size.max(1),
        Chunk::Auto if queued <= 1 => 1,
        Chunk::Auto => {
            let aim = aim(item);
            let item = Nanos::from(item.max(1));
            let shares = if open {
                workers
            } else {
                workers.saturating_mul(2)
            };
            let share = queued.div_ceil(shares.max(1));
            let worth_cutting = (FLOOR / item) as u32;
            aim.min(share.max(worth_cutting)).min(growth.limit()).max(1)
        }
        Chunk::AtMost(most) => aim(item).min(most).max(1),
    }
}

/// Items that together take about [`AIM`]; 0 for one that takes longer.
pub(super) fn aim(item: u32) -> u32 {
    (AIM / Nanos::from(item.max(1))) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn auto(last: u32, item: u32, queued: u32, workers: u32) -> u32 {
        let open = false;
        size(
            Chunk::Auto,
            Growth(last),
            item,
            Left { queued, open },
            workers,
        )
    }

    #[test]
    fn grows_from_one_by_at_most_sixteen_up_to_the_aim() {
        assert_eq!(auto(0, 1_000, 100_000, 4), 1);
        assert_eq!(auto(1, 1_000, 100_000, 4), 16);
        assert_eq!(auto(16, 1_000, 100_000, 4), 256);
        assert_eq!(auto(256, 1_000, 100_000, 4), 500);
    }

    #[test]
    fn shrinks_towards_the_end_but_not_below_five_microseconds() {
        assert_eq!(auto(200, 1_000, 800, 4), 100);
        assert_eq!(auto(200, 1_000, 80, 4), 10);
        assert_eq!(auto(200, 1_000, 8, 4), 5);
    }

    #[test]
    fn what_is_not_the_end_is_shared_once() {
        let left = Left {
            queued: 800,
            open: true,
        };
        assert_eq!(size(Chunk::Auto, Growth(200), 1_000, left, 4), 200);
    }

    #[test]
    fn long_and_unmeasured_items_travel_alone() {
        assert_eq!(auto(200, 500_001, 1_000, 4), 1);
        assert_eq!(auto(200, u32::MAX, 1_000, 4), 1);
    }

    #[test]
    fn a_stream_s_chunks_follow_the_work_whatever_is_queued() {
        let (queued, open) = (1, false);
        let left = Left { queued, open };
        let most = |most, item| size(Chunk::AtMost(most), Growth(0), item, left, 4);
        assert_eq!(most(16, 1_000), 16);
        assert_eq!(most(1_000, 1_000), 500);
        assert_eq!(most(1_000, u32::MAX), 1);
        assert_eq!(most(0, 1), 1);
    }

    #[test]
    fn every_size_is_at_least_one() {
        let left = Left {
            queued: 0,
            open: false,
        };
        assert_eq!(size(Chunk::Fixed(0), Growth(0), 0, left, 0), 1);
        assert_eq!(size(Chunk::Fixed(7), Growth(0), 0, left, 0), 7);
        assert_eq!(auto(0, 0, 0, 0), 1);
        assert_eq!(auto(u32::MAX, 0, u32::MAX, u32::MAX), 5_000);
    }
}
