//! The writing side of a ring; must never wait and must never write where the consumer may still read.

use super::gather::{self, Gather};
use super::header::{Corrupt, FRAME_HEADER, Header, capacity, frame_bytes, in_range, pack, slot};
use crate::error::{Error, Result as OsResult};
use crate::sync::Ordering;
use crate::words::Words;

/// Writes frames into a ring. There is one producer for each ring.
///
/// ```
/// use procession_os::ring::{Consumer, Producer, RING_HEADER_WORDS};
/// use procession_os::words::Words;
/// let (header, data) = (Words::heap(RING_HEADER_WORDS), Words::heap(16));
/// let mut producer = Producer::new(header.clone(), data.clone()).unwrap();
/// let mut consumer = Consumer::new(header, data).unwrap();
/// assert!(producer.write(7, &[b"call ", b"me"]));
/// assert!(consumer.is_empty(), "written, but not published");
/// assert!(producer.publish());
/// let mut out = Vec::new();
/// assert_eq!(consumer.claim(&mut out), Ok(Some(7)));
/// assert_eq!(out, b"call me");
/// assert_eq!(producer.claimed(), Ok(producer.position()));
/// ```
#[derive(Debug)]
pub struct Producer {
    header: Header,
    data: Words,
    capacity: u64,
    /// End of what is in memory.
    written: u64,
    /// Last stores of `tail` and `staged`.
    published: u64,
    staged: u64,
    /// Last accepted loads of `released` and `claim`.
    released: u64,
    claimed: u64,
    /// The frame being streamed.
    stream: Option<Stream>,
}

/// A frame of which bytes are still to be fed.
#[derive(Debug)]
struct Stream {
    start: u64,
    end: u64,
    left: usize,
    gather: Gather,
}

impl Producer {
    /// The producer of a zeroed ring with the given header and data words.
    ///
    /// # Errors
    /// When the header is shorter than [`RING_HEADER_WORDS`](super::RING_HEADER_WORDS) words or the data is not a power
    /// of two of at least two words.
    pub fn new(header: Words, data: Words) -> OsResult<Producer> {
        let header = Header::new(header)
            .ok_or_else(|| Error::message("cannot use a ring: its header is too short"))?;
        let capacity = capacity(&data).ok_or_else(|| {
            Error::message("cannot use a ring: its size is not a power of two of at least 16 bytes")
        })?;
        Ok(Producer {
            header,
            data,
            capacity,
            written: 0,
            published: 0,
            staged: 0,
            released: 0,
            claimed: 0,
            stream: None,
        })
    }

    /// The bytes of the ring. A frame takes 8 more than its payload, rounded up to a multiple of 8.
    pub fn capacity(&self) -> usize {
        self.capacity as usize
    }

    /// Writes a whole frame, its payload gathered from `parts`, if it fits into the free space. Not visible to the
    /// consumer before [`publish`](Producer::publish).
    ///
    /// `false`: nothing was written, because there is no room now, or never (a frame larger than the ring, see
    /// [`begin`](Producer::begin)), or because another frame is being streamed.
    #[inline]
    pub fn write(&mut self, tag: u32, parts: &[&[u8]]) -> bool {
        let len = parts
            .iter()
            .fold(0usize, |sum, part| sum.saturating_add(part.len()));
        let Ok(len) = u32::try_from(len) else {
            return false;
        };
        if self.stream.is_some() || !self.reserve(frame_bytes(len)) {
            return false;
        }
        let first = slot(self.written, self.capacity);
        let end = self.written + frame_bytes(len);
        if end - self.written <= (self.data.len() - first) as u64 * 8 && gather::is_aligned(parts) {
            self.put_in_one_piece(first, tag, len, parts);
        } else {
            self.put_header(tag, len);
            let mut gather = Gather::default();
            for part in parts {
                self.written = gather.push(&self.data, self.capacity, self.written, part);
            }
            gather.flush(&self.data, self.capacity, self.written);
        }
        self.written = end;
        true
    }

    /// Begins a frame of `len` bytes that may be longer than the free space, and than the ring. Its bytes follow by
    /// [`feed`](Producer::feed).
    ///
    /// `false`: nothing was written, because there is no room for even the header, or another frame is being streamed.
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
    pub fn is_streaming(&self) -> bool {
        self.stream.is_some()
    }

    /// Makes what was written readable by [`Consumer::drain_staged`](super::Consumer::drain_staged) after this process's
    /// death, without publishing it.
    #[inline]
    pub fn stage(&mut self) {
        if self.staged != self.written {
            self.staged = self.written;
            self.header.staged().store(self.written, Ordering::Release);
        }
    }

