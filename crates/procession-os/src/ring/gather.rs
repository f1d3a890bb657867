//! Packs byte pieces of any length into a ring's words, wrapping at its end; must not decide whether there is room.

use super::header::slot;
use crate::sync::Ordering;
use crate::words::{Words, partial};

/// Up to seven bytes that do not fill a word yet, the first in the lowest place.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Gather {
    carry: u64,
    held: usize,
}

impl Gather {
    /// How many bytes wait for the rest of their word.
    #[inline]
    pub(super) fn held(&self) -> usize {
        self.held
    }

    /// Appends `bytes` at offset `at` of the ring and returns the offset behind the last whole word.
    #[inline]
    pub(super) fn push(
        &mut self,
        data: &Words,
        capacity: u64,
        mut at: u64,
        mut bytes: &[u8],
    ) -> u64 {
        if self.held > 0 {
            let (head, rest) = bytes.split_at(bytes.len().min(8 - self.held));
            self.hold(head);
            bytes = rest;
            if self.held < 8 {
                return at;
            }
            at = self.flush(data, capacity, at);
        }
        let (whole, rest) = bytes.split_at(bytes.len() & !7);
        copy_in(data, slot(at, capacity), whole);
        self.hold(rest);
        at + whole.len() as u64
    }

    /// Writes a last, partial word, filled up with zeros, and returns the offset behind it.
    #[inline]
    pub(super) fn flush(&mut self, data: &Words, capacity: u64, at: u64) -> u64 {
        if self.held == 0 {
            return at;
        }
        data.at(slot(at, capacity))
            .store(self.carry.to_le(), Ordering::Relaxed);
        *self = Gather::default();
        at + 8
    }

    /// Keeps `bytes`, which fit behind those held.
    #[inline]
    fn hold(&mut self, bytes: &[u8]) {
        if !bytes.is_empty() {
            self.carry |= partial(bytes) << (8 * self.held);
            self.held += bytes.len();
        }
    }
}

/// Whether each of the parts, laid one behind the other, begins at a word.
#[inline]
pub(super) fn is_aligned(parts: &[&[u8]]) -> bool {
    parts
        .split_last()
        .is_none_or(|(_, before)| before.iter().all(|part| part.len().is_multiple_of(8)))
}

/// Copies whole words in, in one piece or, over the ring's end, in two.
#[inline]
fn copy_in(data: &Words, first: usize, whole: &[u8]) {
    let room = (data.len() - first) * 8;
    if whole.len() <= room {
        data.copy_in(first, whole);
    } else {
        let (before, after) = whole.split_at(room);
        data.copy_in(first, before);
        data.copy_in(0, after);
    }
}
