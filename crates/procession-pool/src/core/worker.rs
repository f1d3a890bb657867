//! One place for a worker: its state and the frames it was given; must not decide anything about other workers.

use std::collections::VecDeque;

use super::alarm::NEVER;
use super::own::Row;
use super::place::Duty;
use super::profile::LONG;
use super::queue::Run;
use super::{JobId, Nanos};

/// Estimated work queued in a worker below which a plain call is put behind it.
pub(super) const AHEAD: Nanos = 2_000_000;
/// Frames in one worker, whatever their estimate: bounds what a wrong estimate can hold back.
pub(super) const MAX_FRAMES: usize = 1024;

/// A place for a worker's process; not its index, which may pass on to another place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Slot(pub(crate) u32);

impl Slot {
    /// The place as an index.
    pub(crate) fn index(self) -> usize {
        self.0 as usize
    }
}

/// One worker process: its place and which of the processes that were ever there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct WorkerRef {
    /// The place.
    pub(crate) slot: Slot,
    /// Counts the processes started in this place.
    pub(crate) incarnation: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum WorkerState {
    /// No process; none is started before this moment.
    Down {
        not_before: Nanos,
    },
    /// A process was asked for; there is nothing yet to send to or to kill.
    Starting,
    /// The process exists and has not said READY; its link takes frames.
    Booting,
    Ready,
    /// Told to exit in order, nothing in its link.
    Stopping,
    /// Told to end at once, its items resolved or handed out elsewhere.
    Killed,
}

/// Whether the core offers frames to a worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Feed {
    Open,
    /// Its link took nothing: not before its next reply.
    LinkFull,
    /// Its waiting frames were taken back because it did not come to them: not before its next reply.
    Robbed,
}

/// Items `first..first + count` not replied yet, of a frame on the link.
#[derive(Clone, Copy, Debug)]
pub(super) struct Frame {
    pub(super) job: JobId,
    pub(super) first: u32,
    pub(super) count: u32,
    /// Estimate per item when it was sent.
    pub(super) item: u32,
    /// Some of its items were replied: it has begun whatever else is known.
    pub(super) begun: bool,
    /// It goes before higher priorities, because it has waited long enough.
    pub(super) in_turn: bool,
    pub(super) sent: Nanos,
}

impl Frame {
    pub(super) fn run(&self) -> Run {
        Run {
            job: self.job,
            first: self.first,
            count: self.count,
        }
    }

    pub(super) fn estimate(&self) -> Nanos {
        Nanos::from(self.item) * Nanos::from(self.count)
    }
}

#[derive(Debug)]
pub(super) struct Worker {
    pub(super) state: WorkerState,
    pub(super) incarnation: u32,
    pub(super) feed: Feed,
    /// Listed in `Core::idle` or `Core::vacant`.
    pub(super) listed: bool,
    /// What it is called by; means nothing in a spare place.
    pub(super) index: u32,
    pub(super) duty: Duty,
    /// The next start here replaces nobody that died.
    pub(super) anew: bool,
    /// Items it may yet be given: above 0 only in a live worker that serves.
    pub(super) left: u64,
    /// The same, for when it serves again.
    pub(super) kept: u64,
    /// It is given nothing more, whatever its quota.
    pub(super) retired: bool,
    /// When it is too old to be given more.
    pub(super) retire_at: Nanos,
    /// Since when it has nothing to do, if that was noted.
    pub(super) idle_since: Nanos,
    /// This incarnation has replied.
    pub(super) used: bool,
    /// Starts in this place since its last reply that ended with nothing done.
    pub(super) setbacks: u32,
    /// Estimated time of all frames.
    pub(super) queued: Nanos,
    /// When something is done about the oldest frame: see `alarm.rs`; [`NEVER`] for nearly all.
    pub(super) alarm: Nanos,
    /// When the time limit of the oldest frame's item is looked at; [`NEVER`] without a limit.
    pub(super) due: Nanos,
    /// When that item began, once it is known.
    pub(super) began: Option<Nanos>,
    /// It was killed, does not end, and another one serves in its place.
    pub(super) undying: bool,
    /// A decision was due when the worker seemed to be past what it is about.
    pub(super) spared: bool,
    /// When it was last heard of, and the time before.
    heard: (Nanos, Nanos),
    pub(super) row: Row,
    pub(super) frames: VecDeque<Frame>,
}

impl Worker {
    pub(super) fn new(index: u32, duty: Duty) -> Worker {
        Worker {
            index,
            duty,
            anew: true,
            left: 0,
            kept: 0,
            retired: false,
            retire_at: NEVER,
            idle_since: NEVER,
            state: WorkerState::Down { not_before: 0 },
            incarnation: 0,
            feed: Feed::Open,
            listed: false,
            used: false,
            setbacks: 0,
            queued: 0,
            alarm: NEVER,
            due: NEVER,
            undying: false,
            began: None,
            spared: false,
            heard: (0, 0),
            row: Row::default(),
            frames: VecDeque::new(),
        }
    }

