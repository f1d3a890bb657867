//! Items not handed out yet, in order, as runs of one job each; must not hold a run without items.

use std::collections::VecDeque;

use super::JobId;

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

#[derive(Debug, Default)]
pub(super) struct Queue {
    runs: VecDeque<Run>,
    items: u64,
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

    #[inline]
    pub(super) fn push_back(&mut self, run: Run) {
        if run.count == 0 {
            return;
        }
        self.items += u64::from(run.count);
        match self.runs.back_mut() {
            Some(last) if last.is_followed_by(&run) => last.count += run.count,
            Some(_) | None => self.runs.push_back(run),
        }
    }

    /// Puts a run before all others. Several runs keep their order when the newest is pushed first.
    pub(super) fn push_front(&mut self, run: Run) {
        if run.count == 0 {
            return;
        }
        self.items += u64::from(run.count);
        match self.runs.front_mut() {
            Some(next) if run.is_followed_by(next) => {
                next.first = run.first;
                next.count += run.count;
            }
            Some(_) | None => self.runs.push_front(run),
        }
    }

    /// Removes up to `count` items from the front run.
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
    }

    pub(super) fn pop_front(&mut self) -> Option<Run> {
        let run = self.runs.pop_front()?;
        self.items -= u64::from(run.count);
        Some(run)
    }

    /// Removes every run of `job`, showing each.
    pub(super) fn remove_job(&mut self, job: JobId, mut removed: impl FnMut(Run)) {
        let items = &mut self.items;
        self.runs.retain(|run| {
            if run.job == job {
                *items -= u64::from(run.count);
                removed(*run);
            }
            run.job != job
        });
    }

    #[cfg(test)]
    pub(super) fn iter(&self) -> impl Iterator<Item = &Run> {
        self.runs.iter()
    }
}
