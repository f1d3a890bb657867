//! The values of a map in the order of its items, whatever the order in which they come. It must know nothing of errors, but
//! that an item may have no value.

use std::collections::BTreeMap;
use std::ops::Range;

/// What came of some items, one after another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Run<R> {
    /// How many items.
    items: u32,
    /// The values of those that have one.
    values: Vec<R>,
}

impl<R> Default for Run<R> {
    fn default() -> Run<R> {
        Run {
            items: 0,
            values: Vec::new(),
        }
    }
}

impl<R> Run<R> {
    /// Adds what came of the next item.
    #[inline]
    pub(crate) fn push(&mut self, value: Option<R>) {
        self.items += 1;
        if let Some(value) = value {
            self.values.push(value);
        }
    }
}

/// All that came, in runs that do not touch the first one.
pub(crate) struct InOrder<R> {
    /// From the first item on.
    front: Run<R>,
    /// By their first items.
    ahead: BTreeMap<u32, Run<R>>,
}

impl<R> InOrder<R> {
    pub(crate) fn with_capacity(values: usize) -> InOrder<R> {
        InOrder {
            front: Run {
                items: 0,
                values: Vec::with_capacity(values),
            },
            ahead: BTreeMap::new(),
        }
    }

    /// The run that takes what came of the items `new`, all of which are to be pushed; `None` when something has come of one
    /// of them before. [`InOrder::join`] comes after it.
    pub(crate) fn run_for(&mut self, new: Range<u32>) -> Option<&mut Run<R>> {
        let next = self.ahead.range(new.start..).next();
        if new.start < self.front.items || next.is_some_and(|(first, _)| *first < new.end) {
            return None;
        }
        if new.start == self.front.items {
            return Some(&mut self.front);
        }
        let before = self.ahead.range(..new.start).next_back();
        let before = before.map(|(first, run)| (*first, first + run.items));
        let first = match before {
            Some((_, end)) if end > new.start => return None,
            Some((first, end)) if end == new.start => first,
            _ => new.start,
        };
        let run = self.ahead.entry(first).or_default();
        run.values.reserve(new.len());
        Some(run)
    }

    /// Moves what has become the continuation of the first run there.
    pub(crate) fn join(&mut self) {
        while let Some(next) = self.ahead.first_entry()
            && *next.key() == self.front.items
        {
            let Run { items, mut values } = next.remove();
            self.front.items += items;
            self.front.values.append(&mut values);
        }
    }

    /// All values, if each of so many items has one.
    pub(crate) fn all(&mut self, items: usize) -> Option<Vec<R>> {
        let whole = self.front.values.len() == items && self.ahead.is_empty();
        whole.then(|| std::mem::take(&mut self.front.values))
    }

    /// The values one by one.
    pub(crate) fn each(self) -> Each<R> {
        let mut ahead = self.ahead.into_iter();
        Each {
            item: 0,
            end: self.front.items,
            values: self.front.values.into_iter(),
            next: ahead.next(),
            ahead,
        }
    }
}

/// The values of a map, item by item.
pub(crate) struct Each<R> {
    item: u32,
    /// Where the run ends that is being walked, and what is left of it.
    end: u32,
    values: std::vec::IntoIter<R>,
    next: Option<(u32, Run<R>)>,
    ahead: std::collections::btree_map::IntoIter<u32, Run<R>>,
}

impl<R> Each<R> {
    /// The next item's value, if there is one; `has_none` says of an item of which something came that this was no value.
    pub(crate) fn next(&mut self, has_none: bool) -> Option<R> {
        let item = self.item;
        self.item = self.item.wrapping_add(1);
        if let Some((first, run)) = self.next.take_if(|(first, _)| *first == item) {
            self.end = first + run.items;
            self.values = run.values.into_iter();
            self.next = self.ahead.next();
        }
        if item < self.end && !has_none {
            return self.values.next();
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::{InOrder, Run};

    const ITEMS: u32 = 6;

    /// A run of items, those `without` a value among them.
    fn add(places: &mut InOrder<u32>, first: u32, items: u32, without: u32) -> bool {
        let new = first..first + items;
        let Some(run) = places.run_for(new.clone()) else {
            return false;
        };
        for item in new {
            run.push((without >> item & 1 == 0).then_some(item));
        }
        places.join();
        true
    }

    /// Three runs of any length at any place, with and without items that have no value.
    #[test]
    fn values_lie_in_the_order_of_their_items() {
        let ranges: Vec<(u32, u32)> = (0..ITEMS)
            .flat_map(|first| (1..=ITEMS - first).map(move |items| (first, items)))
            .collect();
        let mut whole = 0;
        for (a, b, c) in (0..ranges.len().pow(3)).map(|n| {
            let at = |n: usize| ranges[n % ranges.len()];
            (
                at(n),
                at(n / ranges.len()),
                at(n / ranges.len() / ranges.len()),
            )
        }) {
            for without in [0, 0b000_001, 0b010_100, 0b111_111] {
                let mut places = InOrder::with_capacity(0);
                let mut came = 0u32;
                for (first, items) in [a, b, c] {
                    let mask = ((1 << items) - 1) << first;
                    assert_eq!(add(&mut places, first, items, without), came & mask == 0);
                    if came & mask == 0 {
                        came |= mask;
                    }
                }
                let has = |item: u32| (came & !without) >> item & 1 == 1;
                let is_whole = (0..ITEMS).all(has);
                whole += u32::from(is_whole);
                assert_eq!(
                    places.all(ITEMS as usize),
                    is_whole.then(|| (0..ITEMS).collect())
                );
                if !is_whole {
                    let mut each = places.each();
                    for item in 0..ITEMS {
                        let value = each.next(without >> item & 1 == 1);
                        assert_eq!(value, has(item).then_some(item), "{a:?} {b:?} {c:?}");
                    }
                }
            }
        }
        assert!(whole > 10);
    }

    #[test]
    fn what_continues_a_run_lies_in_it() {
        let mut places = InOrder::with_capacity(4);
        for first in [1, 4, 2] {
            assert!(add(&mut places, first, 1, 0));
        }
        assert_eq!(places.ahead.keys().copied().collect::<Vec<_>>(), [1, 4]);
        assert!(add(&mut places, 0, 1, 0));
        let front = Run {
            items: 3,
            values: vec![0, 1, 2],
        };
        assert_eq!(places.front, front);
        assert_eq!(places.all(4), None, "3 is not there");
        assert!(add(&mut places, 3, 1, 0));
        assert_eq!(places.all(5), Some(vec![0, 1, 2, 3, 4]));
    }
}
