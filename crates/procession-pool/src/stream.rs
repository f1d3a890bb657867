//! The machinery of `imap`: it reads the input inside `next`, keeps a bounded window under way, and waits for news.
//!
//! User code (the input, encoding, decoding) runs here on the consumer's thread; it must never run under a lock, and
//! whatever it does, what was handed in before is yielded.

mod exchange;
mod flow;
mod held;
mod input;

use std::any::Any;
use std::fmt;
use std::panic::resume_unwind;
use std::sync::Arc;
use std::time::Duration;

use procession_task::descriptor::TaskRef;
use procession_worker::{TaskError, TaskErrorKind};
use serde::de::DeserializeOwned;

use crate::cell::{Cell, Raw};
use crate::core::{Sticky, Terms};
use crate::describe::Described;
use crate::driver::{Shared, TaskSpan};
use crate::each::Each;
use crate::not_yet::NotYet;
use crate::phase::Phase;
use crate::pool::Pool;
use crate::portion::Portion;
use crate::progress::Progress;
use crate::result::Source;
use crate::retry::Retries;

pub(crate) use flow::Flow;
use held::Held;
pub(crate) use held::Order;
pub(crate) use input::Input;
pub use input::Items;

/// A worker rings once its chunk is done. How long the consumer sleeps at first before it looks for replies in the middle
/// of one, and at most.
const FIRST_LOOK: Duration = Duration::from_millis(1);
const LATER_LOOK: Duration = Duration::from_millis(64);

/// Items under way between an input and a consumer.
pub(crate) struct Stream<R, I: ?Sized> {
    source: Source,
    /// Where items run; `None` when there is nothing to run.
    place: Option<(TaskRef, Place)>,
    flow: Flow,
    /// What items are held to, but for their wait, which begins when they are handed in.
    terms: Terms,
    wait: Option<Duration>,
    priority: i32,
    /// Whose its chunks are, counted from the first item of the input.
    owners: Option<Sticky>,
    retries: Option<Retries>,
    /// What is called for each item.
    each: Option<Arc<Each>>,
    held: Held<R>,
    /// What the input panicked with, for after the items before it.
    panic: Option<Box<dyn Any + Send>>,
    /// `None` once it has ended.
    input: Option<Box<I>>,
    /// Read and numbered, and not handed in yet: the pool was full for as long as the consumer would wait.
    unsent: Option<Unsent>,
    span: TaskSpan,
}

/// A portion on its way to the workers.
#[derive(Debug)]
struct Unsent {
    portion: Portion,
    /// The number of its first item.
    first: u64,
    /// When its items have to begin.
    start_by: u64,
}

/// Until when the consumer waits; without a moment, for ever.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct By {
    /// For an outcome.
    pub(crate) outcome: Option<u64>,
    /// For the captured lines that were written before an outcome that it has waited for.
    pub(crate) lines: Option<u64>,
}

/// What a stream is made of besides its input.
pub(crate) struct Plan {
    pub(crate) task: TaskRef,
    pub(crate) flow: Flow,
    pub(crate) terms: Terms,
    pub(crate) wait: Option<Duration>,
    pub(crate) priority: i32,
    pub(crate) owners: Option<Sticky>,
    pub(crate) retries: Option<Retries>,
    pub(crate) each: Option<Arc<Each>>,
    pub(crate) described: Option<Arc<Described>>,
}

#[derive(Debug)]
enum Place {
    Workers(Arc<Shared>),
    Here(Phase),
}

impl<R, I: ?Sized> fmt::Debug for Stream<R, I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Imap")
            .field("task", &self.source.name)
            .field("yielded", &self.held.yielded())
            .field("under_way", &self.held.under_way())
            .finish_non_exhaustive()
    }
}

impl<R, I: ?Sized> Stream<R, I> {
    pub(crate) fn new(input: Box<I>, plan: Plan, order: Order, pool: &Pool) -> Stream<R, I> {
        let Plan {
            task,
            flow,
            terms,
            wait,
            priority,
            owners,
            retries,
            each,
            described,
        } = plan;
        let cell = match &each {
            Some(each) => Cell::pending_stream_told(each),
            None => Cell::pending_stream(),
        };
        let place = match &pool.shared {
            Some(shared) => Place::Workers(Arc::clone(shared)),
            None => Place::Here(pool.phase.clone()),
        };
        let source = Source::of(pool.shared.clone(), Arc::new(cell), task.name());
        Stream {
            source: source.with_described(described),
            place: Some((task, place)),
            flow,
            terms,
            wait,
            priority,
            owners,
            retries,
            each,
            held: Held::new(order),
            panic: None,
            input: Some(input),
            unsent: None,
            span: TaskSpan::default(),
        }
    }

