//! The reading side of a ring; must check each index it reads, once, and copy before anything is looked at.

use super::header::{Corrupt, FRAME_HEADER, Header, capacity, frame_bytes, in_range, slot, unpack};
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
    header: Header,
    data: Words,
    capacity: u64,
    limit: usize,
    /// Last accepted load of `tail`.
    tail: u64,
    /// End of what was copied out or skipped.
    at: u64,
    /// Last store of `released`.
    released: u64,
    /// Payload bytes of the claimed frame not copied out yet.
    missing: usize,
}

impl Consumer {
    /// The consumer of a ring with the given header and data words, which is at its beginning.
    ///
    /// # Errors
    /// When the header is shorter than [`RING_HEADER_WORDS`](super::RING_HEADER_WORDS) words or the data is not a power
    /// of two of at least two words.
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
            let (tag, len) = unpack(
                self.data
                    .at(slot(claim, self.capacity))
                    .load(Ordering::Relaxed),
            );
            if len as usize > self.limit {
                return Err(Corrupt("ring frame longer than the limit"));
            }
            let end = claim + frame_bytes(len);
            match self.header.claim().compare_exchange(
                claim,
                end,
                Ordering::AcqRel,
                Ordering::Acquire,
            ) {
                Ok(_) => {
                    self.take(end, len as usize, out)?;
                    return Ok(Some(tag));
                }
                Err(found) if found > claim => claim = found,
                Err(_) => return Err(Corrupt("ring index out of range (claim)")),
            }
        }
    }

    /// How many payload bytes of the claimed frame were not copied out yet.
    #[inline]
    pub fn missing(&self) -> usize {
        self.missing
    }

    /// Appends what has been published of the claimed frame meanwhile, gives its space back and returns how many bytes
    /// that was: 0 when nothing came, or nothing is missing.
    ///
    /// # Errors
    /// [`Corrupt`] when an index is out of range.
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
    #[inline]
    pub fn release(&mut self) {
        if self.released != self.at {
            self.released = self.at;
            // Release: the copies out of this space happen before the producer's next writes into it.
            self.header.released().store(self.at, Ordering::Release);
        }
    }

    /// Whether nothing was published that was not read. `false` also when the index is out of range, so that the caller
    /// goes on to read and gets the error.
    #[inline]
    pub fn is_empty(&mut self) -> bool {
        self.tail <= self.at && self.read_tail().is_ok_and(|tail| tail <= self.at)
    }

    /// Appends all published bytes, whole and partial frames with headers and padding, to `out`, gives their space back
    /// and returns how many bytes that was: at most the ring's capacity. Walk them with [`Frames`](super::Frames).
    ///
    /// # Errors
    /// [`Corrupt`] when the index is out of range; nothing was appended.
    #[inline]
    pub fn drain(&mut self, out: &mut Vec<u8>) -> Result<usize, Corrupt> {
        let tail = self.read_tail()?;
        Ok(self.drain_to(tail, out))
    }

    /// As [`drain`](Consumer::drain), and also what the producer [staged](super::Producer::stage) but did not publish. For use
    /// after the producer's death: a living one may be about to publish something else.
    ///
    /// # Errors
    /// [`Corrupt`] when an index is out of range; nothing was appended.
    pub fn drain_staged(&mut self, out: &mut Vec<u8>) -> Result<usize, Corrupt> {
        let tail = self.read_tail()?;
        let staged = self.header.staged().load(Ordering::Acquire);
        // Publishing does not stage: an index behind the tail is an old one.
        let staged = in_range(
            staged,
            0,
            self.released + self.capacity,
            "ring index out of range (staged)",
        )?;
        Ok(self.drain_to(tail.max(staged), out))
    }

    fn drain_to(&mut self, end: u64, out: &mut Vec<u8>) -> usize {
        let bytes = end.saturating_sub(self.at) as usize;
        self.copy_out(bytes, out);
        self.at += bytes as u64;
        self.release();
        bytes
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
    fn copy_out(&self, bytes: usize, out: &mut Vec<u8>) {
        let first = slot(self.at, self.capacity);
        let before = bytes.min((self.data.len() - first) * 8);
        self.data.append_to(first, before, out);
        if before < bytes {
            self.data.append_to(0, bytes - before, out);
        }
    }

    /// Reads `tail`, which moves forward only and never more than the capacity ahead of what was released.
    #[inline]
    fn read_tail(&mut self) -> Result<u64, Corrupt> {
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
