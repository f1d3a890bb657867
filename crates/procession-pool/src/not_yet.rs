//! Lazy maps with a time limit for the consumer. It must never end, cancel or lose anything because the time is over.

use std::fmt;
use std::time::Duration;

use procession_worker::TaskError;
use serde::de::DeserializeOwned;

use crate::imap::{Imap, ImapUnordered};
use crate::result::after;
use crate::stream::{By, Items};

/// The next outcome of a lazy map is not there yet: no outcome, and not the end. Asking again is all there is to do.
///
/// ```
/// use procession_pool::NotYet;
/// assert_eq!(NotYet.to_string(), "the next outcome is not there yet");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotYet;

impl fmt::Display for NotYet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the next outcome is not there yet")
    }
}

impl std::error::Error for NotYet {}

macro_rules! timed {
    ($($name:ident)*) => {$(
        impl<R: DeserializeOwned, I: Items + ?Sized> $name<R, I> {
            /// Waits at most `timeout` for the next outcome.
            ///
            /// * `Ok(Some(outcome))`: as [`next`](Iterator::next). A task that exceeded its own limit is such an outcome,
            ///   an error of kind `TimedOut`.
            /// * `Ok(None)`: the end, as for [`next`](Iterator::next).
            /// * `Err(NotYet)`: the time is over. Nothing was lost or cancelled, the workers go on, and this or
            ///   [`next`](Iterator::next) can be called again, any number of times.
            ///
            /// With a `timeout` of zero it says what is there. An input that blocks holds it up, as it does `next`; a
            /// full pool holds it up until the time is over. In a pool of no workers it runs the item that it reads, to
            /// its end. For a limit to the whole, ask with what is left of it; a `timeout` beyond the clock is no limit.
            ///
            /// # Errors
            /// [`NotYet`] when the next outcome is not there in time.
            ///
            /// # Panics
            /// As `next` does: when the input panicked.
            ///
            /// ```
            /// # procession_worker::init();
            /// use std::time::Duration;
            /// use procession_pool::{NotYet, Pool};
            /// let sleep = |ms: u64| { std::thread::sleep(Duration::from_millis(ms)); ms };
            /// let pool = Pool::new(2)?;
            #[doc = timed!(@example $name)]
            /// assert!(matches!(slept.next_timeout(Duration::from_secs(60)), Ok(Some(Ok(0)))));
            /// assert!(matches!(slept.next_timeout(Duration::from_millis(5)), Err(NotYet)));
            /// assert!(matches!(slept.next(), Some(Ok(300))));
            /// assert!(matches!(slept.next_timeout(Duration::ZERO), Ok(None)));
            /// # Ok::<(), Box<dyn std::error::Error>>(())
            /// ```
            pub fn next_timeout(
                &mut self,
                timeout: Duration,
            ) -> Result<Option<Result<R, TaskError>>, NotYet> {
                let by = after(timeout);
                self.0.next_by(By { outcome: by, lines: by })
            }
        }
    )*};
    (@example Imap) => {
        "let mut slept = pool.imap(sleep, [0, 300]);"
    };
    (@example ImapUnordered) => {
        "let mut slept = pool.imap_unordered(sleep, [0, 300]);"
    };
}

timed! { Imap ImapUnordered }
