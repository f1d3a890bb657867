//! Maps: many items of one function as one job, encoded as they are read and decoded as they arrive.
//!
//! It must never hold a lock while it reads the caller's iterator, encodes or decodes: all of that is user code.

use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use procession_task::codec::{self, CodecError, CodecErrorKind, Limits};
use procession_task::task::Arguments;
use procession_worker::handle::Replies;
use procession_worker::{TaskError, TaskErrorKind};
use serde::de::DeserializeOwned;

use crate::broadcast::{Encoding, Mentions};
use crate::cell::Arrived;
use crate::describe::Described;
use crate::driver::parts::Segment;
use crate::result::{PANICKED, Source, failure_error, undecodable};

/// Items in the first portion handed to the workers, so that they begin early; portions double from there.
const FIRST_PORTION: u32 = 32;
const LARGEST_PORTION: u32 = 8192;
/// A portion ends at this many bytes, whatever it holds.
const PORTION_BYTES: usize = 256 * 1024;

/// Encodes items into portions.
#[derive(Debug)]
pub(crate) struct Encoder {
    name: &'static str,
    encoding: Encoding,
    bytes: Vec<u8>,
    starts: Vec<u32>,
    mentions: Mentions,
    first: u32,
    portion: u32,
    largest: u32,
    /// Items of the input that never became items of the job, with why.
    refused: Vec<(usize, TaskError)>,
    /// Items of the input read so far.
    pub(crate) read: usize,
    /// Where the arguments are kept as text, if that is wanted.
    described: Option<Arc<Described>>,
}

impl Encoder {
    pub(crate) fn new(name: &'static str, encoding: Encoding) -> Encoder {
        Encoder {
            name,
            encoding,
            bytes: Vec::new(),
            starts: vec![0],
            mentions: None,
            first: 0,
            portion: FIRST_PORTION,
            largest: LARGEST_PORTION,
            refused: Vec::new(),
            read: 0,
            described: None,
        }
    }

    /// Keeps the arguments as text, too.
    pub(crate) fn describing(mut self, described: Option<Arc<Described>>) -> Encoder {
        self.described = described;
        self
    }

    /// Portions of at most so many items.
    pub(crate) fn in_portions_of(mut self, items: u32) -> Encoder {
        self.largest = self.largest.min(items);
        self.portion = self.portion.min(items);
        self
    }

    /// Adds an item; true when a portion is full.
    pub(crate) fn push<A: Arguments>(&mut self, args: &A) -> bool {
        let encoded = self
            .encoding
            .push(args, &mut self.bytes, &mut self.mentions);
        match encoded {
            Ok(()) => self
                .starts
                .push(u32::try_from(self.bytes.len()).unwrap_or(u32::MAX)),
            Err(e) => self
                .refused
                .push((self.read, encode_error(self.name, &e).with_item(self.read))),
        }
        if let Some(described) = &self.described {
            described.note(self.read as u64, args);
        }
        self.read += 1;
        self.starts.len() as u32 > self.portion || self.bytes.len() >= PORTION_BYTES
    }

    /// Takes the items that could not be encoded.
    pub(crate) fn take_refused(&mut self) -> Vec<(usize, TaskError)> {
        std::mem::take(&mut self.refused)
    }

    /// Whether any item could not be encoded.
    pub(crate) fn has_refused(&self) -> bool {
        !self.refused.is_empty()
    }

    /// Takes what has been added since the last portion, and how many items that is.
    pub(crate) fn take(&mut self) -> (Segment, u32) {
        let items = (self.starts.len() as u32).saturating_sub(1);
        self.first += items;
        let portion = (self.portion * 2).min(self.largest);
        let (bytes, starts) = self.empty_for(portion);
        self.portion = portion;
        let segment = Segment {
            first: self.first - items,
            bytes: Arc::new(std::mem::replace(&mut self.bytes, bytes)),
            starts: std::mem::replace(&mut self.starts, starts),
            mentions: self.mentions.take(),
        };
        (segment, items)
    }

    /// Buffers that a portion like the last one, of so many items, need not grow.
    fn empty_for(&self, portion: u32) -> (Vec<u8>, Vec<u32>) {
        let grows = portion.div_ceil(self.portion.max(1)) as usize;
        let bytes = (self.bytes.len() + self.bytes.len() / 8).saturating_mul(grows);
        let mut starts = Vec::with_capacity(portion as usize + 2);
        starts.push(0);
        (Vec::with_capacity(bytes.min(PORTION_BYTES)), starts)
    }
}

