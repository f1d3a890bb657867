//! Searches: maps that end at the first outcome that decides them, and cancel the rest.
//! They must never read further than an [`imap`](Pool::imap_unordered) does, so inputs may be endless.

use procession_task::task::{Arguments, Task};
use procession_worker::TaskError;
use serde::de::DeserializeOwned;

use crate::call::Call;
use crate::pool::Pool;
use crate::then::CallThen;

impl Pool {
    /// Applies a task to the items until one gives `Some`, and returns what is in it; `None` when none does.
    ///
    /// The first in the order of completion decides, which need not be the first of the items. Items that have not
    /// begun are cancelled then, those running end on their own and are discarded, and the pool stays usable. The input
    /// is read as [`Pool::imap_unordered`] reads it, so it may be endless; on this thread alone, so it need not be `Send`.
    /// Without an item that gives `Some`, a search of an endless input does not return. An inline pool runs one item after
    /// the other.
    ///
    /// # Errors
    /// The first failure, when that comes before a `Some`: it ends the search in the same way. To pass over failures,
    /// look through [`Pool::imap_unordered`] instead. If the pool takes [nothing more](Pool#closed-broken-inline-and-forked),
    /// that is the failure of the first item that is read; without items the answer is `None` all the same.
    ///
    /// # Panics
    /// When the iterator does, unless the search has ended before.
    ///
    /// ```
    /// # procession_worker::init();
    /// use procession_pool::{Pool, TaskErrorKind};
    /// let pool = Pool::new(2)?;
    /// assert_eq!(pool.find_map(|d: u64| (91 % d == 0).then_some(d), 2..10)?, Some(7));
    /// assert_eq!(pool.find_map(|d: u64| (97 % d == 0).then_some(d), 2..10)?, None);
    /// let error = pool.find_map(|d: u64| (91 / d == 0).then_some(d), [0]).unwrap_err();
    /// assert_eq!((error.kind(), error.item()), (TaskErrorKind::Panicked, Some(0)));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn find_map<F, T, I, U>(&self, task: F, items: I) -> Result<Option<U>, TaskError>
    where
        F: Task<(T,), Output = Option<U>>,
        (T,): Arguments,
        I: IntoIterator<Item = T>,
        Option<U>: DeserializeOwned + 'static,
    {
        self.call(task).find_map(items)
    }

    /// Whether a task says `true` of any item; it stops at the first that does, as [`Pool::find_map`] does.
    ///
    /// # Errors
    /// As [`Pool::find_map`].
    ///
    /// # Panics
    /// As [`Pool::find_map`].
    ///
    /// ```
    /// # procession_worker::init();
    /// let pool = procession_pool::Pool::new(2)?;
    /// assert!(pool.any(|n: u64| n * n > 1000, 0..)?); // the input has no end
    /// assert!(!pool.any(|n: u64| n * n > 1000, 0..10)?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn any<F, T, I>(&self, task: F, items: I) -> Result<bool, TaskError>
    where
        F: Task<(T,), Output = bool>,
        (T,): Arguments,
        I: IntoIterator<Item = T>,
    {
        self.call(task).any(items)
    }

    /// Whether a task says `true` of all items; it stops at the first that does not, as [`Pool::find_map`] does.
    /// True without items.
    ///
    /// # Errors
    /// As [`Pool::find_map`].
    ///
    /// # Panics
    /// As [`Pool::find_map`].
    ///
    /// ```
    /// # procession_worker::init();
    /// let pool = procession_pool::Pool::new(2)?;
    /// assert!(pool.all(|n: u64| n * n < 1000, 0..10)?);
    /// assert!(!pool.all(|n: u64| n * n < 1000, 0..)?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn all<F, T, I>(&self, task: F, items: I) -> Result<bool, TaskError>
    where
        F: Task<(T,), Output = bool>,
        (T,): Arguments,
        I: IntoIterator<Item = T>,
    {
        self.call(task).all(items)
    }
}

