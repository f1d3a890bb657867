//! One check of the whole state against itself; must not change it.

mod order;

use std::collections::{HashMap, HashSet};

use super::alarm::NEVER;
use super::place::Duty;
use super::worker::{Feed, Frame, Worker, WorkerState};
use super::{Core, JobId, PoolState};

impl Core {
    /// Panics with what is wrong. Holds between any two calls of the core.
    pub(crate) fn sanity_check(&self) {
        self.check_workers();
        self.check_places();
        self.check_lists();
        self.check_items();
        self.check_policy();
    }

    fn check_workers(&self) {
        let count = |wanted: fn(&WorkerState) -> bool| {
            self.workers.iter().filter(|w| wanted(&w.state)).count()
        };
        assert_eq!(
            self.ready as usize,
            count(|s| matches!(s, WorkerState::Ready)),
            "ready workers"
        );
        assert_eq!(
            self.down as usize,
            count(|s| matches!(s, WorkerState::Down { .. })),
            "down workers"
        );
        assert_eq!(
            self.waiting,
            self.workers.iter().map(|w| w.waiting()).sum::<usize>(),
            "waiting frames"
        );
        for (slot, worker) in self.workers.iter().enumerate() {
            let queued: u64 = worker
                .frames
                .iter()
                .map(|f| u64::from(f.count) * u64::from(f.item))
                .sum();
            assert_eq!(worker.queued, queued, "estimate of worker {slot}");
            assert!(
                worker.is_live() || worker.frames.is_empty(),
                "frames in worker {slot} that serves nobody"
            );
            assert!(
                worker.frames.iter().skip(1).all(|f| !f.begun),
                "replies out of order in worker {slot}"
            );
            match (self.state, worker.state) {
                (
                    PoolState::Terminating | PoolState::Broken,
                    WorkerState::Booting | WorkerState::Ready,
                ) => {
                    panic!(
                        "worker {slot} is {:?} in a pool that is {:?}",
                        worker.state, self.state
                    )
                }
                (PoolState::Closing, WorkerState::Booting | WorkerState::Ready) => {
                    let ghost = worker.frames.front().is_some();
                    assert!(
                        self.jobs.len() > 0 || ghost,
                        "worker {slot} was not stopped"
                    );
                }
                _ => {}
            }
            self.check_alarm(slot, worker);
        }
    }

    /// Every index is one worker's, and who has served long enough goes.
    fn check_places(&self) {
        let having =
            |wanted: fn(&Worker) -> bool| self.workers.iter().filter(|w| wanted(w)).count() as u32;
        assert_eq!(self.lacking, having(Worker::is_lacking), "lacking workers");
        assert_eq!(
            self.resting,
            having(|w| w.duty == Duty::Rests),
            "resting indexes"
        );
        assert!(self.outgoing.is_empty(), "somebody was not seen off");
        for index in 0..self.size {
            let with = |wanted: fn(Duty) -> bool| {
                let mine = self.workers.iter().filter(|w| w.index == index);
                mine.filter(|w| wanted(w.duty)).count()
            };
            assert_eq!(
                with(|duty| matches!(duty, Duty::Serves | Duty::Rests)),
                1,
                "who serves under index {index}"
            );
            assert!(
                with(|duty| duty == Duty::Succeeds) <= 1,
                "successors of index {index}"
            );
        }
        for (slot, worker) in self.workers.iter().enumerate() {
            let has_index = match worker.duty {
                Duty::Serves | Duty::Rests | Duty::Succeeds => true,
                Duty::Spare | Duty::Leaves => false,
            };
            assert!(
                !has_index || worker.index < self.size,
                "index of place {slot}"
            );
            let down = matches!(worker.state, WorkerState::Down { .. });
            match worker.duty {
                Duty::Spare => assert!(down, "spare place {slot} is in use"),
                Duty::Leaves => assert!(!down, "place {slot} was left and is not spare"),
                Duty::Serves | Duty::Rests | Duty::Succeeds => {}
            }
            assert!(
                worker.left == 0 || (worker.duty == Duty::Serves && worker.is_live()),
                "place {slot} would be given something"
            );
            assert!(!worker.may_go(), "place {slot} has to be left");
            let running = match self.state {
                PoolState::Open => true,
                PoolState::Closing => self.jobs.len() > 0,
                PoolState::Terminating | PoolState::Broken => false,
            };
            if running && worker.may_retire() {
                assert!(self.life.look <= worker.retire_at, "age of place {slot}");
            }
        }
        if self.state == PoolState::Open {
            assert!(
                self.size - self.resting >= self.least(),
                "fewer workers than there are to be"
            );
        }
    }

