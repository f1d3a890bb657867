//! Maps whose tasks decide how much there is: to stop, to leave something out, to give several.
//! They must never give other results than the same steps one after another would.

use std::ops::ControlFlow;

use procession_task::task::{Arguments, Task};
use procession_worker::TaskError;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::call::Call;
use crate::pool::Pool;
use crate::stream::By;
use crate::then::CallThen;

/// What a task of [`Pool::map_until`] returns: a result among others, or the end of the map.
///
/// It is [`ControlFlow`] in a form that travels between processes; each converts into the other.
///
/// ```
/// use procession_pool::Step;
/// use std::ops::ControlFlow;
/// let step: Step<String, u32> = ControlFlow::Continue(3).into();
/// assert_eq!(step, Step::Continue(3));
/// assert_eq!(ControlFlow::from(step).continue_value(), Some(3));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Step<B, R> {
    /// One result; the map goes on.
    Continue(R),
    /// The map ends with this.
    Break(B),
}

impl<B, R> From<ControlFlow<B, R>> for Step<B, R> {
    fn from(flow: ControlFlow<B, R>) -> Step<B, R> {
        match flow {
            ControlFlow::Continue(value) => Step::Continue(value),
            ControlFlow::Break(value) => Step::Break(value),
        }
    }
}

impl<B, R> From<Step<B, R>> for ControlFlow<B, R> {
    fn from(step: Step<B, R>) -> ControlFlow<B, R> {
        match step {
            Step::Continue(value) => ControlFlow::Continue(value),
            Step::Break(value) => ControlFlow::Break(value),
        }
    }
}

impl Pool {
    /// As [`Pool::map`], until a task breaks: `Continue` with all results in the order of the items, or `Break` with what
    /// the task broke with.
    ///
    /// The first break in the order of completion counts, which need not be that of the first item. Items that have not
    /// begun are cancelled then, those running end on their own and are discarded, and the pool stays usable. The input is
    /// read as [`Pool::imap`] reads it, so it may be endless; without a break or a failure it does not return then. An
    /// inline pool runs one item after the other.
    ///
    /// # Errors
    /// The first failure, when that comes before a break: it ends the map in the same way. If the pool takes
    /// [nothing more](Pool#closed-broken-inline-and-forked), that is the failure of the first item that is read.
    ///
    /// # Panics
    /// When the iterator does, unless the map has ended before.
    ///
    /// ```
    /// # procession_worker::init();
    /// use procession_pool::{Pool, Step};
    /// use std::ops::ControlFlow;
    /// fn halve(n: u64) -> Step<String, u64> {
    ///     if n % 2 == 0 { Step::Continue(n / 2) } else { Step::Break(format!("{n} is odd")) }
    /// }
    ///
    /// let pool = Pool::new(2)?;
    /// assert_eq!(pool.map_until(halve, [2, 4, 6])?, ControlFlow::Continue(vec![1, 2, 3]));
    /// let endless = (0..).step_by(2).map(|n| if n == 1_000 { 7 } else { n });
    /// assert_eq!(pool.map_until(halve, endless)?, ControlFlow::Break("7 is odd".to_string()));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn map_until<F, T, I, B, R>(
        &self,
        task: F,
        items: I,
    ) -> Result<ControlFlow<B, Vec<R>>, TaskError>
    where
        F: Task<(T,), Output = Step<B, R>>,
        (T,): Arguments,
        I: IntoIterator<Item = T>,
        Step<B, R>: DeserializeOwned + 'static,
    {
        self.call(task).map_until(items)
    }

    /// As [`Pool::map`], keeping what is in each `Some`, in the order of the items.
    ///
    /// # Errors
    /// As [`Pool::map`].
    ///
    /// # Panics
    /// As [`Pool::map`].
    ///
    /// ```
    /// # procession_worker::init();
    /// let pool = procession_pool::Pool::new(2)?;
    /// let lines = ["1", "x", "3"].map(String::from);
    /// assert_eq!(pool.filter_map(|line: String| line.parse::<u32>().ok(), lines)?, [1, 3]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn filter_map<F, T, I, U>(&self, task: F, items: I) -> Result<Vec<U>, TaskError>
    where
        F: Task<(T,), Output = Option<U>>,
        (T,): Arguments,
        I: IntoIterator<Item = T>,
        Option<U>: DeserializeOwned + 'static,
    {
        self.call(task).filter_map(items)
    }

    /// As [`Pool::map`], one after another what each item gives: the collections a task returns become one.
    ///
    /// # Errors
    /// As [`Pool::map`].
    ///
    /// # Panics
    /// As [`Pool::map`].
    ///
    /// ```
    /// # procession_worker::init();
    /// let pool = procession_pool::Pool::new(2)?;
    /// let words = |line: String| -> Vec<String> { line.split(' ').map(String::from).collect() };
    /// let lines = ["one two", "three"].map(String::from);
    /// assert_eq!(pool.flat_map(words, lines)?, ["one", "two", "three"]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn flat_map<F, T, I, U>(&self, task: F, items: I) -> Result<Vec<U::Item>, TaskError>
    where
        F: Task<(T,), Output = U>,
        (T,): Arguments,
        I: IntoIterator<Item = T>,
        U: IntoIterator + DeserializeOwned + 'static,
    {
        self.call(task).flat_map(items)
    }
}

