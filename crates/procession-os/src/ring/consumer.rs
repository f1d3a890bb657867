//! The reading side of a ring; must check each index it reads, once, and copy before anything is looked at.

use super::header::{Corrupt, FRAME_HEADER, Front, Header, capacity, in_range, slot};
use crate::error::{Error, Result as OsResult};
use crate::sync::Ordering;
use crate::words::Words;

/// The longest frame a consumer claims unless [`Consumer::limit`] says otherwise: 1 GiB.
const DEFAULT_LIMIT: usize = 1 << 30;

/// Reads frames from a ring, either one by one, each claimed before it is read ([`claim`](Consumer::claim)), or all that
/// is there at once ([`drain`](Consumer::drain)). A ring is read in one of the two ways, not both.
///
/// ```
/// use procession_os::ring::{Consumer, Frames, Producer, RING_HEADER_WORDS};
/// use procession_os::words::Words;
/// let (header, data) = (Words::heap(RING_HEADER_WORDS), Words::heap(16));
/// let mut producer = Producer::new(header.clone(), data.clone()).unwrap();
/// let mut consumer = Consumer::new(header, data).unwrap();
/// producer.write(1, &[b"one"]);
/// producer.write(2, &[b"two"]);
/// producer.publish();
/// let mut bytes = Vec::new();
/// assert_eq!(consumer.drain(&mut bytes), Ok(32));
/// let mut frames = Frames::new(&bytes);
/// assert_eq!(frames.next(), Some((1, &b"one"[..])));
/// assert_eq!(frames.next(), Some((2, &b"two"[..])));
/// assert_eq!(consumer.drain(&mut bytes), Ok(0));
/// ```
#[derive(Debug)]
pub struct Consumer {
    pub(super) header: Header,
    data: Words,
    pub(super) capacity: u64,
    limit: usize,
    /// Last accepted load of `tail`.
    tail: u64,
    /// End of what was copied out or skipped.
    pub(super) at: u64,
    /// Last store of `released`.
    pub(super) released: u64,
    /// Payload bytes of the claimed frame not copied out yet.
    missing: usize,
}

impl Consumer {
    /// The consumer of a ring with the given header and data words, which is at its beginning.
    ///
    /// # Errors
    /// When the header is shorter than [`RING_HEADER_WORDS`](super::RING_HEADER_WORDS) words or the data is not a power
    /// of two of at least two words.
    ///
    /// ```
    /// use procession_os::ring::{Consumer, RING_HEADER_WORDS};
    /// use procession_os::words::Words;
    /// assert!(Consumer::new(Words::heap(RING_HEADER_WORDS), Words::heap(8)).is_ok());
    /// assert!(Consumer::new(Words::heap(RING_HEADER_WORDS), Words::heap(9)).is_err());
    /// ```
    pub fn new(header: Words, data: Words) -> OsResult<Consumer> {
        let header = Header::new(header)
            .ok_or_else(|| Error::message("cannot use a ring: its header is too short"))?;
        let capacity = capacity(&data).ok_or_else(|| {
            Error::message("cannot use a ring: its size is not a power of two of at least 16 bytes")
        })?;
        Ok(Consumer {
            header,
            data,
            capacity,
            limit: DEFAULT_LIMIT,
            tail: 0,
            at: 0,
            released: 0,
            missing: 0,
        })
    }

