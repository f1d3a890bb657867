//! Whether what is handed out is what the order of priorities says, as the links see it; must not ask the core.
//!
//! While priorities differ:
//!
//! 1. A frame is of the highest priority that waits where it is taken from: in the pool's queue, or in that of the worker's
//!    index. It is taken from where the higher one waits. Each of these but for a turn after [`TURN`] others.
//! 2. Nothing waits in a link while something higher waits in a queue, unless it has its turn.
//! 3. Nothing goes to a worker that is READY, to be begun or behind something else, while something higher waits in
//!    another link that it might have. So nothing waits there either.
//!
//! To wait in a link is to be neither claimed by the worker nor what the core takes to be begun: the oldest of one that is
//! READY. Who boots may have something lower than what waits in other links, or they would take it from one another.
//!
//! What belongs to an index goes to no other one, unless that was out of service while it waited.

use std::collections::HashMap;

use super::super::queue::TURN;
use super::super::{JobId, Slot};
use super::fake::{Fake, Link, Sent};
use super::whereabouts::Place;

/// Where frames are taken from in turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum From {
    Common,
    Own(u32),
    /// Either, by who is given it.
    Either(Slot),
}

/// Frames since the last one out of turn.
#[derive(Debug, Default)]
pub(super) struct Turns(HashMap<From, u32>);

impl Turns {
    fn count(&mut self, from: From) {
        *self.0.entry(from).or_default() += 1;
    }

    /// Whether one out of turn is due, which then is this one.
    fn is_due(&mut self, from: From) -> bool {
        let frames = self.0.entry(from).or_default();
        let due = *frames >= TURN;
        if due {
            *frames = 0;
        }
        due
    }
}

impl Link {
    fn waiting(&self) -> impl Iterator<Item = &Sent> {
        let begun = self.begun || (self.ready && self.uncounted == 0);
        let serves = self.who.is_some() && !self.killed;
        let frames = self.frames.iter().skip(usize::from(begun));
        frames.filter(move |_| serves)
    }
}

impl Fake {
    /// Checks the frame that is about to be sent, all of it from one place; says whether it has its turn.
    pub(super) fn check_hand_out(&mut self, to: Slot, id: JobId, from: &[Place]) -> bool {
        let link = &self.links[to.index()];
        let (index, empty) = (link.index, link.frames.is_empty() && link.uncounted == 0);
        let from = match from {
            [Place::Common, rest @ ..] if rest.iter().all(|at| *at == Place::Common) => {
                From::Common
            }
            [first @ Place::Own(owner), rest @ ..] if rest.iter().all(|at| at == first) => {
                assert_eq!(*owner, index, "chunk of {owner} sent to {index}");
                From::Own(index)
            }
            _ => panic!("{id:?} is sent from {from:?}"),
        };
        if !self.seen.differ() {
            return false;
        }
        let priority = self.seen.priority(id);
        let (common, own) = (self.seen.highest(), self.seen.highest_of(index));
        let (here, there) = match from {
            From::Common => (common, own),
            From::Own(_) | From::Either(_) => (own, common),
        };
        let mut in_turn = false;
        if here > priority {
            assert!(
                self.turns.is_due(from),
                "{id:?} of {priority:?} before {here:?} in {from:?}"
            );
            in_turn = true;
        }
        if there > here.max(priority) {
            let either = From::Either(to);
            assert!(
                self.turns.is_due(either),
                "{id:?} of {priority:?} from {from:?} before {there:?}"
            );
            in_turn = true;
        }
        self.turns.count(from);
        self.turns.count(From::Either(to));
        if !in_turn && (self.links[to.index()].ready || !empty) {
            self.check_links_above(to, id);
        }
        in_turn
    }

    /// By the third rule.
    fn check_links_above(&self, to: Slot, id: JobId) {
        let priority = self.seen.priority(id);
        for (slot, link) in self
            .links
            .iter()
            .enumerate()
            .filter(|(slot, _)| *slot != to.index())
        {
            for other in link.waiting() {
                let sticky = self.seen.sticky(other.job);
                let anyones =
                    sticky.is_none_or(|sticky| sticky.index_of(other.first) >= self.seen.size);
                assert!(
                    !anyones || self.seen.priority(other.job) <= priority,
                    "{id:?} of {priority:?} is with {to:?} although {other:?} waits in {slot}"
                );
            }
        }
    }

    /// Between two calls of the core.
    pub(super) fn check_order(&self) {
        if !self.seen.differ() {
            return;
        }
        let common = self.seen.highest();
        for (slot, link) in self.links.iter().enumerate() {
            let above = common.max(self.seen.highest_of(link.index));
            for sent in link.waiting() {
                let priority = self.seen.priority(sent.job);
                assert!(
                    sent.in_turn || above <= priority,
                    "{sent:?} waits in {slot} before {above:?}"
                );
                if link.ready && !sent.in_turn {
                    self.check_links_above(Slot(slot as u32), sent.job);
                }
            }
        }
    }
}
