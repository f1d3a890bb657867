//! One call with its options, and the verbs behind it; the pool's own verbs come through here too.

use std::cell::Cell as StdCell;
use std::sync::Arc;
use std::time::Duration;

use procession_task::codec::{self, Limits};
use procession_task::descriptor::TaskRef;
use procession_task::frame;
use procession_task::task::{Arguments, Task};
use procession_worker::{TaskError, TaskErrorKind};
use serde::de::DeserializeOwned;

use crate::cell::{Cell, Raw};
use crate::core::{Chunk, JobId, JobSpec};
use crate::driver::{
    Shared, Submission, parts::KEEP_SPARE, parts::Payload, parts::Segment, payload_of, single,
};
use crate::here::run_here;
use crate::map::{Collector, Encoder, encode_error};
use crate::options::invalid_option;
use crate::pool::Pool;
use crate::result::{AsyncResult, Reader, Source};
use crate::submit::Admission;

/// A call with options; made by [`Pool::call`].
///
/// ```
/// # procession_worker::init();
/// let pool = procession_pool::Pool::new(2)?;
/// let doubled = pool.call(|x: u32| x * 2).chunk_size(10).map(0..40)?;
/// assert_eq!(doubled.len(), 40);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
#[must_use = "nothing runs until a verb such as `map` or `apply` is called"]
pub struct Call<'p, F> {
    pub(crate) pool: &'p Pool,
    pub(crate) task: F,
    pub(crate) chunk: Option<usize>,
    pub(crate) buffer: Option<usize>,
    pub(crate) timeout: Option<Duration>,
    pub(crate) queue_deadline: Option<Duration>,
}

thread_local! {
    static SCRATCH: StdCell<Vec<u8>> = const { StdCell::new(Vec::new()) };
}

impl<'p, F: Copy> Call<'p, F> {
    pub(crate) fn new(pool: &'p Pool, task: F) -> Call<'p, F> {
        Call {
            pool,
            task,
            chunk: None,
            buffer: None,
            timeout: None,
            queue_deadline: None,
        }
    }

    /// Sends `items` of a map together, the last chunk maybe fewer; without it chunks adapt to the work.
    ///
    /// 0 makes the map fail with an error of kind `InvalidOption`.
    pub fn chunk_size(mut self, items: usize) -> Self {
        self.chunk = Some(items);
        self
    }

    /// See [`Pool::apply`].
    ///
    /// # Errors
    /// As [`AsyncResult::get`].
    pub fn apply<Args>(&self, args: Args) -> Result<F::Output, TaskError>
    where
        F: Task<Args>,
        Args: Arguments,
        F::Output: DeserializeOwned + 'static,
    {
        let source = self.submit_one(args, true);
        source.wait(None);
        AsyncResult::<F::Output>::one(source).get()
    }

    /// See [`Pool::apply_async`].
    pub fn apply_async<Args>(&self, args: Args) -> AsyncResult<F::Output>
    where
        F: Task<Args>,
        Args: Arguments,
        F::Output: DeserializeOwned + 'static,
    {
        AsyncResult::one(self.submit_one(args, false))
    }

    #[inline]
    fn submit_one<Args>(&self, args: Args, waits: bool) -> Source
    where
        F: Task<Args>,
        Args: Arguments,
    {
        self.submit_with(&args, waits, &mut Admission::WhenRoom)
    }

    #[inline]
    pub(crate) fn submit_with<Args>(
        &self,
        args: &Args,
        waits: bool,
        admission: &mut Admission,
    ) -> Source
    where
        F: Task<Args>,
        Args: Arguments,
    {
        let task = match TaskRef::of::<F, Args>(self.task) {
            Ok(task) => task,
            Err(e) => {
                let error =
                    TaskError::new(TaskErrorKind::EncodeArgs, e.name()).with_detail(e.to_string());
                return Source::ready(Err(error), e.name());
            }
        };
        let terms = match self.terms(task.name()) {
            Ok(terms) => terms,
            Err(error) => return Source::ready(Err(error), task.name()),
        };
        let limits = self.pool.limits();
        let mut item = SCRATCH.take();
        item.clear();
        let encoded = frame::push_item(&mut item, |out| codec::encode(args, out, &limits));
        let source = match encoded {
            Err(e) => Source::ready(Err(encode_error(task.name(), &e)), task.name()),
            Ok(()) => match &self.pool.shared {
                None => match admission.refused_inline(self.pool.is_open(), task) {
                    Some(refused) => refused,
                    None => self.run_inline(task, &item, &limits),
                },
                Some(shared) => {
                    let payload = match Raw::short(&item) {
                        Some(raw) => Payload::Short(raw),
                        None => payload_of(std::mem::take(&mut item)),
                    };
                    self.hand_in(
                        shared,
                        Handed {
                            task,
                            payload,
                            spec: JobSpec { terms, ..single() },
                            cell: Cell::pending(),
                            waits,
                        },
                        &mut item,
                        admission,
                    )
                }
            },
        };
        if item.capacity() <= KEEP_SPARE {
            SCRATCH.set(item);
        }
        source
    }

    #[inline]
    fn hand_in(
        &self,
        shared: &Arc<Shared>,
        handed: Handed,
        spare: &mut Vec<u8>,
        admission: &mut Admission,
    ) -> Source {
        let Handed {
            task,
            payload,
            spec,
            cell,
            waits,
        } = handed;
        if !shared.is_ours() {
            return admission.refused(forked(task.name()), task.name());
        }
        let cell = Arc::new(cell);
        let submission = Submission {
            task,
            payload,
            spec,
            cell: Arc::clone(&cell),
            base: 0,
            waits,
        };
        match admission.submit(shared, submission, spare) {
            Ok((job, id)) => Source {
                shared: Some(Arc::clone(shared)),
                cell,
                job: Some(job),
                id: Some(id),
                name: task.name(),
                max_frame: self.pool.max_frame,
            },
            Err(error) => admission.refused(error, task.name()),
        }
    }

    fn run_inline(&self, task: TaskRef, item: &[u8], limits: &Limits) -> Source {
        let outcome = run_here(&self.pool.phase, task, item, limits);
        Source {
            max_frame: self.pool.max_frame,
            ..Source::ready(outcome, task.name())
        }
    }

    /// See [`Pool::map`].
    ///
    /// # Errors
    /// As [`Pool::map`].
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

    /// See [`Pool::starmap`].
    ///
    /// # Errors
    /// As [`Pool::map`].
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
        let mut map = self.start_map(items, Failing::Stops)?;
        let mut collector = Collector::new();
        map.finish(&mut collector);
        collector.all(map.encoder.read, map.encoder.take_refused(), &map.source)
    }