    /// Makes what was written visible to the consumer. `false` when there was nothing to show.
    #[inline]
    pub fn publish(&mut self) -> bool {
        if self.published == self.written {
            return false;
        }
        self.published = self.written;
        self.header.tail().store(self.written, Ordering::Release);
        true
    }

    /// Where the frame last written or begun ends, as an offset that never wraps. The consumer has begun that frame once
    /// [`claimed`](Producer::claimed) is at least this.
    #[inline]
    pub fn position(&self) -> u64 {
        self.stream
            .as_ref()
            .map_or(self.written, |stream| stream.end)
    }

    /// How far the consumer has begun frames (or they were taken back from it).
    ///
    /// # Errors
    /// [`Corrupt`] when the index went back, or beyond what was written, or into a frame.
    #[inline]
    pub fn claimed(&mut self) -> Result<u64, Corrupt> {
        let claim = self.header.claim().load(Ordering::Acquire);
        self.claimed = self.check_claim(claim)?;
        Ok(claim)
    }

    /// Takes back everything the consumer has not begun, a half-streamed frame included, and returns the claim found:
    /// frames that end after it are the caller's again, all others the consumer's. Their space comes back when the
    /// consumer next looks at the ring.
    ///
    /// # Errors
    /// [`Corrupt`] as for [`claimed`](Producer::claimed).
    pub fn take_back(&mut self) -> Result<u64, Corrupt> {
        loop {
            let found = self.claimed()?;
            if found == self.position() {
                return Ok(found);
            }
            let swap = self.header.claim().compare_exchange(
                found,
                self.written,
                Ordering::AcqRel,
                Ordering::Relaxed,
            );
            if swap.is_ok() {
                self.claimed = self.written;
                self.stream = None;
                // The tail follows the claim, so that it is never behind it for long; the consumer allows for either order.
                self.publish();
                return Ok(found);
            }
            // The consumer began a frame in between: its claim grew, which a finite number of frames bounds.
            if self.claimed()? == found {
                return Err(Corrupt("ring index out of range (claim)"));
            }
        }
    }

    /// Whether there is room for a frame with a payload of `payload_len` bytes. While a frame is being streamed: whether
    /// there is room for that many bytes of it, and at least one.
    ///
    /// Always `false` for a frame larger than the ring.
    pub fn has_room(&mut self, payload_len: usize) -> bool {
        u32::try_from(payload_len).is_ok_and(|len| self.reserve(frame_bytes(len)))
    }

    /// Whether the consumer has begun, or drained, all that was written.
    ///
    /// # Errors
    /// [`Corrupt`] as for [`claimed`](Producer::claimed).
    pub fn is_drained(&mut self) -> Result<bool, Corrupt> {
        self.refresh_released(self.capacity);
        Ok(self.claimed()? == self.position() || self.released == self.position())
    }

    /// Writes a frame that does not wrap and whose parts begin at words.
    #[inline]
    fn put_in_one_piece(&mut self, mut word: usize, tag: u32, len: u32, parts: &[&[u8]]) {
        self.data.at(word).store(pack(tag, len), Ordering::Relaxed);
        word += 1;
        for part in parts {
            self.data.copy_in(word, part);
            word += part.len().div_ceil(8);
        }
    }

    #[inline]
    fn put_header(&mut self, tag: u32, len: u32) {
        self.data
            .at(slot(self.written, self.capacity))
            .store(pack(tag, len), Ordering::Relaxed);
        self.written += FRAME_HEADER;
    }

    #[inline]
    fn free(&self) -> u64 {
        self.capacity - (self.written - self.released)
    }

    #[inline]
    fn reserve(&mut self, bytes: u64) -> bool {
        self.refresh_released(bytes);
        self.free() >= bytes
    }

    /// Reads `released` again unless the free space known suffices. A value out of range is not taken over: a consumer
    /// that lies only keeps its ring full.
    #[inline]
    fn refresh_released(&mut self, bytes: u64) {
        if self.free() >= bytes {
            return;
        }
        let released = self.header.released().load(Ordering::Acquire);
        self.released =
            in_range(released, self.released, self.written, "").unwrap_or(self.released);
    }

    /// A claim moves forward only, to a frame's end: not beyond the last one's, and never into the one being streamed.
    #[inline]
    fn check_claim(&self, claim: u64) -> Result<u64, Corrupt> {
        let corrupt = "ring index out of range (claim)";
        match &self.stream {
            Some(stream) if claim > stream.start => {
                in_range(claim, stream.end, stream.end, corrupt)
            }
            _ => in_range(claim, self.claimed, self.written, corrupt),
        }
    }
}
