//! Where each item of every live job is, as submissions, links and effects tell; must not ask the core.

use std::collections::BTreeMap;

use super::super::{Fate, JobId, JobSpec, Nanos, Slot, Sticky};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// Waits for anyone.
    Common,
    /// Waits for whoever serves under this index.
    Own(u32),
    /// In this link, not begun.
    Sent(Slot),
    /// Begun, and no more is known.
    Begun,
    /// Failed, and not tried again before then.
    Held(Nanos),
    /// Failed, and somebody judges that.
    Judged,
    Over,
}

#[derive(Debug)]
struct Job {
    priority: i32,
    sticky: Option<Sticky>,
    delay: Nanos,
    places: Vec<Place>,
    counts: Counts,
}

/// Items that wait for anyone, for an index, and for another attempt.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) common: u64,
    pub(super) own: u64,
    pub(super) held: u64,
}

impl Counts {
    fn of(&mut self, place: Place) -> Option<&mut u64> {
        match place {
            Place::Common => Some(&mut self.common),
            Place::Own(_) => Some(&mut self.own),
            Place::Held(_) | Place::Judged => Some(&mut self.held),
            Place::Sent(_) | Place::Begun | Place::Over => None,
        }
    }

    fn moves(&mut self, from: Place, to: Place) {
        self.of(to).into_iter().for_each(|count| *count += 1);
        self.of(from).into_iter().for_each(|count| *count -= 1);
    }
}

#[derive(Debug, Default)]
pub(super) struct Whereabouts {
    /// Nothing of a job that is over is of interest.
    jobs: BTreeMap<JobId, Job>,
    counts: Counts,
    /// Indexes are below it.
    pub(super) size: u32,
}

impl Whereabouts {
    pub(super) fn new(size: u32) -> Whereabouts {
        Whereabouts {
            size,
            ..Whereabouts::default()
        }
    }

    pub(super) fn enters(&mut self, id: JobId, spec: &JobSpec, sticky: Option<Sticky>) {
        let job = Job {
            priority: spec.priority,
            sticky,
            delay: spec.terms.retry.delay,
            places: Vec::new(),
            counts: Counts::default(),
        };
        self.jobs.insert(id, job);
        self.grows(id, spec.items);
    }

    pub(super) fn grows(&mut self, id: JobId, more: u32) {
        let Some(job) = self.jobs.get_mut(&id) else {
            return;
        };
        let first = job.places.len() as u32;
        job.places.resize((first + more) as usize, Place::Over);
        self.wait(id, first, more);
    }

    /// It is over, or was not accepted.
    pub(super) fn leaves(&mut self, id: JobId) {
        if let Some(job) = self.jobs.remove(&id) {
            self.counts.common -= job.counts.common;
            self.counts.own -= job.counts.own;
            self.counts.held -= job.counts.held;
        }
    }

    fn put(&mut self, id: JobId, item: u32, place: Place) -> Option<Place> {
        let job = self.jobs.get_mut(&id)?;
        let former = std::mem::replace(job.places.get_mut(item as usize)?, place);
        job.counts.moves(former, place);
        self.counts.moves(former, place);
        Some(former)
    }

    /// These items are to be handed out.
    pub(super) fn wait(&mut self, id: JobId, first: u32, count: u32) {
        let sticky = self.sticky(id);
        for item in first..first + count {
            let owner = sticky.map(|sticky| sticky.index_of(item));
            let owner = owner.filter(|owner| *owner < self.size);
            self.put(id, item, owner.map_or(Place::Common, Place::Own));
        }
    }

    pub(super) fn sent(&mut self, id: JobId, first: u32, count: u32, to: Slot) {
        for item in first..first + count {
            self.put(id, item, Place::Sent(to));
        }
    }

    pub(super) fn begins(&mut self, id: JobId, item: u32) {
        self.put(id, item, Place::Begun);
    }

    pub(super) fn is_over(&mut self, id: JobId, item: u32) {
        self.put(id, item, Place::Over);
    }

