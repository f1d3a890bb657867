//! Maps that tell how far they are, on the thread that waits for them. It must never tell more often than
//! [`INTERVAL`](crate::progress::INTERVAL) allows, but for the last time.

use std::fmt;

use procession_task::task::{Arguments, Task};
use procession_worker::TaskError;
use procession_worker::handle::now_ns;
use serde::de::DeserializeOwned;

use super::Call;
use super::maps::{Failing, Map};
use crate::map::Collector;
use crate::progress::{INTERVAL, Progress};

impl<'p, F: Copy> Call<'p, F> {
    /// Tells how far the map is, at most twenty times a second and once at its end. It comes last, before the verb: `map`,
    /// `starmap` or `try_map`.
    ///
    /// * Where: on the thread that called the verb, with no lock held, between reading the input and decoding results. So
    ///   it may do anything, and the map waits for it; the workers go on.
    /// * The last time, just before the verb returns, [`done`](Progress::done) and [`failed`](Progress::failed) together are
    ///   [`total`](Progress::total), which is the number of items read: also when the map fails, when it has no items, and
    ///   in an inline pool, which tells only then. A call with an option without meaning tells nothing.
    /// * When it panics, the map ends as when its input panics: what was handed in runs, the pool serves on.
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
        collector.all(map.encoder.read, map.encoder.take_refused(), &map.source)
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
            Ok((mut map, collector)) => {
                collector.each(map.encoder.read, map.encoder.take_refused(), &map.source)
            }
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
    let mut teller = Teller {
        progress,
        collector: Collector::new(),
        next: now_ns().saturating_add(INTERVAL),
    };
    let mut map = call.start_map(items, failing, |map| teller.look(map))?;
    map.wait(|map| teller.look(map));
    teller.end(&mut map);
    Ok((map, teller.collector))
}

/// Who tells, and what there is to be told.
struct Teller<P, R> {
    progress: P,
    collector: Collector<R>,
    /// Not before.
    next: u64,
}

impl<P: FnMut(Progress), R: DeserializeOwned> Teller<P, R> {
    /// Tells how far the map is, if it is time to; says when it will be.
    fn look(&mut self, map: &Map) -> u64 {
        let now = now_ns();
        if now >= self.next {
            self.collector.collect(&map.source);
            let (done, failed) = self.collector.counts();
            let total = map.encoder.read as u64;
            let open = total.saturating_sub(done + failed);
            let running = map.running().min(open);
            (self.progress)(Progress {
                done,
                failed,
                running,
                queued: open - running,
                total,
            });
            self.next = now_ns().saturating_add(INTERVAL);
        }
        self.next
    }

    /// Tells of the end: whatever has no value has failed.
    fn end(&mut self, map: &mut Map) {
        self.collector.collect(&map.source);
        let total = map.encoder.read as u64;
        let done = self.collector.counts().0;
        (self.progress)(Progress {
            done,
            failed: total.saturating_sub(done),
            running: 0,
            queued: 0,
            total,
        });
    }
}
