//! Callbacks as a caller sees them: on a call before it is handed in, or on its handle afterwards.
//!
//! A callback's decoding happens on the callback thread; this file must never read an outcome on the driver's.

use std::fmt;
use std::sync::Arc;

use procession_task::task::{Arguments, Task};
use procession_worker::{TaskError, TaskErrorKind};
use serde::de::DeserializeOwned;

use crate::call::Call;
use crate::callbacks::{Callbacks, Job, contain};
use crate::cell::{Cell, Hook};
use crate::result::{AsyncResult, Source};

/// A callback: called once, or for each item of a lazy map.
pub(crate) type Function<R> = Box<dyn FnMut(&Result<R, TaskError>) + Send>;

impl<'p, F: Copy> Call<'p, F> {
    /// Calls `callback` with the outcome, whatever it is. It comes last, before the verb, which hands in the call.
    ///
    /// * How often: once, with the outcome of the call, or of the whole map. Behind `imap`, `imap_unordered`, `try_map`,
    ///   `map_until` and the searches, where each item has an outcome of its own, once for each item that is read from the
    ///   input, with that, whether it is yielded or not. When the iterator is dropped, or the search has ended, what has not
    ///   begun is `Cancelled`. An option without meaning is told once.
    /// * Where: on the pool's callback thread, which the first callback starts; one at a time, in the order in which the
    ///   calls complete. An inline pool calls it on the calling thread, before the verb returns.
    /// * When: after the handle is resolved; of an item as soon as it has completed, in whatever order the iterator yields,
    ///   and however far behind that is. Also for a call that is refused, terminated or lost: with its error.
    ///   [`Pool::join`](crate::Pool::join) returns after the last one. When the pool is dropped, which waits five
    ///   seconds at most, those left still run, unless the program ends.
    /// * What it may do: submit (which never waits for room there), wait for handles, close or terminate the pool, even
    ///   drop it. Joining this pool is an error there: it would wait for itself. While it runs, the callbacks after it
    ///   wait, outcomes in hand. The workers and other threads do not wait, unless
    ///   [`max_queued`](crate::PoolBuilder::max_queued) bounds what waits: then so many callbacks at most are due, and
    ///   whoever submits waits for them. Without it nothing bounds them but memory.
    /// * When it panics, the panic hook reports that as for any thread, [`stats`](crate::Pool::stats) counts it, and
    ///   everything goes on.
    /// * What waits for a slow callback is kept. So a lazy map without end needs one that keeps up.
    /// * What it costs: the outcome is decoded for the callback and again for the handle; and a reply with a callback
    ///   behind it is collected at once instead of together with others. Calls without callbacks pay nothing.
    ///
    /// Several are called in the order in which they were given. After the verb see [`AsyncResult::on_complete`], whose
    /// callback, called once in any case, may consume what it has. In a copy of this process made by `fork` no callback of an
    /// item is called.
    ///
    /// ```
    /// # procession_worker::init();
    /// use procession_pool::{Pool, TaskError, TaskErrorKind};
    /// use std::sync::mpsc;
    /// let pool = Pool::new(2)?;
    /// let (report, reports) = mpsc::channel();
    ///
    /// let reporter = report.clone();
    /// let handle = pool
    ///     .call(|a: u32, b: u32| a / b)
    ///     .on_complete(move |r: &Result<u32, TaskError>| reporter.send(r.clone()).unwrap())
    ///     .apply_async((12, 4));
    /// assert_eq!(reports.recv()??, 3);
    /// assert_eq!(handle.get()?, 3, "the handle has it too");
    ///
    /// // An error comes the same way; of a map it is the error `map` would return.
    /// let handle = pool
    ///     .call(|n: u32| 12 / n)
    ///     .on_complete(move |r: &Result<Vec<u32>, TaskError>| {
    ///         report.send(r.as_ref().map(|all| all[0]).map_err(Clone::clone)).unwrap()
    ///     })
    ///     .map_async([3, 0]);
    /// let error = reports.recv()?.unwrap_err();
    /// assert_eq!((error.kind(), error.item()), (TaskErrorKind::Panicked, Some(1)));
    /// drop(handle); // a callback needs no handle
    ///
    /// // Of a lazy map: each item's own, in order of completion.
    /// let (report, reports) = mpsc::channel();
    /// let halves = pool
    ///     .call(|n: u32| 12 / n)
    ///     .on_complete(move |r: &Result<u32, TaskError>| report.send(r.is_ok()).unwrap())
    ///     .imap([3, 0, 2]);
    /// assert_eq!(halves.flatten().collect::<Vec<u32>>(), [4, 6]);
    /// assert_eq!(reports.iter().filter(|ok| *ok).count(), 2); // ends, because all three have been called
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn on_complete<R>(
        self,
        callback: impl FnMut(&Result<R, TaskError>) + Send + 'static,
    ) -> CallThen<'p, F, R> {
        CallThen {
            call: self,
            callbacks: vec![Box::new(callback)],
        }
    }
}

