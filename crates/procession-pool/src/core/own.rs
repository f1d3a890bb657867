//! What belongs to one index ([`Sticky`]): it waits in a queue of its own, for whoever
//! serves under it. Must not start or end a worker.
//!
//! 1. An index has a queue of its own while it is below the pool's size. Nobody else takes anything from there; what is taken
//!    back, returned by a death or tried again goes back there.
//! 2. A worker with something of its own is given that and what is for anyone in turn; of different priorities, the higher
//!    one, and the lower one once after [`TURN`] of these.
//! 3. What is of an index that the pool has no more is for anyone from there on. So is what waits when its worker fails to
//!    start and has to pause; what comes in that pause waits for the next start.

use super::queue::{Queue, Run, TURN};
use super::worker::{Frame, Worker};
use super::{Core, Effects, JobId, Nanos, Sticky};

/// Where a worker's next frame comes from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Source {
    /// The queue of the pool.
    #[default]
    Common,
    /// The queue of its index.
    Own,
}

/// From where a worker was given something last while there was something in both places, and how often in a row.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Row {
    from: Source,
    frames: u32,
}

/// The queues of the indexes.
#[derive(Debug)]
pub(super) struct Own {
    /// By index, as far as any had something.
    queues: Vec<Queue>,
    size: u32,
    pub(super) items: u64,
}

impl Own {
    pub(super) fn new(size: u32) -> Own {
        Own {
            queues: Vec::new(),
            size,
            items: 0,
        }
    }

    fn get(&self, index: u32) -> Option<&Queue> {
        self.queues.get(index as usize)
    }

    /// The queue for these items, if they have one.
    fn of(&mut self, sticky: Option<Sticky>, run: Run) -> Option<&mut Queue> {
        let index = sticky?.index_of(run.first);
        if index >= self.size {
            return None;
        }
        if self.queues.len() <= index as usize {
            self.queues.resize_with(index as usize + 1, Queue::default);
        }
        self.items += u64::from(run.count);
        self.queues.get_mut(index as usize)
    }

    fn take_front(&mut self, index: u32, count: u32) {
        if let Some(queue) = self.queues.get_mut(index as usize) {
            self.items -= u64::from(count);
            queue.take_front(count);
        }
    }

    pub(super) fn pop_front(&mut self) -> Option<Run> {
        let run = self.queues.iter_mut().find_map(Queue::pop_front)?;
        self.items -= u64::from(run.count);
        Some(run)
    }

    pub(super) fn remove_job(&mut self, id: JobId, priority: i32, mut removed: impl FnMut(Run)) {
        for queue in &mut self.queues {
            queue.remove_job(id, priority, |run| {
                self.items -= u64::from(run.count);
                removed(run);
            });
        }
    }

    pub(super) fn thin_job(
        &mut self,
        id: JobId,
        priority: i32,
        mut thin: impl FnMut(Run, &mut Vec<Run>),
    ) {
        for queue in &mut self.queues {
            let before = queue.items();
            queue.thin_job(id, priority, &mut thin);
            self.items -= before - queue.items();
        }
    }

    #[cfg(test)]
    pub(super) fn iter(&self) -> impl Iterator<Item = (u32, &Queue)> {
        self.queues
            .iter()
            .enumerate()
            .map(|(index, queue)| (index as u32, queue))
    }
}

/// Puts items of this priority before all others of it, wherever they wait.
pub(super) fn put_first(
    (queue, own): (&mut Queue, &mut Own),
    sticky: Option<Sticky>,
    priority: i32,
    run: Run,
) {
    let queue = own.of(sticky, run).unwrap_or(queue);
    queue.push_front(run, priority);
}

impl Core {
    /// The queue of the index this worker is called by.
    pub(super) fn own_queue(&self, slot: usize) -> Option<&Queue> {
        let index = self.workers.get(slot)?.index;
        self.own.get(index).filter(|own| !own.is_empty())
    }

    /// Whether anything waits to be handed out.
    #[inline]
    pub(super) fn has_work(&self) -> bool {
        !self.queue.is_empty() || self.own.items > 0
    }

    /// Items that wait to be handed out.
    pub(super) fn work_items(&self) -> u64 {
        self.queue.items() + self.own.items
    }

    /// Queues a run, each chunk where it belongs, and hands out what fits.
    pub(super) fn enqueue_chunks(
        &mut self,
        run: Run,
        sticky: Sticky,
        now: Nanos,
        fx: &mut impl Effects,
    ) {
        let Some(priority) = self.jobs.get(run.job).map(|job| job.priority) else {
            return;
        };
        let (mut first, end) = (run.first, run.first + run.count);
        while first < end {
            let count = sticky.rest_of_chunk(first).min(end - first);
            let chunk = Run {
                first,
                count,
                ..run
            };
            let queue = self.own.of(Some(sticky), chunk).unwrap_or(&mut self.queue);
            queue.push_back(chunk, priority);
            first += count;
        }
        self.pump(now, fx);
    }