impl<F: Copy> Call<'_, F> {
    /// See [`Pool::map_until`].
    ///
    /// # Errors
    /// As [`Pool::map_until`].
    ///
    /// # Panics
    /// As [`Pool::map_until`].
    pub fn map_until<T, I, B, R>(&self, items: I) -> Result<ControlFlow<B, Vec<R>>, TaskError>
    where
        F: Task<(T,), Output = Step<B, R>>,
        (T,): Arguments,
        I: IntoIterator<Item = T>,
        Step<B, R>: DeserializeOwned + 'static,
    {
        // Dropped at the return, it cancels the rest.
        let mut stream = self.imap_local(items).0;
        // Without a deadline there is no "not yet".
        all_until(|| stream.next_unless(ends, By::default()).unwrap_or(None))
    }

    /// See [`Pool::filter_map`].
    ///
    /// # Errors
    /// As [`Pool::map`].
    ///
    /// # Panics
    /// As [`Pool::map`].
    pub fn filter_map<T, I, U>(&self, items: I) -> Result<Vec<U>, TaskError>
    where
        F: Task<(T,), Output = Option<U>>,
        (T,): Arguments,
        I: IntoIterator<Item = T>,
        Option<U>: DeserializeOwned + 'static,
    {
        Ok(self.map(items)?.into_iter().flatten().collect())
    }

    /// See [`Pool::flat_map`].
    ///
    /// # Errors
    /// As [`Pool::map`].
    ///
    /// # Panics
    /// As [`Pool::map`].
    pub fn flat_map<T, I, U>(&self, items: I) -> Result<Vec<U::Item>, TaskError>
    where
        F: Task<(T,), Output = U>,
        (T,): Arguments,
        I: IntoIterator<Item = T>,
        U: IntoIterator + DeserializeOwned + 'static,
    {
        Ok(self.map(items)?.into_iter().flatten().collect())
    }
}

impl<F: Copy, B, R> CallThen<'_, F, Step<B, R>>
where
    Step<B, R>: DeserializeOwned + 'static,
{
    /// See [`Pool::map_until`]. The callback gets the outcome of each item that was read, `Cancelled` where the map had ended.
    ///
    /// # Errors
    /// As [`Pool::map_until`].
    ///
    /// # Panics
    /// As [`Pool::map_until`].
    pub fn map_until<T, I>(self, items: I) -> Result<ControlFlow<B, Vec<R>>, TaskError>
    where
        F: Task<(T,), Output = Step<B, R>>,
        (T,): Arguments,
        I: IntoIterator<Item = T>,
    {
        let mut stream = self.imap_local(items).0;
        all_until(|| stream.next_unless(ends, By::default()).unwrap_or(None))
    }
}

impl<F: Copy, V: Send + 'static> CallThen<'_, F, Vec<V>> {
    /// See [`Pool::filter_map`]. The callback gets what this returns.
    ///
    /// # Errors
    /// As [`Pool::map`].
    ///
    /// # Panics
    /// When the iterator panics. The callback is not called then.
    ///
    /// ```
    /// # procession_worker::init();
    /// use procession_pool::{Pool, TaskError};
    /// let pool = Pool::new(2)?;
    /// let (report, reports) = std::sync::mpsc::channel();
    /// let even = pool
    ///     .call(|n: u32| n.is_multiple_of(2).then_some(n))
    ///     .on_complete(move |all: &Result<Vec<u32>, TaskError>| report.send(all.clone()).unwrap())
    ///     .filter_map(1..6)?;
    /// assert_eq!(even, [2, 4]);
    /// assert_eq!(reports.recv()??, [2, 4]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn filter_map<T, I>(self, items: I) -> Result<Vec<V>, TaskError>
    where
        F: Task<(T,), Output = Option<V>>,
        (T,): Arguments,
        I: IntoIterator<Item = T>,
        Option<V>: DeserializeOwned,
    {
        self.flat_map(items)
    }

    /// See [`Pool::flat_map`]. The callback gets what this returns.
    ///
    /// # Errors
    /// As [`Pool::map`].
    ///
    /// # Panics
    /// When the iterator panics. The callback is not called then.
    pub fn flat_map<T, I, U>(self, items: I) -> Result<Vec<V>, TaskError>
    where
        F: Task<(T,), Output = U>,
        (T,): Arguments,
        I: IntoIterator<Item = T>,
        U: IntoIterator<Item = V> + DeserializeOwned + Send + 'static,
    {
        let flat = |all: Vec<U>| all.into_iter().flatten().collect();
        let handle = self.call.map_async(items).converted(flat);
        self.attach(&handle);
        handle.get()
    }
}

/// All results, or the first break or failure among what `next` gives.
pub(crate) fn all_until<B, R>(
    mut next: impl FnMut() -> Option<Result<Step<B, R>, TaskError>>,
) -> Result<ControlFlow<B, Vec<R>>, TaskError> {
    let mut all = Vec::new();
    while let Some(outcome) = next() {
        match outcome? {
            Step::Continue(value) => all.push(value),
            Step::Break(value) => return Ok(ControlFlow::Break(value)),
        }
    }
    Ok(ControlFlow::Continue(all))
}

/// Whether a map that may break ends with this.
pub(crate) fn ends<B, R>(outcome: &Result<Step<B, R>, TaskError>) -> bool {
    matches!(outcome, Ok(Step::Break(_)) | Err(_))
}
