//! What a stream has under way: places for items taken from the input, and outcomes not yet yielded.
//!
//! It must never give an item two outcomes, nor an outcome to an item that was not taken.

use std::collections::VecDeque;

use procession_worker::TaskError;

/// The order in which outcomes are yielded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    OfInput,
    OfCompletion,
}

/// Outcomes of the items in the window.
#[derive(Debug)]
pub(crate) struct Held<R> {
    order: Order,
    /// In the order of the input: a place for each item under way. Else: the outcomes that are there.
    outcomes: VecDeque<Option<Result<R, TaskError>>>,
    /// Items taken from the input.
    taken: u64,
    /// Outcomes yielded.
    yielded: u64,
    /// Items taken whose outcome is not there.
    missing: u64,
    /// Items whose outcome is an error.
    failed: u64,
}

impl<R> Held<R> {
    pub(crate) fn new(order: Order) -> Held<R> {
        Held {
            order,
            outcomes: VecDeque::new(),
            taken: 0,
            yielded: 0,
            missing: 0,
            failed: 0,
        }
    }

    /// Takes note of `items` more, and returns the number of the first.
    pub(crate) fn take_in(&mut self, items: u32) -> u64 {
        let first = self.taken;
        self.taken += u64::from(items);
        self.missing += u64::from(items);
        if self.order == Order::OfInput {
            let len = self.outcomes.len() + items as usize;
            self.outcomes.resize_with(len, || None);
        }
        first
    }

    /// The full number of an item under way, from its number modulo 2^32.
    pub(crate) fn number(&self, item: u32) -> u64 {
        let back = (self.taken as u32).wrapping_sub(item);
        self.taken.saturating_sub(u64::from(back))
    }

    /// The outcome of an item.
    pub(crate) fn resolve(&mut self, item: u64, outcome: Result<R, TaskError>) {
        let failed = u64::from(outcome.is_err());
        match self.order {
            Order::OfCompletion => self.outcomes.push_back(Some(outcome)),
            Order::OfInput => {
                let at = item.checked_sub(self.yielded).unwrap_or(u64::MAX);
                match self.outcomes.get_mut(at as usize) {
                    Some(place @ None) => *place = Some(outcome),
                    Some(Some(_)) | None => return,
                }
            }
        }
        self.missing = self.missing.saturating_sub(1);
        self.failed += failed;
    }

    /// Gives every item without an outcome this one.
    pub(crate) fn abandon(&mut self, error: &TaskError) {
        if self.order == Order::OfCompletion {
            let len = self.outcomes.len() + self.missing as usize;
            self.outcomes.resize_with(len, || None);
        }
        for place in self.outcomes.iter_mut().filter(|place| place.is_none()) {
            *place = Some(Err(error.clone()));
        }
        self.failed += self.missing;
        self.missing = 0;
    }

    /// The next outcome to yield, if it is there.
    pub(crate) fn next(&mut self) -> Option<Result<R, TaskError>> {
        let outcome = self.outcomes.pop_front_if(|place| place.is_some())?;
        self.yielded += 1;
        outcome
    }

    /// The place of an outcome that is like this.
    pub(crate) fn find(&self, like: fn(&Result<R, TaskError>) -> bool) -> Option<usize> {
        let mut places = self.outcomes.iter();
        places.position(|place| place.as_ref().is_some_and(like))
    }

    /// Takes an outcome before its turn.
    pub(crate) fn take(&mut self, at: usize) -> Option<Result<R, TaskError>> {
        self.outcomes.get_mut(at)?.take()
    }

    /// Items taken and not yielded.
    pub(crate) fn under_way(&self) -> u32 {
        u32::try_from(self.taken - self.yielded).unwrap_or(u32::MAX)
    }

    /// Whether every item taken has its outcome.
    pub(crate) fn is_complete(&self) -> bool {
        self.missing == 0
    }

    /// Items taken.
    pub(crate) fn taken(&self) -> u64 {
        self.taken
    }

    pub(crate) fn yielded(&self) -> u64 {
        self.yielded
    }

    /// Items with a value, items with an error, and items whose outcome is not there.
    pub(crate) fn counts(&self) -> (u64, u64, u64) {
        let ended = self.taken.saturating_sub(self.missing);
        (ended.saturating_sub(self.failed), self.failed, self.missing)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use procession_worker::TaskErrorKind;

    fn drain(held: &mut Held<u64>) -> Vec<u64> {
        std::iter::from_fn(|| held.next())
            .map(Result::unwrap)
            .collect()
    }

    #[test]
    fn in_order_of_the_input_an_outcome_waits_for_those_before_it() {
        let mut held = Held::new(Order::OfInput);
        assert_eq!((held.take_in(2), held.take_in(2)), (0, 2));
        for item in [3, 1, 2] {
            held.resolve(item, Ok(item));
            assert!(held.next().is_none());
        }
        held.resolve(0, Ok(0));
        held.resolve(0, Ok(9));
        held.resolve(4, Ok(9));
        assert_eq!(held.counts(), (4, 0, 0), "each once");
        assert_eq!(drain(&mut held), [0, 1, 2, 3]);
        assert!(held.is_complete());
    }

    #[test]
    fn in_order_of_completion_none_waits() {
        let mut held = Held::new(Order::OfCompletion);
        held.take_in(3);
        held.resolve(2, Ok(2));
        assert_eq!((drain(&mut held), held.under_way()), (vec![2], 2));
        held.resolve(0, Ok(0));
        held.resolve(1, Ok(1));
        assert_eq!(drain(&mut held), [0, 1]);
        assert!(held.is_complete());
    }

    #[test]
    fn numbers_go_on_beyond_32_bits() {
        let mut held = Held::<u64>::new(Order::OfCompletion);
        held.taken = (1 << 32) + 5;
        assert_eq!(held.number(u32::MAX), (1 << 32) - 1);
        assert_eq!(held.number(3), (1 << 32) + 3);
    }

    #[test]
    fn what_is_abandoned_has_an_outcome_too() {
        for order in [Order::OfInput, Order::OfCompletion] {
            let mut held = Held::new(order);
            held.take_in(3);
            held.resolve(1, Ok(1));
            assert_eq!(held.counts(), (1, 0, 2));
            held.abandon(&TaskError::new(TaskErrorKind::Closed, "f"));
            assert_eq!(held.counts(), (1, 2, 0));
            let outcomes: Vec<_> = std::iter::from_fn(|| held.next()).collect();
            assert_eq!(
                outcomes.iter().filter(|outcome| outcome.is_err()).count(),
                2
            );
            assert_eq!((outcomes.len(), held.under_way()), (3, 0));
        }
    }
}
