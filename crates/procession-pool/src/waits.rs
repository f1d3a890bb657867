//! Waiting for many handles: for one of them, for all, or for each as it completes.
//!
//! It must never poll: whoever completes a call wakes the thread that waits here.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use procession_worker::TaskError;
use procession_worker::handle::now_ns;

use crate::cell::{Cell, Hook, Raw};
use crate::driver::Shared;
use crate::result::{AsyncResult, after};

/// Waits until one of the handles has its outcome and returns its index; `None` when `timeout` passes first, or
/// there are no handles. `timeout` `None`: without limit. The handles may belong to several pools. Of several that are
/// there, the lowest index. Nothing is taken or cancelled.
///
/// Handles of calls that were refused, and of inline pools, have their outcome from the beginning. In a copy of this process
/// made by `fork`, `None` at once, unless an outcome was there before.
///
/// ```
/// # procession_worker::init();
/// use procession_pool::{Pool, wait_any};
/// use std::time::Duration;
/// let pool = Pool::new(2)?;
/// let mut handles: Vec<_> = (0..4u64).map(|i| pool.apply_async(|i: u64| i, (i,))).collect();
/// let first = wait_any(&mut handles, None).expect("four handles");
/// handles.swap_remove(first).get()?;
///
/// let mut slow = [pool.apply_async(std::thread::sleep, (Duration::from_millis(300),))];
/// assert_eq!(wait_any(&mut slow, Some(Duration::from_millis(5))), None);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn wait_any<R>(handles: &mut [AsyncResult<R>], timeout: Option<Duration>) -> Option<usize> {
    let deadline = timeout.and_then(after);
    let done = |handles: &[AsyncResult<R>]| {
        handles
            .iter()
            .position(|handle| handle.source.cell.is_done())
    };
    let first = done(handles).or_else(|| {
        let cells: Vec<&Cell> = handles.iter().map(|handle| &*handle.source.cell).collect();
        wait_on(&cells, &pools_of(handles.iter()), deadline);
        done(handles)
    })?;
    // What its task has written comes before its outcome, also when the outcome was there before.
    handles.get(first)?.source.wait(deadline);
    Some(first)
}

/// Waits until every handle has its outcome; false when `timeout` passes first. `timeout` `None`: without limit.
///
/// Nothing is consumed or cancelled either way: [`AsyncResult::ready`] tells which are done. Without handles it is
/// true at once. The handles may belong to several pools.
///
/// In a copy of this process made by `fork`, false at once, unless all outcomes were there before.
///
/// ```
/// # procession_worker::init();
/// use procession_pool::{Pool, wait_all};
/// use std::time::Duration;
/// let pool = Pool::new(2)?;
/// let sleep = |ms: u64| std::thread::sleep(Duration::from_millis(ms));
/// let handles = [pool.apply_async(sleep, (0,)), pool.apply_async(sleep, (300,))];
/// assert!(!wait_all(&handles, Some(Duration::from_millis(10))), "one takes longer");
/// assert!(wait_all(&handles, None));
/// assert!(handles.iter().all(|handle| handle.ready()));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn wait_all<R>(handles: &[AsyncResult<R>], timeout: Option<Duration>) -> bool {
    let deadline = timeout.and_then(after);
    handles.iter().all(|handle| handle.source.wait(deadline))
}

/// Yields each handle's index and outcome in the order in which they complete.
///
/// What has completed before comes first, in the order of the handles. The iterator ends after the last handle;
/// dropped early, it changes nothing: the tasks still run. The handles may belong to several pools. `next` waits for as long
/// as the next outcome takes: [`as_completed_timeout`] has a limit.
///
/// In a copy of this process made by `fork`, `next` waits for nothing: it yields what is left in the order of the handles, those
/// without an outcome as `Closed`.
///
/// ```
/// # procession_worker::init();
/// use procession_pool::{Pool, as_completed};
/// let pool = Pool::new(2)?;
/// let handles: Vec<_> = (0..4u64).map(|i| pool.apply_async(|i: u64| i * 10, (i,))).collect();
/// for (index, outcome) in as_completed(handles) {
///     assert_eq!(outcome?, index as u64 * 10);
/// }
///
/// // The first that fails, if one does.
/// let handles: Vec<_> = (0..4u64).map(|i| pool.apply_async(|i: u64| 6 / i, (i,))).collect();
/// let failed = as_completed(handles).find(|(_, outcome)| outcome.is_err());
/// assert_eq!(failed.map(|(index, _)| index), Some(0));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn as_completed<R>(
    handles: Vec<AsyncResult<R>>,
) -> impl Iterator<Item = (usize, Result<R, TaskError>)> {
    let mut arrivals = Arrivals::new(handles);
    std::iter::from_fn(move || arrivals.next(None))
}

