//! Views of 8-byte atomic words shared with another process, and copies in and out of them; must never form `&[u8]` over them.
//!
//! A worker may be hostile and may write any word at any instant. Every access here is therefore a relaxed atomic load
//! or store: a race then yields *some* value, which the layers above check, and is never undefined behaviour. Data is
//! copied out first and parsed after, so nothing is ever fetched twice.
//!
//! [`Words`] is defined in two files: over real memory, and under `--cfg loom` over loom's atomics.

#[cfg(loom)]
#[path = "words/model.rs"]
mod imp;
#[cfg(not(loom))]
#[path = "words/memory.rs"]
mod imp;

pub use self::imp::Words;

/// Up to seven bytes as the low bytes of a word, the rest zero.
#[inline]
pub(crate) fn partial(bytes: &[u8]) -> u64 {
    if let (Some(low), Some(high)) = (bytes.first_chunk::<4>(), bytes.last_chunk::<4>()) {
        // The two halves overlap, and agree where they do.
        let high_place = 8 * (bytes.len() - 4);
        return u64::from(u32::from_le_bytes(*low))
            | u64::from(u32::from_le_bytes(*high)) << high_place;
    }
    match bytes {
        [] => 0,
        [a] => u64::from(*a),
        [a, b] => u64::from(u16::from_le_bytes([*a, *b])),
        [a, b, c, ..] => u64::from(u32::from_le_bytes([*a, *b, *c, 0])),
    }
}
