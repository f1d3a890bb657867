//! The bytes of a call frame in the ring: a fixed header, then length-prefixed items; it must not look inside an item.

use crate::bytes::Pieces;
use crate::codec::{CodecError, CodecErrorKind};

/// The header of a call frame: which function, which task, which items. 32 bytes, little endian, in the order of the fields.
///
/// `count` items follow, each a `u32` length and the encoding of one argument tuple.
///
/// ```
/// use procession_task::frame::CallHeader;
///
/// let header = CallHeader { offset: -16, fingerprint: 7, task: 17, first: 0, count: 1 };
/// let bytes = header.to_bytes();
/// assert_eq!(bytes.len(), CallHeader::BYTES);
/// assert_eq!(CallHeader::from_bytes(&bytes), Some(header));
/// assert_eq!(CallHeader::from_bytes(&bytes[..31]), None);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CallHeader {
    /// [`TaskRef::offset`](crate::TaskRef::offset).
    pub offset: i64,
    /// [`TaskRef::fingerprint`](crate::TaskRef::fingerprint).
    pub fingerprint: u64,
    /// The task's number.
    pub task: u64,
    /// The index of the first item within the task.
    pub first: u32,
    /// How many items follow.
    pub count: u32,
}

const _: () = assert!(CallHeader::BYTES == 32 && size_of::<CallHeader>() == CallHeader::BYTES);

impl CallHeader {
    /// The length of the encoding.
    pub const BYTES: usize = 32;

    /// The header as it stands in the ring.
    #[inline]
    #[must_use]
    pub fn to_bytes(&self) -> [u8; CallHeader::BYTES] {
        let mut bytes = [0; CallHeader::BYTES];
        bytes[..8].copy_from_slice(&self.offset.to_le_bytes());
        bytes[8..16].copy_from_slice(&self.fingerprint.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.task.to_le_bytes());
        bytes[24..28].copy_from_slice(&self.first.to_le_bytes());
        bytes[28..].copy_from_slice(&self.count.to_le_bytes());
        bytes
    }

    /// Reads the header at the start of `frame`; `None` when the frame is shorter than a header.
    #[inline]
    #[must_use]
    pub fn from_bytes(frame: &[u8]) -> Option<CallHeader> {
        CallHeader::split(frame).map(|(header, _)| header)
    }

    /// How the call differs from the one `before` it on the same link, if it is like it: one item of the same function, of a
    /// task up to 255 numbers later (its first), or of the same task, and then the one that follows (0).
    ///
    /// ```
    /// use procession_task::frame::CallHeader;
    ///
    /// let before = CallHeader { offset: -16, fingerprint: 7, task: 17, first: 5, count: 3 };
    /// let other_task = CallHeader { task: 20, first: 0, count: 1, ..before };
    /// assert_eq!(other_task.step_from(&before), Some(3));
    /// let next_item = CallHeader { first: 8, count: 1, ..before };
    /// assert_eq!(next_item.step_from(&before), Some(0));
    /// let other_function = CallHeader { offset: 0, ..next_item };
    /// assert_eq!(other_function.step_from(&before), None);
    /// ```
    #[inline]
    #[must_use]
    pub fn step_from(&self, before: &CallHeader) -> Option<u8> {
        let alike = self.count == 1
            && (self.offset, self.fingerprint) == (before.offset, before.fingerprint);
        if !alike {
            return None;
        }
        let step = u8::try_from(self.task.wrapping_sub(before.task)).ok()?;
        let first = if step == 0 { before.end() } else { 0 };
        (self.first == first).then_some(step)
    }

    /// The header of which [`step_from`](CallHeader::step_from) this one said `step`.
    ///
    /// ```
    /// use procession_task::frame::CallHeader;
    ///
    /// let before = CallHeader { offset: -16, fingerprint: 7, task: 17, first: 5, count: 3 };
    /// for step in [0, 1, 255] {
    ///     assert_eq!(before.stepped(step).step_from(&before), Some(step));
    /// }
    /// ```
    #[inline]
    #[must_use]
    pub fn stepped(&self, step: u8) -> CallHeader {
        CallHeader {
            task: self.task.wrapping_add(u64::from(step)),
            first: if step == 0 { self.end() } else { 0 },
            count: 1,
            ..*self
        }
    }

    /// The index behind the last item.
    #[inline]
    fn end(&self) -> u32 {
        self.first.wrapping_add(self.count)
    }

    /// Reads the header and gives the rest of the frame, its items.
    #[inline]
    #[must_use]
    pub fn split(frame: &[u8]) -> Option<(CallHeader, &[u8])> {
        let (offset, rest) = frame.split_first_chunk()?;
        let (fingerprint, rest) = rest.split_first_chunk()?;
        let (task, rest) = rest.split_first_chunk()?;
        let (first, rest) = rest.split_first_chunk()?;
        let (count, rest) = rest.split_first_chunk()?;
        let header = CallHeader {
            offset: i64::from_le_bytes(*offset),
            fingerprint: u64::from_le_bytes(*fingerprint),
            task: u64::from_le_bytes(*task),
            first: u32::from_le_bytes(*first),
            count: u32::from_le_bytes(*count),
        };
        Some((header, rest))
    }
}

