//! Walks the frames in a private copy of a ring's bytes; must not look at shared memory.

use super::header::{FRAME_HEADER, frame_bytes, unpack};

/// The whole frames in a buffer filled by [`Consumer::drain`](super::Consumer::drain); an incomplete last one stays.
///
/// ```
/// use procession_os::ring::Frames;
/// let mut bytes = vec![3, 0, 0, 0, 9, 0, 0, 0]; // length 3, tag 9
/// bytes.extend(*b"abc\0\0\0\0\0");
/// bytes.extend([5, 0, 0, 0, 1, 0, 0, 0]); // length 5, tag 1, payload yet to come
/// let mut frames = Frames::new(&bytes);
/// assert_eq!(frames.next(), Some((9, &b"abc"[..])));
/// assert_eq!(frames.next(), None);
/// assert_eq!(frames.consumed(), 16);
/// assert_eq!(frames.wanted(), 16);
/// ```
#[derive(Clone, Debug)]
pub struct Frames<'a> {
    rest: &'a [u8],
    consumed: usize,
}

impl<'a> Frames<'a> {
    /// The frames in `buf`, which begins at a frame's header.
    ///
    /// ```
    /// assert_eq!(procession_os::ring::Frames::new(&[]).next(), None);
    /// ```
    #[inline]
    pub fn new(buf: &'a [u8]) -> Frames<'a> {
        Frames {
            rest: buf,
            consumed: 0,
        }
    }

    /// The next whole frame's tag and payload; `None` when what is left is not a whole frame.
    ///
    /// ```
    /// let frame = [0, 0, 0, 0, 9, 0, 0, 0]; // no payload, tag 9
    /// let mut frames = procession_os::ring::Frames::new(&frame);
    /// assert_eq!(frames.next(), Some((9, &[][..])));
    /// assert_eq!(frames.next(), None);
    /// ```
    #[inline]
    #[expect(
        clippy::should_implement_trait,
        reason = "consumed and wanted are asked between calls, which a for loop forbids"
    )]
    pub fn next(&mut self) -> Option<(u32, &'a [u8])> {
        let (tag, len, total) = self.peek()?;
        let frame = self.rest.get(..total)?;
        self.rest = &self.rest[total..];
        self.consumed += total;
        Some((tag, &frame[FRAME_HEADER as usize..][..len]))
    }

    /// How many bytes the whole frames yielded so far took; drop these from the buffer's front before the next round.
    ///
    /// ```
    /// let frame = [0, 0, 0, 0, 9, 0, 0, 0]; // no payload, tag 9
    /// let mut frames = procession_os::ring::Frames::new(&frame);
    /// frames.next();
    /// assert_eq!(frames.consumed(), 8);
    /// ```
    #[inline]
    pub fn consumed(&self) -> usize {
        self.consumed
    }

    /// How many bytes the frame at the front takes in all; 0 while its header is not there. Check it against a limit
    /// before gathering that much: the producer chose it.
    ///
    /// ```
    /// let header = [100, 0, 0, 0, 9, 0, 0, 0];
    /// assert_eq!(procession_os::ring::Frames::new(&header).wanted(), 112);
    /// ```
    #[inline]
    pub fn wanted(&self) -> usize {
        self.peek().map_or(0, |(_, _, total)| total)
    }

    #[inline]
    fn peek(&self) -> Option<(u32, usize, usize)> {
        let header = self.rest.first_chunk::<8>()?;
        let (tag, len) = unpack(u64::from_ne_bytes(*header));
        Some((tag, len as usize, frame_bytes(len) as usize))
    }
}
