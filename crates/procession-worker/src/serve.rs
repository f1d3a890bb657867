//! The loop of a pool worker: takes calls from its link, runs them, replies.
//!
//! It runs one call at a time, in the order of the ring, and must never return to the program's `main`.

use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{Ordering, fence};

use procession_os::clock::monotonic_ns;
use procession_os::doorbell::Sleeper;
use procession_os::prologue;
use procession_os::ring::{Consumer, Producer};
use procession_task::bytes::{self, APART_FROM};
use procession_task::codec::Limits;
use procession_task::descriptor::{Descriptor, resolve};
use procession_task::failure::{Failure, Stage};
use procession_task::frame::{CallHeader, Items, ReplyTag};

use crate::boot::EXIT_PROTOCOL;
use crate::link::{self, Layout, TAG_CALL, TAG_NEXT, TAG_STOP};

mod account;
mod bells;
mod control;
mod enter;
#[cfg(feature = "log")]
mod forward;
mod leave;
mod replies;
mod said;
mod words;

use account::Clock;
use control::Control;
pub(crate) use enter::{Pooled, run};
pub(crate) use words::{cannot_unwind, is_cancelled};

/// A frame buffer above this is given back before the worker sleeps.
const KEEP_BUFFER: usize = 64 << 20;

struct Server {
    said: said::Said,
    layout: Layout,
    calls: Consumer,
    replies: Producer,
    control: Rc<Control>,
    /// Sleeps until there are calls, or the parent says something else.
    sleeper: Sleeper,
    /// Sleeps until there is room for replies.
    room: Sleeper,
    limits: Limits,
    /// The last call: a short one says how it follows that.
    last: Option<CallHeader>,
    /// The descriptor of the last call: tasks repeat.
    known: Option<(i64, u64, &'static Descriptor)>,
    /// Spins in a row that ended in a sleep.
    vain_spins: u32,
    output: Vec<u8>,
    clock: Clock,
    exit_hook: Option<leave::ExitHook>,
}

impl Server {
    fn new(
        layout: Layout,
        control: Rc<Control>,
        mut calls: Consumer,
        replies: Producer,
        limits: Limits,
    ) -> Server {
        let sleeper = Sleeper::new(&layout.header, link::SLEEP);
        let room = Sleeper::new(&layout.header, link::ROOM);
        calls.limit(limits.max_bytes + CallHeader::BYTES + 4);
        Server {
            said: said::Said::new(&layout),
            layout,
            calls,
            replies,
            control,
            sleeper,
            room,
            limits,
            last: None,
            known: None,
            vain_spins: 0,
            output: Vec::new(),
            clock: Clock::new(),
            exit_hook: None,
        }
    }

    fn serve(&mut self) -> ! {
        let mut frame = Vec::new();
        loop {
            frame.clear();
            match self.calls.claim(&mut frame) {
                Ok(Some(TAG_CALL)) => {
                    if self.calls.missing() > 0 {
                        self.receive_rest(&mut frame);
                        self.clock.now = monotonic_ns();
                    }
                    self.calls.release();
                    if frame.len() < APART_FROM {
                        self.run_frame(&frame);
                    } else {
                        frame = self.run_lent(frame);
                    }
                }
                Ok(Some(TAG_NEXT)) => {
                    self.calls.release();
                    self.run_next(&frame);
                }
                Ok(Some(TAG_STOP)) => {
                    self.calls.release();
                    self.publish();
                    self.leave();
                }
                Ok(Some(_)) | Err(_) => prologue::exit_now(EXIT_PROTOCOL),
                Ok(None) => {
                    if frame.capacity() > KEEP_BUFFER {
                        frame = Vec::new();
                    }
                    self.wait_for_calls();
                    self.clock.now = monotonic_ns();
                }
            }
        }
    }

    /// Receives what of a long frame did not fit into the ring at once.
    fn receive_rest(&mut self, frame: &mut Vec<u8>) {
        while self.calls.missing() > 0 {
            match self.calls.more(frame) {
                Ok(0) => self.wait_for_calls(),
                Ok(_) => {}
                Err(_) => prologue::exit_now(EXIT_PROTOCOL),
            }
        }
    }

