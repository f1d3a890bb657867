//! Frames longer than the free space, written piece by piece; must let the last piece end on a word.

use super::Producer;
use super::gather::Gather;
use super::header::{FRAME_HEADER, frame_bytes};

/// A frame of which bytes are still to be fed.
#[derive(Debug)]
pub(super) struct Stream {
    pub(super) start: u64,
    pub(super) end: u64,
    left: usize,
    gather: Gather,
}

impl Producer {
    /// Begins a frame of `len` bytes that may be longer than the free space, and than the ring. Its bytes follow by
    /// [`feed`](Producer::feed).
    ///
    /// `false`: nothing was written, because there is no room for even the header, or another frame is being streamed.
    ///
    /// ```
    /// let (mut producer, mut consumer) = procession_os::ring::on_heap(4)?;
    /// assert!(producer.begin(1, 100));
    /// assert_eq!(producer.feed(&[7; 100]), 24);
    /// producer.publish();
    /// let mut out = Vec::new();
    /// assert_eq!(consumer.claim(&mut out)?, Some(1));
    /// assert_eq!((out.len(), consumer.missing()), (24, 76));
    /// while producer.is_streaming() {
    ///     producer.feed(&[7; 76][..consumer.missing()]);
    ///     producer.publish();
    ///     consumer.more(&mut out)?;
    /// }
    /// assert_eq!(out, [7; 100]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn begin(&mut self, tag: u32, len: u32) -> bool {
        if self.stream.is_some() || !self.reserve(FRAME_HEADER) {
            return false;
        }
        let start = self.written;
        self.put_header(tag, len);
        if len > 0 {
            let (end, gather) = (start + frame_bytes(len), Gather::default());
            self.stream = Some(Stream {
                start,
                end,
                left: len as usize,
                gather,
            });
        }
        true
    }

    /// Writes as much of `bytes` into the frame begun as there is room for, and returns how many bytes that was: fewer
    /// than given when the ring is full or the frame complete. Publish, let the consumer read, and feed the rest.
    ///
    /// ```
    /// let (mut producer, _) = procession_os::ring::on_heap(4)?;
    /// producer.begin(1, 5);
    /// assert_eq!(producer.feed(b"abc"), 3);
    /// assert_eq!(producer.feed(b"defgh"), 2, "the frame is complete");
    /// assert_eq!(producer.feed(b"fgh"), 0, "there is no frame");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn feed(&mut self, bytes: &[u8]) -> usize {
        self.refresh_released(
            self.stream
                .as_ref()
                .map_or(0, |stream| stream.end - self.written),
        );
        let free = self.free() as usize;
        let Some(stream) = &mut self.stream else {
            return 0;
        };
        let taken = bytes
            .len()
            .min(stream.left)
            .min(free - stream.gather.held().min(free));
        stream.left -= taken;
        self.written = stream
            .gather
            .push(&self.data, self.capacity, self.written, &bytes[..taken]);
        if stream.left == 0 {
            self.written = stream.gather.flush(&self.data, self.capacity, self.written);
            self.stream = None;
        }
        taken
    }

    /// Whether a frame was begun and is not complete.
    ///
    /// ```
    /// let (mut producer, _) = procession_os::ring::on_heap(4)?;
    /// producer.begin(1, 5);
    /// assert!(producer.is_streaming());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn is_streaming(&self) -> bool {
        self.stream.is_some()
    }
}
