//! Lazy maps: iterators over outcomes, fed by an iterator over items. The public side; the work is `stream`'s.
//!
//! It must never hold anything of the pool but what keeps its own items going: an open imap keeps no pool alive.

use std::fmt;
use std::iter::FusedIterator;

use procession_worker::TaskError;
use serde::de::DeserializeOwned;

use crate::stream::{Items, Stream};

/// The outcomes of [`Pool::imap`](crate::Pool::imap), in the order of the items.
///
/// `Imap<R>` is the type for an input that borrows nothing; for one that borrows for `'a` it is
/// `Imap<R, dyn Items + Send + 'a>`. It borrows neither the pool nor the task.
///
/// It is `Send` if `R` is, and may go from thread to thread, also between two outcomes. The input goes with it: the thread
/// that iterates is the one that reads it. So inputs have to be `Send` too; [`Pool::imap`](crate::Pool::imap) says what to
/// do with one that is not.
///
/// # Reading ahead
/// Nothing happens before the first [`next`](Iterator::next). Each `next` may read from the input, on the thread that calls
/// it; between two of them the workers go on with what they have. Never more items than the *window* are taken from the
/// input and not yet yielded, so inputs may be endless, and outcomes that wait for a slow one before them are bounded too. The
/// window is [`buffer_size`](crate::Call::buffer_size), or twice the number of workers times the size of a chunk, which
/// adapts to the work: 1 at first and for long items. An input that blocks makes `next` block as long: where each item
/// depends on the outcome before it, take a `buffer_size` of 1. So does a full pool, if it has a
/// [limit](crate::PoolBuilder::max_queued), until there is room or the [time](crate::Call::queue_deadline) of the items is over.
///
/// # How an item can end
/// Each item has its own outcome; a failing one stops nothing. Besides everything a [call](crate#how-a-call-can-end) may end
/// with: an item that cannot be encoded is its own error, and an item read after [`close`](crate::Pool::close),
/// [`terminate`](crate::Pool::terminate) or the drop of the pool is one of kind `Closed`, or of kind `Broken` once no worker
/// gets ready. The input is still read then, one item for each `next` or so: end the loop there. What was read before a
/// `close` is finished and yielded; what was read before a `terminate` or a drop, and has no outcome, is `Terminated`. The
/// [`TaskError::item`] of an error is the place of the item in the input.
///
/// # How the iteration can end
/// * **The input ends**: `None`, for ever, after the last outcome.
/// * **The input panics**: the outcomes of the items before are yielded, then `next` panics with that panic, and after that
///   it returns `None`. The pool serves on.
/// * **An option is impossible** (a `chunk_size` or `buffer_size` of 0): one error of kind `InvalidOption`, then `None`.
/// * **It is dropped**: items that have not begun are cancelled; those that have run to their end and are discarded.
///   It waits for nothing.
///
/// [`next_timeout`](Imap::next_timeout) is `next` with a limit: what is not there by then is not lost.
///
/// In a pool of no workers each `next` reads one item and runs it. Of any other, every outcome that is not yet there in a
/// copy of this process made by `fork` is an error of kind `Closed`, and so is every item that is read in the copy.
///
/// ```
/// # procession_worker::init();
/// use procession_pool::{Imap, Pool, TaskErrorKind};
/// let pool = Pool::new(2)?;
/// let mut inverse: Imap<i32> = pool.imap(|n: i32| 100 / n, (0..).map(|n| n - 1));
/// assert_eq!(inverse.next().expect("endless")?, -100);
/// let error = inverse.next().expect("endless").unwrap_err();
/// assert_eq!((error.kind(), error.item()), (TaskErrorKind::Panicked, Some(1)));
/// assert_eq!(inverse.next().expect("endless")?, 100);
/// drop(inverse); // the rest is cancelled
///
/// let mut none = pool.call(|n: i32| n).buffer_size(0).imap([1, 2]);
/// assert_eq!(none.next().expect("an error").unwrap_err().kind(), TaskErrorKind::InvalidOption);
/// assert!(none.next().is_none());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// A panic of the input comes after the outcomes before it:
///
/// ```
/// # procession_worker::init();
/// use std::panic::{AssertUnwindSafe, catch_unwind};
/// let pool = procession_pool::Pool::new(2)?;
/// let input = (0..).inspect(|n| assert!(*n < 3, "no more"));
/// let mut doubled = pool.imap(|n: u32| 2 * n, input);
/// for n in 0..3 {
///     assert_eq!(doubled.next().expect("three")?, 2 * n);
/// }
/// assert!(catch_unwind(AssertUnwindSafe(|| doubled.next())).is_err());
/// assert!(doubled.next().is_none());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "nothing runs until the first `next`"]
pub struct Imap<R, I: ?Sized = dyn Items + Send>(pub(crate) Stream<R, I>);

/// The outcomes of [`Pool::imap_unordered`](crate::Pool::imap_unordered), each as soon as it is there.
///
/// Everything else is as [`Imap`] says: window, items' ends, the iteration's ends.
///
/// ```
/// # procession_worker::init();
/// use procession_pool::{ImapUnordered, Pool};
/// use std::time::Duration;
/// let pool = Pool::new(2)?;
/// let sleep = |ms: u64| { std::thread::sleep(Duration::from_millis(ms)); ms };
/// let mut done: ImapUnordered<u64> = pool.imap_unordered(sleep, [400, 0]);
/// assert_eq!(done.next().expect("two")?, 0);
/// assert_eq!(done.next().expect("two")?, 400);
/// assert!(done.next().is_none());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "nothing runs until the first `next`"]
pub struct ImapUnordered<R, I: ?Sized = dyn Items + Send>(pub(crate) Stream<R, I>);

macro_rules! iterators {
    ($($name:ident)*) => {$(
        impl<R: DeserializeOwned, I: Items + ?Sized> Iterator for $name<R, I> {
            type Item = Result<R, TaskError>;

            fn next(&mut self) -> Option<Self::Item> {
                self.0.next()
            }

            fn size_hint(&self) -> (usize, Option<usize>) {
                let ended = self.0.has_ended().then_some(0);
                (self.0.under_way(), ended)
            }
        }

        impl<R: DeserializeOwned, I: Items + ?Sized> FusedIterator for $name<R, I> {}

        impl<R, I: ?Sized> fmt::Debug for $name<R, I> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_tuple(stringify!($name)).field(&self.0).finish()
            }
        }
    )*};
}

iterators! { Imap ImapUnordered }