    /// It failed, and that was not all.
    pub(super) fn failed(&mut self, id: JobId, item: u32, fate: Fate, now: Nanos) {
        match fate {
            Fate::Final => self.is_over(id, item),
            Fate::Again => self.again(id, item, now),
            Fate::Judged => drop(self.put(id, item, Place::Judged)),
        }
    }

    fn again(&mut self, id: JobId, item: u32, now: Nanos) {
        match self.jobs.get(&id).map_or(0, |job| job.delay) {
            0 => self.wait(id, item, 1),
            delay => drop(self.put(id, item, Place::Held(now + delay))),
        }
    }

    /// Its failure is judged to be worth another attempt, which is of no interest when it was resolved meanwhile.
    pub(super) fn worth_another(&mut self, id: JobId, item: u32, now: Nanos) {
        if self.places(id, item, 1) == [Place::Judged] {
            self.again(id, item, now);
        }
    }

    /// All that was due by now has happened.
    pub(super) fn release(&mut self, now: Nanos) {
        if self.counts.held > 0 {
            let due = |place| matches!(place, Place::Held(until) if until <= now);
            self.again_if(due, Whereabouts::wait);
        }
    }

    /// What a worker had not begun when it died waits again.
    pub(super) fn dies(&mut self, slot: Slot) {
        self.again_if(|place| place == Place::Sent(slot), Whereabouts::wait);
    }

    /// What waits for this index is for anyone.
    pub(super) fn given_up(&mut self, index: u32) {
        self.again_if(|place| place == Place::Own(index), Whereabouts::for_anyone);
    }

    /// There are so many indexes from here on; what is of others is for anyone.
    pub(super) fn resized(&mut self, size: u32) {
        self.size = size;
        let lost = |place| matches!(place, Place::Own(index) if index >= size);
        self.again_if(lost, Whereabouts::for_anyone);
    }

    fn for_anyone(&mut self, id: JobId, item: u32, _one: u32) {
        self.put(id, item, Place::Common);
    }

    fn again_if(&mut self, which: impl Fn(Place) -> bool, then: fn(&mut Self, JobId, u32, u32)) {
        let mut found = Vec::new();
        for (id, job) in &self.jobs {
            let places = (0..).zip(&job.places);
            let those = places.filter(|(_, place)| which(**place));
            found.extend(those.map(|(item, _)| (*id, item)));
        }
        for (id, item) in found {
            then(self, id, item, 1);
        }
    }

    pub(super) fn counts(&self) -> Counts {
        self.counts
    }

    /// Where these items wait that are about to be sent. What was held and is sent was released, and so was all else.
    pub(super) fn leaving(&mut self, id: JobId, first: u32, count: u32, now: Nanos) -> Vec<Place> {
        let places = self.places(id, first, count);
        if places.iter().any(|place| matches!(place, Place::Held(_))) {
            self.release(now);
            return self.places(id, first, count);
        }
        places
    }

    fn places(&self, id: JobId, first: u32, count: u32) -> Vec<Place> {
        let job = self.jobs.get(&id);
        job.map_or(Vec::new(), |job| {
            job.places[first as usize..(first + count) as usize].to_vec()
        })
    }

    pub(super) fn priority(&self, id: JobId) -> Option<i32> {
        self.jobs.get(&id).map(|job| job.priority)
    }

    pub(super) fn sticky(&self, id: JobId) -> Option<Sticky> {
        self.jobs.get(&id)?.sticky
    }

    /// Whether live jobs have more than one priority among them.
    pub(super) fn differ(&self) -> bool {
        let mut priorities = self.jobs.values().map(|job| job.priority);
        let first = priorities.next();
        priorities.any(|priority| Some(priority) != first)
    }

    /// The highest priority of what waits for anyone.
    pub(super) fn highest(&self) -> Option<i32> {
        let waits = self.jobs.values().filter(|job| job.counts.common > 0);
        waits.map(|job| job.priority).max()
    }

    /// The highest priority of what waits for this index.
    pub(super) fn highest_of(&self, index: u32) -> Option<i32> {
        let waits = self.jobs.values().filter(|job| job.counts.own > 0);
        let its = waits.filter(|job| job.places.contains(&Place::Own(index)));
        its.map(|job| job.priority).max()
    }
}
