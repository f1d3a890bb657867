//! The verbs of lazy maps, of the pool and of a call with options. It must never read an item: the iterators do.

use procession_task::descriptor::TaskRef;
use procession_task::task::{Arguments, Task};
use procession_worker::{TaskError, TaskErrorKind};
use serde::de::DeserializeOwned;

use crate::call::Call;
use crate::core::Chunk;
use crate::each::Each;
use crate::imap::{Imap, ImapUnordered};
use crate::options::invalid_option;
use crate::pool::Pool;
use crate::portion::ItemReader;
use crate::stream::{Flow, Input, Items, Order, Plan, Stream};
use crate::then::{CallThen, Function};

impl Pool {
    /// Applies a task of one parameter to the items lazily: the results in the order of the items, each item's own.
    ///
    /// It returns at once, whatever is wrong. Nothing runs before the first [`next`](Iterator::next). From there on a bounded
    /// window of items is ahead of what was yielded, so the input may be endless; [`Call::buffer_size`] and
    /// [`Call::chunk_size`] set the window and how items travel. The input is read on the thread that calls `next`, inside that
    /// call. [`Imap`] lists each way an item, and the iteration, can end. A task of several arguments takes them as one tuple.
    ///
    /// What is returned may go to another thread, so the iterator has to be `Send`. One that is not, because it holds an
    /// `Rc`, a reference to a `Cell` or a lock: collect it first, or take [`Pool::map`], [`Pool::try_map`],
    /// [`Pool::map_until`] or a search such as [`Pool::find_map`], which read any iterator on the thread that calls them. The
    /// lines of `std::io::stdin()` hold its lock; those of `BufReader::new(std::io::stdin())` do not.
    ///
    /// ```
    /// # procession_worker::init();
    /// let pool = procession_pool::Pool::new(2)?;
    /// let squares: Result<Vec<u64>, _> = pool.imap(|n: u64| n * n, 1..).take(4).collect();
    /// assert_eq!(squares?, [1, 4, 9, 16]);
    ///
    /// // Iterated in another thread.
    /// let cubes = pool.imap(|n: u64| n * n * n, 1..5);
    /// let sum = std::thread::spawn(move || cubes.sum::<Result<u64, _>>());
    /// assert_eq!(sum.join().expect("no panic")?, 100);
    ///
    /// // An iterator that is not `Send`.
    /// let shared = std::rc::Rc::new(10);
    /// let numbers = (0..3).map(|n| n + *shared).collect::<Vec<u64>>();
    /// assert_eq!(pool.imap(|n: u64| n * n, numbers).flatten().max(), Some(144));
    /// assert_eq!(pool.map(|n: u64| n * n, (0..3).map(|n| n + *shared))?, [100, 121, 144]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn imap<'i, F, T, I>(&self, task: F, items: I) -> Imap<F::Output, dyn Items + Send + 'i>
    where
        F: Task<(T,)>,
        (T,): Arguments,
        I: IntoIterator<Item = T>,
        I::IntoIter: Send + 'i,
        F::Output: DeserializeOwned + 'static,
    {
        self.call(task).imap(items)
    }

    /// As [`Pool::imap`], but yields each outcome as soon as it is there: a slow item holds no other up. In an inline pool the
    /// two are the same.
    ///
    /// An error knows the place of its item ([`TaskError::item`]); let the task return what names its value.
    ///
    /// ```
    /// # procession_worker::init();
    /// let pool = procession_pool::Pool::new(2)?;
    /// let mut squares = Vec::new();
    /// for outcome in pool.imap_unordered(|n: u64| (n, n * n), 0..100) {
    ///     let (n, square) = outcome?;
    ///     assert_eq!(square, n * n);
    ///     squares.push(square);
    /// }
    /// squares.sort();
    /// assert_eq!(squares, (0..100).map(|n| n * n).collect::<Vec<u64>>());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn imap_unordered<'i, F, T, I>(
        &self,
        task: F,
        items: I,
    ) -> ImapUnordered<F::Output, dyn Items + Send + 'i>
    where
        F: Task<(T,)>,
        (T,): Arguments,
        I: IntoIterator<Item = T>,
        I::IntoIter: Send + 'i,
        F::Output: DeserializeOwned + 'static,
    {
        self.call(task).imap_unordered(items)
    }
}

