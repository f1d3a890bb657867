//! The machinery of `imap`: it reads the input inside `next`, keeps a bounded window under way, and waits for news.
//!
//! User code (the input, encoding, decoding) runs here on the consumer's thread; it must never run under a lock, and
//! whatever it does, what was handed in before is yielded.

mod flow;
mod held;
mod input;

use std::any::Any;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::time::Duration;

use procession_task::descriptor::TaskRef;
use procession_worker::TaskError;
use procession_worker::handle::{Replies, now_ns};
use serde::de::DeserializeOwned;

use crate::broadcast::with_mentions;
use crate::call::forked;
use crate::cell::{Arrived, Cell, Raw};
use crate::core::Terms;
use crate::describe::Described;
use crate::driver::Shared;
use crate::driver::stream::Portion as Given;
use crate::map::complete;
use crate::options::nanos;
use crate::pool::{Phase, Pool};
use crate::result::{Source, after, decode_result, failure_error};
use crate::retry::RetryOptions;

pub(crate) use flow::Flow;
use held::Held;
pub(crate) use held::Order;
pub(crate) use input::Input;
pub use input::Items;
use input::Portion;

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
    retry: RetryOptions,
    held: Held<R>,
    /// What the input panicked with, for after the items before it.
    panic: Option<Box<dyn Any + Send>>,
    /// `None` once it has ended.
    input: Option<Box<I>>,
}

/// What a stream is made of besides its input.
pub(crate) struct Plan {
    pub(crate) task: TaskRef,
    pub(crate) flow: Flow,
    pub(crate) terms: Terms,
    pub(crate) wait: Option<Duration>,
    pub(crate) retry: RetryOptions,
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
            retry,
            described,
        } = plan;
        let place = match &pool.shared {
            Some(shared) => Place::Workers(Arc::clone(shared)),
            None => Place::Here(pool.phase.clone()),
        };
        let source = Source {
            shared: pool.shared.clone(),
            cell: Arc::new(Cell::pending_stream()),
            job: None,
            id: None,
            name: task.name(),
            max_frame: pool.max_frame,
            described,
        };
        Stream {
            source,
            place: Some((task, place)),
            flow,
            terms,
            wait,
            retry,
            held: Held::new(order),
            panic: None,
            input: Some(input),
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
            retry: RetryOptions::default(),
            held,
            panic: None,
            input: None,
        }
    }

    pub(crate) fn under_way(&self) -> usize {
        self.held.under_way() as usize
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.input.is_none() && self.panic.is_none() && self.held.under_way() == 0
    }
}

impl<R: DeserializeOwned, I: Items + ?Sized> Stream<R, I> {
    /// The next outcome; `None` at the end, and ever after.
    pub(crate) fn next(&mut self) -> Option<Result<R, TaskError>> {
        if self.input.is_some() && self.flow.is_low(self.held.under_way()) {
            self.fill();
        }
        loop {
            if let Some(outcome) = self.held.next() {
                return Some(outcome);
            }
            self.collect();
            if let Some(outcome) = self.held.next() {
                return Some(outcome);
            }
            if self.fill() {
                continue;
            }
            if self.held.is_complete() {
                if let Some(panic) = self.panic.take() {
                    resume_unwind(panic);
                }
                return None;
            }
            self.wait();
        }
    }

    /// As [`Stream::next`], but an outcome that `ends` the whole comes before all others as soon as it is there. After that
    /// the stream is of no use.
    pub(crate) fn next_unless(
        &mut self,
        ends: fn(&Result<R, TaskError>) -> bool,
    ) -> Option<Result<R, TaskError>> {
        let mut read = self.input.is_some() && self.flow.is_low(self.held.under_way());
        if read {
            self.fill();
        }
        loop {
            let arrived = self.source.cell.is_done();
            self.collect();
            // What was there before has been looked at before.
            if (read || arrived)
                && let Some(at) = self.held.find(ends)
            {
                return self.held.take(at);
            }
            if let Some(outcome) = self.held.next() {
                return Some(outcome);
            }
            read = self.fill();
            if !read {
                if self.held.is_complete() {
                    return self.next();
                }
                self.wait();
            }
        }
    }

