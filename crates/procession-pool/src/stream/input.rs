//! The input of a stream: the caller's iterator, read and encoded a portion at a time.
//!
//! All of it is user code, which may block or panic: it must never run while a lock is held.

use std::fmt;

use procession_task::task::Arguments;

use crate::portion::{ItemReader, Portion, Stopped};

/// The input of an [`Imap`](crate::Imap), whatever its type: it appears only in `dyn Items + Send + 'a`, where `'a` is what
/// the input borrows. Nothing else implements it.
pub trait Items: sealed::Fill {}

impl<I: sealed::Fill + ?Sized> Items for I {}

impl fmt::Debug for dyn Items + Send + '_ {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Items")
    }
}

pub(crate) mod sealed {
    use super::{Portion, Stopped};

    /// What can be read in portions.
    pub trait Fill {
        /// See [`ItemReader::fill`](super::ItemReader::fill).
        fn fill(&mut self, portion: &mut Portion, most: u32) -> Stopped;
    }
}

/// The caller's iterator, with what it takes to encode its items.
pub(crate) struct Input<I> {
    items: I,
    reader: ItemReader,
}

impl<I> Input<I> {
    pub(crate) fn new(items: I, reader: ItemReader) -> Input<I> {
        Input { items, reader }
    }
}

impl<I: Iterator> sealed::Fill for Input<I>
where
    (I::Item,): Arguments,
{
    fn fill(&mut self, portion: &mut Portion, most: u32) -> Stopped {
        let mut items = self.items.by_ref().map(|item| (item,));
        self.reader.fill(&mut items, portion, most)
    }
}
