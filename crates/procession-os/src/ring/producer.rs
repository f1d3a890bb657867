//! The writing side of a ring; must never wait and must never write where the consumer may still read.

use super::gather::{self, Gather};
use super::header::{
    FRAME_HEADER, Header, capacity, frame_bytes, in_range, pack, pack_short, slot,
};
use super::short::Short;
use super::stream::Stream;
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
    pub(super) header: Header,
    pub(super) data: Words,
    pub(super) capacity: u64,
    /// End of what is in memory.
    pub(super) written: u64,
    /// Last stores of `tail` and `staged`.
    published: u64,
    staged: u64,
    /// Last accepted loads of `released` and `claim`.
    pub(super) released: u64,
    pub(super) claimed: u64,
    /// The frame being streamed.
    pub(super) stream: Option<Stream>,
}

impl Producer {
    /// The producer of a zeroed ring with the given header and data words.
    ///
    /// # Errors
    /// When the header is shorter than [`RING_HEADER_WORDS`](super::RING_HEADER_WORDS) words or the data is not a power
    /// of two of at least two words.
    ///
    /// ```
    /// use procession_os::ring::{Producer, RING_HEADER_WORDS};
    /// use procession_os::words::Words;
    /// assert!(Producer::new(Words::heap(RING_HEADER_WORDS), Words::heap(8)).is_ok());
    /// assert!(Producer::new(Words::heap(RING_HEADER_WORDS), Words::heap(9)).is_err());
    /// ```
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
    ///
    /// ```
    /// let (producer, _) = procession_os::ring::on_heap(4)?;
    /// assert_eq!(producer.capacity(), 32);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn capacity(&self) -> usize {
        self.capacity as usize
    }

    /// Writes a whole frame, its payload gathered from `parts`, if it fits into the free space. Not visible to the
    /// consumer before [`publish`](Producer::publish). Of the tag, 31 bits travel.
    ///
    /// `false`: nothing was written, because there is no room now, or never (a frame larger than the ring, see
    /// [`begin`](Producer::begin)), or because another frame is being streamed.
    ///
    /// ```
    /// let (mut producer, _) = procession_os::ring::on_heap(4)?;
    /// assert!(producer.write(1, &[b"twenty-four ", b"bytes long.."]));
    /// assert!(!producer.write(2, &[]), "the ring is full");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
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

    /// As [`write`](Producer::write) for a payload of at most seven bytes and a tag of at most 15, which share one word.
    ///
    /// `false`: nothing was written, because it is longer, because there is no room now, because another frame is being
    /// streamed, or because this machine is big-endian.
    ///
    /// ```
    /// let (mut producer, mut consumer) = procession_os::ring::on_heap(2)?;
    /// # if cfg!(target_endian = "big") { return Ok(()) }
    /// assert!(producer.write_short(1, b"seven b"));
    /// assert_eq!(producer.position(), 8);
    /// assert!(!producer.write_short(1, b"eight by"), "too long");
    /// producer.publish();
    /// let mut out = Vec::new();
    /// assert_eq!(consumer.claim(&mut out)?, Some(1));
    /// assert_eq!(out, b"seven b");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline]
    pub fn write_short(&mut self, tag: u32, payload: &[u8]) -> bool {
        Short::new(payload).is_some_and(|short| self.put_short(tag, short))
    }

    /// As [`write_short`](Producer::write_short) for what is packed already.
    ///
    /// ```
    /// use procession_os::ring::Short;
    /// let (mut producer, mut consumer) = procession_os::ring::on_heap(2)?;
    /// # if cfg!(target_endian = "big") { return Ok(()) }
    /// let short = Short::after(b'f', b"our").expect("it fits");
    /// assert!(producer.put_short(1, short));
    /// producer.publish();
    /// let mut out = Vec::new();
    /// assert_eq!(consumer.claim(&mut out)?, Some(1));
    /// assert_eq!(out, b"four");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline]
    pub fn put_short(&mut self, tag: u32, short: Short) -> bool {
        let Some(word) = pack_short(tag, short) else {
            return false;
        };
        if self.stream.is_some() || !self.reserve(FRAME_HEADER) {
            return false;
        }
        let place = self.data.at(slot(self.written, self.capacity));
        place.store(word, Ordering::Relaxed);
        self.written += FRAME_HEADER;
        true
    }

    /// Makes what was written readable by [`Consumer::drain_staged`](super::Consumer::drain_staged) after this process's
    /// death, without publishing it.
    ///
    /// ```
    /// let (mut producer, mut consumer) = procession_os::ring::on_heap(4)?;
    /// producer.write(1, &[b"last"]);
    /// producer.stage();
    /// drop(producer);
    /// let mut bytes = Vec::new();
    /// assert_eq!(consumer.drain(&mut bytes)?, 0);
    /// assert_eq!(consumer.drain_staged(&mut bytes)?, 16);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline]
    pub fn stage(&mut self) {
        if self.staged != self.written {
            self.staged = self.written;
            self.header.staged().store(self.written, Ordering::Release);
        }
    }

    /// Makes what was written visible to the consumer. `false` when there was nothing to show.
    ///
    /// ```
    /// let (mut producer, mut consumer) = procession_os::ring::on_heap(4)?;
    /// producer.write(1, &[]);
    /// assert!(consumer.is_empty());
    /// assert!(producer.publish());
    /// assert!(!consumer.is_empty());
    /// assert!(!producer.publish());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
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
    ///
    /// ```
    /// let (mut producer, _) = procession_os::ring::on_heap(4)?;
    /// producer.write(1, &[b"abc"]);
    /// assert_eq!(producer.position(), 16);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline]
    pub fn position(&self) -> u64 {
        self.stream
            .as_ref()
            .map_or(self.written, |stream| stream.end)
    }

    /// Whether there is room for a frame with a payload of `payload_len` bytes. While a frame is being streamed: whether
    /// there is room for that many bytes of it, and at least one.
    ///
    /// Always `false` for a frame larger than the ring.
    ///
    /// ```
    /// let (mut producer, _) = procession_os::ring::on_heap(4)?;
    /// assert!(producer.has_room(24));
    /// assert!(!producer.has_room(25));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn has_room(&mut self, payload_len: usize) -> bool {
        u32::try_from(payload_len).is_ok_and(|len| self.reserve(frame_bytes(len)))
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
    pub(super) fn put_header(&mut self, tag: u32, len: u32) {
        self.data
            .at(slot(self.written, self.capacity))
            .store(pack(tag, len), Ordering::Relaxed);
        self.written += FRAME_HEADER;
    }

    #[inline]
    pub(super) fn free(&self) -> u64 {
        self.capacity - (self.written - self.released)
    }

    #[inline]
    pub(super) fn reserve(&mut self, bytes: u64) -> bool {
        self.refresh_released(bytes);
        self.free() >= bytes
    }

    /// Reads `released` again unless the free space known suffices. A value out of range is not taken over: a consumer
    /// that lies only keeps its ring full.
    #[inline]
    pub(super) fn refresh_released(&mut self, bytes: u64) {
        if self.free() >= bytes {
            return;
        }
        let released = self.header.released().load(Ordering::Acquire);
        self.released =
            in_range(released, self.released, self.written, "").unwrap_or(self.released);
    }
}