    /// Takes what waits out of whichever queue it is in, to hand it out to nobody.
    pub(super) fn next_of_all(&mut self) -> Option<Run> {
        self.queue.pop_front().or_else(|| self.own.pop_front())
    }

    /// Whether somebody lives who serves under this index.
    pub(super) fn is_served(&self, index: u32) -> bool {
        let place = self.holder(index);
        let worker = place.and_then(|place| self.workers.get(place.index()));
        worker.is_some_and(Worker::is_live)
    }

    /// What this worker would be given next, and from where.
    pub(super) fn next_for(&self, slot: usize) -> Option<(Source, Run)> {
        if self.own.items == 0 {
            return self.queue.front().map(|run| (Source::Common, run));
        }
        self.own_or_common(slot)
    }

    fn own_or_common(&self, slot: usize) -> Option<(Source, Run)> {
        let row = self.workers.get(slot)?.row;
        let own = self.own_queue(slot);
        let from = match (own.and_then(Queue::highest), self.queue.highest()) {
            (None, _) => Source::Common,
            (Some(_), None) => Source::Own,
            (Some(own), Some(common)) => {
                let (first, second) = if own >= common {
                    (Source::Own, Source::Common)
                } else {
                    (Source::Common, Source::Own)
                };
                let most = if own == common { 1 } else { TURN };
                let has_had_its_turn = row.from == first && row.frames >= most;
                if has_had_its_turn { second } else { first }
            }
        };
        let run = match from {
            Source::Common => self.queue.front(),
            Source::Own => own.and_then(Queue::front),
        };
        run.map(|run| (from, run))
    }

    /// So many items of what was offered last are handed out.
    pub(super) fn take_from(&mut self, from: Source, slot: usize, count: u32) {
        let Some(worker) = self.workers.get_mut(slot) else {
            return;
        };
        let other = match from {
            Source::Common => self.own.get(worker.index),
            Source::Own => Some(&self.queue),
        };
        let frames = match other {
            Some(other) if !other.is_empty() && worker.row.from == from => worker.row.frames + 1,
            Some(other) if !other.is_empty() => 1,
            Some(_) | None => 0,
        };
        worker.row = Row { from, frames };
        match from {
            Source::Common => self.queue.take_front(count),
            Source::Own => self.own.take_front(worker.index, count),
        }
    }

    /// Gives one worker a frame of its own, if there is one that is next and has room.
    pub(super) fn feed_own(&mut self, now: Nanos, fx: &mut impl Effects) -> bool {
        if self.own.items == 0 {
            return false;
        }
        for slot in 0..self.workers.len() {
            let next = self.own_queue(slot).and_then(|_| self.next_for(slot));
            let own = next.is_some_and(|(from, _)| from == Source::Own);
            if own && self.feed_one(slot, now, fx) {
                return true;
            }
        }
        false
    }

    /// What waits in this worker's link and may go to another one: its estimated time, and when the oldest of it was sent.
    pub(super) fn movable_work(&self, slot: usize) -> Option<(Nanos, Nanos)> {
        let worker = self.workers.get(slot)?;
        if self.jobs.special == 0 {
            return worker.waiting_work();
        }
        let stays = |frame: &&Frame| self.is_anyones(frame);
        let mut frames = worker.waiting_frames().filter(stays).peekable();
        let sent = frames.peek()?.sent;
        Some((frames.map(Frame::estimate).sum(), sent))
    }

    /// Whether anything waits in this worker's link that may go to another one.
    pub(super) fn has_movable_work(&self, slot: usize) -> bool {
        let Some(worker) = self.workers.get(slot) else {
            return false;
        };
        worker.waiting_frames().any(|frame| self.is_anyones(frame))
    }

    fn is_anyones(&self, frame: &Frame) -> bool {
        let sticky = self.jobs.sticky(frame.job);
        sticky.is_none_or(|sticky| sticky.index_of(frame.first) >= self.size)
    }

    /// What is of indexes that the pool has no more is for anyone.
    pub(super) fn own_up_to(&mut self, size: u32) {
        self.own.size = size;
        for index in size..self.own.queues.len() as u32 {
            self.give_up_own(index);
        }
    }

    /// What is of this index is for anyone.
    pub(super) fn give_up_own(&mut self, index: u32) {
        let Some(queue) = self.own.queues.get_mut(index as usize) else {
            return;
        };
        while let Some(run) = queue.pop_front() {
            self.own.items -= u64::from(run.count);
            let priority = self.jobs.get(run.job).map_or(0, |job| job.priority);
            self.queue.push_back(run, priority);
        }
    }

    /// Whether this resting place has something of its own.
    pub(super) fn is_needed(&self, worker: &Worker) -> bool {
        self.own
            .get(worker.index)
            .is_some_and(|own| !own.is_empty())
    }
}
