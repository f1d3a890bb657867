//! What the driver keeps of a job whose items may be tried again: how often each was, and who judges.
//!
//! It must never decide (that is `core`), nor call a judge under the lock: judges are user code, called on a thread of
//! their own.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::{Arc, Weak};

use procession_worker::handle::{now_ns, reply_frame};
use procession_worker::{TaskError, TaskErrorKind};

use super::Shared;
use super::parts::{JobData, Parts};
use crate::callbacks::Desk;
use crate::cell::{Raw, Told};
use crate::core::{Fate, Fault, JobId, Verdict};
use crate::retry::{Predicate, Returned};

/// A job's attempts.
#[derive(Debug)]
pub(crate) struct Again {
    returned: Returned,
    judge: Option<Judge>,
    /// How many attempts of an item have failed, for items that were tried again.
    failures: HashMap<u32, u32>,
    /// Errors that are being judged.
    judged: HashMap<u32, TaskError>,
}

/// Whoever decides about a job's failures, and where it is called.
#[derive(Debug)]
struct Judge {
    predicate: Predicate,
    desk: Desk,
    pool: Weak<Shared>,
}

/// What an attempt was answered with.
#[derive(Debug)]
pub(crate) enum Answer {
    Error(TaskError),
    Value(Raw),
}

impl Again {
    pub(crate) fn new(
        returned: Returned,
        predicate: Option<Predicate>,
        shared: &Arc<Shared>,
    ) -> Box<Again> {
        let judge = predicate.map(|predicate| Judge {
            predicate,
            desk: shared.judges.desk(),
            pool: Arc::downgrade(shared),
        });
        Box::new(Again {
            returned,
            judge,
            failures: HashMap::new(),
            judged: HashMap::new(),
        })
    }

    /// Gives away what has user code in its `drop`.
    pub(super) fn into_predicate(self) -> Option<Predicate> {
        self.judge.map(|judge| judge.predicate)
    }
}

impl Shared {
    /// Whether this item's failure still waits to be judged, as far as is known here.
    fn awaits_judge(&self, job: JobId, item: u32) -> bool {
        let driver = self.lock();
        let again = driver.parts.known_job(job);
        let again = again.and_then(|data| data.again.as_deref());
        again.is_some_and(|again| again.judged.contains_key(&item))
    }

    /// A failure was judged.
    fn judged(&self, job: JobId, item: u32, verdict: Verdict) {
        let mut driver = self.lock();
        let super::Driver { core, parts, .. } = &mut *driver;
        core.judged(job, item, verdict, now_ns(), parts);
        self.unlock(driver);
    }
}

impl Parts {
    /// An attempt failed with this error.
    pub(super) fn attempt_failed(&mut self, job: JobId, item: u32, fate: Fate, error: TaskError) {
        let Some(data) = self.job(job) else { return };
        match fate {
            Fate::Final => {
                let told = data.fail(item, error);
                self.tell(told);
            }
            Fate::Again => data.count_attempt(item),
            Fate::Judged => {
                let unattended = data.submit_to_judge(item, error);
                self.call_loop |= unattended;
            }
        }
    }

    /// An attempt was answered, and that is a failure.
    pub(super) fn attempt_answered(&mut self, job: JobId, item: u32, fate: Fate) {
        match (self.answer.take(), fate) {
            (None, _) => {}
            (Some(Answer::Error(error)), _) => self.attempt_failed(job, item, fate, error),
            (Some(Answer::Value(raw)), Fate::Final) => {
                let Some(data) = self.job(job) else { return };
                let told = data.pass(item, raw);
                self.tell(told);
            }
            (Some(Answer::Value(_)), Fate::Again | Fate::Judged) => {
                if let Some(data) = self.job(job) {
                    data.count_attempt(item);
                }
            }
        }
    }

    /// The judge has said no: the error that was judged stands.
    pub(super) fn let_stand(&mut self, job: JobId, item: u32) {
        let Some(data) = self.job(job) else { return };
        let again = data.again.as_deref_mut();
        if let Some(error) = again.and_then(|again| again.judged.remove(&item)) {
            let told = data.fail(item, error);
            self.tell(told);
        }
    }
}

impl JobData {
    /// The error with what is known of the item.
    pub(super) fn dress(&self, error: TaskError, item: u32) -> TaskError {
        let mut error = error.with_id(self.id);
        if self.is_map() {
            error = error.with_item(self.base.wrapping_add(item) as usize);
        }
        match self.attempt(item) {
            1 => error,
            attempts => error.with_attempts(attempts),
        }
    }

    /// Which attempt of the item this is, from 1.
    pub(super) fn attempt(&self, item: u32) -> u32 {
        let again = self.again.as_deref();
        let failures = again.and_then(|again| again.failures.get(&item));
        failures.map_or(1, |failures| failures.saturating_add(1))
    }

    /// What a reply says, if that is a failure after which an item may be tried again: not one that every attempt would
    /// end with.
    pub(super) fn fault(&self, item: u32, ok: bool, payload: &[u8]) -> Option<(Fault, Answer)> {
        let again = self.again.as_deref()?;
        if ok {
            let failed = again.returned.is_failure(self.task, payload);
            return failed.then(|| (Fault::Value, Answer::Value(Raw::new(payload))));
        }
        let error = crate::result::failure_error(self.task.name(), payload);
        match error.kind() {
            TaskErrorKind::DecodeArgs | TaskErrorKind::Protocol => None,
            _ => Some((Fault::Error, Answer::Error(self.dress(error, item)))),
        }
    }

    fn count_attempt(&mut self, item: u32) {
        if let Some(again) = &mut self.again {
            *again.failures.entry(item).or_default() += 1;
        }
    }

    /// The item's value, though it counts as a failure.
    fn pass(&self, item: u32, raw: Raw) -> Told {
        if self.is_map() {
            let frames = reply_frame(raw.bytes());
            let item = self.base.wrapping_add(item);
            self.cell.add_run(item, 1, &frames)
        } else {
            self.cell.set(Ok(raw));
            None
        }
    }

    /// Items that were submitted to the judge; some may have been resolved since.
    pub(super) fn judged(&self) -> impl Iterator<Item = u32> {
        let again = self.again.as_deref();
        again
            .into_iter()
            .flat_map(|again| again.judged.keys().copied())
    }

    /// True when nobody is there to call the judge.
    fn submit_to_judge(&mut self, item: u32, error: TaskError) -> bool {
        self.count_attempt(item);
        let (job, cell) = (self.job, Arc::clone(&self.cell));
        let Some(again) = &mut self.again else {
            return false;
        };
        let Some(judge) = &again.judge else {
            return false;
        };
        let (predicate, pool) = (judge.predicate.clone(), judge.pool.clone());
        again.judged.insert(item, error.clone());
        let judging = move |_| {
            // It may have been given up while nobody could be asked.
            if !pool
                .upgrade()
                .is_some_and(|pool| pool.awaits_judge(job, item))
            {
                return;
            }
            let says = catch_unwind(AssertUnwindSafe(|| predicate.says(&error)));
            let verdict = if matches!(says, Ok(true)) {
                Verdict::Again
            } else {
                Verdict::GiveUp
            };
            // It may have made this a copy.
            if let Some(shared) = pool.upgrade().filter(|pool| pool.is_ours()) {
                shared.judged(job, item, verdict);
            }
            if let Err(panic) = says {
                // Counted where it is called from.
                resume_unwind(panic);
            }
        };
        judge.desk.post(Box::new(judging), cell);
        judge.desk.is_unattended()
    }
}
