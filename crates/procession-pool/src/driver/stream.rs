//! Streams: items of one function that come in portions. Each portion is a job of its own, and all of them share one
//! cell; so a portion's bytes go when its last item does, and a closing pool waits only for what it was given.
//!
//! It must never keep a list of a stream's jobs: a stream may have any number of them.

use std::sync::Arc;

use procession_task::descriptor::TaskRef;
use procession_worker::TaskId;
use procession_worker::handle::now_ns;

use super::parts::Payload;
use super::room::{Load, NotTaken};
use super::{Shared, Submission, TaskSpan};
use crate::cell::Cell;
use crate::core::{Chunk, JobId, JobSpec, Sticky, Terms};
use crate::describe::Described;
use crate::each::Each;
use crate::portion::Portion;
use crate::retry::Retries;

/// Items of a stream on their way to the workers.
pub(crate) struct Given<'a> {
    pub(crate) task: TaskRef,
    /// Left empty when it is taken.
    pub(crate) portion: &'a mut Portion,
    pub(crate) items: u32,
    /// The number of the first item in the stream, modulo 2^32.
    pub(crate) first: u32,
    pub(crate) chunk: Chunk,
    pub(crate) terms: Terms,
    pub(crate) priority: i32,
    /// Whose its chunks are, if not anyone's.
    pub(crate) owners: Option<Sticky>,
    pub(crate) retries: Option<&'a Retries>,
    pub(crate) cell: &'a Arc<Cell>,
    pub(crate) each: Option<&'a Each>,
    pub(crate) described: &'a Option<Arc<Described>>,
    /// The stream's number, once it has one.
    pub(crate) id: Option<TaskId>,
    /// That of the whole stream.
    pub(crate) span: &'a mut TaskSpan,
    /// Until when to wait for room.
    pub(crate) by: Option<u64>,
}

/// What the scheduler says to a portion it took.
pub(crate) struct Taken {
    pub(crate) id: TaskId,
    /// How many items make a chunk, as far as known.
    pub(crate) worth_sending: u32,
}

impl Shared {
    /// Hands the next items of a stream to the workers once there is room for them or they are too late, and collects what
    /// there is. They are where they were when there was none in time.
    pub(crate) fn give(self: &Arc<Self>, given: Given<'_>) -> Result<Taken, NotTaken> {
        // Not under the lock: it may start the callbacks' thread.
        let again = given.retries.map(|retries| retries.again(self));
        let load = Load::Job(given.items);
        let mut driver = self
            .lock_with_room_by(load, given.terms.start_by, given.by)
            .ok_or(NotTaken::Full)?;
        let mut follows = given.id.is_some();
        if given.span.is_due() {
            self.begin_span(driver, given.span, given.id, given.task, given.items);
            driver = self
                .lock_with_room_by(load, given.terms.start_by, given.by)
                .ok_or(NotTaken::Full)?;
            follows = false;
        }
        let id = given.id.or(given.span.id());
        let id = id.unwrap_or_else(|| driver.number());
        if let Some(each) = given.each {
            each.is_called(id);
        }
        let segment = given.portion.take_segment(0, Portion::new());
        let mut submission = Submission {
            task: given.task,
            payload: Payload::Many(vec![segment]),
            spec: JobSpec {
                items: given.items,
                open: false,
                chunk: given.chunk,
                stop_on_failure: false,
                profile: 0,
                priority: given.priority,
                terms: given.terms,
            },
            owners: given.owners,
            cell: Arc::clone(given.cell),
            base: given.first,
            again,
            described: given.described.clone(),
            waits: false,
            span: given.span.clone(),
        };
        let job = match driver.submit(&mut submission, id) {
            Ok(job) => job,
            Err(refused) => {
                self.unlock(driver);
                return Err(NotTaken::Refused(refused));
            }
        };
        if follows {
            driver.parts.trace_extended(job, given.items);
        }
        driver.collect_all(false, now_ns());
        let profile = driver.profile(given.task);
        let worth_sending = driver.core.worth_sending(profile);
        self.unlock(driver);
        Ok(Taken { id, worth_sending })
    }

    /// Cancels what is left of the stream with this cell: what has begun runs to its end and is discarded.
    pub(crate) fn cancel_stream(&self, cell: &Arc<Cell>) {
        let mut driver = self.lock();
        let jobs = driver.parts.jobs.iter().flatten();
        let of_stream: Vec<JobId> = jobs
            .filter(|data| Arc::ptr_eq(&data.cell, cell))
            .map(|data| data.job)
            .collect();
        let super::Driver { core, parts, .. } = &mut *driver;
        core.cancel_all(&of_stream, now_ns(), parts);
        self.unlock(driver);
    }
}