impl<F: Copy> Call<'_, F> {
    /// See [`Pool::find_map`].
    ///
    /// # Errors
    /// As [`Pool::find_map`].
    ///
    /// # Panics
    /// As [`Pool::find_map`].
    pub fn find_map<T, I, U>(&self, items: I) -> Result<Option<U>, TaskError>
    where
        F: Task<(T,), Output = Option<U>>,
        (T,): Arguments,
        I: IntoIterator<Item = T>,
        Option<U>: DeserializeOwned + 'static,
    {
        // Dropped at the return, it cancels the rest.
        first_some(&mut self.imap_unordered_local(items))
    }

    /// See [`Pool::any`].
    ///
    /// # Errors
    /// As [`Pool::find_map`].
    ///
    /// # Panics
    /// As [`Pool::find_map`].
    pub fn any<T, I>(&self, items: I) -> Result<bool, TaskError>
    where
        F: Task<(T,), Output = bool>,
        (T,): Arguments,
        I: IntoIterator<Item = T>,
    {
        decided(&mut self.imap_unordered_local(items), true)
    }

    /// See [`Pool::all`].
    ///
    /// # Errors
    /// As [`Pool::find_map`].
    ///
    /// # Panics
    /// As [`Pool::find_map`].
    pub fn all<T, I>(&self, items: I) -> Result<bool, TaskError>
    where
        F: Task<(T,), Output = bool>,
        (T,): Arguments,
        I: IntoIterator<Item = T>,
    {
        decided(&mut self.imap_unordered_local(items), false).map(|found| !found)
    }
}

impl<F: Copy, U> CallThen<'_, F, Option<U>>
where
    Option<U>: DeserializeOwned + 'static,
{
    /// See [`Pool::find_map`]. The callback gets the outcome of each item that was read, `Cancelled` where the search had ended.
    ///
    /// # Errors
    /// As [`Pool::find_map`].
    ///
    /// # Panics
    /// As [`Pool::find_map`].
    pub fn find_map<T, I>(self, items: I) -> Result<Option<U>, TaskError>
    where
        F: Task<(T,), Output = Option<U>>,
        (T,): Arguments,
        I: IntoIterator<Item = T>,
    {
        first_some(&mut self.imap_unordered_local(items))
    }
}

impl<F: Copy> CallThen<'_, F, bool> {
    /// See [`Pool::any`]. The callback gets what it gets behind [`find_map`](CallThen::find_map).
    ///
    /// # Errors
    /// As [`Pool::find_map`].
    ///
    /// # Panics
    /// As [`Pool::find_map`].
    pub fn any<T, I>(self, items: I) -> Result<bool, TaskError>
    where
        F: Task<(T,), Output = bool>,
        (T,): Arguments,
        I: IntoIterator<Item = T>,
    {
        decided(&mut self.imap_unordered_local(items), true)
    }

    /// See [`Pool::all`]. The callback gets what it gets behind [`find_map`](CallThen::find_map).
    ///
    /// # Errors
    /// As [`Pool::find_map`].
    ///
    /// # Panics
    /// As [`Pool::find_map`].
    pub fn all<T, I>(self, items: I) -> Result<bool, TaskError>
    where
        F: Task<(T,), Output = bool>,
        (T,): Arguments,
        I: IntoIterator<Item = T>,
    {
        decided(&mut self.imap_unordered_local(items), false).map(|found| !found)
    }
}

/// What is in the first `Some`.
pub(crate) fn first_some<U>(
    outcomes: &mut dyn Iterator<Item = Result<Option<U>, TaskError>>,
) -> Result<Option<U>, TaskError> {
    for outcome in outcomes {
        if let Some(found) = outcome? {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

/// Whether one of the outcomes is `answer`.
pub(crate) fn decided(
    outcomes: &mut dyn Iterator<Item = Result<bool, TaskError>>,
    answer: bool,
) -> Result<bool, TaskError> {
    for outcome in outcomes {
        if outcome? == answer {
            return Ok(true);
        }
    }
    Ok(false)
}