    /// See [`Pool::map_async`].
    pub fn map_async<T, I>(&self, items: I) -> AsyncResult<Vec<F::Output>>
    where
        F: Task<(T,)>,
        (T,): Arguments,
        I: IntoIterator<Item = T>,
        F::Output: DeserializeOwned + Send + 'static,
    {
        self.starmap_async(items.into_iter().map(|item| (item,)))
    }

    /// See [`Pool::starmap_async`].
    pub fn starmap_async<Args, I>(&self, items: I) -> AsyncResult<Vec<F::Output>>
    where
        F: Task<Args>,
        Args: Arguments,
        I: IntoIterator<Item = Args>,
        F::Output: DeserializeOwned + Send + 'static,
    {
        let mut map = match self.start_map(items, Failing::Stops) {
            Ok(map) => map,
            Err(e) => {
                let source = Source::ready(Err(e.clone()), std::any::type_name::<F>());
                let read = Reader::Map(Arc::new(move |_: &Source| Err(e.clone())));
                return AsyncResult::new(source, read, |_| false);
            }
        };
        let source = map.source.clone();
        let (items, refused) = (map.encoder.read, map.encoder.take_refused());
        let failed = !refused.is_empty();
        let read = Reader::Map(Arc::new(move |source: &Source| {
            if source.cell.is_cancelled() {
                let error = TaskError::new(TaskErrorKind::Cancelled, source.name);
                return Err(source.id.map_or(error.clone(), |id| error.with_id(id)));
            }
            let mut collector = Collector::new();
            collector.collect(source);
            collector.all(items, refused.clone(), source)
        }));
        let check = if failed {
            |_: &Source| false
        } else {
            |source: &Source| !source.cell.is_cancelled() && !source.cell.has_failed()
        };
        AsyncResult::new(source, read, check)
    }

