//! Maps: many items of one function as one job, encoded as they are read and decoded as they arrive.
//!
//! It must never hold a lock while it reads the caller's iterator, encodes or decodes: all of that is user code.

use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};

use procession_task::codec::{self, Limits};
use procession_task::task::Arguments;
use procession_worker::handle::Replies;
use procession_worker::{TaskError, TaskErrorKind};
use serde::de::DeserializeOwned;

use crate::cell::Arrived;
use crate::driver::parts::{Segment, Spent};
use crate::in_order::{InOrder, Run};
use crate::portion::{ItemReader, Portion, Stopped};
use crate::result::{PANICKED, Source, failure_error, undecodable};

/// Items in the first portion handed to the workers, so that they begin early; portions double from there.
const FIRST_PORTION: u32 = 32;
const LARGEST_PORTION: u32 = 8192;

/// What was read of a map's input.
#[derive(Clone, Debug)]
pub(crate) struct Read {
    /// How many items.
    pub(crate) items: usize,
    /// Those that never became items of the job, with why.
    pub(crate) refused: Vec<(usize, TaskError)>,
    /// What those end with that the job did not take because it was over.
    pub(crate) cut_short: Option<TaskError>,
}

/// Encodes items into portions.
#[derive(Debug)]
pub(crate) struct Encoder {
    reader: ItemReader,
    portion: Portion,
    /// Items of the portions taken.
    taken: u32,
    /// How many items the portion is to hold, and any later one at most.
    most: u32,
    largest: u32,
    /// How many bytes it is thought to take.
    expected: usize,
    /// Items of the input that never became items of the job, with why.
    refused: Vec<(usize, TaskError)>,
}

impl Encoder {
    pub(crate) fn new(reader: ItemReader) -> Encoder {
        Encoder {
            reader,
            portion: Portion::new(),
            taken: 0,
            most: FIRST_PORTION,
            largest: LARGEST_PORTION,
            expected: 0,
            refused: Vec::new(),
        }
    }

    /// Portions of at most so many items.
    pub(crate) fn in_portions_of(mut self, items: u32) -> Encoder {
        self.largest = self.largest.min(items);
        self.most = self.most.min(items);
        self
    }

    /// Adds items until the portion is full, one cannot be encoded, or there are no more.
    #[inline]
    pub(crate) fn fill<I: Iterator<Item: Arguments>>(&mut self, items: &mut I) -> Filled {
        match self.reader.fill(items, &mut self.portion, self.most) {
            Stopped::Full => Filled::Full,
            Stopped::Ended => Filled::Ended,
            Stopped::Refused(error) => {
                let item = self.read().saturating_sub(1);
                self.reader.leave_out(item as u64);
                self.refused.push((item, error.with_item(item)));
                Filled::Refused
            }
        }
    }

    /// How many items of the input were read.
    pub(crate) fn read(&self) -> usize {
        self.reader.read() as usize
    }

    /// Takes the items that could not be encoded.
    pub(crate) fn take_refused(&mut self) -> Vec<(usize, TaskError)> {
        std::mem::take(&mut self.refused)
    }

    /// Takes what has been added since the last portion, and how many items that is.
    pub(crate) fn take(&mut self) -> (Segment, u32) {
        let (items, bytes) = (self.portion.items(), self.portion.bytes());
        let grows = (self.most * 2).min(self.largest).div_ceil(self.most.max(1));
        self.most = (self.most * 2).min(self.largest);
        self.expected = (bytes + bytes / 8).saturating_mul(grows as usize);
        let segment = self.portion.take_segment(self.taken, Portion::new());
        // Beyond the last index nobody takes them.
        self.taken = self.taken.wrapping_add(items);
        (segment, items)
    }

    /// Sees to it that the next portion, if it is like the last, need not grow: in `spent` memory, if that is large enough.
    pub(crate) fn make_ready(&mut self, spent: Option<Spent>) {
        self.portion = Portion::with_room(self.most, self.expected, spent);
    }
}

/// Why an [`Encoder`] takes no more items for now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Filled {
    Full,
    /// One item was left out.
    Refused,
    Ended,
}

/// The results of a map as they come in.
pub(crate) struct Collector<R> {
    results: InOrder<R>,
    failed: Vec<(u32, TaskError)>,
    replied: u64,
    /// How many of the failed ones did not reply.
    silent: u64,
    /// What was collected last: its memory is used again.
    spare: Arrived,
}

impl<R: DeserializeOwned> Collector<R> {
    pub(crate) fn new() -> Collector<R> {
        Collector::expecting(0)
    }

    /// For at least so many results, by what an input says of itself; it may be wrong.
    pub(crate) fn expecting(results: usize) -> Collector<R> {
        const MOST_BYTES: usize = 4 << 20;
        let most = MOST_BYTES / size_of::<R>().max(1);
        Collector {
            results: InOrder::with_capacity(results.min(most)),
            failed: Vec::new(),
            replied: 0,
            silent: 0,
            spare: Arrived::default(),
        }
    }