    /// A stream of this one error.
    pub(crate) fn failed(error: TaskError, name: &'static str) -> Stream<R, I> {
        let mut held = Held::new(Order::OfInput);
        let item = held.take_in(1);
        held.resolve(item, Err(error));
        Stream {
            source: Source::ready(Ok(Raw::new(&[])), name),
            place: None,
            flow: Flow::inline(),
            terms: Terms::default(),
            wait: None,
            priority: 0,
            owners: None,
            retries: None,
            each: None,
            held,
            panic: None,
            input: None,
            unsent: None,
            span: TaskSpan::default(),
        }
    }

    pub(crate) fn under_way(&self) -> usize {
        self.held.under_way() as usize
    }

    /// How far it is; items that have their outcome are done or failed, yielded or not.
    pub(crate) fn progress(&self) -> Progress {
        let (done, failed, open) = self.held.counts();
        let running = match &self.source.shared {
            Some(shared) if open > 0 && shared.is_ours() => {
                shared.running_of_cell(&self.source.cell).min(open)
            }
            Some(_) | None => 0,
        };
        Progress {
            done,
            failed,
            running,
            queued: open - running,
            total: done + failed + open,
        }
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.input.is_none() && self.panic.is_none() && self.held.under_way() == 0
    }
}

impl<R: DeserializeOwned, I: Items + ?Sized> Stream<R, I> {
    /// The next outcome; `None` at the end, and ever after.
    pub(crate) fn next(&mut self) -> Option<Result<R, TaskError>> {
        // Without a deadline there is no "not yet".
        self.next_by(By::default()).unwrap_or(None)
    }

    /// As [`Stream::next`], unless the moment comes first. Nothing is lost then. It looks at least once.
    pub(crate) fn next_by(&mut self, by: By) -> Result<Option<Result<R, TaskError>>, NotYet> {
        if self.is_hungry() {
            self.fill(by.outcome.and(Some(0)));
        }
        loop {
            if let Some(outcome) = self.held.next() {
                return Ok(Some(outcome));
            }
            self.collect();
            if let Some(outcome) = self.held.next() {
                return Ok(Some(outcome));
            }
            if self.fill(by.outcome) {
                continue;
            }
            if self.held.is_complete() {
                self.span = TaskSpan::default();
                if let Some(panic) = self.panic.take() {
                    resume_unwind(panic);
                }
                return Ok(None);
            }
            self.wait(by)?;
        }
    }

    /// As [`Stream::next_by`], but an outcome that `ends` the whole comes before all others as soon as it is there. After
    /// that the stream is of no use.
    pub(crate) fn next_unless(
        &mut self,
        ends: fn(&Result<R, TaskError>) -> bool,
        by: By,
    ) -> Result<Option<Result<R, TaskError>>, NotYet> {
        let mut read = self.is_hungry();
        if read {
            self.fill(by.outcome.and(Some(0)));
        }
        loop {
            let arrived = self.source.cell.is_done();
            self.collect();
            // What was there before has been looked at before.
            if (read || arrived)
                && let Some(at) = self.held.find(ends)
            {
                return Ok(self.held.take(at));
            }
            if let Some(outcome) = self.held.next() {
                return Ok(Some(outcome));
            }
            read = self.fill(by.outcome);
            if !read {
                if self.held.is_complete() {
                    return self.next_by(by);
                }
                self.wait(by)?;
            }
        }
    }

    /// Whether so little is under way that there is more to hand in before anything else.
    fn is_hungry(&self) -> bool {
        let more = self.input.is_some() || self.unsent.is_some();
        more && self.flow.is_low(self.held.under_way())
    }
}

/// Cancels what has not begun, and waits for nothing.
impl<R, I: ?Sized> Drop for Stream<R, I> {
    fn drop(&mut self) {
        let Some((_, Place::Workers(shared))) = &self.place else {
            return;
        };
        if !shared.is_ours() {
            return;
        }
        if !self.held.is_complete() {
            shared.cancel_stream(&self.source.cell);
        }
        if let Some(each) = &self.each {
            if let Some(Unsent { portion, first, .. }) = &self.unsent {
                for item in *first..first + u64::from(portion.items()) {
                    let error = TaskError::new(TaskErrorKind::Cancelled, self.source.name);
                    Arc::clone(each).ended(item as u32, Err(error));
                }
            }
            each.see_through(self.held.taken());
        }
    }
}