    /// See [`Pool::try_map`].
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
        match self.start_map(items.by_ref().map(|item| (item,)), Failing::IsItsOwn) {
            Ok(mut map) => {
                let mut collector = Collector::new();
                map.finish(&mut collector);
                collector.each(map.encoder.read, map.encoder.take_refused(), &map.source)
            }
            Err(e) => items
                .enumerate()
                .map(|(at, _)| Err(e.clone().with_item(at)))
                .collect(),
        }
    }

    /// Encodes every item and hands them to the workers portion by portion.
    fn start_map<Args, I>(&self, items: I, failing: Failing) -> Result<Map, TaskError>
    where
        F: Task<Args>,
        Args: Arguments,
        I: IntoIterator<Item = Args>,
    {
        let task = TaskRef::of::<F, Args>(self.task).map_err(|e| {
            TaskError::new(TaskErrorKind::EncodeArgs, e.name()).with_detail(e.to_string())
        })?;
        let chunk = match self.chunk {
            None => Chunk::Auto,
            Some(0) => return Err(invalid_option(task.name(), "chunk_size must be at least 1")),
            Some(items) => Chunk::Fixed(u32::try_from(items).unwrap_or(u32::MAX)),
        };
        let encoder = Encoder::new(task.name(), self.pool.limits());
        let stop_on_failure = failing == Failing::Stops;
        let Some(shared) = &self.pool.shared else {
            return Ok(self.map_inline(task, items, encoder, stop_on_failure));
        };
        let spec = JobSpec {
            items: 0,
            open: true,
            chunk,
            stop_on_failure,
            profile: 0,
            terms: self.terms(task.name())?,
        };
        let (payload, cell) = (Payload::Many(Vec::new()), Cell::pending_map());
        let handed = Handed {
            task,
            payload,
            spec,
            cell,
            waits: true,
        };
        // A map keeps its own buffers: this one says that no spare is wanted.
        let source = self.hand_in(
            shared,
            handed,
            &mut Vec::with_capacity(1),
            &mut Admission::WhenRoom,
        );
        let Some(job) = source.job else {
            return Err(source
                .cell
                .read(|outcome| outcome.as_ref().err().cloned())
                .flatten()
                .unwrap_or_else(|| TaskError::new(TaskErrorKind::Closed, task.name())));
        };
        let mut map = Map {
            source,
            open: Some((Arc::clone(shared), job)),
            encoder: encoder.in_portions_of(shared.portion()),
        };
        for args in items {
            if map.encoder.push(&args) {
                map.hand_out(false);
            }
            if stop_on_failure && map.encoder.has_refused() {
                break;
            }
        }
        map.hand_out(true);
        Ok(map)
    }

    fn map_inline<Args, I>(
        &self,
        task: TaskRef,
        items: I,
        mut encoder: Encoder,
        stop_on_failure: bool,
    ) -> Map
    where
        F: Task<Args>,
        Args: Arguments,
        I: IntoIterator<Item = Args>,
    {
        let cell = Cell::pending_map();
        let limits = self.pool.limits();
        let mut done = 0;
        for args in items {
            encoder.push(&args);
            let (segment, count) = encoder.take();
            if count == 1 {
                let source = self.run_inline(task, &segment.bytes, &limits);
                let failed = source.cell.read(Result::is_err).unwrap_or(true);
                match source.cell.take() {
                    Some(Ok(raw)) => cell.add_value(done, raw.bytes()),
                    Some(Err(e)) => {
                        let _ = cell.add_failure(done, e);
                    }
                    None => {}
                }
                done += 1;
                if failed && stop_on_failure {
                    break;
                }
            } else if stop_on_failure {
                break;
            }
        }
        let cell = Arc::new(cell);
        cell.finish(&mut Default::default());
        let source = Source {
            cell,
            ..Source::ready(Ok(Raw::new(&[])), task.name())
        };
        Map {
            source: Source {
                max_frame: self.pool.max_frame,
                ..source
            },
            open: None,
            encoder,
        }
    }
}

/// The error of what a copy of this process made by `fork` hands in.
pub(crate) fn forked(name: &'static str) -> TaskError {
    let text = "this pool is a copy made by fork; only the original process can use it";
    TaskError::new(TaskErrorKind::Closed, name).with_detail(text)
}

/// An encoded submission on its way to the driver.
struct Handed {
    task: TaskRef,
    payload: Payload,
    spec: JobSpec,
    cell: Cell,
    waits: bool,
}

/// What a failing item does to its map.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Failing {
    Stops,
    IsItsOwn,
}

/// A map under way. Dropped early (the input panicked), it closes its job, so that it comes to an end.
struct Map {
    source: Source,
    open: Option<(Arc<Shared>, JobId)>,
    encoder: Encoder,
}

impl Map {
    fn hand_out(&mut self, last: bool) {
        if let Some((shared, job)) = &self.open {
            let (segment, items) = self.encoder.take();
            shared.extend(*job, segment, items, last);
            if last {
                self.open = None;
            }
        }
    }

    /// Waits for every item, decoding what arrives meanwhile.
    fn finish<R: DeserializeOwned>(&mut self, collector: &mut Collector<R>) {
        let source = &self.source;
        if let Some(shared) = &source.shared {
            let mut between = || collector.collect(source);
            shared.wait(&[&source.cell], source.job, None, Some(&mut between));
        }
        collector.collect(source);
    }
}

impl Drop for Map {
    fn drop(&mut self) {
        if let Some((shared, job)) = self.open.take() {
            shared.extend(job, Segment::empty(), 0, true);
        }
    }
}
