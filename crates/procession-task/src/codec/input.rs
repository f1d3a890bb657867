//! Where encoded bytes come from, and how many elements they may still declare; it must not trust a length.

use postcard::de_flavors::Slice;
use serde::Deserialize;

use super::{CodecError, CodecErrorKind, element_budget, from_postcard};

/// The bytes not read yet, and how many elements they may still declare.
pub(super) struct Input<'de> {
    inner: postcard::Deserializer<'de, Slice<'de>>,
    pub(super) len: usize,
    budget: usize,
    pub(super) max_depth: u32,
}

impl<'de> Input<'de> {
    #[inline]
    pub(super) fn new(bytes: &'de [u8], max_depth: u32) -> Input<'de> {
        let inner = postcard::Deserializer::from_bytes(bytes);
        Input {
            inner,
            len: bytes.len(),
            budget: element_budget(bytes.len()),
            max_depth,
        }
    }

    #[inline]
    pub(super) fn left_over(self) -> usize {
        self.inner.finalize().map_or(0, <[u8]>::len)
    }

    #[inline(always)]
    pub(super) fn leaf<T: Deserialize<'de>>(&mut self) -> Result<T, CodecError> {
        match T::deserialize(&mut self.inner) {
            Ok(value) => Ok(value),
            Err(e) => Err(from_postcard(e)),
        }
    }

    /// Pays for `count` elements at once, before the first of them is read.
    #[inline]
    pub(super) fn pay(&mut self, count: usize) -> Result<(), CodecError> {
        match self.budget.checked_sub(count) {
            Some(budget) => {
                self.budget = budget;
                Ok(())
            }
            None => Err(CodecError::new(CodecErrorKind::Budget)),
        }
    }

    /// The declared number of elements. More than the budget covers is truncated input if any element has bytes, and a bomb if none has.
    #[inline]
    pub(super) fn length(&mut self) -> Result<usize, CodecError> {
        let declared: u64 = self.leaf()?;
        let count = usize::try_from(declared).unwrap_or(usize::MAX);
        self.pay(count)?;
        Ok(count)
    }
}