    /// Decodes what has arrived.
    fn add(&mut self, arrived: &mut Arrived, source: &Source) {
        for (item, error) in arrived.failed.drain(..) {
            if let Some(run) = self.results.run_for(item..item + 1) {
                self.silent += 1;
                run.push(None);
                self.failed.push((item, error));
                self.results.join();
            }
        }
        let limits = Limits::default();
        let mut replies = Replies::new(&arrived.frames);
        for &(first, count) in &arrived.runs {
            let mut left = first..first + count;
            let Some(run) = self.results.run_for(left.clone()) else {
                left.for_each(|_| _ = replies.next());
                continue;
            };
            self.replied += u64::from(count);
            let failed = &mut self.failed;
            while left.start < left.end {
                // One guard for all that decode without a panic: one for each would cost as much as the decoding.
                let decode = || decode_run(&mut left, &mut replies, &limits, source, run, failed);
                if catch_unwind(AssertUnwindSafe(decode)).is_err()
                    && let Some(item) = left.next()
                {
                    failed.push((item, undecodable(source, PANICKED)));
                    run.push(None);
                }
            }
            self.results.join();
        }
    }

    /// Items that have a value, and items that have failed.
    pub(crate) fn counts(&self) -> (u64, u64) {
        let failed = self.failed.len() as u64;
        (self.replied.saturating_sub(failed - self.silent), failed)
    }

    /// Takes what has arrived in the cell.
    pub(crate) fn collect(&mut self, source: &Source) {
        let mut arrived = source.cell.take_arrived(std::mem::take(&mut self.spare));
        self.add(&mut arrived, source);
        self.spare = arrived;
    }

    /// Every item's own outcome, in the order of the input, those that never were in the job included.
    pub(crate) fn each(mut self, read: Read, source: &Source) -> Vec<Result<R, TaskError>> {
        let Read {
            items,
            refused,
            cut_short,
        } = read;
        self.failed.sort_by_key(|(item, _)| *item);
        let mut failed = self.failed.into_iter().peekable();
        let mut refused = refused.into_iter().peekable();
        let mut results = self.results.each();
        let mut job_item = 0u32;
        let mut each = Vec::with_capacity(items);
        for item in 0..items {
            if let Some((_, e)) = refused.next_if(|(at, _)| *at == item) {
                each.push(Err(source.describe(e, item)));
                continue;
            }
            let error = failed.next_if(|(at, _)| *at == job_item);
            let value = results.next(error.is_some());
            job_item = job_item.wrapping_add(1);
            each.push(match (value, error) {
                (_, Some((_, e))) => Err(complete(e, item, source)),
                (Some(value), None) => Ok(value),
                (None, None) => {
                    let cancelled = || TaskError::new(TaskErrorKind::Cancelled, source.name);
                    let error = cut_short.clone().unwrap_or_else(cancelled);
                    Err(complete(error, item, source))
                }
            });
        }
        each
    }

    /// All values, or the error of the lowest failed item.
    pub(crate) fn all(mut self, read: Read, source: &Source) -> Result<Vec<R>, TaskError> {
        let items = read.items;
        if read.refused.is_empty()
            && let Some(all) = self.results.all(items)
        {
            return Ok(all);
        }
        let mut all = Vec::with_capacity(items);
        let mut cancelled = None;
        for outcome in self.each(read, source) {
            match outcome {
                Ok(value) => all.push(value),
                // Items are cancelled because another one failed: that one is the story.
                Err(e) if e.kind() == TaskErrorKind::Cancelled => cancelled = cancelled.or(Some(e)),
                Err(e) => return Err(e),
            }
        }
        cancelled.map_or(Ok(all), Err)
    }
}

/// Decodes the replies of the items `left`, and takes each off it that has an outcome.
fn decode_run<R: DeserializeOwned>(
    left: &mut Range<u32>,
    replies: &mut Replies<'_>,
    limits: &Limits,
    source: &Source,
    run: &mut Run<R>,
    failed: &mut Vec<(u32, TaskError)>,
) {
    while left.start < left.end {
        let Some((ok, payload)) = replies.next() else {
            left.start = left.end;
            return;
        };
        let outcome = if ok {
            codec::decode(payload, limits).map_err(|e| undecodable(source, &e.to_string()))
        } else {
            Err(failure_error(source.name, payload))
        };
        run.push(outcome.map_err(|e| failed.push((left.start, e))).ok());
        left.start += 1;
    }
}

/// The error with its place in the input and the number of its task.
pub(crate) fn complete(error: TaskError, item: usize, source: &Source) -> TaskError {
    let error = source.describe(error.with_item(item), item);
    match source.id() {
        Some(id) => error.with_id(id),
        None => error,
    }
}