    /// An item that nobody waits for any more has an end in sight.
    fn check_alarm(&self, slot: usize, worker: &Worker) {
        let is_ghost = |frame: &Frame| self.jobs.get(frame.job).is_none();
        if worker.frames.iter().any(is_ghost) {
            assert_ne!(worker.alarm, NEVER, "a ghost for ever in worker {slot}");
        }
        if worker.frames.iter().any(|frame| frame.job == JobId::NONE) {
            let state = (worker.frames.len(), worker.feed);
            assert_eq!(state, (1, Feed::Robbed), "worker {slot} is told of others");
        }
        let oldest = worker.frames.front().and_then(|f| self.jobs.get(f.job));
        assert_eq!(
            worker.due != NEVER,
            oldest.is_some_and(|job| job.limit != NEVER),
            "time limit in worker {slot}"
        );
        assert!(
            self.alarm <= worker.alarm.min(worker.due),
            "alarm of worker {slot}"
        );
        assert!(
            worker.alarm == NEVER
                || !worker.frames.is_empty()
                || worker.state == WorkerState::Killed,
            "alarm of worker {slot} that does nothing"
        );
    }

    fn check_lists(&self) {
        let idle: HashSet<u32> = self.idle.iter().copied().collect();
        let vacant: HashSet<u32> = self.vacant.iter().copied().collect();
        assert_eq!(
            (idle.len(), vacant.len()),
            (self.idle.len(), self.vacant.len()),
            "a worker is listed twice"
        );
        for (slot, worker) in self.workers.iter().enumerate() {
            let empty = worker.feed == Feed::Open && worker.frames.is_empty() && worker.left > 0;
            let idle = idle.contains(&(slot as u32));
            let vacant = vacant.contains(&(slot as u32));
            assert_eq!(worker.listed, idle || vacant, "list mark of worker {slot}");
            assert_eq!(
                idle,
                empty && worker.state == WorkerState::Ready,
                "worker {slot} in the idle list"
            );
            assert_eq!(
                vacant,
                empty && worker.state == WorkerState::Booting,
                "worker {slot} in the vacant list"
            );
        }
    }

    fn check_items(&self) {
        assert_eq!(self.waits.count(), self.counters.done, "waits noted");
        let mut queued: HashMap<JobId, u32> = HashMap::new();
        let mut held: HashMap<JobId, Vec<(u32, u32)>> = HashMap::new();
        for (priority, run) in self.all_runs() {
            let job = self.jobs.get(run.job).expect("a run of a live job");
            assert_eq!(job.priority, priority, "priority of {run:?}");
            *queued.entry(run.job).or_default() += run.count;
            held.entry(run.job)
                .or_default()
                .push((run.first, run.count));
        }
        assert!(self.jobs.has_expired_only_live(), "deadlines of the past");
        for (_, run) in self.all_runs() {
            let job = self.jobs.get(run.job).expect("a run of a live job");
            let late = run.first..(run.first + run.count).min(self.jobs.expired(run.job));
            let waits = late.into_iter().find(|item| !job.has_failed(*item));
            assert_eq!(waits, None, "item of {:?} that has expired", run.job);
        }
        for frame in self.workers.iter().flat_map(|worker| &worker.frames) {
            assert!(frame.count > 0, "empty frame");
            if self.jobs.get(frame.job).is_some() {
                held.entry(frame.job)
                    .or_default()
                    .push((frame.first, frame.count));
            }
        }
        let mut waiting = 0;
        for (id, job) in self.jobs.iter() {
            for item in job.retries.iter().flat_map(|retries| retries.held()) {
                held.entry(id).or_default().push((item, 1));
                waiting += 1;
            }
        }
        assert_eq!(self.held, waiting, "items held");
        let next = self.delayed.peek().map_or(NEVER, |next| next.0.0);
        assert!(self.alarm <= next, "a retry that nothing wakes");
        assert_eq!(
            self.work_items(),
            queued.values().map(|&n| u64::from(n)).sum::<u64>(),
            "queue length"
        );
        for (id, job) in self.jobs.iter() {
            assert_eq!(
                job.queued,
                queued.remove(&id).unwrap_or(0),
                "queued items of {id:?}"
            );
            let mut ranges = held.remove(&id).unwrap_or_default();
            ranges.sort_unstable();
            assert_eq!(
                job.unresolved,
                ranges.iter().map(|r| r.1).sum::<u32>(),
                "unresolved items of {id:?}"
            );
            assert!(
                ranges.windows(2).all(|w| w[0].0 + w[0].1 <= w[1].0),
                "{id:?} has an item twice"
            );
            assert!(
                ranges.last().is_none_or(|r| r.0 + r.1 <= job.total),
                "{id:?} has an item too many"
            );
            assert!(!job.is_over(), "{id:?} is over and not finished");
        }
        assert!(held.is_empty(), "items of jobs that are over: {held:?}");
    }

    fn check_policy(&self) {
        self.check_order();
        if self.has_work() {
            assert!(
                self.queue.is_empty() || self.idle.is_empty() && self.vacant.is_empty(),
                "work queued beside an idle worker"
            );
            let will_speak = |s: WorkerState| {
                matches!(
                    s,
                    WorkerState::Starting
                        | WorkerState::Booting
                        | WorkerState::Stopping
                        | WorkerState::Killed
                )
            };
            let moves = self
                .workers
                .iter()
                .any(|w| !w.frames.is_empty() || will_speak(w.state));
            assert!(
                moves || self.next_timer().is_some(),
                "queued work that nothing will move"
            );
        }
        if matches!(self.state, PoolState::Terminating | PoolState::Broken) {
            assert_eq!(self.jobs.len(), 0, "jobs left after the end");
        }
    }
}