    /// Refuses to claim frames with a payload above `max_frame` bytes (1 GiB unless set).
    ///
    /// ```
    /// let (mut producer, mut consumer) = procession_os::ring::on_heap(4)?;
    /// consumer.limit(99);
    /// producer.begin(1, 100);
    /// producer.publish();
    /// assert!(consumer.claim(&mut Vec::new()).is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn limit(&mut self, max_frame: usize) {
        self.limit = max_frame;
    }

    /// Claims the next frame, so that the producer cannot take it back any more, and appends what has been published of
    /// its payload to `out`. When that is not all, [`missing`](Consumer::missing) is above 0 and the rest follows by
    /// [`more`](Consumer::more).
    ///
    /// `Ok(None)`: there is no frame, or the one claimed before is still incomplete.
    ///
    /// # Errors
    /// [`Corrupt`] when an index is out of range or the frame is above the limit; nothing was appended.
    ///
    /// ```
    /// let (mut producer, mut consumer) = procession_os::ring::on_heap(4)?;
    /// let mut out = Vec::new();
    /// assert_eq!(consumer.claim(&mut out)?, None);
    /// producer.write(7, &[b"call"]);
    /// producer.publish();
    /// assert_eq!(consumer.claim(&mut out)?, Some(7));
    /// assert_eq!(out, b"call");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline]
    pub fn claim(&mut self, out: &mut Vec<u8>) -> Result<Option<u32>, Corrupt> {
        if self.missing > 0 {
            return Ok(None);
        }
        let mut claim = self.header.claim().load(Ordering::Acquire);
        loop {
            // What lies before the claim was taken back: it is skipped.
            self.at = in_range(
                claim,
                self.at,
                self.released + self.capacity,
                "ring index out of range (claim)",
            )?;
            if self.tail <= claim && self.read_tail()? <= claim {
                self.release();
                return Ok(None);
            }
            // Not overwritten while it is read: the producer writes only behind `released`, and that is not after `claim`.
            let word = self
                .data
                .at(slot(claim, self.capacity))
                .load(Ordering::Relaxed);
            let front = Front::of(word);
            let len = front.len as usize;
            if len > self.limit {
                return Err(Corrupt("ring frame longer than the limit"));
            }
            let end = claim + front.total();
            match self.header.claim().compare_exchange(
                claim,
                end,
                Ordering::AcqRel,
                Ordering::Acquire,
            ) {
                Ok(_) if front.short => {
                    out.extend_from_slice(&word.to_le_bytes()[..len]);
                    self.at = end;
                    return Ok(Some(front.tag));
                }
                Ok(_) => {
                    self.take(end, len, out)?;
                    return Ok(Some(front.tag));
                }
                Err(found) if found > claim => claim = found,
                Err(_) => return Err(Corrupt("ring index out of range (claim)")),
            }
        }
    }

    /// How many payload bytes of the claimed frame were not copied out yet.
    ///
    /// ```
    /// let (mut producer, mut consumer) = procession_os::ring::on_heap(4)?;
    /// producer.begin(1, 100);
    /// producer.publish();
    /// consumer.claim(&mut Vec::new())?;
    /// assert_eq!(consumer.missing(), 100);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline]
    pub fn missing(&self) -> usize {
        self.missing
    }

    /// Appends what has been published of the claimed frame meanwhile, gives its space back and returns how many bytes
    /// that was: 0 when nothing came, or nothing is missing.
    ///
    /// # Errors
    /// [`Corrupt`] when an index is out of range.
    ///
    /// ```
    /// let (mut producer, mut consumer) = procession_os::ring::on_heap(4)?;
    /// producer.begin(1, 100);
    /// producer.publish();
    /// let mut out = Vec::new();
    /// consumer.claim(&mut out)?;
    /// assert_eq!(consumer.more(&mut out)?, 0);
    /// producer.feed(&[7; 10]);
    /// producer.publish();
    /// assert_eq!(consumer.more(&mut out)?, 8, "whole words travel");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn more(&mut self, out: &mut Vec<u8>) -> Result<usize, Corrupt> {
        if self.missing == 0 {
            return Ok(0);
        }
        let before = self.missing;
        self.read_tail()?;
        self.take_missing(out);
        self.release();
        Ok(before - self.missing)
    }

    /// End of what was copied out or skipped: after a whole frame was claimed, where that frame ends.
    #[inline]
    pub fn position(&self) -> u64 {
        self.at
    }

    /// Gives the space of what was read or taken back to the producer. Cheap when there is nothing to give.
    ///
    /// ```
    /// let (mut producer, mut consumer) = procession_os::ring::on_heap(4)?;
    /// producer.write(1, &[&[0; 24]]);
    /// producer.publish();
    /// consumer.claim(&mut Vec::new())?;
    /// assert!(!producer.has_room(0));
    /// consumer.release();
    /// assert!(producer.has_room(0));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline]
    pub fn release(&mut self) {
        if self.released != self.at {
            self.released = self.at;
            // Release: the copies out of this space happen before the producer's next writes into it. (No model finds the lack
            // of it: loom does not let a load see a store that is yet to come.)
            self.header.released().store(self.at, Ordering::Release);
        }
    }

    /// Whether nothing was published that was not read. `false` also when the index is out of range, so that the caller
    /// goes on to read and gets the error.
    ///
    /// ```
    /// let (mut producer, mut consumer) = procession_os::ring::on_heap(4)?;
    /// assert!(consumer.is_empty());
    /// producer.write(1, &[]);
    /// producer.publish();
    /// assert!(!consumer.is_empty());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline]
    pub fn is_empty(&mut self) -> bool {
        self.tail <= self.at && self.read_tail().is_ok_and(|tail| tail <= self.at)
    }

    /// Copies what there is of the frame just claimed, which ends at `end`.
    #[inline]
    fn take(&mut self, end: u64, len: usize, out: &mut Vec<u8>) -> Result<(), Corrupt> {
        self.at += FRAME_HEADER;
        self.missing = len;
        if self.tail < end {
            self.read_tail()?;
        }
        out.reserve(len);
        self.take_missing(out);
        if self.missing > 0 {
            self.release();
        }
        Ok(())
    }

    #[inline]
    fn take_missing(&mut self, out: &mut Vec<u8>) {
        let there = self
            .tail
            .saturating_sub(self.at)
            .min(self.missing.next_multiple_of(8) as u64);
        let bytes = self.missing.min(there as usize);
        self.copy_out(bytes, out);
        self.missing -= bytes;
        self.at += there;
    }

    /// Appends `bytes` bytes from `at` on, in one piece or, over the ring's end, in two.
    #[inline]
    pub(super) fn copy_out(&self, bytes: usize, out: &mut Vec<u8>) {
        let first = slot(self.at, self.capacity);
        let before = bytes.min((self.data.len() - first) * 8);
        self.data.append_to(first, before, out);
        if before < bytes {
            self.data.append_to(0, bytes - before, out);
        }
    }

    /// Reads `tail`, which moves forward only and never more than the capacity ahead of what was released.
    #[inline]
    pub(super) fn read_tail(&mut self) -> Result<u64, Corrupt> {
        // Acquire: the frames' bytes were written before.
        let tail = self.header.tail().load(Ordering::Acquire);
        self.tail = in_range(
            tail,
            self.tail,
            self.released + self.capacity,
            "ring index out of range (tail)",
        )?;
        Ok(tail)
    }
}
