//! Words in real memory: a mapping, or the heap; must never hand out a pointer or a plain slice.
//!
//! # Safety
//! A [`Words`] holds a pointer to `count` words and a share of whatever keeps them mapped. Three facts carry every block:
//! 1. `first` is 8-byte aligned and `first..first + count` stays mapped, readable and writable while `owner` lives;
//! 2. every view keeps a share of `owner`, and `sub` only ever narrows a view;
//! 3. no one in this process reaches these bytes except through atomics of the same size, but for futex words, which are
//!    reached as `u32` through [`Words::futex`] only.
//!
//! Another process may write the bytes at any time, in any width, as it likes. The compiler assumes nothing about an
//! atomic's value, so this changes values and nothing else.
#![expect(
    unsafe_code,
    reason = "atomic views of memory that another process maps too"
)]

use super::partial;
use crate::sync::{AtomicU32, AtomicU64, Ordering};
use core::any::Any;
use core::fmt;
use core::mem::MaybeUninit;
use core::ptr::NonNull;
use std::sync::Arc;

/// A view of 8-byte words in shared memory, or of heap words for tests. Cloning it is cheap and shares the words.
///
/// ```
/// use procession_os::{sync::Ordering, words::Words};
/// let words = Words::heap(4);
/// words.sub(1, 2).at(0).store(7, Ordering::Relaxed);
/// assert_eq!(words.at(1).load(Ordering::Relaxed), 7);
/// ```
#[derive(Clone)]
pub struct Words {
    first: NonNull<AtomicU64>,
    count: usize,
    owner: Arc<dyn Any + Send + Sync>,
}

// SAFETY: the words are atomics, which any thread may access, and the owner that keeps them mapped is Send + Sync.
unsafe impl Send for Words {}
// SAFETY: as above; a shared `Words` gives out shared references to atomics and nothing else.
unsafe impl Sync for Words {}

impl Words {
    /// `count` zeroed words on the heap.
    ///
    /// ```
    /// assert_eq!(procession_os::words::Words::heap(3).len(), 3);
    /// ```
    pub fn heap(count: usize) -> Words {
        let words: Arc<[AtomicU64]> = (0..count).map(|_| AtomicU64::new(0)).collect();
        let first = NonNull::from(&*words).cast();
        Words {
            first,
            count,
            owner: Arc::new(words),
        }
    }

    /// The `count` words from `first` on, kept mapped by `owner`.
    ///
    /// # Safety
    /// `first` is 8-byte aligned; `count` words from it on are mapped, readable and writable for as long as `owner` is
    /// alive; and nothing in this process accesses them but through atomics.
    pub(crate) unsafe fn mapped(
        owner: Arc<dyn Any + Send + Sync>,
        first: NonNull<u64>,
        count: usize,
    ) -> Words {
        Words {
            first: first.cast(),
            count,
            owner,
        }
    }

    /// How many words this view has.
    ///
    /// ```
    /// assert_eq!(procession_os::words::Words::heap(3).sub(1, 2).len(), 2);
    /// ```
    #[inline]
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether this view has no words.
    ///
    /// ```
    /// assert!(procession_os::words::Words::heap(0).is_empty());
    /// ```
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The narrower view of `count` words from word `start` on.
    ///
    /// # Panics
    /// When the range is not inside this view: ranges are the caller's own constants, never read from shared memory.
    ///
    /// ```
    /// let words = procession_os::words::Words::heap(8);
    /// assert_eq!(words.sub(4, 4).len(), 4);
    /// ```
    pub fn sub(&self, start: usize, count: usize) -> Words {
        let range = &self.slice()[start..][..count];
        Words {
            first: NonNull::from(range).cast(),
            count,
            owner: Arc::clone(&self.owner),
        }
    }

    /// Word `i`.
    ///
    /// # Panics
    /// When there is no such word.
    ///
    /// ```
    /// use procession_os::{sync::Ordering, words::Words};
    /// assert_eq!(Words::heap(1).at(0).load(Ordering::Relaxed), 0);
    /// ```
    #[inline]
    pub fn at(&self, i: usize) -> &AtomicU64 {
        &self.slice()[i]
    }

    /// The low half of word `i`, for the kernel to wait on. Such a word is never accessed through [`Words::at`].
    ///
    /// # Panics
    /// When there is no such word.
    ///
    /// ```
    /// use procession_os::{sync::Ordering, words::Words};
    /// assert_eq!(Words::heap(1).futex(0).load(Ordering::Relaxed), 0);
    /// ```
    #[inline]
    pub fn futex(&self, i: usize) -> &AtomicU32 {
        let word = self.at(i).as_ptr().cast::<AtomicU32>();
        let half = usize::from(cfg!(target_endian = "big"));
        // SAFETY: both halves lie inside the 8-byte word, so the offset stays in its allocation.
        let low = unsafe { word.add(half) };
        // SAFETY: the half word is mapped while `self` is borrowed (fact 1), 4-byte aligned as part of an aligned 8-byte
        // word, and reached only as an atomic u32 (fact 3).
        unsafe { &*low }
    }

    /// Copies `bytes` into the words from `word` on; a last, partial word is filled up with zeros.
    ///
    /// # Panics
    /// When the bytes do not fit behind `word`.
    ///
    /// ```
    /// let words = procession_os::words::Words::heap(2);
    /// words.copy_in(0, b"eleven byte");
    /// let mut back = [0; 11];
    /// words.copy_out(0, &mut back);
    /// assert_eq!(&back, b"eleven byte");
    /// ```
    #[inline]
    pub fn copy_in(&self, word: usize, bytes: &[u8]) {
        let words = self.range(word, bytes.len());
        let (whole, rest) = bytes.as_chunks::<8>();
        store_all(words, whole);
        if let Some(last) = words.get(whole.len()) {
            last.store(partial(rest).to_le(), Ordering::Relaxed);
        }
    }