/// As [`as_completed`] for at most `timeout`, counted from this call.
///
/// When it passes first, what has completed is still yielded, then one [`Unfinished`] with the other handles, then
/// nothing more. Nothing is cancelled. A time beyond the clock is no limit; in a copy it is as [`as_completed`].
///
/// ```
/// # procession_worker::init();
/// use procession_pool::{Pool, as_completed_timeout};
/// use std::time::Duration;
/// let pool = Pool::new(2)?;
/// let sleep = |ms: u64| std::thread::sleep(Duration::from_millis(ms));
/// let handles = vec![pool.apply_async(sleep, (400,)), pool.apply_async(sleep, (0,))];
/// let mut completed = as_completed_timeout(handles, Duration::from_millis(100));
/// assert!(matches!(completed.next(), Some(Ok((1, Ok(()))))));
/// let unfinished = completed.next().unwrap().unwrap_err();
/// assert_eq!(unfinished.to_string(), "1 (of 2) unfinished after 100ms");
/// assert!(completed.next().is_none());
/// for (index, handle) in unfinished.into_handles() {
///     assert_eq!(index, 0);
///     handle.get()?;
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn as_completed_timeout<R>(
    handles: Vec<AsyncResult<R>>,
    timeout: Duration,
) -> impl Iterator<Item = Result<(usize, Result<R, TaskError>), Unfinished<R>>> {
    let deadline = after(timeout);
    let total = handles.len();
    let mut arrivals = Arrivals::new(handles);
    std::iter::from_fn(move || {
        if let Some(arrived) = arrivals.next(deadline) {
            return Some(Ok(arrived));
        }
        let handles = arrivals.take_left();
        (!handles.is_empty()).then_some(Err(Unfinished {
            handles,
            total,
            timeout,
        }))
    })
}

/// The handles that had no outcome when the time of [`as_completed_timeout`] was over.
///
/// ```
/// # procession_worker::init();
/// use procession_pool::{Pool, as_completed_timeout};
/// use std::time::Duration;
/// let pool = Pool::new(1)?;
/// let slow = pool.apply_async(std::thread::sleep, (Duration::from_millis(300),));
/// let unfinished = as_completed_timeout(vec![slow], Duration::ZERO).next().unwrap().unwrap_err();
/// assert_eq!(unfinished.count(), 1);
/// assert_eq!(unfinished.to_string(), "1 (of 1) unfinished after 0ns");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "it has the handles"]
pub struct Unfinished<R> {
    handles: Vec<(usize, AsyncResult<R>)>,
    total: usize,
    timeout: Duration,
}

impl<R> Unfinished<R> {
    /// How many there are.
    pub fn count(&self) -> usize {
        self.handles.len()
    }

    /// The handles, each with its index in what was waited for.
    pub fn into_handles(self) -> Vec<(usize, AsyncResult<R>)> {
        self.handles
    }
}

impl<R> fmt::Debug for Unfinished<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Unfinished")
            .field("handles", &self.handles)
            .field("total", &self.total)
            .finish_non_exhaustive()
    }
}

impl<R> fmt::Display for Unfinished<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} (of {}) unfinished after {:?}",
            self.handles.len(),
            self.total,
            self.timeout
        )
    }
}

impl<R> std::error::Error for Unfinished<R> {}

/// Handles and the order in which they complete.
struct Arrivals<R> {
    handles: Vec<Option<AsyncResult<R>>>,
    left: usize,
    arrived: flume::Receiver<usize>,
    /// Done when something has arrived since it was last looked at.
    signal: Arc<Cell>,
    pools: Vec<Arc<Shared>>,
    /// The last look after the deadline was taken.
    looked: bool,
}

