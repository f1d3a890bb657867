//! Lazy maps that tell how far they are, on the consumer's thread. They must never tell more often than
//! [`INTERVAL`](super::INTERVAL) allows, but for the last time, and never lose an outcome to a teller that panics.

use std::fmt;
use std::iter::FusedIterator;
use std::time::Duration;

use procession_worker::TaskError;
use procession_worker::handle::now_ns;
use serde::de::DeserializeOwned;

use super::{Progress, Teller};
use crate::imap::{Imap, ImapUnordered};
use crate::not_yet::NotYet;
use crate::result::after;
use crate::stream::{By, Items, Stream};

/// An [`Imap`] or [`ImapUnordered`] that tells how far it is; made by the verbs of [`CallProgress`](crate::CallProgress).
///
/// Everything is as for the lazy map in it. In addition, its owner's function is called inside
/// [`next`](Iterator::next), on the thread that calls it: before an outcome is looked for and while there is none, at most
/// twenty times a second, and once when `next` returns `None` for the first time. An iteration that is dropped before has
/// no last time. Items whose outcome is there count as done or failed before they are yielded, so the counts may be ahead
/// of the consumer by the [window](crate::Call::buffer_size).
///
/// When the function panics, so does `next`. No outcome is lost by that: ask again.
///
/// ```
/// # procession_worker::init();
/// use procession_pool::{Pool, Progress};
/// let pool = Pool::new(2)?;
/// let mut last = Progress::default();
/// let tell = |p: Progress| last = p;
/// let mut halves = pool.call(|n: u64| 100 / n).on_progress(tell).imap([5, 0, 2]);
/// assert!(matches!(halves.next(), Some(Ok(20))));
/// assert!(matches!(halves.next(), Some(Err(_))));
/// assert!(matches!(halves.next(), Some(Ok(50))));
/// assert!(halves.next().is_none());
/// drop(halves);
/// assert_eq!((last.done, last.failed, last.total), (2, 1, 3));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "nothing runs until the first `next`"]
pub struct Telling<I, P> {
    imap: I,
    /// `None` once the end was told.
    teller: Option<Teller<P>>,
}

impl<I, P: FnMut(Progress)> Telling<I, P> {
    pub(crate) fn new(imap: I, progress: P) -> Telling<I, P> {
        Telling {
            imap,
            teller: Some(Teller::new(progress)),
        }
    }
}

impl<I: fmt::Debug, P> fmt::Debug for Telling<I, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Telling").field(&self.imap).finish()
    }
}

/// What is asked for next, and until when.
type Asked<R> = Result<Option<Result<R, TaskError>>, NotYet>;

macro_rules! telling {
    ($($name:ident)*) => {$(
        impl<R: DeserializeOwned, I: Items + ?Sized, P: FnMut(Progress)> Telling<$name<R, I>, P> {
            /// As `next_timeout` of the lazy map in it, telling meanwhile: the next outcome, `Ok(None)` at the end and after
            /// it, or "not yet", which loses nothing.
            ///
            /// ```
            /// # procession_worker::init();
            /// use std::time::Duration;
            /// let pool = procession_pool::Pool::new(1)?;
            /// let mut slow = pool.call(std::thread::sleep).on_progress(|_| ()).imap([Duration::from_millis(300)]);
            /// assert!(slow.next_timeout(Duration::from_millis(5)).is_err());
            /// assert!(slow.next_timeout(Duration::from_secs(60))?.is_some());
            /// assert!(slow.next_timeout(Duration::from_secs(60))?.is_none());
            /// # Ok::<(), Box<dyn std::error::Error>>(())
            /// ```
            ///
            /// # Errors
            /// [`NotYet`] when the next outcome is not there in time.
            ///
            /// # Panics
            /// As `next` does.
            pub fn next_timeout(
                &mut self,
                timeout: Duration,
            ) -> Result<Option<Result<R, TaskError>>, NotYet> {
                self.ask(after(timeout), Stream::next_by)
            }

            /// Asks with `next`, telling meanwhile.
            pub(crate) fn ask(
                &mut self,
                by: Option<u64>,
                mut next: impl FnMut(&mut Stream<R, I>, By) -> Asked<R>,
            ) -> Asked<R> {
                let stream = &mut self.imap.0;
                loop {
                    let Some(teller) = &mut self.teller else {
                        return next(stream, By { outcome: by, lines: by });
                    };
                    // First, so that a panic costs no outcome.
                    teller.look(|| stream.progress());
                    let look = by.map_or(teller.next(), |at| at.min(teller.next()));
                    match next(stream, By { outcome: Some(look), lines: by }) {
                        Ok(Some(outcome)) => return Ok(Some(outcome)),
                        Err(NotYet) if by.is_some_and(|at| now_ns() >= at) => return Err(NotYet),
                        Err(NotYet) => {}
                        Ok(None) => {
                            self.tell_end();
                            return Ok(None);
                        }
                    }
                }
            }

            fn tell_end(&mut self) {
                if let Some(teller) = self.teller.take() {
                    let seen = self.imap.0.progress();
                    teller.end(seen.done, seen.total);
                }
            }

            /// Nobody asks any more: what has no value by now has failed.
            pub(crate) fn end(mut self) {
                self.tell_end();
            }
        }

        impl<R: DeserializeOwned, I: Items + ?Sized, P: FnMut(Progress)> Iterator
            for Telling<$name<R, I>, P>
        {
            type Item = Result<R, TaskError>;

            fn next(&mut self) -> Option<Self::Item> {
                // Without a deadline there is no "not yet".
                self.ask(None, Stream::next_by).unwrap_or(None)
            }

            fn size_hint(&self) -> (usize, Option<usize>) {
                self.imap.size_hint()
            }
        }

        impl<R: DeserializeOwned, I: Items + ?Sized, P: FnMut(Progress)> FusedIterator
            for Telling<$name<R, I>, P>
        {
        }
    )*};
}

telling! { Imap ImapUnordered }
