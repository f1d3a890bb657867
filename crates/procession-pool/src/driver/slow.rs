//! The slowest items of a pool, with their arguments where a call has them described. It must never keep the arguments of more
//! items than are told.
//!
//! Workers note their slowest items themselves, by task and number. The arguments are known here alone, and only until the
//! outcome is: so they are looked up when a reply comes, and kept while their item is among its worker's slowest.

use std::sync::Arc;
use std::time::Duration;

use procession_worker::TaskId;
use procession_worker::handle::Worker;

use super::parts::{JobData, Parts, Tasks, known};
use crate::core::{JobId, Slot};
use crate::stats::SlowTask;

/// How many of the slowest items are kept.
const KEPT: usize = 10;

/// The slowest items of workers that have ended, and of those that were ended with their worker; the slowest first.
#[derive(Clone, Debug, Default)]
pub(crate) struct Slowest(Vec<SlowTask>);

impl Slowest {
    fn add(&mut self, task: SlowTask) {
        let place = self.0.partition_point(|kept| kept.ran_for >= task.ran_for);
        if place < KEPT {
            self.0.truncate(KEPT - 1);
            self.0.insert(place, task);
        }
    }

    /// An item that was ended together with its worker.
    pub(super) fn ended(&mut self, data: &JobData, item: u32, by: u32, ran_for: Duration) {
        self.add(data.slow(item, by, ran_for));
    }

    /// Everything a worker has noted.
    pub(super) fn of_worker(
        &mut self,
        worker: &Worker,
        index: u32,
        tasks: &Tasks,
        args: &SlowArgs,
    ) {
        for slow in worker.slowest() {
            self.add(SlowTask {
                name: name_of(tasks, slow.offset),
                id: TaskId(slow.task),
                item: slow.item as usize,
                ran_for: Duration::from_nanos(slow.took),
                worker: index as usize,
                args: args.of(slow.task, slow.item),
            });
        }
    }

    pub(super) fn into_tasks(self) -> Vec<SlowTask> {
        self.0
    }
}

/// The arguments of those of one worker's slowest items that have them described.
#[derive(Debug, Default)]
pub(crate) struct SlowArgs(Vec<SlowItem>);

/// The item that a worker may yet return from although it overran, in case it does not.
#[derive(Debug, Default)]
pub(crate) struct Overran(Option<Box<SlowTask>>);

impl Overran {
    pub(super) fn may_return(&mut self, task: SlowTask) {
        self.0 = Some(Box::new(task));
    }
}

#[derive(Debug)]
struct SlowItem {
    task: u64,
    item: u32,
    args: Arc<str>,
}

impl SlowArgs {
    fn of(&self, task: u64, item: u32) -> Option<Arc<str>> {
        let is_it = |slow: &&SlowItem| (slow.task, slow.item) == (task, item);
        self.0.iter().find(is_it).map(|slow| Arc::clone(&slow.args))
    }

    /// Items of a described job were answered: `count` from `first`, as the cell numbers them.
    fn note(&mut self, worker: &Worker, data: &JobData, first: u32, count: u32) {
        let slowest: Vec<(u64, u32)> = worker.slowest().map(|s| (s.task, s.item)).collect();
        self.0
            .retain(|kept| slowest.contains(&(kept.task, kept.item)));
        for (task, item) in slowest {
            if task == data.id.0
                && item.wrapping_sub(first) < count
                && self.of(task, item).is_none()
                && let Some(args) = data.args_of(item)
            {
                self.0.push(SlowItem { task, item, args });
            }
        }
    }
}

impl JobData {
    /// An item that has run for so long.
    pub(super) fn slow(&self, item: u32, by: u32, ran_for: Duration) -> SlowTask {
        let item = self.base.wrapping_add(item);
        SlowTask {
            name: self.task.name(),
            id: self.id,
            item: item as usize,
            ran_for,
            worker: by as usize,
            args: self.args_of(item),
        }
    }

    /// The arguments of an item, as the cell numbers it, if they are described.
    pub(super) fn args_of(&self, item: u32) -> Option<Arc<str>> {
        let described = self.described.as_ref()?;
        described.of_accepted(u64::from(item)).map(Arc::from)
    }
}

impl Parts {
    /// Items were answered: `count` from `first`. What is slow of them is described now or never.
    #[cold]
    pub(super) fn describe_slow(&mut self, slot: Slot, job: JobId, first: u32, count: u32) {
        let Parts { seats, jobs, .. } = self;
        if let Some(data) = known(jobs, job)
            && let Some(seat) = seats.get_mut(slot.index())
            && let Some(worker) = &seat.worker
        {
            let first = data.base.wrapping_add(first);
            seat.slow_args.note(worker, data, first, count);
        }
    }

    /// The worker here has returned from everything: what overran is what it has noted itself, all but the arguments.
    pub(super) fn has_returned(&mut self, slot: Slot) {
        if let Some(seat) = self.seats.get_mut(slot.index())
            && let Some(task) = seat.overran.0.take()
            && let Some(args) = task.args
            && let Some(worker) = &seat.worker
        {
            let (id, item) = (task.id.0, task.item as u32);
            if worker.slowest().any(|s| (s.task, s.item) == (id, item)) {
                seat.slow_args
                    .0
                    .retain(|kept| (kept.task, kept.item) != (id, item));
                seat.slow_args.0.push(SlowItem {
                    task: id,
                    item,
                    args,
                });
            }
        }
    }

    /// The worker here is about to be forgotten, but not what it was slow at.
    pub(super) fn keep_slowest(&mut self, slot: Slot) {
        let Parts {
            seats,
            profiles,
            slowest,
            ..
        } = self;
        if let Some(seat) = seats.get_mut(slot.index())
            && let Some(worker) = &seat.worker
        {
            let args = std::mem::take(&mut seat.slow_args);
            if let Some(task) = seat.overran.0.take() {
                slowest.add(*task);
            }
            slowest.of_worker(worker, seat.index, profiles, &args);
        }
    }

    /// The slowest of all workers that are and were.
    pub(super) fn slowest_of_all(&self) -> Slowest {
        let mut all = self.slowest.clone();
        for seat in &self.seats {
            if let Some(worker) = &seat.worker {
                all.of_worker(worker, seat.index, &self.profiles, &seat.slow_args);
            }
        }
        all
    }
}

/// The name of a function that was handed in; what a worker says is looked up, never believed.
fn name_of(tasks: &Tasks, offset: i64) -> &'static str {
    tasks.get(&offset).map_or("?", |(_, name)| name)
}
