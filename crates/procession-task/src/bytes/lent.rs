//! A buffer that is being decoded and may be kept in part by what is decoded from it. Serde hands nothing through, so the
//! buffer is the thread's; it must be out of reach again when the decoding is over, however it ends.

use std::cell::RefCell;
use std::sync::Arc;

use super::held::Part;

thread_local! {
    static LENT: RefCell<Option<Arc<Vec<u8>>>> = const { RefCell::new(None) };
}

/// Runs `decode`; a long [`Bytes`](super::Bytes) that is decoded from most of `buffer` meanwhile, in this thread, is that part
/// of it and no copy. Once all of them are gone `buffer` is the caller's alone again.
///
/// ```
/// use std::sync::Arc;
/// use procession_task::bytes::lend;
/// use procession_task::{Bytes, Limits, decode, encode};
///
/// let mut frame = Vec::new();
/// encode(&Bytes::from(vec![7; 1 << 20]), &mut frame, &Limits::default())?;
/// let frame = Arc::new(frame);
/// let bytes = lend(&frame, || decode::<Bytes>(&frame, &Limits::default()))?;
/// assert!(frame.as_ptr_range().contains(&bytes.as_ptr()));
/// drop(bytes);
/// assert!(Arc::into_inner(frame).is_some());
/// # Ok::<(), procession_task::CodecError>(())
/// ```
pub fn lend<R>(buffer: &Arc<Vec<u8>>, decode: impl FnOnce() -> R) -> R {
    // A thread that is being torn down has no place for a loan, and the bytes are copied.
    let outer = LENT.try_with(|lent| lent.replace(Some(Arc::clone(buffer))));
    let _returned = Returned(outer.unwrap_or_default());
    decode()
}

/// Loans nest: a task may decode something of its own.
struct Returned(Option<Arc<Vec<u8>>>);

impl Drop for Returned {
    fn drop(&mut self) {
        let _ = LENT.try_with(|lent| lent.replace(self.0.take()));
    }
}

/// `bytes` as a part of the buffer that is lent, if it is one.
#[inline]
pub(super) fn part_of_lent(bytes: &[u8]) -> Option<Part> {
    if bytes.len() < super::APART_FROM {
        return None;
    }
    let part = LENT.try_with(|lent| Part::of(lent.borrow().as_ref()?, bytes));
    part.unwrap_or_default()
}
