//! Items not handed out yet, as runs of one job each; must not hold a run without items.
//!
//! Runs of one priority are first in, first out; a higher priority goes before a lower one. So that nothing starves, after
//! [`TURN`] hand-outs in a row during which lower priorities waited, one goes to that of them which has waited longest for
//! one. While all runs have the same priority, `others` is empty and costs a comparison.

use std::cmp::Reverse;
use std::collections::{BTreeMap, VecDeque};

use super::JobId;

/// Hand-outs in a row that pass lower priorities by.
pub(super) const TURN: u32 = 256;

/// Items `first..first + count` of one job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Run {
    pub(super) job: JobId,
    pub(super) first: u32,
    pub(super) count: u32,
}

impl Run {
    fn is_followed_by(&self, next: &Run) -> bool {
        self.job == next.job && self.first.checked_add(self.count) == Some(next.first)
    }
}

/// `runs` is empty only if `others` is. It has the highest priority, unless it is the turn of another one.
#[derive(Debug, Default)]
pub(super) struct Queue {
    /// What is served next.
    runs: VecDeque<Run>,
    priority: i32,
    items: u64,
    /// What waits at other priorities; none of them is empty.
    others: BTreeMap<i32, Lane>,
    /// Hand-outs in a row that passed lower priorities by; [`TURN`]: `runs` is one of them, and has its turn.
    passed: u32,
    /// Hand-outs while several priorities waited.
    turns: u64,
    /// As [`Lane::since`], of `runs`.
    since: u64,
}

#[derive(Debug)]
struct Lane {
    runs: VecDeque<Run>,
    /// When it was served last, or began to wait, by the count of turns.
    since: u64,
}

