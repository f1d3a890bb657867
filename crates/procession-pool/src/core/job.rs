//! Jobs and their counts of items; must not know what an item is, nor which worker has it.

use std::collections::BTreeMap;

use super::alarm::NEVER;
use super::chunk::Growth;
use super::rank::Ranks;
use super::retry::Retries;
use super::{Cancelled, Nanos, Retry, Sticky};

/// Names one job; never equal to the id of a later job in the same place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct JobId {
    slot: u32,
    generation: u32,
}

impl JobId {
    /// Names no job, of all that were and will be.
    pub(crate) const NONE: JobId = JobId {
        slot: u32::MAX,
        generation: u32::MAX,
    };

    /// The job's place, reused after `finished`: an index for the driver's own table.
    pub(crate) fn slot(self) -> usize {
        self.slot as usize
    }
}

/// How many items travel in one frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Chunk {
    /// As many as take about [`chunk::AIM`](super::chunk::AIM).
    Auto,
    /// So many; the last frame of the job, and a frame the link cuts, may be shorter. 0 counts as 1.
    Fixed(u32),
    /// As `Auto`, but at most so many, and no even share of what is queued: more of the same follows in other jobs.
    AtMost(u32),
}

/// What a job's items are held to; nothing by default.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Terms {
    /// How long one item may run, from its start in the worker; [`NEVER`]: as long as it likes. Such items travel alone.
    pub(crate) limit: Nanos,
    /// The items of the specification that have not begun by then do not begin; [`NEVER`]: they wait as long as it takes.
    pub(crate) start_by: Nanos,
    /// Whether items that fail are tried again.
    pub(crate) retry: Retry,
}

impl Default for Terms {
    fn default() -> Terms {
        Terms {
            limit: NEVER,
            start_by: NEVER,
            retry: Retry::default(),
        }
    }
}

/// What the driver knows of a job when it submits it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct JobSpec {
    /// Items known at once.
    pub(crate) items: u32,
    /// More items will be appended with `extend`.
    pub(crate) open: bool,
    /// How items are cut into frames.
    pub(crate) chunk: Chunk,
    /// The first failed or lost item cancels every item that has not begun.
    pub(crate) stop_on_failure: bool,
    /// Index of the function's time profile; small numbers, the core keeps a table up to the largest.
    pub(crate) profile: u32,
    /// Higher ones begin before lower ones.
    pub(crate) priority: i32,
    /// What its items are held to.
    pub(crate) terms: Terms,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// Failures are the items' own business.
    Never,
    /// The first failure stops the job.
    OnFailure,
    /// Stopped for this reason: what is appended, or comes back from a dead worker, is cancelled at once.
    Stopped(Cancelled),
}

/// `unresolved` = items in the queue (`queued`) + items in frames + items held by `retries`.
#[derive(Debug)]
pub(super) struct Job {
    generation: u32,
    live: bool,
    pub(super) open: bool,
    /// One item for ever: a plain call, not a map.
    pub(super) single: bool,
    pub(super) stop: Stop,
    pub(super) chunk: Chunk,
    pub(super) growth: Growth,
    pub(super) limit: Nanos,
    /// Since when it has had items waiting without a break, or had them last.
    pub(super) since: Nanos,
    pub(super) profile: u32,
    pub(super) priority: i32,
    /// Items ever announced: the index of the next one to be appended.
    pub(super) total: u32,
    pub(super) queued: u32,
    pub(super) unresolved: u32,
    /// None when items are not tried again.
    pub(super) retries: Option<Box<Retries>>,
}

impl Job {
    /// Nothing unresolved and nothing to come.
    #[inline]
    pub(super) fn is_over(&self) -> bool {
        self.unresolved == 0 && !self.open
    }

    /// Nothing of it is to begin any more.
    pub(super) fn is_stopped(&self) -> bool {
        matches!(self.stop, Stop::Stopped(_))
    }
}

/// Slab of jobs; places are reused, ids are not.
#[derive(Debug, Default)]
pub(super) struct Jobs {
    slots: Vec<Job>,
    free: Vec<u32>,
    /// Live jobs whose items have a time limit.
    pub(super) limited: u32,
    /// Live jobs with a priority of their own, or with chunks that belong to an index.
    pub(super) special: u32,
    ranks: Ranks,
    sticky: BTreeMap<JobId, Sticky>,
    /// Apart from the jobs, which fill a cache line each.
    expired: BTreeMap<JobId, u32>,
}

impl Jobs {
    pub(super) fn next_id(&self) -> JobId {
        let slot = self.free.last().copied().unwrap_or(self.slots.len() as u32);
        let generation = self
            .slots
            .get(slot as usize)
            .map_or(0, |job| job.generation);
        JobId { slot, generation }
    }

