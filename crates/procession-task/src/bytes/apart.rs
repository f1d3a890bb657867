//! Encoded bytes of which long pieces lie where they were. Serde lets only a slice through, so a byte string offers itself
//! beside it, in its thread; it must take the offer back, however the serializer ends.

use std::cell::RefCell;

use super::held::Part;

thread_local! {
    static OFFERED: RefCell<Option<Part>> = const { RefCell::new(None) };
}

/// Serializes the bytes of `part`; our own encoder may take the part instead.
pub(super) fn offering<R>(part: &Part, serialize: impl FnOnce(&[u8]) -> R) -> R {
    // A thread that is being torn down has no place for an offer, and the bytes are copied.
    let outer = OFFERED.try_with(|offered| offered.replace(Some(part.clone())));
    let _taken_back = TakenBack(outer.unwrap_or_default());
    serialize(part.bytes())
}

struct TakenBack(Option<Part>);

impl Drop for TakenBack {
    fn drop(&mut self) {
        let _ = OFFERED.try_with(|offered| offered.replace(self.0.take()));
    }
}

/// The part that `bytes` is, if it is being offered.
pub(crate) fn take_offered(bytes: &[u8]) -> Option<Piece> {
    let taken = OFFERED.try_with(|offered| offered.borrow_mut().take_if(|part| part.is(bytes)));
    Some(Piece {
        at: 0,
        part: taken.ok()??,
    })
}

/// Byte strings that belong into an encoding and are not copied into it.
///
/// ```
/// use procession_task::bytes::{Encoded, Pieces};
/// use procession_task::codec::encode_apart;
/// use procession_task::{Bytes, Limits, encode};
///
/// let value = (1u8, Bytes::from(vec![7; 1 << 20]), 2u8);
/// let (mut short, mut pieces) = (Vec::new(), Pieces::default());
/// encode_apart(&value, &mut short, &mut pieces, &Limits::default())?;
/// assert_eq!((short.len(), pieces.bytes()), (5, 1 << 20));
///
/// // Together they are what it is in one piece.
/// let mut whole = Vec::new();
/// encode(&value, &mut whole, &Limits::default())?;
/// let encoded = Encoded::new(short, pieces);
/// assert_eq!(encoded.len(), whole.len());
/// assert_eq!(encoded.from(0), &whole[..4]);
/// assert_eq!(encoded.from(4), &whole[4..whole.len() - 1]);
/// # Ok::<(), procession_task::CodecError>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Pieces {
    /// In the order of the encoding.
    pieces: Vec<Piece>,
    bytes: usize,
}

/// One of them.
#[derive(Clone, Debug)]
pub(crate) struct Piece {
    /// How many of the encoding's other bytes come before it.
    at: usize,
    part: Part,
}

impl Pieces {
    /// How many bytes they have together.
    #[inline]
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Adds a piece behind the first `at` of the other bytes.
    pub(crate) fn push(&mut self, at: usize, piece: Piece) {
        self.bytes += piece.part.bytes().len();
        self.pieces.push(Piece { at, ..piece });
    }

    /// Takes away all but the first `count`.
    pub(crate) fn truncate(&mut self, count: usize) {
        for piece in self.pieces.drain(count.min(self.pieces.len())..) {
            self.bytes -= piece.part.bytes().len();
        }
    }

    #[inline]
    pub(crate) fn count(&self) -> usize {
        self.pieces.len()
    }
}

/// An encoding, read as one although some of it may lie elsewhere.
///
/// ```
/// use procession_task::bytes::{Encoded, Pieces};
/// let encoded = Encoded::new(vec![1, 2, 3], Pieces::default());
/// assert_eq!(encoded.len(), 3);
/// assert_eq!(encoded.from(1), [2, 3]);
/// assert_eq!(encoded.from(3), []);
/// ```
#[derive(Clone, Debug, Default)]
pub struct Encoded {
    bytes: Vec<u8>,
    pieces: Pieces,
}

impl Encoded {
    /// `bytes` with the pieces in their places.
    #[must_use]
    pub fn new(bytes: Vec<u8>, pieces: Pieces) -> Encoded {
        Encoded { bytes, pieces }
    }

    /// The bytes in all.
    #[must_use]
    pub fn len(&self) -> usize {
        self.bytes.len() + self.pieces.bytes
    }

    /// Whether there is not one.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All bytes, if they lie in one piece.
    #[must_use]
    pub fn in_one_piece(&self) -> Option<&[u8]> {
        (self.pieces.count() == 0).then_some(&self.bytes)
    }

    /// What lies in one piece from byte `at` of the whole on; empty at the end only.
    #[must_use]
    pub fn from(&self, mut at: usize) -> &[u8] {
        let mut before = 0;
        for piece in &self.pieces.pieces {
            let own = self.bytes.get(before..piece.at).unwrap_or_default();
            if let Some(rest) = own.get(at..).filter(|rest| !rest.is_empty()) {
                return rest;
            }
            at -= own.len();
            let part = piece.part.bytes();
            if let Some(rest) = part.get(at..).filter(|rest| !rest.is_empty()) {
                return rest;
            }
            at -= part.len();
            before = piece.at;
        }
        self.bytes.get(before + at..).unwrap_or_default()
    }

    /// What it was made of.
    #[must_use]
    pub fn into_parts(self) -> (Vec<u8>, Pieces) {
        (self.bytes, self.pieces)
    }
}
