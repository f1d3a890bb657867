//! What the parent asks of a worker besides calls: bells and spinning. See `docs/protocol.md` for the handshake.

use std::sync::atomic::{Ordering, fence};
use std::time::Duration;

use procession_os::words::Words;

use super::Worker;
use crate::link::{self, Bell};

impl Worker {
    /// Asks to be told: see [`Bell`]. Before calls are published this needs no fence.
    pub fn ask(&self, bell: Bell, at: u64) {
        self.layout
            .header
            .at(link::BELL)
            .store(bell.word(at), Ordering::Release);
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
