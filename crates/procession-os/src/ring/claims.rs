//! Who owns a frame, seen by the producer: what was begun, and taking back what was not; must never hand a frame to both.

use super::Producer;
use super::header::{Corrupt, in_range};
use crate::sync::Ordering;

impl Producer {
    /// How far the consumer has begun frames (or they were taken back from it).
    ///
    /// # Errors
    /// [`Corrupt`] when the index went back, or beyond what was written, or into a frame.
    ///
    /// ```
    /// let (mut producer, mut consumer) = procession_os::ring::on_heap(4)?;
    /// producer.write(1, &[]);
    /// producer.publish();
    /// assert_eq!(producer.claimed()?, 0);
    /// consumer.claim(&mut Vec::new())?;
    /// assert_eq!(producer.claimed()?, producer.position());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
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
    ///
    /// ```
    /// let (mut producer, mut consumer) = procession_os::ring::on_heap(4)?;
    /// producer.write(1, &[]);
    /// let first = producer.position();
    /// producer.write(2, &[]);
    /// producer.publish();
    /// assert_eq!(consumer.claim(&mut Vec::new())?, Some(1));
    /// assert_eq!(producer.take_back()?, first, "the second one is back");
    /// assert_eq!(consumer.claim(&mut Vec::new())?, None);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
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

    /// Whether the consumer has begun, or drained, all that was written.
    ///
    /// # Errors
    /// [`Corrupt`] as for [`claimed`](Producer::claimed).
    ///
    /// ```
    /// let (mut producer, mut consumer) = procession_os::ring::on_heap(4)?;
    /// producer.write(1, &[]);
    /// producer.publish();
    /// assert!(!producer.is_drained()?);
    /// consumer.drain(&mut Vec::new())?;
    /// assert!(producer.is_drained()?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn is_drained(&mut self) -> Result<bool, Corrupt> {
        self.refresh_released(self.capacity);
        Ok(self.claimed()? == self.position() || self.released == self.position())
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