/// The error of arguments that cannot be encoded.
pub(crate) fn encode_error(name: &'static str, e: &CodecError) -> TaskError {
    let kind = match e.kind() {
        CodecErrorKind::TooLarge { .. } => TaskErrorKind::TooLarge,
        _ => TaskErrorKind::EncodeArgs,
    };
    TaskError::new(kind, name).with_detail(e.to_string())
}

/// The results of a map as they come in.
pub(crate) struct Collector<R> {
    results: Vec<Option<R>>,
    failed: Vec<(u32, TaskError)>,
    replied: u64,
    /// How many of the failed ones did not reply.
    silent: u64,
    /// What was collected last: its memory is used again.
    spare: Arrived,
}

impl<R: DeserializeOwned> Collector<R> {
    pub(crate) fn new() -> Collector<R> {
        Collector {
            results: Vec::new(),
            failed: Vec::new(),
            replied: 0,
            silent: 0,
            spare: Arrived::default(),
        }
    }

    /// Decodes what has arrived.
    fn add(&mut self, arrived: &mut Arrived, source: &Source) {
        self.silent += arrived.failed.len() as u64;
        self.failed.append(&mut arrived.failed);
        let limits = source.limits();
        let mut replies = Replies::new(&arrived.frames);
        for &(first, count) in &arrived.runs {
            self.replied += u64::from(count);
            if self.results.len() < first as usize {
                self.results.resize_with(first as usize, || None);
            }
            let mut left = first..first + count;
            while left.start < left.end {
                // One guard for all that decode without a panic: one for each would cost as much as the decoding.
                let decode = || self.decode(&mut left, &mut replies, &limits, source);
                if catch_unwind(AssertUnwindSafe(decode)).is_err()
                    && let Some(item) = left.next()
                {
                    self.failed.push((item, undecodable(source, PANICKED)));
                    self.put(item, None);
                }
            }
        }
    }

    /// Decodes the replies of the items `left`, and takes each off it that has an outcome.
    fn decode(
        &mut self,
        left: &mut Range<u32>,
        replies: &mut Replies<'_>,
        limits: &Limits,
        source: &Source,
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
            let item = left.start;
            let value = outcome.map_err(|e| self.failed.push((item, e))).ok();
            self.put(item, value);
            left.start += 1;
        }
    }

    #[inline]
    fn put(&mut self, item: u32, value: Option<R>) {
        match self.results.get_mut(item as usize) {
            Some(place) => *place = value,
            None => self.results.push(value),
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

    /// Every item's own outcome, in the order of the input, `refused` items included.
    pub(crate) fn each(
        mut self,
        items: usize,
        refused: Vec<(usize, TaskError)>,
        source: &Source,
    ) -> Vec<Result<R, TaskError>> {
        self.failed.sort_by_key(|(item, _)| *item);
        let mut failed = self.failed.into_iter().peekable();
        let mut refused = refused.into_iter().peekable();
        let mut results = self.results.into_iter();
        let mut job_item = 0u32;
        let mut each = Vec::with_capacity(items);
        for item in 0..items {
            if let Some((_, e)) = refused.next_if(|(at, _)| *at == item) {
                each.push(Err(source.describe(e, item)));
                continue;
            }
            let value = results.next().flatten();
            let error = failed.next_if(|(at, _)| *at == job_item);
            job_item += 1;
            each.push(match (value, error) {
                (_, Some((_, e))) => Err(complete(e, item, source)),
                (Some(value), None) => Ok(value),
                (None, None) => Err(complete(
                    TaskError::new(TaskErrorKind::Cancelled, source.name),
                    item,
                    source,
                )),
            });
        }
        each
    }

    /// All values, or the error of the lowest failed item.
    pub(crate) fn all(
        self,
        items: usize,
        refused: Vec<(usize, TaskError)>,
        source: &Source,
    ) -> Result<Vec<R>, TaskError> {
        if self.failed.is_empty() && refused.is_empty() && self.results.len() == items {
            // Collected in place: no second vector.
            let all: Option<Vec<R>> = self.results.into_iter().collect();
            let missing = || TaskError::new(TaskErrorKind::Cancelled, source.name);
            return all.ok_or_else(missing);
        }
        let mut all = Vec::with_capacity(items);
        let mut cancelled = None;
        for outcome in self.each(items, refused, source) {
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

/// The error with its place in the input and the number of its task.
pub(crate) fn complete(error: TaskError, item: usize, source: &Source) -> TaskError {
    let error = source.describe(error.with_item(item), item);
    match source.id {
        Some(id) => error.with_id(id),
        None => error,
    }
}
