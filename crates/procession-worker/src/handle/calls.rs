//! Calls on their way to a worker: frames, streams, and what was not begun coming back.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use procession_os::ring::Short;
use procession_task::bytes::Encoded;
use procession_task::frame::CallHeader;

use super::{Outgoing, STREAM_ABOVE, Sent, Source, Worker};
use crate::error::Error;
use crate::link::{self, PIECE, TAG_CALL, TAG_NEXT, TAG_STOP};

/// Frames held back at the most.
const MOST_HELD: usize = 16;

impl Worker {
    /// Puts one call frame on the link; [`Worker::flush`] makes it visible.
    ///
    /// `range` is the frame's items within `bytes`, each with its length before it. A frame longer than half
    /// the ring is streamed, which needs a worker that has begun everything it was given.
    pub fn send(
        &mut self,
        head: CallHeader,
        bytes: &Arc<Vec<u8>>,
        range: std::ops::Range<usize>,
    ) -> Sent {
        let Some(items) = bytes.get(range.clone()) else {
            return Sent::NoRoom;
        };
        if items.len() <= STREAM_ABOVE {
            return self.send_short(head, items);
        }
        self.stream(
            head,
            Outgoing {
                from: Source::Items(Arc::clone(bytes)),
                at: range.start,
                end: range.end,
            },
        )
    }

    /// As [`Worker::send`] for a frame of one item, with its length before it.
    pub fn send_item(&mut self, head: CallHeader, item: &Arc<Encoded>) -> Sent {
        if item.len() <= STREAM_ABOVE
            && let Some(item) = item.in_one_piece()
        {
            return self.send_short(head, item);
        }
        self.stream(
            head,
            Outgoing {
                from: Source::Item(Arc::clone(item)),
                at: 0,
                end: item.len(),
            },
        )
    }

    fn stream(&mut self, head: CallHeader, outgoing: Outgoing) -> Sent {
        if self.outgoing.is_some() || !matches!(self.calls.is_drained(), Ok(true)) {
            return Sent::NoRoom;
        }
        let bytes = head.to_bytes();
        let Ok(len) = u32::try_from(bytes.len() + outgoing.end - outgoing.at) else {
            return Sent::NoRoom;
        };
        if !self.calls.has_room(bytes.len()) || !self.calls.begin(TAG_CALL, len) {
            return Sent::NoRoom;
        }
        // Nothing is published here: the bell is asked for first, see `flush`.
        self.calls.feed(&bytes);
        self.note_sent(&head);
        self.outgoing = Some(outgoing);
        Sent::Yes
    }

    /// As [`Worker::send`] for a frame that fits into half the ring, from borrowed bytes.
    pub fn send_short(&mut self, head: CallHeader, items: &[u8]) -> Sent {
        // Of a single item, without its length.
        let next = |step| Short::after(step, items.get(4..)?);
        self.send_next_or(head, next, items)
    }

    /// As [`Worker::send_short`] for a single item, with the length before it.
    #[inline]
    pub fn send_word(&mut self, head: CallHeader, item: Short) -> Sent {
        self.send_next_or(head, |step| item.behind(step, 4), item.bytes())
    }

    /// Sends a call that is short and like the one before it in one word, which `next` makes of the step between them; any other
    /// as it is.
    #[inline]
    fn send_next_or(
        &mut self,
        head: CallHeader,
        next: impl FnOnce(u8) -> Option<Short>,
        items: &[u8],
    ) -> Sent {
        let step = self.last.as_ref().and_then(|last| head.step_from(last));
        let word = step.and_then(next);
        if self.outgoing.is_some()
            || !(word.is_some_and(|word| self.calls.put_short(TAG_NEXT, word))
                || self.calls.write(TAG_CALL, &[&head.to_bytes(), items]))
        {
            return Sent::NoRoom;
        }
        self.note_sent(&head);
        self.unpublished += 1;
        Sent::Yes
    }

    fn note_sent(&mut self, head: &CallHeader) {
        self.last = Some(*head);
        let task = head.task;
        self.ends.push_back(self.calls.position());
        if let Some(outputs) = &mut self.outputs {
            outputs.sent(task);
        }
    }

    /// Whether frames written since the last flush may wait for the next: they are few, and the worker has others.
    pub fn may_hold(&self) -> bool {
        self.unpublished < MOST_HELD
            && self.unpublished < self.ends.len()
            && self.outgoing.is_none()
    }