/// A call with options and at least one callback; made by [`Call::on_complete`], which has the rules and an example.
#[must_use = "nothing runs until a verb such as `map_async` or `apply_async` is called"]
pub struct CallThen<'p, F, R> {
    pub(crate) call: Call<'p, F>,
    callbacks: Vec<Function<R>>,
}

impl<F, R> fmt::Debug for CallThen<'_, F, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CallThen")
            .field("callbacks", &self.callbacks.len())
            .finish_non_exhaustive()
    }
}

impl<'p, F: Copy, R: 'static> CallThen<'p, F, R> {
    /// One more callback, called after those before.
    pub fn on_complete(
        mut self,
        callback: impl FnMut(&Result<R, TaskError>) + Send + 'static,
    ) -> Self {
        self.callbacks.push(Box::new(callback));
        self
    }

    /// The call and its callbacks, in their order.
    pub(crate) fn into_parts(self) -> (Call<'p, F>, Vec<Function<R>>) {
        (self.call, self.callbacks)
    }

    /// Hangs the callbacks on what became of the call.
    pub(crate) fn attach(self, handle: &AsyncResult<R>) {
        let pool = self.call.pool.shared.as_ref();
        let thread = pool.map(|shared| &shared.callbacks);
        for callback in self.callbacks {
            handle.call_back(thread, callback);
        }
        handle.attend();
    }

    /// See [`Pool::apply_async`](crate::Pool::apply_async). The callback is called also when the call is refused.
    pub fn apply_async<Args>(self, args: Args) -> AsyncResult<R>
    where
        F: Task<Args, Output = R>,
        Args: Arguments,
        R: DeserializeOwned,
    {
        let handle = self.call.apply_async(args);
        self.attach(&handle);
        handle
    }

    /// See [`Pool::apply`](crate::Pool::apply). The callback may run after this returns.
    ///
    /// # Errors
    /// As [`Pool::apply`](crate::Pool::apply).
    pub fn apply<Args>(self, args: Args) -> Result<R, TaskError>
    where
        F: Task<Args, Output = R>,
        Args: Arguments,
        R: DeserializeOwned,
    {
        self.apply_async(args).get()
    }
}

impl<F: Copy, U: DeserializeOwned + Send + 'static> CallThen<'_, F, Vec<U>> {
    /// See [`Pool::map_async`](crate::Pool::map_async). The callback gets the whole vector, or the error of the map.
    ///
    /// # Panics
    /// When the iterator panics. The callback is not called then.
    pub fn map_async<T, I>(self, items: I) -> AsyncResult<Vec<U>>
    where
        F: Task<(T,), Output = U>,
        (T,): Arguments,
        I: IntoIterator<Item = T>,
    {
        self.starmap_async(items.into_iter().map(|item| (item,)))
    }

    /// See [`Pool::starmap_async`](crate::Pool::starmap_async). The callback gets the whole vector, or the error of the map.
    ///
    /// # Panics
    /// When the iterator panics. The callback is not called then.
    pub fn starmap_async<Args, I>(self, items: I) -> AsyncResult<Vec<U>>
    where
        F: Task<Args, Output = U>,
        Args: Arguments,
        I: IntoIterator<Item = Args>,
    {
        let handle = self.call.starmap_async(items);
        self.attach(&handle);
        handle
    }