    pub(super) fn insert(&mut self, spec: JobSpec, now: Nanos) -> JobId {
        let id = self.next_id();
        let job = Job {
            generation: id.generation,
            live: true,
            open: spec.open,
            single: spec.items == 1 && !spec.open,
            stop: if spec.stop_on_failure {
                Stop::OnFailure
            } else {
                Stop::Never
            },
            chunk: spec.chunk,
            growth: Growth::new(),
            limit: spec.terms.limit,
            since: now,
            profile: spec.profile,
            priority: spec.priority,
            total: spec.items,
            queued: spec.items,
            unresolved: spec.items,
            retries: Retries::new(spec.terms.retry),
        };
        match self.slots.get_mut(id.slot()) {
            Some(place) => {
                self.free.pop();
                *place = job;
            }
            None => self.slots.push(job),
        }
        self.limited += u32::from(spec.terms.limit != NEVER);
        if spec.priority != 0 {
            self.enter(spec.priority);
        }
        id
    }

    #[inline]
    pub(super) fn get(&self, id: JobId) -> Option<&Job> {
        self.slots
            .get(id.slot())
            .filter(|job| job.live && job.generation == id.generation)
    }

    #[inline]
    pub(super) fn get_mut(&mut self, id: JobId) -> Option<&mut Job> {
        self.slots
            .get_mut(id.slot())
            .filter(|job| job.live && job.generation == id.generation)
    }

    pub(super) fn remove(&mut self, id: JobId) {
        if let Some(job) = self.get_mut(id) {
            job.live = false;
            job.generation = job.generation.wrapping_add(1);
            job.retries = None;
            let limited = job.limit != NEVER;
            let priority = job.priority;
            self.limited -= u32::from(limited);
            if !self.expired.is_empty() {
                self.expired.remove(&id);
            }
            if self.special > 0 {
                self.leave(id, priority);
            }
            self.free.push(id.slot);
        }
    }

    #[cold]
    #[inline(never)]
    fn enter(&mut self, priority: i32) {
        self.special += 1;
        self.ranks.enter(priority);
    }

    #[cold]
    #[inline(never)]
    fn leave(&mut self, id: JobId, priority: i32) {
        if priority != 0 {
            self.special -= 1;
            self.ranks.leave(priority);
        }
        self.unstick(id);
    }

    /// The chunks of this job, which may be one that is about to come, belong to indexes.
    pub(super) fn stick(&mut self, id: JobId, sticky: Sticky) {
        self.special += 1;
        self.sticky.insert(id, sticky);
    }

    pub(super) fn unstick(&mut self, id: JobId) {
        if self.sticky.remove(&id).is_some() {
            self.special -= 1;
        }
    }

    /// Which index each chunk of this job belongs to, if not to anyone.
    pub(super) fn sticky(&self, id: JobId) -> Option<Sticky> {
        self.sticky.get(&id).copied()
    }

    /// The items of a job below this have had their time to begin: none of them waits to begin for the first time.
    pub(super) fn expired(&self, id: JobId) -> u32 {
        self.expired.get(&id).copied().unwrap_or(0)
    }

    /// The items of a job below `end` have had their time to begin. False: it is over, or stopped.
    pub(super) fn expire(&mut self, id: JobId, end: u32) -> bool {
        let goes_on = self.get(id).is_some_and(|job| !job.is_stopped());
        if goes_on {
            let expired = self.expired.entry(id).or_default();
            *expired = end.max(*expired);
        }
        goes_on
    }

    /// Whether live jobs have more than one priority among them.
    #[inline]
    pub(super) fn differ(&self) -> bool {
        self.special > 0 && self.ranks.differ(self.len())
    }

    /// Live jobs.
    #[inline]
    pub(super) fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    /// Every job that takes items takes so many more.
    #[cfg(test)]
    pub(super) fn leave_room_for(&mut self, items: u32) {
        let open = self.slots.iter_mut().filter(|job| job.live && job.open);
        open.for_each(|job| job.total = u32::MAX - items);
    }

    #[cfg(test)]
    pub(super) fn has_expired_only_live(&self) -> bool {
        self.expired.keys().all(|id| self.get(*id).is_some())
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (JobId, &Job)> {
        self.slots
            .iter()
            .enumerate()
            .filter(|(_, job)| job.live)
            .map(|(slot, job)| {
                (
                    JobId {
                        slot: slot as u32,
                        generation: job.generation,
                    },
                    job,
                )
            })
    }
}
