//! The verbs of a call that take many items: `map` and its kin.
//!
//! Items are encoded here and handed out portion by portion; which worker gets them is not decided here.

use std::sync::Arc;
use std::time::Duration;

use procession_task::descriptor::TaskRef;
use procession_task::task::{Arguments, Task};
use procession_worker::{TaskError, TaskErrorKind};
use serde::de::DeserializeOwned;

use crate::cell::Cell;
use crate::core::{Chunk, JobId, JobSpec, NEVER};
use crate::driver::{More, Shared, Submission, TaskSpan, parts::Payload, parts::Segment};
use crate::here::TakenOn;
use crate::map::{Collector, Encoder, Filled, Read};
use crate::options::{invalid_option, start_by};
use crate::portion::ItemReader;
use crate::result::{AsyncResult, Reader, Source};
use crate::submit::Admission;

use super::{Call, forked};

impl<F: Copy> Call<'_, F> {
    /// See [`Pool::map`](crate::Pool::map).
    ///
    /// # Errors
    /// As [`Pool::map`](crate::Pool::map).
    ///
    /// # Panics
    /// When the iterator panics.
    pub fn map<T, I>(&self, items: I) -> Result<Vec<F::Output>, TaskError>
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
    /// When the iterator panics.
    pub fn starmap<Args, I>(&self, items: I) -> Result<Vec<F::Output>, TaskError>
    where
        F: Task<Args>,
        Args: Arguments,
        I: IntoIterator<Item = Args>,
        F::Output: DeserializeOwned + 'static,
    {
        let items = items.into_iter();
        let mut collector = Collector::expecting(items.size_hint().0);
        let seen = |map: &Map| collector.collect(&map.source);
        let mut map = self.start_map(items, Failing::Stops, Cell::pending_map(), seen)?;
        map.finish(&mut collector);
        collector.all(map.take_read(), &map.source)
    }

    /// See [`Pool::map_async`](crate::Pool::map_async).
    pub fn map_async<T, I>(&self, items: I) -> AsyncResult<Vec<F::Output>>
    where
        F: Task<(T,)>,
        (T,): Arguments,
        I: IntoIterator<Item = T>,
        F::Output: DeserializeOwned + Send + 'static,
    {
        self.starmap_async(items.into_iter().map(|item| (item,)))
    }

    /// See [`Pool::starmap_async`](crate::Pool::starmap_async).
    pub fn starmap_async<Args, I>(&self, items: I) -> AsyncResult<Vec<F::Output>>
    where
        F: Task<Args>,
        Args: Arguments,
        I: IntoIterator<Item = Args>,
        F::Output: DeserializeOwned + Send + 'static,
    {
        let map = self.start_map(items, Failing::Stops, Cell::pending_map(), |_| ());
        handle_of(map, std::any::type_name::<F>())
    }

    /// See [`Pool::try_map`](crate::Pool::try_map).
    ///
    /// # Panics
    /// When the iterator panics.
    pub fn try_map<T, I>(&self, items: I) -> Vec<Result<F::Output, TaskError>>
    where
        F: Task<(T,)>,
        (T,): Arguments,
        I: IntoIterator<Item = T>,
        F::Output: DeserializeOwned + 'static,
    {
        let mut items = items.into_iter();
        let mut collector = Collector::expecting(items.size_hint().0);
        match self.start_map(
            items.by_ref().map(|item| (item,)),
            Failing::IsItsOwn,
            Cell::pending_map(),
            |map| collector.collect(&map.source),
        ) {
            Ok(mut map) => {
                map.finish(&mut collector);
                collector.each(map.take_read(), &map.source)
            }
            Err(e) => items
                .enumerate()
                .map(|(at, _)| Err(e.clone().with_item(at)))
                .collect(),
        }
    }

    /// Encodes every item and hands them to the workers portion by portion, for outcomes in `cell`; `seen` after each.
    pub(super) fn start_map<Args, I, U>(
        &self,
        items: I,
        failing: Failing,
        cell: impl Into<Arc<Cell>>,
        mut seen: impl FnMut(&Map) -> U,
    ) -> Result<Map, TaskError>
    where
        F: Task<Args>,
        Args: Arguments,
        I: IntoIterator<Item = Args>,
    {
        let task = TaskRef::of::<F, Args>(self.task).map_err(|e| {
            TaskError::new(TaskErrorKind::EncodeArgs, e.name()).with_detail(e.to_string())
        })?;
        let chunk = match self.chunk_items() {
            None => Chunk::Auto,
            Some(0) => return Err(invalid_option(task.name(), "chunk_size must be at least 1")),
            Some(items) => Chunk::Fixed(u32::try_from(items).unwrap_or(u32::MAX)),
        };
        let described = self.describe.place();
        let reader = ItemReader::new(task.name(), self.pool.encoding(), described.clone());
        let encoder = Encoder::new(reader);
        let mut items = items.into_iter();
        let stop_on_failure = failing == Failing::Stops;
        self.check(task.name())?;
        let Some(shared) = &self.pool.shared else {
            let taken = self.pool.phase.take_on(task.name())?;
            let mut map = Map {
                source: Source::of(None, cell.into(), task.name()).with_described(described),
                open: None,
                wait: None,
                encoder: encoder.in_portions_of(1),
                cut_short: None,
            };
            self.run_map_inline(&taken, &mut map, task, &mut items, failing, seen);
            return Ok(map);
        };
        // A copy made by fork must not touch the lock; it is refused below.
        let fixed = self
            .chunk_items()
            .filter(|_| self.sticky && shared.is_ours());
        let owners = fixed.and_then(|chunk| self.owners(shared.size(), chunk));
        let spec = JobSpec {
            items: 0,
            open: true,
            chunk,
            stop_on_failure,
            profile: 0,
            priority: self.priority,
            terms: self.terms(),
        };
        let submission = Submission {
            task,
            payload: Payload::Many(Vec::new()),
            spec,
            owners,
            cell: cell.into(),
            base: 0,
            again: None,
            described: described.clone(),
            // Not before the input has ended, which may take its time.
            waits: false,
            span: TaskSpan::default(),
        };
        // A map keeps its own buffers: this one says that no spare is wanted.
        let mut source = self.hand_in(
            shared,
            submission,
            &mut Vec::with_capacity(1),
            &mut Admission::WhenRoom,
        );
        let Some(job) = source.job() else {
            return Err(source
                .cell
                .read(|outcome| outcome.as_ref().err().cloned())
                .flatten()
                .unwrap_or_else(|| TaskError::new(TaskErrorKind::Closed, task.name())));
        };
        source.described = described;
        let mut map = Map {
            source,
            open: Some((Arc::clone(shared), job)),
            wait: self.queue_deadline,
            encoder: encoder.in_portions_of(shared.portion()),
            cut_short: None,
        };
        loop {
            match map.encoder.fill(&mut items) {
                Filled::Full => {
                    let more = map.hand_out(false);
                    seen(&map);
                    if stop_on_failure && more != More::Wanted {
                        break;
                    }
                }
                Filled::Refused if !stop_on_failure => {}
                Filled::Refused | Filled::Ended => break,
            }
        }
        map.hand_out(true);
        Ok(map)
    }

    /// Runs each item as it is read; `seen` after each.
    fn run_map_inline<Args, I, U>(
        &self,
        taken: &TakenOn<'_>,
        map: &mut Map,
        task: TaskRef,
        items: &mut I,
        failing: Failing,
        mut seen: impl FnMut(&Map) -> U,
    ) where
        F: Task<Args>,
        Args: Arguments,
        I: Iterator<Item = Args>,
    {
        let cell = Arc::clone(&map.source.cell);
        let mut done = 0;
        loop {
            let filled = map.encoder.fill(items);
            if filled == Filled::Ended {
                break;
            }
            let (segment, count) = map.encoder.take();
            let mut failed = filled == Filled::Refused;
            if count == 1 {
                let source = self.run_inline(taken, task, &segment.bytes, &segment.mentions);
                match source.cell.take() {
                    Some(Ok(raw)) => cell.add_value(done, raw.bytes()),
                    Some(Err(e)) => {
                        failed = true;
                        let _ = cell.add_failure(done, e);
                    }
                    None => {}
                }
                done += 1;
            }
            seen(map);
            if failed && failing == Failing::Stops {
                break;
            }
        }
        cell.finish(&mut Default::default());
    }
}

