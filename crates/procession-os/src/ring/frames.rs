//! Walks the frames in a private copy of a ring's bytes; must not look at shared memory.

use super::header::{FRAME_HEADER, Front};
use super::short::Short;

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
        let front = self.peek()?;
        let (frame, rest) = self.rest.split_at_checked(front.total() as usize)?;
        self.consumed += frame.len();
        self.rest = rest;
        let from = if front.short {
            0
        } else {
            FRAME_HEADER as usize
        };
        Some((front.tag, &frame[from..][..front.len as usize]))
    }

    /// Passes over frames of this tag, at most `most`, as long as they are [short](super::Producer::write_short); returns how
    /// many.
    ///
    /// ```
    /// let (mut producer, mut consumer) = procession_os::ring::on_heap(8)?;
    /// # if cfg!(target_endian = "big") { return Ok(()) }
    /// for _ in 0..3 {
    ///     producer.write_short(1, b"one");
    /// }
    /// producer.write_short(2, b"two");
    /// producer.publish();
    /// let mut bytes = Vec::new();
    /// consumer.drain(&mut bytes)?;
    /// let mut frames = procession_os::ring::Frames::new(&bytes);
    /// assert_eq!(frames.skip_short(1, 2), 2);
    /// assert_eq!(frames.skip_short(1, 2), 1);
    /// assert_eq!(frames.next(), Some((2, &b"two"[..])));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline]
    pub fn skip_short(&mut self, tag: u32, most: usize) -> usize {
        let (words, _) = self.rest.as_chunks::<8>();
        let short = words.iter().take(most).take_while(|word| {
            let front = Front::of(u64::from_ne_bytes(**word));
            front.short && front.tag == tag
        });
        let skipped = short.count();
        self.consumed += skipped * 8;
        self.rest = &self.rest[skipped * 8..];
        skipped
    }

    /// The next frame's payload in its word, if the frame is [short](super::Producer::write_short) and of this tag; `None`
    /// leaves it to [`next`](Frames::next).
    ///
    /// ```
    /// let (mut producer, mut consumer) = procession_os::ring::on_heap(8)?;
    /// # if cfg!(target_endian = "big") { return Ok(()) }
    /// producer.write_short(1, b"one");
    /// producer.publish();
    /// let mut bytes = Vec::new();
    /// consumer.drain(&mut bytes)?;
    /// let mut frames = procession_os::ring::Frames::new(&bytes);
    /// assert_eq!(frames.next_short(2), None);
    /// assert_eq!(frames.next_short(1).expect("it is short").bytes(), b"one");
    /// assert_eq!((frames.next(), frames.consumed()), (None, 8));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline]
    pub fn next_short(&mut self, tag: u32) -> Option<Short> {
        let (word, rest) = self.rest.split_first_chunk::<8>()?;
        let short = Short::of(u64::from_ne_bytes(*word), tag)?;
        self.consumed += 8;
        self.rest = rest;
        Some(short)
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
        self.peek().map_or(0, |front| front.total() as usize)
    }

    #[inline]
    fn peek(&self) -> Option<Front> {
        let word = self.rest.first_chunk::<8>()?;
        Some(Front::of(u64::from_ne_bytes(*word)))
    }
}