    /// Runs a long frame, which its arguments may keep in part; gives the buffer back if they do not.
    fn run_lent(&mut self, frame: Vec<u8>) -> Vec<u8> {
        let frame = Arc::new(frame);
        bytes::lend(&frame, || self.run_frame(&frame));
        Arc::into_inner(frame).unwrap_or_default()
    }

    fn run_frame(&mut self, frame: &[u8]) {
        match CallHeader::split(frame) {
            Some((head, items)) => self.run(head, Items::new(items)),
            None => prologue::exit_now(EXIT_PROTOCOL),
        }
    }

    /// Runs a call that is told by how it follows the one before it.
    fn run_next(&mut self, frame: &[u8]) {
        match (&self.last, frame.split_first()) {
            (Some(last), Some((step, args))) => self.run(last.stepped(*step), [args]),
            _ => prologue::exit_now(EXIT_PROTOCOL),
        }
    }

    fn run<'f>(&mut self, head: CallHeader, items: impl IntoIterator<Item = &'f [u8]>) {
        self.last = Some(head);
        if self.control.has_news() {
            self.control.hear();
        }
        let begun = self.clock.now;
        // Whoever sees the task sees its start.
        self.layout.set(link::ITEM, u64::from(head.first));
        self.layout.set(link::STARTED_NS, begun);
        let task = self.layout.header.at(link::TASK);
        task.store(head.task, Ordering::Release);
        match self.descriptor(&head) {
            Ok(descriptor) => {
                for (at, args) in (0..head.count).zip(items) {
                    let left = head.count - 1 - at;
                    // What is compared and told below changes as often as the clock is read.
                    let cancelled = self.clock.unread == 0 && self.begin_item(head.task);
                    if cancelled {
                        self.reply_failure(&Failure::new(Stage::Run, "cancelled"));
                    } else {
                        self.run_item(descriptor, head.first.wrapping_add(at), left, args);
                        self.clock.item_ran(&self.layout, head.offset);
                    }
                    if left > 0 {
                        self.show();
                    }
                }
            }
            Err(failure) => {
                for _ in 0..head.count {
                    self.reply_failure(&failure);
                }
            }
        }
        self.clock
            .frame_ran(&self.layout, begun, head.count, head.offset);
        self.show();
        // Dekker with the parent, which stores the bell and then looks at `staged`: see docs/protocol.md.
        fence(Ordering::SeqCst);
        self.ring_if_asked(self.calls.position());
    }

    /// Tells when an item begins; true when the rest of this task is not wanted.
    #[inline]
    fn begin_item(&self, task: u64) -> bool {
        self.layout.set(link::STARTED_NS, self.clock.now);
        self.layout.get(link::CANCEL) == task
    }

    #[inline]
    fn run_item(&mut self, descriptor: &'static Descriptor, item: u32, left: u32, args: &[u8]) {
        // Whoever sees the item sees its start, or a later one.
        let at = self.layout.header.at(link::ITEM);
        at.store(u64::from(item), Ordering::Release);
        self.output.clear();
        match descriptor.call(args, &mut self.output, &self.limits) {
            Ok(()) => {
                self.said.item_over(&self.layout, left);
                if !self.replies.write_short(ReplyTag::OK, &self.output) {
                    self.reply_value();
                }
            }
            Err(failure) => {
                self.said.item_over(&self.layout, left);
                self.reply_failure(&failure);
            }
        }
        // Also after a value: its own drop may have panicked once it was encoded.
        if self.layout.get(link::LAST_WORDS) != 0 {
            self.layout.set_last_words(&[]);
        }
    }

    /// Lets the replies written so far be seen by a parent that looks; by every parent, if that was not done for a while.
    #[inline]
    fn show(&mut self) {
        if self.clock.is_publishing_due() {
            self.publish();
        } else {
            self.replies.stage();
        }
    }

    fn descriptor(&mut self, head: &CallHeader) -> Result<&'static Descriptor, Failure> {
        if let Some((offset, fingerprint, known)) = self.known
            && (offset, fingerprint) == (head.offset, head.fingerprint)
        {
            return Ok(known);
        }
        let found = resolve(head.offset, head.fingerprint)
            .map_err(|e| Failure::new(Stage::UnknownTask, e.to_string()))?;
        self.known = Some((head.offset, head.fingerprint, found));
        Ok(found)
    }
}
