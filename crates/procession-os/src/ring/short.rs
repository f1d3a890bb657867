//! The payload of a short frame on its own, as it stood in the ring; must not be longer than a word.

use super::header::{Front, SHORT, SHORT_BYTES};
use crate::words::partial;

/// Up to seven bytes and their number in one word, which is not zero: what a [short](super::Producer::write_short) frame holds.
/// There is none on a big-endian machine.
///
/// ```
/// use procession_os::ring::{Frames, Short};
/// let (mut producer, mut consumer) = procession_os::ring::on_heap(8)?;
/// # if cfg!(target_endian = "big") { return Ok(()) }
/// producer.write_short(1, b"seven b");
/// producer.publish();
/// let mut bytes = Vec::new();
/// consumer.drain(&mut bytes)?;
/// let short = Frames::new(&bytes).next_short(1).expect("it is short");
/// assert_eq!(short.bytes(), b"seven b");
/// assert_eq!(Short::from_word(short.word()), Some(short));
/// assert_eq!(Short::from_word(7), None);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(align(8))]
pub struct Short([u8; 8]);

impl Short {
    /// `None` when it is longer than seven bytes.
    #[inline]
    pub fn new(payload: &[u8]) -> Option<Short> {
        Short::pack(payload.len(), || partial(payload))
    }

    /// One byte and up to six more.
    ///
    /// ```
    /// use procession_os::ring::Short;
    /// # if cfg!(target_endian = "big") { return }
    /// assert_eq!(Short::after(1, &[2, 3]), Short::new(&[1, 2, 3]));
    /// assert_eq!(Short::after(1, &[2; 7]), None);
    /// ```
    #[inline]
    pub fn after(first: u8, rest: &[u8]) -> Option<Short> {
        Short::pack(1 + rest.len(), || u64::from(first) | partial(rest) << 8)
    }

    /// One byte in place of the first `skip`; `None` when there are not so many.
    ///
    /// ```
    /// use procession_os::ring::Short;
    /// # if cfg!(target_endian = "big") { return }
    /// let short = Short::new(&[5, 0, 0, 0, 2, 3]).expect("it is short");
    /// assert_eq!(short.behind(1, 4), Short::new(&[1, 2, 3]));
    /// assert_eq!(short.behind(1, 6), Short::new(&[1]));
    /// assert_eq!(short.behind(1, 7), None);
    /// assert_eq!(short.behind(1, 0), Short::new(&[1, 5, 0, 0, 0, 2, 3]));
    /// ```
    #[inline]
    pub fn behind(self, first: u8, skip: usize) -> Option<Short> {
        let left = self.len().checked_sub(skip)?;
        let rest = (self.word() << 8 >> 8)
            .checked_shr(8 * skip as u32)
            .unwrap_or(0);
        Short::pack(1 + left, || u64::from(first) | rest << 8)
    }

    fn len(self) -> usize {
        (self.word() >> 56 & 7) as usize
    }

    #[inline]
    fn pack(len: usize, payload: impl FnOnce() -> u64) -> Option<Short> {
        let fits = len <= SHORT_BYTES && cfg!(target_endian = "little");
        fits.then(|| Short((SHORT | (len as u64) << 56 | payload()).to_le_bytes()))
    }

    /// Without its tag, if that is `tag`.
    #[inline]
    pub(super) fn of(word: u64, tag: u32) -> Option<Short> {
        let front = Front::of(word);
        let word = word & !(15 << 59);
        (front.short && front.tag == tag).then_some(Short(word.to_le_bytes()))
    }

    /// What [`word`](Short::word) gave; `None` for any word without its mark, which is the highest bit.
    #[inline]
    pub fn from_word(word: u64) -> Option<Short> {
        Front::of(word).short.then_some(Short(word.to_le_bytes()))
    }

    /// The word: payload, length, and the mark.
    #[inline]
    pub fn word(self) -> u64 {
        u64::from_le_bytes(self.0)
    }

    /// The payload.
    #[inline]
    pub fn bytes(&self) -> &[u8] {
        let [payload @ .., length] = &self.0;
        payload.get(..usize::from(length & 7)).unwrap_or_default()
    }
}