impl<F: Copy> Call<'_, F> {
    /// Bounds how many items an [`imap`](Call::imap) has taken from its input and not yet yielded; without it,
    /// twice the number of workers times the size of a chunk. The maps, which take everything, ignore it.
    ///
    /// 0 makes the imap yield one error of kind `InvalidOption`. An inline pool reads one item at a time.
    ///
    /// ```
    /// # procession_worker::init();
    /// use std::sync::atomic::{AtomicUsize, Ordering};
    /// let pool = procession_pool::Pool::new(2)?;
    /// let taken = AtomicUsize::new(0);
    /// let numbers = (0..).inspect(|_| { taken.fetch_add(1, Ordering::Relaxed); });
    /// let mut squares = pool.call(|n: u64| n * n).buffer_size(5).imap(numbers);
    /// assert_eq!(squares.next().expect("endless")?, 0);
    /// assert!(taken.load(Ordering::Relaxed) <= 5);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn buffer_size(mut self, items: usize) -> Self {
        self.buffer = Some(items);
        self
    }

    /// See [`Pool::imap`].
    pub fn imap<'i, T, I>(&self, items: I) -> Imap<F::Output, dyn Items + Send + 'i>
    where
        F: Task<(T,)>,
        (T,): Arguments,
        I: IntoIterator<Item = T>,
        I::IntoIter: Send + 'i,
        F::Output: DeserializeOwned + 'static,
    {
        Imap(self.stream(items, Order::OfInput, Vec::new(), |input| input))
    }

    /// See [`Pool::imap_unordered`].
    pub fn imap_unordered<'i, T, I>(
        &self,
        items: I,
    ) -> ImapUnordered<F::Output, dyn Items + Send + 'i>
    where
        F: Task<(T,)>,
        (T,): Arguments,
        I: IntoIterator<Item = T>,
        I::IntoIter: Send + 'i,
        F::Output: DeserializeOwned + 'static,
    {
        ImapUnordered(self.stream(items, Order::OfCompletion, Vec::new(), |input| input))
    }

    /// As [`Call::imap`], for an iteration that does not leave this thread.
    pub(crate) fn imap_local<'i, T, I>(&self, items: I) -> Imap<F::Output, dyn Items + 'i>
    where
        F: Task<(T,)>,
        (T,): Arguments,
        I: IntoIterator<Item = T>,
        I::IntoIter: 'i,
        F::Output: DeserializeOwned + 'static,
    {
        Imap(self.stream(items, Order::OfInput, Vec::new(), |input| input))
    }

    /// As [`Call::imap_unordered`], for an iteration that does not leave this thread.
    pub(crate) fn imap_unordered_local<'i, T, I>(
        &self,
        items: I,
    ) -> ImapUnordered<F::Output, dyn Items + 'i>
    where
        F: Task<(T,)>,
        (T,): Arguments,
        I: IntoIterator<Item = T>,
        I::IntoIter: 'i,
        F::Output: DeserializeOwned + 'static,
    {
        ImapUnordered(self.stream(items, Order::OfCompletion, Vec::new(), |input| input))
    }

    /// `then` are callbacks for each item; `hide` makes of the input what the iterator's type says of it.
    fn stream<T, I, D: ?Sized>(
        &self,
        items: I,
        order: Order,
        then: Vec<Function<F::Output>>,
        hide: fn(Box<Input<I::IntoIter>>) -> Box<D>,
    ) -> Stream<F::Output, D>
    where
        F: Task<(T,)>,
        (T,): Arguments,
        I: IntoIterator<Item = T>,
        F::Output: DeserializeOwned + 'static,
    {
        let told = !then.is_empty();
        let each = |name, described| told.then(|| Each::new(then, self.pool, name, described));
        match self.plan::<T>() {
            Ok(mut plan) => {
                let described = match told {
                    true => self.describe.place_for_two(),
                    false => self.describe.place(),
                };
                plan.described.clone_from(&described);
                plan.each = each(plan.task.name(), described.clone());
                let reader = ItemReader::new(plan.task.name(), self.pool.encoding(), described);
                let input = Input::new(items.into_iter(), reader);
                Stream::new(hide(Box::new(input)), plan, order, self.pool)
            }
            Err(e) => {
                let name = std::any::type_name::<F>();
                if let Some(each) = each(name, None) {
                    each.ended(0, Err(e.clone()));
                }
                Stream::failed(e, name)
            }
        }
    }

    fn plan<T>(&self) -> Result<Plan, TaskError>
    where
        F: Task<(T,)>,
        (T,): Arguments,
    {
        let task = TaskRef::of::<F, (T,)>(self.task).map_err(|e| {
            TaskError::new(TaskErrorKind::EncodeArgs, e.name()).with_detail(e.to_string())
        })?;
        let (workers, portion) = match &self.pool.shared {
            Some(shared) => (shared.size(), shared.portion()),
            None => (0, 1),
        };
        let flow = Flow::new(self.chunk_items(), self.buffer, workers)
            .map_err(|what| invalid_option(task.name(), what))?;
        self.check(task.name())?;
        let owners = match flow.chunk() {
            Chunk::Fixed(items) => self.owners(workers, items as usize),
            Chunk::Auto | Chunk::AtMost(_) => None,
        };
        Ok(Plan {
            task,
            flow: flow.in_portions_of(portion),
            terms: self.terms(),
            priority: self.priority,
            owners,
            wait: self.queue_deadline,
            retries: self.retries_if_any(),
            each: None,
            described: None,
        })
    }
}

