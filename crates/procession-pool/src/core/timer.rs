//! What the core does for no other reason than that time has passed; must not read a clock.

use super::alarm::NEVER;
use super::worker::Worker;
use super::{Core, Effects, Nanos};

impl Core {
    /// The moment given by `next_timer` has come; early and late calls do no harm.
    pub(crate) fn timer(&mut self, now: Nanos, fx: &mut impl Effects) {
        // First, so that nothing is handed out whose time to begin is over.
        if self.alarm <= now {
            self.sound_alarm(now, fx);
        }
        if self.look_again.is_some_and(|when| when <= now) {
            self.look_again = None;
            self.try_full_links_again();
            self.pump(now, fx);
            self.steal(now, fx);
        }
        if self.life.look <= now {
            self.look_at_lives(now, fx);
        }
        self.start_missing(now, fx);
    }

    /// Whether `timer` at this moment would decide about items that run: what they have replied is to be counted before.
    pub(crate) fn decides_at(&self, now: Nanos) -> bool {
        self.alarm <= now
    }

    /// When `timer` is next wanted.
    pub(crate) fn next_timer(&self) -> Option<Nanos> {
        let start = if self.lacking > 0 && self.wants_workers() {
            let lacking = self.workers.iter().filter(|worker| worker.is_lacking());
            lacking.filter_map(Worker::may_start_at).min()
        } else {
            None
        };
        let look = self.look_again.unwrap_or(NEVER);
        let look = look.min(self.alarm).min(self.life.look);
        let when = start.map_or(look, |start| start.min(look));
        (when != NEVER).then_some(when)
    }
}