impl Queue {
    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.runs.is_empty()
    }

    pub(super) fn items(&self) -> u64 {
        self.items
    }

    #[inline]
    pub(super) fn front(&self) -> Option<Run> {
        self.runs.front().copied()
    }

    /// The priority of the front run.
    #[inline]
    pub(super) fn priority(&self) -> Option<i32> {
        (!self.runs.is_empty()).then_some(self.priority)
    }

    /// The highest priority of all that waits.
    pub(super) fn highest(&self) -> Option<i32> {
        let other = self.others.last_key_value().map(|(priority, _)| *priority);
        self.priority().max(other)
    }

    /// The front run goes before higher ones because it has waited long enough.
    fn is_out_of_turn(&self) -> bool {
        self.passed >= TURN
    }

    #[inline]
    pub(super) fn push_back(&mut self, run: Run, priority: i32) {
        if run.count == 0 {
            return;
        }
        self.items += u64::from(run.count);
        let runs = if priority == self.priority {
            &mut self.runs
        } else {
            self.lane(priority)
        };
        match runs.back_mut() {
            Some(last) if last.is_followed_by(&run) => last.count += run.count,
            Some(_) | None => runs.push_back(run),
        }
    }

    /// Puts a run before all others of its priority. Several runs keep their order when the newest is pushed first.
    pub(super) fn push_front(&mut self, run: Run, priority: i32) {
        if run.count == 0 {
            return;
        }
        self.items += u64::from(run.count);
        let runs = if priority == self.priority {
            &mut self.runs
        } else {
            self.lane(priority)
        };
        match runs.front_mut() {
            Some(next) if run.is_followed_by(next) => {
                next.first = run.first;
                next.count += run.count;
            }
            Some(_) | None => runs.push_front(run),
        }
    }

    /// Removes up to `count` items from the front run: they are handed out.
    #[inline]
    pub(super) fn take_front(&mut self, count: u32) {
        if let Some(front) = self.runs.front_mut() {
            let count = count.min(front.count);
            self.items -= u64::from(count);
            front.first = front.first.wrapping_add(count);
            front.count -= count;
            if front.count == 0 {
                self.runs.pop_front();
            }
        }
        if self.passed > 0 || !self.others.is_empty() {
            self.end_turn();
        }
    }

    /// Removes the front run: it is handed out to nobody.
    pub(super) fn pop_front(&mut self) -> Option<Run> {
        let run = self.runs.pop_front()?;
        self.items -= u64::from(run.count);
        self.close_gap();
        Some(run)
    }

    /// Removes every run of `job`, which has this priority, showing each.
    pub(super) fn remove_job(&mut self, job: JobId, priority: i32, mut removed: impl FnMut(Run)) {
        let runs = if priority == self.priority {
            &mut self.runs
        } else if let Some(lane) = self.others.get_mut(&priority) {
            &mut lane.runs
        } else {
            return;
        };
        let items = &mut self.items;
        runs.retain(|run| {
            if run.job == job {
                *items -= u64::from(run.count);
                removed(*run);
            }
            run.job != job
        });
        self.forget_empty(priority);
    }

    /// Puts in place of every run of `job`, which has this priority, what `thin` adds to the list of it.
    pub(super) fn thin_job(
        &mut self,
        job: JobId,
        priority: i32,
        mut thin: impl FnMut(Run, &mut Vec<Run>),
    ) {
        let runs = if priority == self.priority {
            &mut self.runs
        } else if let Some(lane) = self.others.get_mut(&priority) {
            &mut lane.runs
        } else {
            return;
        };
        let mut rest = Vec::new();
        for run in std::mem::take(runs) {
            if run.job == job {
                thin(run, &mut rest);
                let left: u32 = rest.iter().map(|run| run.count).sum();
                self.items -= u64::from(run.count - left);
                runs.extend(rest.drain(..));
            } else {
                runs.push_back(run);
            }
        }
        self.forget_empty(priority);
    }

    /// Where runs of a priority wait that is not the one served next.
    #[cold]
    #[inline(never)]
    fn lane(&mut self, priority: i32) -> &mut VecDeque<Run> {
        if self.runs.is_empty() {
            self.priority = priority;
            return &mut self.runs;
        }
        let since = self.turns;
        if priority > self.priority && !self.is_out_of_turn() {
            let (runs, since) = (VecDeque::new(), std::mem::replace(&mut self.since, since));
            let runs = std::mem::replace(&mut self.runs, runs);
            self.others.insert(self.priority, Lane { runs, since });
            self.priority = priority;
            return &mut self.runs;
        }
        let runs = VecDeque::new();
        let lane = self.others.entry(priority).or_insert(Lane { runs, since });
        &mut lane.runs
    }

    /// Something was handed out while several priorities waited, or had a moment ago.
    #[cold]
    #[inline(never)]
    fn end_turn(&mut self) {
        self.turns += 1;
        self.since = self.turns;
        let lowest = self.others.first_key_value().map(|(priority, _)| *priority);
        let passes = lowest.is_some_and(|lowest| lowest < self.priority);
        self.passed = if passes && !self.is_out_of_turn() {
            self.passed + 1
        } else {
            0
        };
        if self.is_out_of_turn() {
            let waited = |(priority, lane): &(&i32, &Lane)| (lane.since, Reverse(**priority));
            let longest = self.others.iter().min_by_key(waited);
            self.serve(longest.map(|(priority, _)| *priority));
        } else {
            let highest = self.others.last_key_value().map(|(priority, _)| *priority);
            self.serve(highest.max(self.priority()));
        }
    }

    /// Runs of this priority were removed; those that are left move up.
    fn forget_empty(&mut self, priority: i32) {
        let lane = self.others.get(&priority);
        if lane.is_some_and(|lane| lane.runs.is_empty()) {
            self.others.remove(&priority);
        }
        self.close_gap();
    }

    /// Runs were removed; those that are left move up.
    fn close_gap(&mut self) {
        if self.runs.is_empty() {
            // Whose turn it was is not there any more; the next one has it.
            self.passed = self.passed.min(TURN - 1);
            self.serve(self.highest());
        }
    }

    /// Serves this priority next.
    fn serve(&mut self, priority: Option<i32>) {
        let lane = priority.and_then(|priority| self.others.remove_entry(&priority));
        if let Some((priority, Lane { runs, since })) = lane {
            let since = std::mem::replace(&mut self.since, since);
            let runs = std::mem::replace(&mut self.runs, runs);
            let former = std::mem::replace(&mut self.priority, priority);
            if !runs.is_empty() {
                self.others.insert(former, Lane { runs, since });
            }
        }
    }

    /// All runs, with their priorities.
    #[cfg(test)]
    pub(super) fn iter(&self) -> impl Iterator<Item = (i32, &Run)> {
        let front = self.runs.iter().map(|run| (self.priority, run));
        let others = self.others.iter();
        front
            .chain(others.flat_map(|(priority, lane)| lane.runs.iter().map(|run| (*priority, run))))
    }

    #[cfg(test)]
    pub(super) fn sanity_check(&self) {
        let items: u64 = self.iter().map(|(_, run)| u64::from(run.count)).sum();
        assert_eq!(self.items, items, "queue length");
        assert!(
            self.iter().all(|(_, run)| run.count > 0),
            "empty run in the queue"
        );
        let empty = self.others.values().any(|lane| lane.runs.is_empty());
        assert!(!empty, "a priority of nothing");
        let alone = self.others.is_empty();
        assert!(
            alone || !self.runs.is_empty(),
            "nothing is served although something waits"
        );
        assert!(
            !self.others.contains_key(&self.priority),
            "a priority twice"
        );
        let first = self.highest() == self.priority();
        assert!(first || self.is_out_of_turn(), "a lower priority is served");
    }
}