    /// See [`Pool::starmap`](crate::Pool::starmap). The callback may run after this returns.
    ///
    /// # Errors
    /// As [`Pool::map`](crate::Pool::map).
    ///
    /// # Panics
    /// When the iterator panics. The callback is not called then.
    pub fn starmap<Args, I>(self, items: I) -> Result<Vec<U>, TaskError>
    where
        F: Task<Args, Output = U>,
        Args: Arguments,
        I: IntoIterator<Item = Args>,
    {
        self.starmap_async(items).get()
    }

    /// See [`Pool::map`](crate::Pool::map). The callback may run after this returns.
    ///
    /// # Errors
    /// As [`Pool::map`](crate::Pool::map).
    ///
    /// # Panics
    /// When the iterator panics. The callback is not called then.
    pub fn map<T, I>(self, items: I) -> Result<Vec<U>, TaskError>
    where
        F: Task<(T,), Output = U>,
        (T,): Arguments,
        I: IntoIterator<Item = T>,
    {
        self.map_async(items).get()
    }
}

impl<R: 'static> AsyncResult<R> {
    /// Calls `callback` once with the outcome, after the handle is resolved: on the pool's callback thread, with the
    /// rules of [`Call::on_complete`].
    ///
    /// When the outcome is there already, the callback is due at once. A call that never reached a worker, because it
    /// was refused or its pool is inline, has no callback thread: the callback runs before this returns. The same holds
    /// in a copy of this process made by `fork`, where it gets `Closed` if there is no outcome. One that is given after the
    /// pool was joined or dropped still runs, on a thread of its own.
    ///
    /// ```
    /// # procession_worker::init();
    /// use procession_pool::Pool;
    /// use std::sync::mpsc;
    /// let pool = Pool::new(1)?;
    /// let (first, second) = (mpsc::channel(), mpsc::channel());
    /// let handle = pool.apply_async(|n: u32| n + 1, (1,));
    /// handle.on_complete(move |r| first.0.send(r.clone()).unwrap());
    /// handle.wait();
    /// handle.on_complete(move |r| second.0.send(r.clone()).unwrap());
    /// assert_eq!((first.1.recv()??, second.1.recv()??), (2, 2));
    /// assert_eq!(handle.get()?, 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn on_complete(&self, callback: impl FnOnce(&Result<R, TaskError>) + Send + 'static) {
        let thread = self.source.shared.as_ref().map(|shared| &shared.callbacks);
        self.call_back(thread, callback);
        self.attend();
    }

    fn call_back(
        &self,
        thread: Option<&Arc<Callbacks>>,
        callback: impl FnOnce(&Result<R, TaskError>) + Send + 'static,
    ) {
        let reader = self.reader();
        let (id, name) = (self.source.id(), self.source.name);
        let described = self.source.described.clone();
        let job: Job = Box::new(move |cell: Arc<Cell>| {
            let source = Source::of(None, cell, name)
                .with_id(id)
                .with_described(described);
            let outcome = match reader {
                Some(reader) if source.cell.is_done() => reader.read(&source),
                Some(_) | None => Err(TaskError::new(TaskErrorKind::Closed, name)
                    .with_detail("there is no outcome: it was taken, or this is a forked copy")),
            };
            callback(&outcome);
        });
        match thread {
            Some(thread) if !procession_worker::is_forked_copy() => {
                let callback = thread.register(job);
                self.source.cell.attach(Hook::Callback(callback));
                if thread.is_missing()
                    && let Some(shared) = &self.source.shared
                {
                    // The pool's own thread tries again to start it, also when nothing else wakes it.
                    shared.watch.notify();
                }
            }
            Some(_) | None => {
                self.source.cell.leave_for_one_more();
                let cell = Arc::clone(&self.source.cell);
                contain(move || job(cell));
            }
        }
    }

    /// With callbacks behind it, the reply is to be collected also while nobody waits.
    fn attend(&self) {
        if let Some(shared) = &self.source.shared
            && !self.source.cell.is_done()
            && shared.is_ours()
        {
            shared.attend();
        }
    }
}