/// The error of what no map can count.
fn too_many(name: &'static str) -> TaskError {
    let most = format!("a map has at most {} items", u32::MAX);
    TaskError::new(TaskErrorKind::TooLarge, name).with_detail(most)
}

/// The handle of a map that was started, or was not.
pub(super) fn handle_of<R: DeserializeOwned + Send + 'static>(
    map: Result<Map, TaskError>,
    name: &'static str,
) -> AsyncResult<Vec<R>> {
    let mut map = match map {
        Ok(map) => map,
        Err(e) => {
            let source = Source::ready(Err(e.clone()), name);
            let read = Reader::Map(Arc::new(Box::new(move |_: &Source| Err(e.clone()))));
            return AsyncResult::new(source, read);
        }
    };
    let source = map.source.clone();
    let input = map.take_read();
    let read = move |source: &Source| {
        if source.cell.is_cancelled() {
            let error = TaskError::new(TaskErrorKind::Cancelled, source.name);
            return Err(source.id().map_or(error.clone(), |id| error.with_id(id)));
        }
        let mut collector = Collector::new();
        collector.collect(source);
        collector.all(input.clone(), source)
    };
    AsyncResult::new(source, Reader::Map(Arc::new(Box::new(read))))
}

/// What a failing item does to its map.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Failing {
    Stops,
    IsItsOwn,
}