impl<R> Arrivals<R> {
    fn new(handles: Vec<AsyncResult<R>>) -> Arrivals<R> {
        let (note, arrived) = flume::unbounded();
        let signal = Arc::new(Cell::ready(Ok(Raw::new(&[]))));
        let pools = pools_of(handles.iter());
        let copied = procession_worker::is_forked_copy();
        for (index, handle) in handles.iter().enumerate().filter(|_| !copied) {
            let hook = Hook::Arrival {
                index,
                note: note.clone(),
                signal: Arc::clone(&signal),
            };
            handle.source.cell.attach(hook);
        }
        Arrivals {
            left: handles.len(),
            handles: handles.into_iter().map(Some).collect(),
            arrived,
            signal,
            pools,
            looked: false,
        }
    }

    /// The next that completes; `None` when none is left or the deadline has passed.
    fn next(&mut self, deadline: Option<u64>) -> Option<(usize, Result<R, TaskError>)> {
        while self.left > 0 {
            if procession_worker::is_forked_copy() {
                // Nothing completes here: every handle says so when it is asked. The channel's lock may be held for ever.
                let mut each = self.handles.iter_mut().enumerate();
                let left = each.find_map(|(index, handle)| Some((index, handle.take()?)));
                self.left -= 1;
                return left.map(|(index, handle)| (index, handle.get()));
            }
            let over = deadline.is_some_and(|at| now_ns() >= at);
            if over && !std::mem::replace(&mut self.looked, true) {
                // The time is over for what has not happened, not for what has.
                for handle in self.handles.iter().flatten() {
                    handle.ready();
                }
            }
            if let Ok(index) = self.arrived.try_recv() {
                self.left -= 1;
                let handle = self.handles.get_mut(index)?.take()?;
                return Some((index, handle.get()));
            }
            if over {
                return None;
            }
            // Facts: the signal is armed before the channel is looked at again, and a completion fills the channel
            // before it sets the signal. So either the look finds it, or the wait ends at once.
            self.signal.rearm();
            if self.arrived.is_empty() {
                wait_on(&[&self.signal], &self.pools, deadline);
            }
        }
        None
    }

    fn take_left(&mut self) -> Vec<(usize, AsyncResult<R>)> {
        self.left = 0;
        let handles = std::mem::take(&mut self.handles);
        let each = handles.into_iter().enumerate();
        each.filter_map(|(index, handle)| Some((index, handle?)))
            .collect()
    }
}

/// The pools behind handles that are not done, each once.
fn pools_of<'a, R: 'a>(handles: impl Iterator<Item = &'a AsyncResult<R>>) -> Vec<Arc<Shared>> {
    let mut pools: Vec<Arc<Shared>> = Vec::new();
    for handle in handles {
        if let Some(shared) = &handle.source.shared
            && !handle.source.cell.is_done()
            && shared.is_ours()
            && !pools.iter().any(|pool| Arc::ptr_eq(pool, shared))
        {
            pools.push(Arc::clone(shared));
        }
    }
    pools
}

/// Waits until one of the cells is done, which only `pools` can bring about, or the deadline.
fn wait_on(cells: &[&Cell], pools: &[Arc<Shared>], deadline: Option<u64>) {
    match pools {
        [] => {}
        [pool] => {
            let _ = pool.wait(cells, None, deadline, None);
            pool.settle(deadline);
        }
        several => wait_apart(cells, several, deadline),
    }
}

/// One thread cannot drain several pools: their own threads do, as for futures, and this one parks.
fn wait_apart(cells: &[&Cell], pools: &[Arc<Shared>], deadline: Option<u64>) {
    let me = std::thread::current();
    // Facts: once this thread is noted in every cell, a completion leaves it a token to park on; so it cannot sleep
    // through one. It goes to sleep only after every pool has been asked for each reply.
    while cells.iter().all(|cell| cell.wake_thread(me.clone())) {
        for pool in pools {
            pool.attend();
        }
        match deadline {
            None => std::thread::park(),
            Some(at) => {
                let left = at.saturating_sub(now_ns());
                if left == 0 {
                    return;
                }
                std::thread::park_timeout(Duration::from_nanos(left));
            }
        }
    }
}
