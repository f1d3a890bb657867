//! Maps that tell how far they are, on the thread that waits for them. It must never tell more often than
//! [`INTERVAL`](crate::progress::INTERVAL) allows, but for the last time.

mod later;
mod lazy;

use std::fmt;

use procession_task::task::{Arguments, Task};
use procession_worker::TaskError;
use serde::de::DeserializeOwned;

use super::Call;
use super::maps::{Failing, Map};
use crate::cell::Cell;
use crate::map::Collector;
use crate::progress::{Progress, Teller};

impl<'p, F: Copy> Call<'p, F> {
    /// Tells how far a map is, at most twenty times a second and once at its end. It comes last, before the verb: any of
    /// those that take many items.
    ///
    /// * Where: with no lock held, so it may do anything. For `map`, `starmap`, `try_map`, `filter_map`, `flat_map`,
    ///   `map_until` and the searches: on the thread that called the verb, which waits for it; the workers go on. For
    ///   `imap` and `imap_unordered`: on the thread that calls [`next`](Iterator::next), inside that call, see
    ///   [`Telling`](crate::Telling). For `map_async` and `starmap_async`: on the thread of the pool's
    ///   [callbacks](Call::on_complete), whether somebody waits for the handle or not, so it is to be `Send + 'static` there.
    ///   In an inline pool always on the calling thread.
    /// * The last time, just before the verb returns, [`done`](Progress::done) and [`failed`](Progress::failed) together are
    ///   [`total`](Progress::total), which is the number of items read: also when the map fails, stops early or has no
    ///   items. Of a handle it comes after its outcome, and before [`Pool::join`](crate::Pool::join) returns. A map that is
    ///   refused as a whole, by a closed pool or for an option without meaning, tells nothing.
    /// * When it panics, the map ends as when its input panics: what was handed in runs, the pool serves on. On the
    ///   callbacks' thread that is the panic of a callback: it is counted, and this function is not called again.
    /// * With a callback as well: that is given to the handle of `map_async`, by
    ///   [`AsyncResult::on_complete`](crate::AsyncResult::on_complete).
    /// * A map without it pays nothing.
    ///
    /// ```
    /// # procession_worker::init();
    /// use procession_pool::{Pool, Progress};
    /// let pool = Pool::new(2)?;
    /// let mut last = Progress::default();
    /// let squares = pool.call(|n: u64| n * n).on_progress(|p| last = p).map(1..=100)?;
    /// assert_eq!(squares.len(), 100);
    /// assert_eq!((last.done, last.failed, last.total), (100, 0, 100));
    ///
    /// let halves = pool.call(|n: u64| 100 / n).on_progress(|p| last = p).try_map([5, 0, 2]);
    /// assert!(halves[1].is_err());
    /// assert_eq!((last.done, last.failed, last.total), (2, 1, 3));
    ///
    /// // Of a handle, while something else is done.
    /// let (report, reports) = std::sync::mpsc::channel();
    /// let handle = pool.call(|n: u64| n * n).on_progress(move |p| report.send(p).unwrap()).map_async(1..=100);
    /// assert_eq!(handle.get()?.len(), 100);
    /// let last = reports.iter().last().expect("the end is told");
    /// assert_eq!((last.done, last.total), (100, 100));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn on_progress<P: FnMut(Progress)>(self, progress: P) -> CallProgress<'p, F, P> {
        CallProgress {
            call: self,
            progress,
        }
    }
}

/// A call with options that tells how far it is; made by [`Call::on_progress`], which has the rules and an example.
#[must_use = "nothing runs until a verb such as `map` is called"]
pub struct CallProgress<'p, F, P> {
    call: Call<'p, F>,
    progress: P,
}

impl<F, P> fmt::Debug for CallProgress<'_, F, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CallProgress").finish_non_exhaustive()
    }
}

impl<F: Copy, P: FnMut(Progress)> CallProgress<'_, F, P> {
    /// See [`Pool::map`](crate::Pool::map).
    ///
    /// # Errors
    /// As [`Pool::map`](crate::Pool::map).
    ///
    /// # Panics
    /// When the iterator panics, or the progress function does.
    pub fn map<T, I>(self, items: I) -> Result<Vec<F::Output>, TaskError>
    where
        F: Task<(T,)>,
        (T,): Arguments,
        I: IntoIterator<Item = T>,
        F::Output: DeserializeOwned + 'static,
    {
        self.starmap(items.into_iter().map(|item| (item,)))
    }

    /// See [`Pool::starmap`](crate::Pool::starmap).
    ///
    /// # Errors
    /// As [`Pool::map`](crate::Pool::map).
    ///
    /// # Panics
    /// When the iterator panics, or the progress function does.
    pub fn starmap<Args, I>(self, items: I) -> Result<Vec<F::Output>, TaskError>
    where
        F: Task<Args>,
        Args: Arguments,
        I: IntoIterator<Item = Args>,
        F::Output: DeserializeOwned + 'static,
    {
        let (mut map, collector) = run(&self.call, items, Failing::Stops, self.progress)?;
        collector.all(map.take_read(), &map.source)
    }

    /// See [`Pool::try_map`](crate::Pool::try_map).
    ///
    /// # Panics
    /// When the iterator panics, or the progress function does.
    pub fn try_map<T, I>(self, items: I) -> Vec<Result<F::Output, TaskError>>
    where
        F: Task<(T,)>,
        (T,): Arguments,
        I: IntoIterator<Item = T>,
        F::Output: DeserializeOwned + 'static,
    {
        let mut items = items.into_iter();
        let tuples = items.by_ref().map(|item| (item,));
        match run(&self.call, tuples, Failing::IsItsOwn, self.progress) {
            Ok((mut map, collector)) => collector.each(map.take_read(), &map.source),
            Err(e) => items
                .enumerate()
                .map(|(at, _)| Err(e.clone().with_item(at)))
                .collect(),
        }
    }
}

fn run<F, Args, I>(
    call: &Call<'_, F>,
    items: I,
    failing: Failing,
    progress: impl FnMut(Progress),
) -> Result<(Map, Collector<F::Output>), TaskError>
where
    F: Copy + Task<Args>,
    Args: Arguments,
    I: IntoIterator<Item = Args>,
    F::Output: DeserializeOwned + 'static,
{
    let (mut teller, mut collector) = (Teller::new(progress), Collector::new());
    let mut look = |map: &Map| {
        teller.look(|| seen(map, &mut collector));
        teller.next()
    };
    let mut map = call.start_map(items, failing, Cell::pending_map(), &mut look)?;
    map.wait(&mut look);
    collector.collect(&map.source);
    teller.end(collector.counts().0, map.encoder.read() as u64);
    Ok((map, collector))
}

/// How far a map is.
fn seen<R: DeserializeOwned>(map: &Map, collector: &mut Collector<R>) -> Progress {
    collector.collect(&map.source);
    let (done, failed) = collector.counts();
    let total = map.encoder.read() as u64;
    let open = total.saturating_sub(done + failed);
    let running = map.running().min(open);
    Progress {
        done,
        failed,
        running,
        queued: open - running,
        total,
    }
}