/// Appends one item to a frame: `encode` appends its bytes, the length is put before them.
///
/// # Errors
/// What `encode` returns, and `TooLarge` for an item that a `u32` cannot measure; `frame` is then as it was.
///
/// ```
/// use procession_task::frame::{Items, push_item};
/// use procession_task::{Limits, encode};
///
/// let mut frame = Vec::new();
/// push_item(&mut frame, |out| encode(&(5u8,), out, &Limits::default()))?;
/// push_item(&mut frame, |out| encode(&(6u8,), out, &Limits::default()))?;
/// assert_eq!(Items::new(&frame).collect::<Vec<_>>(), [&[5][..], &[6]]);
/// # Ok::<(), procession_task::CodecError>(())
/// ```
#[inline]
pub fn push_item<E: From<CodecError>>(
    frame: &mut Vec<u8>,
    encode: impl FnOnce(&mut Vec<u8>) -> Result<(), E>,
) -> Result<(), E> {
    prefixed(frame, |out| encode(out).map(|()| 0))
}

/// As [`push_item`] for an item of which `encode` may leave pieces apart: the length counts them.
///
/// # Errors
/// As [`push_item`].
///
/// ```
/// use procession_task::bytes::Pieces;
/// use procession_task::codec::encode_apart;
/// use procession_task::frame::push_item_apart;
/// use procession_task::{Bytes, Limits};
///
/// let (mut frame, mut pieces) = (Vec::new(), Pieces::default());
/// let bytes = Bytes::from(vec![7; 100_000]);
/// push_item_apart(&mut frame, &mut pieces, |out, pieces| {
///     encode_apart(&(bytes,), out, pieces, &Limits::default())
/// })?;
/// assert_eq!(frame[..4], 100_003u32.to_le_bytes());
/// assert_eq!((frame.len(), pieces.bytes()), (7, 100_000));
/// # Ok::<(), procession_task::CodecError>(())
/// ```
#[inline]
pub fn push_item_apart<E: From<CodecError>>(
    frame: &mut Vec<u8>,
    pieces: &mut Pieces,
    encode: impl FnOnce(&mut Vec<u8>, &mut Pieces) -> Result<(), E>,
) -> Result<(), E> {
    let before = pieces.bytes();
    prefixed(frame, |out| {
        encode(out, pieces).map(|()| pieces.bytes() - before)
    })
}

/// `encode` returns how many bytes of the item lie elsewhere.
#[inline]
fn prefixed<E: From<CodecError>>(
    frame: &mut Vec<u8>,
    encode: impl FnOnce(&mut Vec<u8>) -> Result<usize, E>,
) -> Result<(), E> {
    let start = frame.len();
    frame.extend_from_slice(&[0; 4]);
    let body = start + 4;
    let apart = match encode(frame) {
        Ok(apart) => apart,
        Err(e) => {
            frame.truncate(start);
            return Err(e);
        }
    };
    let len = frame.len().saturating_sub(body).saturating_add(apart);
    match (u32::try_from(len), frame.get_mut(start..body)) {
        (Ok(len), Some(prefix)) => prefix.copy_from_slice(&len.to_le_bytes()),
        (Err(_), _) | (_, None) => {
            frame.truncate(start);
            let kind = CodecErrorKind::TooLarge {
                size: len as u64,
                limit: u64::from(u32::MAX),
            };
            return Err(CodecError::new(kind).into());
        }
    }
    Ok(())
}

/// Walks the items of a call frame. It ends where the bytes no longer hold a whole item; [`Items::rest`] is then not empty.
///
/// ```
/// use procession_task::frame::Items;
///
/// let mut items = Items::new(&[1, 0, 0, 0, b'x', 9, 0, 0, 0, b'y']);
/// assert_eq!(items.next(), Some(&b"x"[..]));
/// assert_eq!(items.next(), None);
/// assert_eq!(items.rest().len(), 5);
/// ```
#[derive(Clone, Debug)]
pub struct Items<'a> {
    rest: &'a [u8],
}

impl<'a> Items<'a> {
    /// Items are what [`CallHeader::split`] leaves of a frame.
    #[inline]
    #[must_use]
    pub fn new(items: &'a [u8]) -> Items<'a> {
        Items { rest: items }
    }

    /// What has not been walked. Not empty after the last item: the frame is malformed.
    #[inline]
    #[must_use]
    pub fn rest(&self) -> &'a [u8] {
        self.rest
    }
}

impl<'a> Iterator for Items<'a> {
    type Item = &'a [u8];

    #[inline]
    fn next(&mut self) -> Option<&'a [u8]> {
        let (len, rest) = self.rest.split_first_chunk()?;
        let (item, rest) = rest.split_at_checked(u32::from_le_bytes(*len) as usize)?;
        self.rest = rest;
        Some(item)
    }
}

/// The ring tags of reply frames: one reply for each item, in order.
#[derive(Clone, Copy, Debug)]
pub struct ReplyTag;

impl ReplyTag {
    /// The payload is the encoding of the result.
    pub const OK: u32 = 0;
    /// The payload is the encoding of a [`Failure`](crate::Failure).
    pub const FAILED: u32 = 1;
}
