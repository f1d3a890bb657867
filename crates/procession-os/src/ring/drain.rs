//! Reading all that is there at once, from a producer that may be hostile or dead; must never read an index twice.

use super::Consumer;
use super::header::{Corrupt, in_range};
use crate::sync::Ordering;

impl Consumer {
    /// Appends all published bytes, whole and partial frames with headers and padding, to `out`, gives their space back
    /// and returns how many bytes that was: at most the ring's capacity. Walk them with [`Frames`](super::Frames).
    ///
    /// # Errors
    /// [`Corrupt`] when the index is out of range; nothing was appended.
    ///
    /// ```
    /// let (mut producer, mut consumer) = procession_os::ring::on_heap(4)?;
    /// producer.write(7, &[b"reply"]);
    /// producer.publish();
    /// let mut bytes = Vec::new();
    /// assert_eq!(consumer.drain(&mut bytes)?, 16);
    /// assert_eq!(procession_os::ring::Frames::new(&bytes).next(), Some((7, &b"reply"[..])));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
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
    ///
    /// ```
    /// let (mut producer, mut consumer) = procession_os::ring::on_heap(4)?;
    /// producer.write(7, &[b"reply"]);
    /// producer.stage();
    /// drop(producer);
    /// assert_eq!(consumer.drain_staged(&mut Vec::new())?, 16);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
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
}
