//! What the core does for no other reason than that time has passed; must not read a clock.

use super::worker::Worker;
use super::{Core, Effects, Nanos};

impl Core {
    /// The moment given by `next_timer` has come; early and late calls do no harm.
    pub(crate) fn timer(&mut self, now: Nanos, fx: &mut impl Effects) {
        if self.look_again.is_some_and(|when| when <= now) {
            self.look_again = None;
            self.try_full_links_again();
            self.pump(now, fx);
            self.steal(now, fx);
        }
        self.start_missing(now, fx);
    }

    /// When `timer` is next wanted.
    pub(crate) fn next_timer(&self) -> Option<Nanos> {
        let start = if self.down > 0 && self.wants_workers() {
            self.workers.iter().filter_map(Worker::may_start_at).min()
        } else {
            None
        };
        match (start, self.look_again) {
            (Some(start), Some(look)) => Some(start.min(look)),
            (start, look) => start.or(look),
        }
    }
}