/// A map under way. Dropped early (the input panicked), it closes its job, so that it comes to an end.
pub(super) struct Map {
    pub(super) source: Source,
    open: Option<(Arc<Shared>, JobId)>,
    /// How long items may wait to begin.
    wait: Option<Duration>,
    pub(super) encoder: Encoder,
    /// What items end with that were not taken any more.
    cut_short: Option<TaskError>,
}

impl Map {
    /// Hands out what was read since the last time.
    fn hand_out(&mut self, last: bool) -> More {
        let (segment, items) = self.encoder.take();
        // The input is user code, which may have made a copy of this process by `fork`: the links are not the copy's.
        let Some((shared, job)) = self.open.as_ref().filter(|(shared, _)| shared.is_ours()) else {
            self.open = None;
            return More::Over;
        };
        let (more, spent) = shared.extend(*job, segment, items, last, start_by(self.wait));
        match more {
            More::Wanted | More::Decided if !last => {
                self.encoder.make_ready(spent);
                return more;
            }
            More::Wanted | More::Decided => {}
            More::Over if items == 0 => {}
            More::Over => self.cut_short = Some(shared.cut_short(self.source.name)),
            More::TooMany => self.cut_short = Some(too_many(self.source.name)),
        }
        self.open = None;
        more
    }

    /// What was read of the input.
    pub(super) fn take_read(&mut self) -> Read {
        if self.source.is_copied() {
            // What is not there by now does not come.
            self.cut_short = Some(forked(self.source.name));
        }
        Read {
            items: self.encoder.read(),
            refused: self.encoder.take_refused(),
            cut_short: self.cut_short.take(),
        }
    }

    /// Waits for every item, decoding what arrives meanwhile.
    fn finish<R: DeserializeOwned>(&mut self, collector: &mut Collector<R>) {
        let source = &self.source;
        if let Some(shared) = &source.shared {
            let mut between = || collector.collect(source);
            shared.wait(&[&source.cell], source.job(), None, Some(&mut between));
            shared.settle(None);
        }
        collector.collect(source);
    }
}

impl Map {
    /// Waits for every item; `look` whenever the moment has come that it names, with no lock held.
    pub(super) fn wait(&mut self, mut look: impl FnMut(&Map) -> u64) {
        let Some(shared) = self.source.shared.clone() else {
            return;
        };
        let mut next = look(self);
        // In a copy made by `fork`, where nothing comes, the wait ends at once, each time.
        while !shared.wait(&[&self.source.cell], self.source.job(), Some(next), None)
            && shared.is_ours()
        {
            next = look(self);
        }
        shared.settle(None);
    }

    /// How many of its items run.
    pub(super) fn running(&self) -> u64 {
        let shared = self.source.shared.as_ref();
        shared
            .filter(|shared| shared.is_ours())
            .zip(self.source.job())
            .map_or(0, |(shared, job)| shared.running_of(job))
    }
}

impl Drop for Map {
    fn drop(&mut self) {
        if let Some((shared, job)) = self.open.take().filter(|(shared, _)| shared.is_ours()) {
            shared.extend(job, Segment::empty(), 0, true, NEVER);
        }
    }
}
