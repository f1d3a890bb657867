//! How much a stream has under way: window, chunk and portion, from the options and from what was measured.
//!
//! It must never read a clock or touch an item: numbers in, numbers out.

use crate::core::Chunk;

/// Growth of the adaptive chunk from one portion to the next: one wrong measurement must not widen the window at once.
const GROWTH: u32 = 16;
/// A portion takes about this long to read and encode, so that workers are not kept waiting for its end.
const FILL_NS: u64 = 100_000;
/// Bytes of items per chunk from where a larger chunk saves nothing; keeps the window of large items small.
const CHUNK_BYTES: usize = 32 * 1024;

/// The flow of one stream.
#[derive(Clone, Debug)]
pub(crate) struct Flow {
    /// Items per chunk, if the caller said so.
    fixed: Option<u32>,
    /// The window, if the caller said so.
    buffer: Option<u32>,
    workers: u32,
    /// Items per chunk, as adapted so far.
    chunk: u32,
    /// The largest `chunk` so far.
    largest: u32,
    /// Items of the next portion, by the pace of the input so far.
    portion: u32,
    /// The pool takes no more at a time.
    most: u32,
}

impl Flow {
    /// The flow by its options; `Err` says which one is impossible. No `workers`: items run in the caller, one by one.
    pub(crate) fn new(
        chunk: Option<usize>,
        buffer: Option<usize>,
        workers: usize,
    ) -> Result<Flow, &'static str> {
        if chunk == Some(0) {
            return Err("chunk_size must be at least 1");
        }
        if buffer == Some(0) {
            return Err("buffer_size must be at least 1");
        }
        // Positions are told apart modulo 2^32, so a window stays well below that.
        let number = |n: usize| u32::try_from(n).unwrap_or(u32::MAX).min(1 << 30);
        Ok(Flow {
            fixed: chunk.map(number),
            buffer: buffer.map(number),
            workers: number(workers),
            chunk: 1,
            largest: 1,
            portion: 1,
            most: u32::MAX,
        })
    }

    /// The same, never handing out more than so many items together.
    pub(crate) fn in_portions_of(mut self, items: u32) -> Flow {
        self.most = items.max(1);
        self
    }

    /// The flow of what runs nowhere.
    pub(crate) fn inline() -> Flow {
        Flow {
            fixed: None,
            buffer: None,
            workers: 0,
            chunk: 1,
            largest: 1,
            portion: 1,
            most: u32::MAX,
        }
    }

    /// How many items may be taken from the input and not yet yielded.
    pub(crate) fn window(&self) -> u32 {
        if self.workers == 0 {
            return 1;
        }
        let chunks = self.workers.saturating_mul(2);
        self.buffer
            .unwrap_or(
                chunks
                    .saturating_mul(self.fixed.unwrap_or(self.chunk))
                    .min(1 << 30),
            )
            .max(1)
    }

    /// How the scheduler is to cut the next portion.
    pub(crate) fn chunk(&self) -> Chunk {
        match self.fixed {
            Some(items) => Chunk::Fixed(items),
            None => {
                let share = self.window() / self.workers.saturating_mul(2).max(1);
                Chunk::AtMost(self.chunk.min(share).max(1))
            }
        }
    }

    /// How many items to read next when `under_way` are taken and not yet yielded; 0: the window is full.
    pub(crate) fn next_portion(&self, under_way: u32) -> u32 {
        let window = self.window();
        let room = window.saturating_sub(under_way);
        // Chunks of a fixed size go out whole.
        let unit = self.fixed.map_or(1, |items| items.min(window));
        let most = self.portion.max(unit).min(room).min((window / 2).max(unit));
        (most - most % unit).min(self.most)
    }

    /// Whether so much was yielded that reading more cannot wait until the consumer has nothing left.
    pub(crate) fn is_low(&self, under_way: u32) -> bool {
        under_way <= self.window() / 2
    }

    /// Whether items travel, or ever travelled, several at once.
    pub(crate) fn sends_chunks(&self) -> bool {
        self.fixed.map_or(self.largest, |items| items) > 1
    }

    /// Learns the pace of the input: reading `items` took so long.
    pub(crate) fn read(&mut self, items: u32, took_ns: u64) {
        let each = took_ns / u64::from(items.max(1));
        let paced = u32::try_from(FILL_NS / each.max(1)).unwrap_or(u32::MAX);
        self.portion = self.portion.saturating_mul(2).min(paced).max(1);
    }

    /// Learns how many items the scheduler finds worth a chunk, and how large items are.
    pub(crate) fn learn(&mut self, worth: u32, items: u32, bytes: usize) {
        let each = (bytes / items.max(1) as usize).max(1);
        let by_size = u32::try_from(CHUNK_BYTES / each).unwrap_or(u32::MAX);
        let grown = self.chunk.saturating_mul(GROWTH);
        self.chunk = worth.min(by_size).min(grown).max(1);
        self.largest = self.largest.max(self.chunk);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flow(chunk: Option<usize>, buffer: Option<usize>) -> Flow {
        Flow::new(chunk, buffer, 4).unwrap()
    }

    #[test]
    fn the_window_is_twice_the_workers_times_the_chunk() {
        let mut adaptive = flow(None, None);
        assert_eq!(adaptive.window(), 8);
        adaptive.learn(200, 1, 4);
        assert_eq!(
            (adaptive.window(), adaptive.chunk()),
            (128, Chunk::AtMost(16))
        );
        adaptive.learn(200, 1, 4);
        assert_eq!(adaptive.window(), 1_600);
        adaptive.learn(1, 1, 4);
        assert_eq!(adaptive.window(), 8);
        assert_eq!(flow(Some(10), None).window(), 80);
        assert_eq!(flow(Some(10), Some(3)).window(), 3);
        assert_eq!(flow(Some(usize::MAX), None).window(), 1 << 30);
    }

    #[test]
    fn zero_is_refused() {
        assert!(Flow::new(Some(0), None, 4).is_err());
        assert!(Flow::new(None, Some(0), 4).is_err());
    }

    #[test]
    fn large_items_keep_the_window_small() {
        let mut large = flow(None, None);
        large.learn(1_000, 1, 1 << 20);
        assert_eq!(large.window(), 8);
    }

    #[test]
    fn a_buffer_bounds_the_chunk() {
        let mut small = flow(None, Some(32));
        small.learn(1_000, 1, 1);
        small.learn(1_000, 1, 1);
        assert_eq!(small.chunk(), Chunk::AtMost(4));
        assert_eq!(flow(None, Some(1)).chunk(), Chunk::AtMost(1));
    }

    #[test]
    fn portions_grow_with_a_quick_input_and_stay_single_with_a_slow_one() {
        let mut quick = flow(None, Some(1_000));
        assert_eq!(quick.next_portion(0), 1);
        for _ in 0..20 {
            quick.read(10, 100);
        }
        assert_eq!(quick.next_portion(0), 500);
        assert_eq!(quick.next_portion(900), 100);
        assert_eq!(quick.next_portion(1_000), 0);
        quick.read(1, 1_000_000);
        assert_eq!(quick.next_portion(0), 1);
    }

    #[test]
    fn fixed_chunks_go_out_whole() {
        let fixed = flow(Some(10), None);
        assert_eq!(fixed.next_portion(0), 10);
        assert_eq!(fixed.next_portion(75), 0);
        assert_eq!(flow(Some(10), Some(4)).next_portion(0), 4);
        assert_eq!(flow(Some(10), Some(4)).next_portion(1), 0);
    }

    #[test]
    fn a_pool_without_workers_takes_one_item_at_a_time() {
        let inline = Flow::new(Some(50), Some(100), 0).unwrap();
        assert_eq!(
            (
                inline.window(),
                inline.next_portion(0),
                inline.next_portion(1)
            ),
            (1, 1, 0)
        );
    }
}
