//! The lazy verbs of a call that tells how far it is, and those that stop early. They must not wait or tell by themselves:
//! [`Telling`] does.

use std::ops::ControlFlow;

use procession_task::task::{Arguments, Task};
use procession_worker::TaskError;
use serde::de::DeserializeOwned;

use super::CallProgress;
use crate::imap::{Imap, ImapUnordered};
use crate::progress::Progress;
use crate::progress::telling::Telling;
use crate::search::{decided, first_some};
use crate::stream::Items;
use crate::until::{Step, all_until, ends};

impl<F: Copy, P: FnMut(Progress)> CallProgress<'_, F, P> {
    /// See [`Pool::imap`](crate::Pool::imap); told inside [`next`](Iterator::next), as [`Telling`] says.
    pub fn imap<'i, T, I>(self, items: I) -> Telling<Imap<F::Output, dyn Items + Send + 'i>, P>
    where
        F: Task<(T,)>,
        (T,): Arguments,
        T: 'i,
        I: IntoIterator<Item = T>,
        I::IntoIter: Send + 'i,
        F::Output: DeserializeOwned + 'static,
    {
        Telling::new(self.call.imap(items), self.progress)
    }

    /// See [`Pool::imap_unordered`](crate::Pool::imap_unordered); told inside [`next`](Iterator::next), as [`Telling`]
    /// says.
    pub fn imap_unordered<'i, T, I>(
        self,
        items: I,
    ) -> Telling<ImapUnordered<F::Output, dyn Items + Send + 'i>, P>
    where
        F: Task<(T,)>,
        (T,): Arguments,
        T: 'i,
        I: IntoIterator<Item = T>,
        I::IntoIter: Send + 'i,
        F::Output: DeserializeOwned + 'static,
    {
        Telling::new(self.call.imap_unordered(items), self.progress)
    }

    /// See [`Pool::filter_map`](crate::Pool::filter_map).
    ///
    /// # Errors
    /// As [`Pool::map`](crate::Pool::map).
    ///
    /// # Panics
    /// When the iterator panics, or the progress function does.
    pub fn filter_map<T, I, U>(self, items: I) -> Result<Vec<U>, TaskError>
    where
        F: Task<(T,), Output = Option<U>>,
        (T,): Arguments,
        I: IntoIterator<Item = T>,
        Option<U>: DeserializeOwned + 'static,
    {
        Ok(self.map(items)?.into_iter().flatten().collect())
    }

    /// See [`Pool::flat_map`](crate::Pool::flat_map).
    ///
    /// # Errors
    /// As [`Pool::map`](crate::Pool::map).
    ///
    /// # Panics
    /// When the iterator panics, or the progress function does.
    pub fn flat_map<T, I, U>(self, items: I) -> Result<Vec<U::Item>, TaskError>
    where
        F: Task<(T,), Output = U>,
        (T,): Arguments,
        I: IntoIterator<Item = T>,
        U: IntoIterator + DeserializeOwned + 'static,
    {
        Ok(self.map(items)?.into_iter().flatten().collect())
    }

    /// See [`Pool::map_until`](crate::Pool::map_until). After a break, items without a value count as failed.
    ///
    /// # Errors
    /// As [`Pool::map_until`](crate::Pool::map_until).
    ///
    /// # Panics
    /// When the iterator panics, unless the map has ended before, or the progress function does.
    pub fn map_until<T, I, B, R>(self, items: I) -> Result<ControlFlow<B, Vec<R>>, TaskError>
    where
        F: Task<(T,), Output = Step<B, R>>,
        (T,): Arguments,
        I: IntoIterator<Item = T>,
        Step<B, R>: DeserializeOwned + 'static,
    {
        let mut steps = Telling::new(self.call.imap_local(items), self.progress);
        // Without a deadline there is no "not yet".
        let all = all_until(|| {
            let next = steps.ask(None, |stream, by| stream.next_unless(ends, by));
            next.unwrap_or(None)
        });
        steps.end();
        all
    }

    /// See [`Pool::find_map`](crate::Pool::find_map). When the search has ended, items without a value count as failed.
    ///
    /// # Errors
    /// As [`Pool::find_map`](crate::Pool::find_map).
    ///
    /// # Panics
    /// When the iterator panics, unless the search has ended before, or the progress function does.
    pub fn find_map<T, I, U>(self, items: I) -> Result<Option<U>, TaskError>
    where
        F: Task<(T,), Output = Option<U>>,
        (T,): Arguments,
        I: IntoIterator<Item = T>,
        Option<U>: DeserializeOwned + 'static,
    {
        let mut outcomes = Telling::new(self.call.imap_unordered_local(items), self.progress);
        let found = first_some(&mut outcomes);
        outcomes.end();
        found
    }

    /// See [`Pool::any`](crate::Pool::any); told as [`find_map`](CallProgress::find_map) tells.
    ///
    /// # Errors
    /// As [`Pool::any`](crate::Pool::any).
    ///
    /// # Panics
    /// When the iterator panics, unless the search has ended before, or the progress function does.
    pub fn any<T, I>(self, items: I) -> Result<bool, TaskError>
    where
        F: Task<(T,), Output = bool>,
        (T,): Arguments,
        I: IntoIterator<Item = T>,
    {
        let mut outcomes = Telling::new(self.call.imap_unordered_local(items), self.progress);
        let found = decided(&mut outcomes, true);
        outcomes.end();
        found
    }

    /// See [`Pool::all`](crate::Pool::all); told as [`find_map`](CallProgress::find_map) tells.
    ///
    /// # Errors
    /// As [`Pool::all`](crate::Pool::all).
    ///
    /// # Panics
    /// When the iterator panics, unless the search has ended before, or the progress function does.
    pub fn all<T, I>(self, items: I) -> Result<bool, TaskError>
    where
        F: Task<(T,), Output = bool>,
        (T,): Arguments,
        I: IntoIterator<Item = T>,
    {
        let mut outcomes = Telling::new(self.call.imap_unordered_local(items), self.progress);
        let found = decided(&mut outcomes, false);
        outcomes.end();
        found.map(|found| !found)
    }
}
