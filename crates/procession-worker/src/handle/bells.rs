//! What the parent asks of a worker besides calls: bells and spinning. See `docs/protocol.md` for the handshake.

use std::sync::atomic::{Ordering, fence};
use std::time::Duration;

use procession_os::words::Words;

use super::{News, Worker};
use crate::link::{self, Bell};

/// Bells that nobody asked for before a worker counts as one that only wants to keep its parent awake.
const MOST_UNASKED: i64 = 1_000;

impl Worker {
    /// Asks to be told: see [`Bell`]. Before calls are published this needs no fence.
    pub fn ask(&self, bell: Bell, at: u64) {
        self.layout
            .header
            .at(link::BELL)
            .store(bell.word(at), Ordering::Release);
        if bell == Bell::Loop {
            self.bells_due.set(self.bells_due.get().saturating_add(1));
        }
    }

    /// It rang for the pool's own thread. An honest worker does so at most once for each time it was asked, so one that
    /// rings much oftener only keeps the thread busy.
    pub(super) fn rang(&self) -> News {
        let due = self.bells_due.get().saturating_sub(1);
        self.bells_due.set(due);
        if due < -MOST_UNASKED {
            return News::Broken("wake flood: it rings without being asked".into());
        }
        News::Bell
    }

    /// What was asked and not yet answered.
    pub fn asked(&self) -> Bell {
        Bell::parse(self.layout.get(link::BELL)).0
    }

    /// Orders a bell asked for before a look at the replies: what the worker stages after that look, it
    /// stages seeing the bell.
    pub fn fence() {
        fence(Ordering::SeqCst);
    }

    /// The words a waiting thread sleeps on; they keep the mapping alive.
    pub fn rung_words(&self) -> Words {
        self.layout.header.sub(link::RUNG, 1)
    }

    /// How long the worker may spin when it runs dry.
    pub fn allow_spin(&self, spin: Duration) {
        let ns = spin.as_nanos() as u64;
        if self.layout.get(link::SPIN) != ns {
            self.layout.set(link::SPIN, ns);
        }
    }
}