impl<F: Copy, R: DeserializeOwned + 'static> CallThen<'_, F, R> {
    /// See [`Pool::imap`]. The callback gets each item's own outcome, see [`Call::on_complete`].
    pub fn imap<'i, T, I>(self, items: I) -> Imap<R, dyn Items + Send + 'i>
    where
        F: Task<(T,), Output = R>,
        (T,): Arguments,
        I: IntoIterator<Item = T>,
        I::IntoIter: Send + 'i,
    {
        let (call, then) = self.into_parts();
        Imap(call.stream(items, Order::OfInput, then, |input| input))
    }

    /// See [`Pool::imap_unordered`]. The callback gets each item's own outcome, see [`Call::on_complete`].
    pub fn imap_unordered<'i, T, I>(self, items: I) -> ImapUnordered<R, dyn Items + Send + 'i>
    where
        F: Task<(T,), Output = R>,
        (T,): Arguments,
        I: IntoIterator<Item = T>,
        I::IntoIter: Send + 'i,
    {
        let (call, then) = self.into_parts();
        ImapUnordered(call.stream(items, Order::OfCompletion, then, |input| input))
    }
    /// As [`CallThen::imap`], for an iteration that does not leave this thread.
    pub(crate) fn imap_local<'i, T, I>(self, items: I) -> Imap<R, dyn Items + 'i>
    where
        F: Task<(T,), Output = R>,
        (T,): Arguments,
        I: IntoIterator<Item = T>,
        I::IntoIter: 'i,
    {
        let (call, then) = self.into_parts();
        Imap(call.stream(items, Order::OfInput, then, |input| input))
    }

    /// As [`CallThen::imap_unordered`], for an iteration that does not leave this thread.
    pub(crate) fn imap_unordered_local<'i, T, I>(self, items: I) -> ImapUnordered<R, dyn Items + 'i>
    where
        F: Task<(T,), Output = R>,
        (T,): Arguments,
        I: IntoIterator<Item = T>,
        I::IntoIter: 'i,
    {
        let (call, then) = self.into_parts();
        ImapUnordered(call.stream(items, Order::OfCompletion, then, |input| input))
    }

    /// See [`Pool::try_map`]. The callback gets each item's own outcome, as behind [`imap`](CallThen::imap), in whose way the
    /// input is read.
    ///
    /// # Panics
    /// When the iterator panics.
    pub fn try_map<T, I>(self, items: I) -> Vec<Result<R, TaskError>>
    where
        F: Task<(T,), Output = R>,
        (T,): Arguments,
        I: IntoIterator<Item = T>,
    {
        self.imap_local(items).collect()
    }
}
