//! What the core counts; must not influence any decision.

use super::worker::WorkerState;
use super::{Core, PoolState};
use crate::histogram::Histogram;

/// Events counted since the pool was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counters {
    pub(super) frames: u64,
    pub(super) done: u64,
    pub(super) lost: u64,
    pub(super) cancelled: u64,
    pub(super) timed_out: u64,
    pub(super) failed: u64,
    pub(super) retried: u64,
    pub(super) taken_back: u64,
    pub(super) starts: u64,
    pub(super) start_failures: u64,
    pub(super) deaths: u64,
    pub(super) restarts: u64,
    pub(super) recycled: u64,
}

/// A picture of the core at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CoreStats {
    /// What the pool does.
    pub(crate) state: PoolState,
    /// Workers that said READY and live.
    pub(crate) ready: u32,
    /// READY workers with nothing to do.
    pub(crate) idle: u32,
    /// Workers asked for that have not said READY.
    pub(crate) starting: u32,
    /// Places without a process, spare ones too.
    pub(crate) down: u32,
    /// Jobs not finished.
    pub(crate) jobs: usize,
    /// Items not handed out.
    pub(crate) queued_items: u64,
    /// Items in frames on links.
    pub(crate) items_in_flight: u64,
    /// Those of them that have no outcome yet: of jobs that are not over.
    pub(crate) items_unresolved_in_flight: u64,
    /// Frames on links.
    pub(crate) frames_in_flight: u64,
    /// Frames ever sent.
    pub(crate) frames_sent: u64,
    /// Frames taken back from workers that did not come to them.
    pub(crate) frames_taken_back: u64,
    /// Items replied, failed ones included.
    pub(crate) items_done: u64,
    /// Items that had begun in a worker that died.
    pub(crate) items_lost: u64,
    /// Items cancelled.
    pub(crate) items_cancelled: u64,
    /// Items that ran longer than their limit.
    pub(crate) items_timed_out: u64,
    /// Items that may be tried again and were given up after a reply; not among `items_done`.
    pub(crate) items_failed: u64,
    /// Attempts after the first of an item.
    pub(crate) retries: u64,
    /// Items that wait to be tried again, or for a judgement.
    pub(crate) held_items: u64,
    /// Processes ever asked for.
    pub(crate) starts: u64,
    /// Starts that failed, and deaths before READY.
    pub(crate) start_failures: u64,
    /// Deaths after READY that nobody asked for.
    pub(crate) deaths: u64,
    /// Starts, or successors, in the place of a worker that died or did not come up.
    pub(crate) restarts: u64,
    /// Workers stopped because they had served long enough.
    pub(crate) recycled: u64,
    /// Workers that were killed, have not ended, and have been replaced.
    pub(crate) undying: u32,
}

impl CoreStats {
    /// Items that ended without a reply, or were given up after one.
    pub(crate) fn items_in_error(&self) -> u64 {
        self.items_failed + self.items_lost + self.items_cancelled + self.items_timed_out
    }

    /// Items without an outcome.
    pub(crate) fn items_open(&self) -> u64 {
        self.queued_items + self.held_items + self.items_unresolved_in_flight
    }
}

impl Core {
    /// Counts of which one changes whenever an item comes in, is handed out, taken back, held, or gets its outcome.
    pub(crate) fn moved(&self) -> [u64; 5] {
        let Counters {
            frames,
            taken_back,
            done,
            lost,
            cancelled,
            timed_out,
            failed,
            ..
        } = self.counters;
        let ended = done + lost + cancelled + timed_out + failed;
        [frames, taken_back, ended, self.work_items(), self.held]
    }

    /// How long the items that replied had waited.
    pub(crate) fn waits(&self) -> &Histogram {
        &self.waits
    }

    /// Counts and gauges; costs a walk over all frames.
    pub(crate) fn stats(&self) -> CoreStats {
        let frames = || self.workers.iter().flat_map(|worker| &worker.frames);
        let in_state = |wanted: fn(WorkerState) -> bool| {
            self.workers
                .iter()
                .filter(|worker| wanted(worker.state))
                .count() as u32
        };
        CoreStats {
            state: self.state,
            ready: self.ready,
            idle: self.idle.len() as u32,
            starting: in_state(|state| {
                matches!(state, WorkerState::Starting | WorkerState::Booting)
            }),
            down: self.down,
            jobs: self.jobs.len(),
            queued_items: self.work_items(),
            items_in_flight: frames().map(|frame| u64::from(frame.count)).sum(),
            items_unresolved_in_flight: frames()
                .filter(|frame| self.jobs.get(frame.job).is_some())
                .map(|frame| u64::from(frame.count))
                .sum(),
            frames_in_flight: frames().count() as u64,
            frames_sent: self.counters.frames,
            frames_taken_back: self.counters.taken_back,
            items_done: self.counters.done,
            items_lost: self.counters.lost,
            items_cancelled: self.counters.cancelled,
            items_timed_out: self.counters.timed_out,
            items_failed: self.counters.failed,
            retries: self.counters.retried,
            held_items: self.held,
            starts: self.counters.starts,
            start_failures: self.counters.start_failures,
            deaths: self.counters.deaths,
            restarts: self.counters.restarts,
            recycled: self.counters.recycled,
            undying: self.undying_now(),
        }
    }
}