    /// Fills `bytes` from the words from `word` on.
    ///
    /// # Panics
    /// When the words behind `word` are too few.
    ///
    /// ```
    /// let mut bytes = [1; 5];
    /// procession_os::words::Words::heap(1).copy_out(0, &mut bytes);
    /// assert_eq!(bytes, [0; 5]);
    /// ```
    #[inline]
    pub fn copy_out(&self, word: usize, bytes: &mut [u8]) {
        let words = self.range(word, bytes.len());
        let bytes: &mut [MaybeUninit<u8>] = {
            // SAFETY: initialised bytes are possibly uninitialised ones, and nothing below writes uninitialised ones.
            unsafe { &mut *(core::ptr::from_mut(bytes) as *mut [MaybeUninit<u8>]) }
        };
        let (whole, rest) = bytes.as_chunks_mut::<8>();
        load_all(words, whole);
        if let Some(last) = words.get(whole.len()) {
            let last = last.load(Ordering::Relaxed).to_ne_bytes();
            rest.write_copy_of_slice(&last[..rest.len()]);
        }
    }

    /// Appends `len` bytes from the words from `word` on to `out`.
    ///
    /// # Panics
    /// When the words behind `word` are too few.
    ///
    /// ```
    /// let mut out = vec![1];
    /// procession_os::words::Words::heap(1).append_to(0, 2, &mut out);
    /// assert_eq!(out, [1, 0, 0]);
    /// ```
    #[inline]
    pub fn append_to(&self, word: usize, len: usize, out: &mut Vec<u8>) {
        let words = self.range(word, len);
        out.reserve(len);
        let (whole, rest) = out.spare_capacity_mut()[..len].as_chunks_mut::<8>();
        load_all(words, whole);
        if let Some(last) = words.get(whole.len()) {
            let last = last.load(Ordering::Relaxed).to_ne_bytes();
            rest.write_copy_of_slice(&last[..rest.len()]);
        }
        // SAFETY: `len` bytes of spare capacity exist (reserved, and sliced above), and `load_all` wrote the whole chunks
        // among them (`range` has a word for each), the branch after it the rest.
        unsafe { out.set_len(out.len() + len) };
    }

    /// The words that hold `len` bytes from word `word` on.
    #[inline]
    fn range(&self, word: usize, len: usize) -> &[AtomicU64] {
        &self.slice()[word..][..len.div_ceil(8)]
    }

    #[inline]
    fn slice(&self) -> &[AtomicU64] {
        // SAFETY: `count` words from `first` on are mapped and aligned while `owner`, borrowed through `self`, lives
        // (fact 1), and they are atomics, so a shared reference claims nothing about their contents.
        unsafe { core::slice::from_raw_parts(self.first.as_ptr(), self.count) }
    }
}

impl fmt::Debug for Words {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Words")
            .field("len", &self.count)
            .finish_non_exhaustive()
    }
}

/// Copies of at least this many bytes use wide moves: word by word, a store buffer full of 8-byte stores waits for
/// cache lines from the other CPU several times longer (measured: a third of `memcpy`'s speed).
#[cfg(target_arch = "x86_64")]
const BULK: usize = 512;

/// Stores each chunk into the word beside it; `words` has one for each.
#[inline]
fn store_all(words: &[AtomicU64], bytes: &[[u8; 8]]) {
    let count = bytes.len().min(words.len());
    #[cfg(target_arch = "x86_64")]
    if count * 8 >= BULK {
        // SAFETY: both ranges have `count` words; atomics may be written through a shared reference; they do not
        // overlap, because nobody has a slice of memory that is reached through `Words`.
        unsafe {
            copy_wide(
                words.as_ptr().cast_mut().cast(),
                bytes.as_ptr().cast(),
                count * 8,
            )
        };
        return;
    }
    for (word, bytes) in words.iter().zip(bytes) {
        word.store(u64::from_ne_bytes(*bytes), Ordering::Relaxed);
    }
}

/// Loads each chunk from the word beside it; `words` has one for each.
#[inline]
fn load_all(words: &[AtomicU64], bytes: &mut [[MaybeUninit<u8>; 8]]) {
    let count = bytes.len().min(words.len());
    #[cfg(target_arch = "x86_64")]
    if count * 8 >= BULK {
        // SAFETY: as in `store_all`, the other way round: `bytes` is exclusive.
        unsafe { copy_wide(bytes.as_mut_ptr().cast(), words.as_ptr().cast(), count * 8) };
        return;
    }
    for (word, bytes) in words.iter().zip(bytes) {
        *bytes = word
            .load(Ordering::Relaxed)
            .to_ne_bytes()
            .map(MaybeUninit::new);
    }
}

/// Copies `len` bytes as the CPU's own string move, which was faster here than loops of 16- or 32-byte moves.
///
/// It is assembly, not `memcpy`, because another process may write the source meanwhile: what the compiler cannot see
/// into it can neither repeat nor leave out, so the copy is one read of whatever was there.
///
/// # Safety
/// `len` bytes are readable at `from` and writable at `to`, and the two do not overlap.
#[cfg(target_arch = "x86_64")]
#[inline]
unsafe fn copy_wide(to: *mut u8, from: *const u8, len: usize) {
    // SAFETY: reads and writes exactly what the caller vouches for; the direction flag is clear by the ABI.
    unsafe {
        core::arch::asm!(
            "rep movsb",
            inout("rcx") len => _,
            inout("rdi") to => _,
            inout("rsi") from => _,
            options(nostack, preserves_flags),
        );
    }
}
