//! Words for loom: always on the heap, each with a separate futex half, since loom's atomics cannot alias; no speed wanted.
//!
//! # Safety
//! Nothing here is unsafe but the signature of `mapped`, which is that of the normal build: it never looks at the pointer.
#![expect(unsafe_code, reason = "the signature of the normal build")]

use crate::sync::{AtomicU32, AtomicU64, Ordering};
use core::any::Any;
use core::fmt;
use core::ptr::NonNull;
use std::sync::Arc;

/// A view of modelled words. Its methods are documented on the normal build's type.
#[derive(Clone)]
pub struct Words {
    words: Arc<[AtomicU64]>,
    futexes: Arc<[AtomicU32]>,
    start: usize,
    count: usize,
}

#[expect(missing_docs, reason = "documented on the normal build's type")]
impl Words {
    pub fn heap(count: usize) -> Words {
        Words {
            words: (0..count).map(|_| AtomicU64::new(0)).collect(),
            futexes: (0..count).map(|_| AtomicU32::new(0)).collect(),
            start: 0,
            count,
        }
    }

    /// A mapping cannot be modelled: its words are fresh heap words.
    ///
    /// # Safety
    /// Nothing is asked of the caller here.
    pub(crate) unsafe fn mapped(
        _owner: Arc<dyn Any + Send + Sync>,
        _first: NonNull<u64>,
        count: usize,
    ) -> Words {
        Words::heap(count)
    }

    pub fn len(&self) -> usize {
        self.count
    }

    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    pub fn sub(&self, start: usize, count: usize) -> Words {
        assert!(start + count <= self.count, "range outside the view");
        Words {
            start: self.start + start,
            count,
            ..self.clone()
        }
    }

    pub fn at(&self, i: usize) -> &AtomicU64 {
        assert!(i < self.count, "word outside the view");
        &self.words[self.start + i]
    }

    pub fn futex(&self, i: usize) -> &AtomicU32 {
        assert!(i < self.count, "word outside the view");
        &self.futexes[self.start + i]
    }

    pub fn copy_in(&self, word: usize, bytes: &[u8]) {
        for (i, bytes) in bytes.chunks(8).enumerate() {
            let mut padded = [0; 8];
            padded[..bytes.len()].copy_from_slice(bytes);
            self.at(word + i)
                .store(u64::from_ne_bytes(padded), Ordering::Relaxed);
        }
    }

    pub fn copy_out(&self, word: usize, bytes: &mut [u8]) {
        for (i, bytes) in bytes.chunks_mut(8).enumerate() {
            let word = self.at(word + i).load(Ordering::Relaxed).to_ne_bytes();
            bytes.copy_from_slice(&word[..bytes.len()]);
        }
    }

    pub fn append_to(&self, word: usize, len: usize, out: &mut Vec<u8>) {
        let start = out.len();
        out.resize(start + len, 0);
        self.copy_out(word, &mut out[start..]);
    }
}

impl fmt::Debug for Words {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Words")
            .field("len", &self.count)
            .finish_non_exhaustive()
    }
}
