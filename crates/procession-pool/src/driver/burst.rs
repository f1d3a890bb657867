//! The time of submissions that follow each other closely, read once for several of them.
//!
//! It must never be used for a deadline: a reading may be as old as a tick of the kernel's clock.

use procession_worker::handle::{now_ns, tick_ns};

/// Submissions that share a reading at most. One reading waits for everything before it to be done, so it costs more than
/// its own time: about a seventh of a submission.
const SHARED: u32 = 16;

#[derive(Debug, Default)]
pub(crate) struct BurstClock {
    now: u64,
    tick: u64,
    left: u32,
}

impl BurstClock {
    /// The time now, or as of a moment ago within the same tick. Never less than before.
    #[inline]
    pub(crate) fn read(&mut self) -> u64 {
        let tick = tick_ns();
        if self.left == 0 || tick != self.tick {
            self.now = now_ns();
            self.tick = tick;
            self.left = SHARED;
        }
        self.left -= 1;
        self.now
    }

    /// Somebody else has read the clock.
    #[inline]
    pub(crate) fn saw(&mut self, now: u64) {
        self.now = self.now.max(now);
    }
}