    /// Reads a portion of the input, if there is room, and hands it out; false when nothing was read.
    fn fill(&mut self) -> bool {
        let most = self.flow.next_portion(self.held.under_way());
        let Some(input) = self.input.as_mut().filter(|_| most > 0) else {
            return false;
        };
        let mut portion = Portion::new();
        let begun = now_ns();
        // The input is not used again after a panic.
        let read = catch_unwind(AssertUnwindSafe(|| input.fill(&mut portion, most)));
        self.flow
            .read(portion.items(), now_ns().saturating_sub(begun));
        let spent = if read.is_err() || portion.ended {
            self.input.take()
        } else {
            None
        };
        self.panic = read.err();
        let refused = portion.refused.take();
        if portion.items() > 0 {
            self.give(portion);
        }
        if let Some(error) = refused {
            let item = self.held.take_in(1);
            self.resolve_error(item, error);
        }
        // Last: it is user code, and everything is in order now.
        drop(spent);
        true
    }

    /// Hands a portion to the workers, or runs it here.
    fn give(&mut self, portion: Portion) {
        let mut terms = self.terms;
        if let Some(wait) = self.wait {
            terms.start_by = now_ns().saturating_add(nanos(wait));
        }
        let (items, bytes) = (portion.items(), portion.bytes());
        let first = self.held.take_in(items);
        terms.sticky = terms.sticky.map(|sticky| sticky.beginning_with(first));
        let segment = portion.into_segment();
        let refusal = match &self.place {
            Some((task, Place::Here(phase))) => {
                let limits = self.source.limits();
                let run = || {
                    self.retry
                        .run_here(0, phase, *task, &segment.bytes, &limits)
                };
                let ran = with_mentions(&segment.mentions, run);
                let outcome = ran.and_then(|raw| decode_result(raw.bytes(), &self.source));
                match outcome {
                    Ok(value) => self.resolve_value(first, value),
                    Err(e) => self.resolve_error(first, e),
                }
                return;
            }
            Some((task, Place::Workers(shared))) if shared.is_ours() => {
                let given = shared.give(Given {
                    task: *task,
                    segment,
                    items,
                    first: first as u32,
                    chunk: self.flow.chunk(),
                    terms,
                    again: self.retry.again(0, shared),
                    cell: &self.source.cell,
                    id: self.source.id,
                });
                match given {
                    Ok(taken) => {
                        self.source.id = Some(taken.id);
                        self.flow.learn(taken.worth_sending, items, bytes);
                        return;
                    }
                    Err(refused) => shared.refusal(refused, self.source.name),
                }
            }
            Some((_, Place::Workers(_))) | None => forked(self.source.name),
        };
        for item in first..first + u64::from(items) {
            self.resolve_error(item, refusal.clone());
        }
    }

    fn resolve_value(&mut self, item: u64, value: R) {
        if let Some(described) = &self.source.described {
            described.forget(item);
        }
        self.held.resolve(item, Ok(value));
    }

    fn resolve_error(&mut self, item: u64, error: TaskError) {
        let error = complete(error, item as usize, &self.source);
        if let Some(described) = &self.source.described {
            described.forget(item);
        }
        self.held.resolve(item, Err(error));
    }

    /// Takes and decodes what has arrived.
    fn collect(&mut self) {
        if !self.source.cell.is_done() {
            return;
        }
        let Arrived {
            runs,
            frames,
            failed,
        } = self.source.cell.take_arrived(Arrived::default());
        let mut replies = Replies::new(&frames);
        for (first, count) in runs {
            let first = self.held.number(first);
            for (item, (ok, payload)) in (first..first + u64::from(count)).zip(&mut replies) {
                let outcome = if ok {
                    decode_result(payload, &self.source)
                } else {
                    Err(failure_error(self.source.name, payload))
                };
                match outcome {
                    Ok(value) => self.resolve_value(item, value),
                    Err(e) => self.resolve_error(item, e),
                }
            }
        }
        for (item, error) in failed {
            let item = self.held.number(item);
            self.resolve_error(item, error);
        }
    }

    /// Waits until something has arrived.
    fn wait(&mut self) {
        match &self.source.shared {
            Some(shared) if shared.is_ours() => {
                let mut look = FIRST_LOOK;
                while self.flow.sends_chunks() && !self.source.wait(after(look)) {
                    look = (look * 2).min(LATER_LOOK);
                }
                self.source.wait(None);
            }
            // Nothing moves in a forked copy.
            Some(_) | None => self.held.abandon(&forked(self.source.name)),
        }
    }
}

/// Cancels what has not begun, and waits for nothing.
impl<R, I: ?Sized> Drop for Stream<R, I> {
    fn drop(&mut self) {
        if let Some((_, Place::Workers(shared))) = &self.place
            && !self.held.is_complete()
            && shared.is_ours()
        {
            shared.cancel_stream(&self.source.cell);
        }
    }
}
