//! What goes between a stream and the pool: portions of the input out, outcomes in, and the wait for news.
//!
//! The input, encoding and decoding are user code, which may block or panic: none of it must run while a lock is held.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use procession_task::codec::Limits;
use procession_worker::TaskError;
use procession_worker::handle::{Replies, now_ns};
use serde::de::DeserializeOwned;

use super::{By, FIRST_LOOK, Items, LATER_LOOK, Place, Stream, Unsent};
use crate::broadcast::with_mentions;
use crate::call::forked;
use crate::cell::Arrived;
use crate::core::Terms;
use crate::driver::NotTaken;
use crate::driver::stream::Given;
use crate::map::complete;
use crate::not_yet::NotYet;
use crate::options::start_by;
use crate::portion::{Portion, Stopped};
use crate::result::{after, decode_result, failure_error};
use crate::retry::run_here;

impl<R: DeserializeOwned, I: Items + ?Sized> Stream<R, I> {
    /// Reads a portion of the input, if there is room, and hands it out; false when nothing was read, or a full pool had no
    /// room for it by then.
    pub(super) fn fill(&mut self, by: Option<u64>) -> bool {
        if let Some(unsent) = self.unsent.take() {
            return self.give(unsent, by);
        }
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
        let spent = match read {
            Ok(Stopped::Full | Stopped::Refused(_)) => None,
            Ok(Stopped::Ended) | Err(_) => self.input.take(),
        };
        let first = self.held.take_in(portion.items());
        let read = read.map_err(|panic| self.panic = Some(panic));
        if let Ok(Stopped::Refused(error)) = read {
            let item = self.held.take_in(1);
            self.resolve_here(item, error);
        }
        let given = portion.items() == 0 || {
            let start_by = start_by(self.wait);
            let unsent = Unsent {
                portion,
                first,
                start_by,
            };
            self.give(unsent, by)
        };
        // Last: it is user code, and everything is in order now.
        drop(spent);
        given
    }

    /// Hands a portion to the workers, or runs it here; false when it has to wait for room.
    fn give(&mut self, unsent: Unsent, by: Option<u64>) -> bool {
        let Unsent {
            mut portion,
            first,
            start_by,
        } = unsent;
        let terms = Terms {
            start_by,
            ..self.terms
        };
        if let Some(each) = &self.each {
            each.prepare();
        }
        let (items, bytes) = (portion.items(), portion.bytes());
        let refusal = match &self.place {
            Some((task, Place::Here(phase))) => {
                let segment = portion.take_segment(0, Portion::new());
                let limits = Limits::default();
                let retries = self.retries.as_ref();
                let ran = phase.take_on(self.source.name).and_then(|taken| {
                    let run = || run_here(retries, &taken, *task, &segment.bytes, &limits);
                    with_mentions(&segment.mentions, run)
                });
                if let Some(each) = &self.each {
                    Arc::clone(each).ended(first as u32, ran.clone());
                }
                let outcome = ran.and_then(|raw| decode_result(raw.bytes(), &self.source));
                match outcome {
                    Ok(value) => self.resolve_value(first, value),
                    Err(e) => self.resolve_error(first, e),
                }
                return true;
            }
            Some((task, Place::Workers(shared))) if shared.is_ours() => {
                let given = shared.give(Given {
                    task: *task,
                    portion: &mut portion,
                    items,
                    first: first as u32,
                    chunk: self.flow.chunk(),
                    terms,
                    priority: self.priority,
                    owners: self.owners.map(|owners| owners.beginning_with(first)),
                    retries: self.retries.as_ref(),
                    cell: &self.source.cell,
                    each: self.each.as_deref(),
                    described: &self.source.described,
                    id: self.source.id(),
                    span: &mut self.span,
                    by,
                });
                match given {
                    Ok(taken) => {
                        self.source.has_id(taken.id);
                        self.flow.learn(taken.worth_sending, items, bytes);
                        if let Some(each) = &self.each {
                            each.attend(shared);
                        }
                        return true;
                    }
                    Err(NotTaken::Full) => {
                        self.unsent = Some(Unsent {
                            portion,
                            first,
                            start_by,
                        });
                        return false;
                    }
                    Err(NotTaken::Refused(refused)) => shared.refusal(refused, self.source.name),
                }
            }
            Some((_, Place::Workers(_))) | None => forked(self.source.name),
        };
        for item in first..first + u64::from(items) {
            self.resolve_here(item, refusal.clone());
        }
        true
    }

    /// An error that the cell does not know of.
    fn resolve_here(&mut self, item: u64, error: TaskError) {
        if let Some(each) = &self.each {
            Arc::clone(each).ended(item as u32, Err(error.clone()));
        }
        self.resolve_error(item, error);
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
    pub(super) fn collect(&mut self) {
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
    pub(super) fn wait(&mut self, by: By) -> Result<(), NotYet> {
        let shared = match &self.source.shared {
            Some(shared) if shared.is_ours() => shared,
            // Nothing moves in a forked copy.
            Some(_) | None => {
                self.held.abandon(&forked(self.source.name));
                return Ok(());
            }
        };
        let cells = [&*self.source.cell];
        let mut pause = FIRST_LOOK;
        while self.flow.sends_chunks() {
            let look = [after(pause), by.outcome].into_iter().flatten().min();
            if shared.wait(&cells, None, look, None) {
                shared.settle(by.lines);
                return Ok(());
            }
            if by.outcome.is_some_and(|at| now_ns() >= at) {
                return Err(NotYet);
            }
            pause = (pause * 2).min(LATER_LOOK);
        }
        if shared.wait(&cells, None, by.outcome, None) {
            shared.settle(by.lines);
            Ok(())
        } else {
            Err(NotYet)
        }
    }
}
