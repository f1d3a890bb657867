//! Replies: from the links to the jobs they answer.
//!
//! It must never decode a value (that is the asker's work), and never believe a count it has not checked against
//! what the scheduler handed out.

use procession_worker::TaskError;
use procession_worker::handle::{Replies, Short};

use super::Driver;
use super::parts::{JobData, Payload};
use crate::cell::Raw;
use crate::core::Slot;

/// What came of a call.
#[derive(Debug)]
pub(super) enum Reply {
    Short(Short),
    Long(Result<Raw, TaskError>),
}

impl Driver {
    /// Collects the replies of every worker that has work; true when anything came or went.
    pub(crate) fn collect_all(&mut self, staged: bool, now: u64) -> bool {
        self.clock.saw(now);
        let mut progress = false;
        for at in 0..self.parts.seats.len() {
            let busy = self
                .parts
                .seats
                .get(at)
                .and_then(|s| s.worker.as_ref())
                .is_some_and(|w| w.frames() > 0);
            if busy {
                progress |= self.collect(Slot(at as u32), staged, now);
            }
        }
        progress
    }

    /// Collects the replies of one worker and continues what is streamed to it.
    pub(crate) fn collect(&mut self, slot: Slot, staged: bool, now: u64) -> bool {
        let Some(worker) = self.parts.seat(slot).and_then(|s| s.worker.as_mut()) else {
            return false;
        };
        let pumped = worker.is_streaming() && worker.pump() > 0;
        match worker.collect(staged) {
            Ok(0) => pumped,
            Ok(_) => {
                // What the answered calls have written comes before their outcomes.
                self.take_output(slot);
                let Some(worker) = self.parts.seat(slot).and_then(|s| s.worker.as_mut()) else {
                    return false;
                };
                let inbox = worker.take_inbox();
                let used = self.deliver(slot, &inbox, now);
                if let Some(worker) = self.parts.seat(slot).and_then(|s| s.worker.as_mut()) {
                    worker.put_inbox(inbox, used);
                }
                true
            }
            Err(e) => {
                self.parts.violate(slot, e.to_string());
                pumped
            }
        }
    }

    /// Hands the whole frames in `inbox` to the jobs they answer; returns the bytes used.
    fn deliver(&mut self, slot: Slot, inbox: &[u8], now: u64) -> usize {
        // Nobody waits for what a worker says that was told to end.
        let seat = self.parts.seat(slot).filter(|seat| !seat.ending);
        let Some(who) = seat.and_then(|seat| seat.incarnation) else {
            return inbox.len();
        };
        self.measure(slot);
        if let Some(largest) = self.largest {
            self.weigh(slot, who, largest, now);
        }
        let Driver { core, parts, .. } = self;
        let mut replies = Replies::new(inbox);
        let (mut used, mut failures) = (0, 0);
        let mut unreadable = false;
        // Calls handed out below come after these replies: none of them is an answer to those.
        let mut given = parts.frames(slot);
        while used < inbox.len() {
            let Some((job, first, left)) = core.front(slot).filter(|_| given > 0) else {
                parts.violate(slot, "it replied to a call it was not given".into());
                used = inbox.len();
                break;
            };
            let data = parts.known_job(job);
            let watched = data.is_some_and(|data| data.again.is_some());
            let described = data.is_some_and(|data| data.described.is_some());
            let most = if watched { 1 } else { left };
            let (mut failed, mut errors) = (None, 0);
            let (mut last_ok, mut last_payload) = (true, &[][..]);
            let mut short = None;
            let mut count = match most {
                // Whoever watches wants the bytes.
                1 if watched => 0,
                1 => {
                    short = replies.next_short_value();
                    u32::from(short.is_some())
                }
                _ => replies.skip_short_values(most),
            };
            while count < most
                && let Some((ok, payload)) = replies.next()
            {
                if !ok {
                    failed = failed.or(Some(first + count));
                    errors += 1;
                    unreadable |= !crate::result::is_readable_failure(payload);
                }
                (last_ok, last_payload) = (ok, payload);
                count += 1;
            }
            if count == 0 {
                break;
            }
            let frames = inbox.get(used..replies.consumed()).unwrap_or_default();
            used = replies.consumed();
            if described {
                parts.describe_slow(slot, job, first, count);
            }
            // A cancelled job is over: its late replies are nobody's.
            let mut fault = None;
            if watched
                && let Some(data) = parts.known_job(job)
                && let Some((how, answer)) = data.fault(first, last_ok, last_payload)
            {
                fault = Some(how);
                parts.answer = Some(answer);
            }
            if let Some(data) = parts.job(job).filter(|_| fault.is_none()) {
                failures += errors;
                let told = match data.payload {
                    Payload::Many(_) => {
                        data.payload.answered(first, count);
                        let first = data.base.wrapping_add(first);
                        data.cell.add_run(first, count, frames)
                    }
                    Payload::Word(_)
                    | Payload::Short(_)
                    | Payload::Long(_)
                    | Payload::Mentioning(_) => {
                        let reply = match short {
                            Some(value) => Reply::Short(value),
                            None => Reply::Long(data.one_reply(last_ok, last_payload)),
                        };
                        parts.arrived = Some((job, reply));
                        None
                    }
                };
                parts.tell(told);
            }
            if count == left
                && let Some(worker) = parts.seat(slot).and_then(|s| s.worker.as_mut())
            {
                worker.frame_replied();
                given -= 1;
            }
            match fault {
                None => core.replied(who, count, failed, now, parts),
                Some(fault) => core.failed(who, fault, now, parts),
            }
            if parts.arrived.is_some() {
                parts.arrived = None;
            }
        }
        if replies.is_strange() {
            parts.violate(slot, "it sent a reply of an unknown kind".into());
        }
        if unreadable {
            parts.violate(slot, "it sent a failure that cannot be read".into());
        }
        let wanted = replies.wanted();
        self.failed_replies += failures;
        if wanted > self.max_reply() {
            self.parts
                .violate(slot, "it announced a result above the size limit".into());
        }
        used
    }

    fn max_reply(&self) -> usize {
        self.max_frame + 64 * 1024
    }

    /// Passes on how long the items took since the last look, by the worker's own account.
    fn measure(&mut self, slot: Slot) {
        let Some((busy, items)) = self.note_work(slot).filter(|(_, items)| *items > 0) else {
            return;
        };
        let data = self.core.front(slot);
        let data = data.and_then(|(job, _, _)| self.parts.known_job(job));
        let who = self
            .parts
            .seats
            .get(slot.index())
            .and_then(|seat| seat.incarnation);
        if let (Some(data), Some(who)) = (data, who) {
            self.core.measured(who, data.profile, items, busy);
        }
    }
}

impl JobData {
    fn one_reply(&self, ok: bool, payload: &[u8]) -> Result<Raw, TaskError> {
        if ok {
            Ok(Raw::new(payload))
        } else {
            Err(crate::result::failure_error(self.task.name(), payload).with_id(self.id))
        }
    }
}
