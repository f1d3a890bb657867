//! One call with its options, and the verbs behind it; the pool's own verbs come through here too.

use std::cell::Cell as StdCell;
use std::sync::Arc;
use std::time::Duration;

use procession_task::bytes::Pieces;
use procession_task::codec::{self, Limits};
use procession_task::descriptor::TaskRef;
use procession_task::task::{Arguments, Task};
use procession_worker::{TaskError, TaskErrorKind};
use serde::de::DeserializeOwned;

use crate::broadcast::{Mentions, with_mentions};
use crate::cell::Cell;
use crate::core::{JobSpec, Terms};
use crate::describe::Describe;
use crate::driver::{Shared, Submission, TaskSpan, parts::KEEP_SPARE, payload_of, single};
use crate::here::TakenOn;
use crate::options::start_by;
use crate::pool::Pool;
use crate::portion::encode_error;
use crate::result::{AsyncResult, Source};
use crate::retry::{RetryOptions, run_here};
use crate::submit::Admission;

mod maps;
mod progress;

pub use progress::CallProgress;

/// A call with options; made by [`Pool::call`].
///
/// Nothing is checked before the verb: an option without meaning is the error of that, of kind `InvalidOption`, on a closed or
/// inline pool too. What an option says comes in place of what the pool's [builder](crate::PoolBuilder) said. Verbs take
/// `&self`: one `Call` may be used for many calls.
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
    pub(crate) priority: i32,
    pub(crate) sticky: bool,
    pub(crate) retry: RetryOptions,
    pub(crate) describe: Describe,
}

thread_local! {
    /// Not there any more when a thread submits from a destructor of its own or, at the end of a program, from an at-exit hook.
    static SCRATCH: StdCell<Vec<u8>> = const { StdCell::new(Vec::new()) };
}

impl<'p, F: Copy> Call<'p, F> {
    pub(crate) fn new(pool: &'p Pool, task: F) -> Call<'p, F> {
        Call {
            pool,
            task,
            chunk: pool.defaults.chunk,
            buffer: pool.defaults.buffer,
            timeout: pool.defaults.timeout,
            queue_deadline: pool.defaults.queue_deadline,
            priority: 0,
            sticky: false,
            retry: RetryOptions::default(),
            describe: Describe::default(),
        }
    }

    /// Sends `items` of a map together, the last chunk maybe fewer; without it chunks adapt to the work.
    ///
    /// 0 makes the map fail with an error of kind `InvalidOption`; a single call ignores it. An inline pool runs one item
    /// after the other.
    pub fn chunk_size(mut self, items: usize) -> Self {
        self.chunk = Some(items);
        self
    }

    /// See [`Pool::apply`].
    ///
    /// # Errors
    /// As [`Pool::apply`].
    pub fn apply<Args>(&self, args: Args) -> Result<F::Output, TaskError>
    where
        F: Task<Args>,
        Args: Arguments,
        F::Output: DeserializeOwned + 'static,
    {
        let source = self.submit_one(args, true);
        source.see_through(None);
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
        if let Err(error) = self.check(task.name()) {
            return Source::ready(Err(error), task.name());
        }
        let start_by = start_by(self.queue_deadline);
        let encoding = self.pool.encoding();
        let mut item = SCRATCH.try_with(StdCell::take).unwrap_or_default();
        item.clear();
        let (mut mentions, mut pieces) = (None, Pieces::default());
        let encode = || match &self.pool.shared {
            Some(_) => encoding.push_apart(args, &mut item, &mut mentions, &mut pieces),
            None => encoding.push(args, &mut item, &mut mentions),
        };
        let encoded = codec::guarded(encode);
        let described = self.describe.of_call(args);
        let mut source = match encoded {
            Err(e) => Source::ready(Err(encode_error(task.name(), &e)), task.name()),
            Ok(()) => match &self.pool.shared {
                None => match self.pool.phase.take_on(task.name()) {
                    Ok(taken) => self.run_inline(&taken, task, &item, &mentions),
                    Err(refusal) => admission.refused(refusal, task.name()),
                },
                Some(shared) => {
                    let payload = payload_of(&mut item, pieces, mentions);
                    let submission = Submission {
                        task,
                        payload,
                        spec: JobSpec {
                            terms: Terms {
                                start_by,
                                ..self.terms()
                            },
                            priority: self.priority,
                            ..single()
                        },
                        owners: None,
                        cell: Arc::new(Cell::pending()),
                        base: 0,
                        again: None,
                        described: described.clone(),
                        waits,
                        span: TaskSpan::default(),
                    };
                    self.hand_in(shared, submission, &mut item, admission)
                }
            },
        };
        if item.capacity() <= KEEP_SPARE {
            let _ = SCRATCH.try_with(|spare| spare.set(item));
        }
        source.described = described;
        source
    }

    #[inline]
    fn hand_in(
        &self,
        shared: &Arc<Shared>,
        mut submission: Submission,
        spare: &mut Vec<u8>,
        admission: &mut Admission,
    ) -> Source {
        let name = submission.task.name();
        if !shared.is_ours() {
            return admission.refused(forked(name), name);
        }
        let retries = self.retries_if_any();
        submission.again = retries.map(|retries| retries.again(shared));
        match admission.submit(shared, &mut submission, spare) {
            Ok((job, id)) => Source::of(Some(Arc::clone(shared)), submission.cell, name)
                .with_job(job)
                .with_id(Some(id)),
            Err(error) => admission.refused(error, name),
        }
    }

    fn run_inline(
        &self,
        taken: &TakenOn<'_>,
        task: TaskRef,
        item: &[u8],
        mentions: &Mentions,
    ) -> Source {
        let limits = Limits::default();
        let retries = self.retries_if_any();
        let run = || run_here(retries.as_ref(), taken, task, item, &limits);
        Source::ready(with_mentions(mentions, run), task.name())
    }
}

/// The error of what a copy of this process made by `fork` hands in.
pub(crate) fn forked(name: &'static str) -> TaskError {
    let text = "this pool is a copy made by fork; only the original process can use it";
    TaskError::new(TaskErrorKind::Closed, name).with_detail(text)
}
