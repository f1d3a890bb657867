//! What a byte string holds: a vector of its own, or a part of a counted one. It must never change bytes that others hold.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

/// A byte string of at least so many bytes is counted, and is not copied on its way into a call's arguments and out of them.
/// Shorter ones are copied: that is cheaper than to count them.
pub const APART_FROM: usize = 64 * 1024;

#[derive(Clone)]
pub(super) enum Held {
    Own(Vec<u8>),
    Part(Part),
}

impl Default for Held {
    fn default() -> Held {
        Held::Own(Vec::new())
    }
}

impl Held {
    pub(super) fn new(bytes: Vec<u8>) -> Held {
        if bytes.len() < APART_FROM {
            return Held::Own(bytes);
        }
        Held::Part(Part {
            range: 0..bytes.len(),
            whole: Arc::new(bytes),
        })
    }

    #[inline]
    pub(super) fn bytes(&self) -> &[u8] {
        match self {
            Held::Own(bytes) => bytes,
            Held::Part(part) => part.bytes(),
        }
    }

    pub(super) fn bytes_mut(&mut self) -> &mut [u8] {
        match self {
            Held::Own(bytes) => bytes,
            Held::Part(part) => {
                let range = part.range.clone();
                let whole = Arc::make_mut(&mut part.whole);
                whole.get_mut(range).unwrap_or_default()
            }
        }
    }

    pub(super) fn into_vec(self) -> Vec<u8> {
        let part = match self {
            Held::Own(bytes) => return bytes,
            Held::Part(part) => part,
        };
        match Arc::try_unwrap(part.whole) {
            Ok(mut whole) => {
                whole.truncate(part.range.end);
                whole.drain(..part.range.start);
                whole
            }
            Err(whole) => whole.get(part.range).unwrap_or_default().to_vec(),
        }
    }
}

/// At least [`APART_FROM`] bytes of a counted vector.
#[derive(Clone)]
pub(super) struct Part {
    whole: Arc<Vec<u8>>,
    /// Within the vector.
    range: Range<usize>,
}

impl Part {
    /// The part of `whole` that `bytes` is, if it is one and is most of it: a small part would keep all the rest.
    pub(super) fn of(whole: &Arc<Vec<u8>>, bytes: &[u8]) -> Option<Part> {
        let all = whole.as_ptr_range();
        let part = bytes.as_ptr_range();
        if part.start < all.start || part.end > all.end {
            return None;
        }
        if bytes.len() < APART_FROM || bytes.len() < whole.len() / 2 {
            return None;
        }
        let start = part.start.addr() - all.start.addr();
        Some(Part {
            whole: Arc::clone(whole),
            range: start..start + bytes.len(),
        })
    }

    #[inline]
    pub(super) fn bytes(&self) -> &[u8] {
        self.whole.get(self.range.clone()).unwrap_or_default()
    }

    /// Whether these are the same bytes in the same place.
    pub(super) fn is(&self, bytes: &[u8]) -> bool {
        std::ptr::eq(self.bytes(), bytes)
    }
}

impl fmt::Debug for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Part({:?} of {})", self.range, self.whole.len())
    }
}