    /// A process that serves or is about to.
    #[inline]
    pub(super) fn is_live(&self) -> bool {
        match self.state {
            WorkerState::Booting | WorkerState::Ready => true,
            WorkerState::Down { .. }
            | WorkerState::Starting
            | WorkerState::Stopping
            | WorkerState::Killed => false,
        }
    }

    /// When a process may be started here, if there is none.
    pub(super) fn may_start_at(&self) -> Option<Nanos> {
        match self.state {
            WorkerState::Down { not_before } => Some(not_before),
            WorkerState::Starting
            | WorkerState::Booting
            | WorkerState::Ready
            | WorkerState::Stopping
            | WorkerState::Killed => None,
        }
    }

    /// Whether a frame of items that take `item` each may be queued here now; `single`: of a plain call.
    #[inline]
    pub(super) fn has_room(&self, item: u32, single: bool) -> bool {
        if self.feed != Feed::Open || self.left == 0 {
            return false;
        }
        match self.state {
            WorkerState::Ready => self.frames.is_empty() || self.may_run_ahead(item, single),
            WorkerState::Booting => self.frames.is_empty(),
            WorkerState::Down { .. }
            | WorkerState::Starting
            | WorkerState::Stopping
            | WorkerState::Killed => false,
        }
    }

    #[inline]
    fn may_run_ahead(&self, item: u32, single: bool) -> bool {
        let frames = self.frames.len();
        let short = item <= LONG && frames < MAX_FRAMES;
        let few = self.queued < AHEAD || (!single && frames < 2);
        short && few && self.frames.back().is_some_and(|last| last.item <= LONG)
    }

    #[inline]
    pub(super) fn push(&mut self, frame: Frame) {
        self.queued += frame.estimate();
        self.frames.push_back(frame);
    }

    /// The newest frame got only so many of its items onto the link; none: it is not there.
    #[inline]
    pub(super) fn cut_newest(&mut self, items: u32) {
        let Some(newest) = self.frames.back_mut() else {
            return;
        };
        if newest.count != items {
            self.queued -= Nanos::from(newest.item) * Nanos::from(newest.count - items);
            newest.count = items;
            if items == 0 {
                self.frames.pop_back();
            }
        }
    }

    /// Removes the newest frame.
    pub(super) fn pop_newest(&mut self) -> Option<Frame> {
        let frame = self.frames.pop_back()?;
        self.queued -= frame.estimate();
        if self.frames.is_empty() {
            self.due = NEVER;
        }
        Some(frame)
    }

    /// Counts `items` replies against the oldest frame; says whose they were, how many it could count, and from when on it
    /// can have been at them.
    #[inline]
    pub(super) fn replied(&mut self, items: u32, now: Nanos) -> Option<(JobId, u32, Nanos)> {
        if self.heard.0 != now {
            self.heard = (now, self.heard.0);
        }
        let frame = self.frames.front_mut()?;
        let items = items.min(frame.count);
        let job = frame.job;
        let begun = frame.sent.max(self.heard.1);
        self.queued -= Nanos::from(frame.item) * Nanos::from(items);
        frame.begun = true;
        frame.first = frame.first.wrapping_add(items);
        frame.count -= items;
        if frame.count == 0 {
            self.frames.pop_front();
            self.due = NEVER;
        }
        Some((job, items, begun))
    }

    /// Frames presumed not begun: all while booting, all but the oldest afterwards.
    #[inline]
    pub(super) fn waiting(&self) -> usize {
        match self.state {
            WorkerState::Ready => self.frames.len().saturating_sub(1),
            WorkerState::Booting => self.frames.len(),
            WorkerState::Down { .. }
            | WorkerState::Starting
            | WorkerState::Stopping
            | WorkerState::Killed => 0,
        }
    }

    /// Those frames, the oldest first.
    pub(super) fn waiting_frames(&self) -> impl Iterator<Item = &Frame> {
        self.frames.iter().skip(self.frames.len() - self.waiting())
    }

    /// Estimated time of the waiting frames and when the oldest of them was sent.
    pub(super) fn waiting_work(&self) -> Option<(Nanos, Nanos)> {
        let behind = self.frames.len() - self.waiting();
        let oldest = self.frames.get(behind)?;
        let ahead = if behind == 0 {
            0
        } else {
            self.frames.front().map_or(0, Frame::estimate)
        };
        Some((self.queued - ahead, oldest.sent))
    }
}