    /// Asks the worker to end in good order after all it was given. False: no room, ask again.
    pub fn stop(&mut self) -> bool {
        let sent = self.outgoing.is_none() && self.calls.write(TAG_STOP, &[]);
        if sent && self.has_exit_hook {
            self.exit_due.get_or_insert_with(super::now_ns);
        }
        self.flush();
        sent
    }

    /// Continues a streamed call as far as there is room; returns how many bytes went.
    pub fn pump(&mut self) -> usize {
        let Some(out) = &mut self.outgoing else {
            return 0;
        };
        let begun = out.at;
        loop {
            let rest = out.next();
            let fed = self.calls.feed(rest.get(..PIECE).unwrap_or(rest));
            out.at += fed;
            if fed > 0 {
                self.calls.publish();
                self.waker.wake_if_asleep();
            }
            if fed == 0 || out.at >= out.end {
                break;
            }
        }
        let went = out.at - begun;
        if out.at >= out.end {
            self.outgoing = None;
        }
        went
    }

    /// True while a long call is being streamed to this worker.
    pub fn is_streaming(&self) -> bool {
        self.outgoing.is_some()
    }

    /// True while a frame longer than the free space is on its way in either direction.
    pub fn is_moving(&self) -> bool {
        self.outgoing.is_some() || !self.inbox.is_empty()
    }

    /// Publishes what was written and wakes the worker if it sleeps. Whoever wants a bell for it asks before.
    pub fn flush(&mut self) {
        self.unpublished = 0;
        if self.calls.publish() {
            self.waker.wake_if_asleep();
        }
        self.pump();
    }

    /// The oldest frame has its last reply.
    pub fn frame_replied(&mut self) {
        self.ends.pop_front();
        if let Some(outputs) = &mut self.outputs {
            outputs.replied();
        }
    }

    /// How many frames wait for a reply.
    pub fn frames(&self) -> usize {
        self.ends.len()
    }

    /// How many of the frames without a last reply the worker has claimed: one that keeps the protocol, at most one.
    ///
    /// # Errors
    /// When the claim index is not a possible one.
    pub fn begun_frames(&mut self) -> Result<u32, Error> {
        let claimed = self
            .calls
            .claimed()
            .map_err(|e| Error::message(e.to_string()))?;
        let begun = self.ends.iter().take_while(|end| **end <= claimed);
        Ok(u32::try_from(begun.count()).unwrap_or(u32::MAX))
    }

    /// Takes back every frame the worker has not begun; returns how many.
    ///
    /// # Errors
    /// When the claim index is not a possible one.
    pub fn take_back(&mut self) -> Result<u32, Error> {
        let claimed = self
            .calls
            .take_back()
            .map_err(|e| Error::message(e.to_string()))?;
        let mut taken = 0;
        while self.ends.back().is_some_and(|end| *end > claimed) {
            self.ends.pop_back();
            if let Some(outputs) = &mut self.outputs {
                outputs.taken_back();
            }
            self.unpublished = self.unpublished.saturating_sub(1);
            taken += 1;
            self.outgoing = None;
        }
        if taken > 0 {
            // The next call follows one that the worker has claimed: which one, is not known here.
            self.last = None;
        }
        Ok(taken)
    }

    /// When the worker began this item, by its own account; `None` when it is at nothing, or at another task or item.
    pub fn started_at(&self, task: u64, item: u32) -> Option<u64> {
        let at = |word| self.layout.header.at(word).load(Ordering::Acquire);
        (at(link::TASK) == task && at(link::ITEM) == u64::from(item))
            .then(|| self.layout.get(link::STARTED_NS))
    }

    /// Tells the worker that nobody waits for what it is at of this task; one that is at another task by now does not mind.
    pub fn cancel(&self, task: u64) {
        self.layout.set(link::CANCEL, task);
    }

    /// Takes that back, when it has replied: what is sent from here on is wanted, of that task too. Whoever sees a frame that
    /// is published after this sees this.
    pub fn cancel_nothing(&self) {
        self.layout.set(link::CANCEL, 0);
    }

    /// Position at which the `n`th frame without a last reply ends (0 is the oldest).
    pub fn end_of(&self, n: usize) -> Option<u64> {
        self.ends.get(n).copied()
    }
}
