//! How a worker waits and rings: for calls, for room, for whoever asked to hear of a reply.
//!
//! It must neither lose a wake-up nor ring anybody who did not ask; docs/protocol.md has the argument.

use std::sync::atomic::{Ordering, fence};
use std::time::Duration;

use procession_os::clock::monotonic_ns;
use procession_os::doorbell;
use procession_os::prologue;

use crate::boot::EXIT_PROTOCOL;
use crate::link::{self, Bell};

use super::Server;

/// How long an idle worker sleeps before it looks whether its parent still holds the control socket.
const IDLE_LOOK: Duration = Duration::from_secs(5);
/// Whatever the parent allows.
const LONGEST_SPIN_NS: u64 = 1_000_000;

impl Server {
    /// Returns when the parent has published something more. Rings first: a dry worker is news.
    pub(super) fn wait_for_calls(&mut self) {
        self.calls.release();
        self.publish();
        let (who, at) = Bell::parse(self.layout.get(link::BELL));
        // Nobody waits for a bell of the pool's own thread unless it is asked for from the first call on.
        if who != Bell::Loop || at == 0 {
            self.ring_if_asked(u64::MAX);
        }
        if self.spin() {
            return;
        }
        self.ring_if_asked(u64::MAX);
        let (calls, control) = (&mut self.calls, &self.control);
        let slept = self
            .sleeper
            .sleep_unless(|| !calls.is_empty() || control.has_news(), Some(IDLE_LOOK));
        if slept.is_err() {
            prologue::exit_now(EXIT_PROTOCOL);
        }
        if self.calls.is_empty() {
            self.control.hear();
        }
    }

    /// Polls for calls as long as the parent allows; true when there are some. In vain a few times in a row, it
    /// polls only briefly until it is not.
    fn spin(&mut self) -> bool {
        let allowed = self.layout.get(link::SPIN).min(LONGEST_SPIN_NS);
        let spin = if self.vain_spins > 3 {
            allowed / 10
        } else {
            allowed
        };
        if spin == 0 {
            return !self.calls.is_empty();
        }
        let start = monotonic_ns();
        for round in 1u32.. {
            if !self.calls.is_empty() {
                self.vain_spins = 0;
                return true;
            }
            doorbell::spin_hint(round);
            if round.is_multiple_of(16) && monotonic_ns().saturating_sub(start) > spin {
                break;
            }
        }
        self.vain_spins = self.vain_spins.saturating_add(1);
        false
    }

    /// Returns when the parent has taken something from the full reply ring.
    pub(super) fn wait_for_room(&mut self) {
        self.publish();
        fence(Ordering::SeqCst);
        self.ring_if_asked(u64::MAX);
        let spin = self.layout.get(link::SPIN).max(10_000);
        let start = monotonic_ns();
        let mut round = 0;
        while monotonic_ns().saturating_sub(start) < spin {
            if self.replies.has_room(0) {
                return;
            }
            doorbell::spin_hint(round);
            round += 1;
        }
        let replies = &mut self.replies;
        let slept = self
            .room
            .sleep_unless(|| replies.has_room(0), Some(IDLE_LOOK));
        if slept.is_err() {
            prologue::exit_now(EXIT_PROTOCOL);
        }
        if !self.replies.has_room(0) {
            self.control.hear();
        }
    }

    pub(super) fn publish(&mut self) {
        self.replies.stage();
        if self.replies.publish() {
            self.clock.published = self.clock.now;
        }
        fence(Ordering::SeqCst);
    }

    /// Rings when the parent asked to hear of call position `done`, or when `done` says "dry".
    ///
    /// The word is taken by compare-and-swap: a request stored meanwhile is looked at, never lost.
    pub(super) fn ring_if_asked(&mut self, done: u64) {
        let mut asked = self.layout.get(link::BELL);
        loop {
            let (who, at) = Bell::parse(asked);
            if who == Bell::Silent || done < at {
                return;
            }
            self.publish();
            if who == Bell::Poller {
                return;
            }
            let word = self.layout.header.at(link::BELL);
            match word.compare_exchange(asked, 0, Ordering::AcqRel, Ordering::Relaxed) {
                Ok(_) => return self.ring(who),
                Err(found) => asked = found,
            }
        }
    }

    fn ring(&self, who: Bell) {
        if who == Bell::Loop {
            self.control.ring();
        } else {
            let rung = self.layout.header.futex(link::RUNG);
            rung.fetch_add(1, Ordering::AcqRel);
            doorbell::wake(rung);
        }
    }
}
