//! The lines of the workers on their way to whoever wants them: on the callback thread, in order, within bounds.
//!
//! It must never call anything while a lock is held, and never make the pool's own thread wait for a slow reader.
//!
//! # When lines come faster than they are taken
//! Above [`FULL`] the pipes are not read, so the workers wait, as for a slow terminal. When not one line was taken from one
//! look to the next, [`LOOKS`] times in a row, whoever takes them may itself wait for one of those workers: from then on lines are dropped and counted,
//! until the heap is down to [`EASE`]. A task's last lines are read with its outcome whatever lies there, up to [`MOST`].

use std::collections::HashMap;
use std::fmt;
use std::io::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use procession_worker::handle::{Line, Worker, now_ns};
use procession_worker::watch::Watch;
use procession_worker::{OutputStream, TaskId};

use crate::callbacks::Callbacks;

/// Bytes that lie there before the pipes are no longer read.
const FULL: usize = 4 << 20;
/// Bytes at which they are read again.
const EASE: usize = 1 << 20;
/// Bytes above which lines are dropped.
const MOST: usize = 16 << 20;
/// Looks in a row at a reader that has not taken a line, after which nobody waits for it. Several, so that a machine that was
/// stopped for a while is not taken for a reader that stands still.
const LOOKS: u32 = 4;
/// Time between two looks.
const LOOK_NS: u64 = 250_000_000;
/// Time that a call waits for the lines before its outcome.
const PATIENCE: Duration = Duration::from_secs(1);

/// Whoever gets the lines.
pub(crate) type Sink = Arc<dyn Fn(&OutputLine) + Send + Sync>;

/// One line a worker has written to a captured output; see [`PoolBuilder::on_output`](crate::PoolBuilder::on_output).
///
/// Its `Display` is `[pool/3] text`.
#[derive(Clone, Debug)]
pub struct OutputLine {
    worker: Arc<str>,
    index: usize,
    pid: u32,
    dropped: u64,
    line: Line,
}

impl OutputLine {
    /// The name of the worker: `pool/3`.
    #[must_use]
    pub fn worker(&self) -> &str {
        &self.worker
    }

    /// The worker's place in the pool, from 0; a replacement has the place of the one before.
    #[must_use]
    pub fn index(&self) -> usize {
        self.index
    }

    /// The worker's process id. The number may belong to another process by now.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Which of the two outputs it was written to.
    #[must_use]
    pub fn stream(&self) -> OutputStream {
        self.line.stream
    }

    /// The task that was running; `None` when none was, or when the line may be of one of several, or of a worker's start.
    ///
    /// Threads and processes that a former task has left behind write while another task runs: such a line names the
    /// latter. Tasks of some microseconds follow each other too closely to tell their lines apart.
    #[must_use]
    pub fn task(&self) -> Option<TaskId> {
        self.line.task
    }

    /// What was written, without the end of the line. Bytes that are no UTF-8 are replaced; escapes are left as they are.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.line.text
    }

    /// True when the line was longer than 16 KiB and goes on in the next one of the same worker and stream.
    #[must_use]
    pub fn continues(&self) -> bool {
        self.line.continues
    }

    /// How many lines of this worker were dropped just before this one, because they came faster than they were taken: 0
    /// unless a callback, or a reader of this program's own output, stood still for a second.
    /// [`stats`](crate::Pool::stats) count all of them.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.dropped
    }
}

impl fmt::Display for OutputLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{}] {}", self.worker, self.line.text)
    }
}

/// The sink of a pool without a callback: this program's own output, each line in one piece.
pub(crate) fn print(line: &OutputLine) {
    let mut text = String::new();
    if line.dropped > 0 {
        text = format!("[{}] ({} lines were dropped)\n", line.worker, line.dropped);
    }
    text.push_str(&line.to_string());
    text.push('\n');
    // A closed or broken output is no reason to fail, nor to tell anybody: there is nowhere to.
    let _ = match line.line.stream {
        OutputStream::Stdout => std::io::stdout().write_all(text.as_bytes()),
        OutputStream::Stderr => std::io::stderr().write_all(text.as_bytes()),
    };
}

/// What a pool does about its workers' pipes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pace {
    /// As before.
    Same,
    /// They are read no more for a while.
    Mute,
    /// They are read again.
    Listen,
}

/// One pool's lines on their way.
pub(crate) struct Delivery {
    callbacks: Arc<Callbacks>,
    watch: Arc<Watch>,
    sink: Sink,
    /// Lines taken since the beginning, also while one is being taken.
    taken: AtomicU64,
    state: Mutex<State>,
    over_changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// Batches handed in, and batches that are over.
    given: u64,
    over: u64,
    bytes: usize,
    /// The pipes are not read.
    muted: bool,
    /// Lines above [`FULL`] are dropped.
    lossy: bool,
    /// How many lines had been taken at the last look, how many looks ago that was, and when the next one is due.
    taken_then: u64,
    looks: u32,
    look_at: u64,
    /// Lines dropped, by the worker's place, since the last one that was not.
    dropped: HashMap<usize, u64>,
    all_dropped: u64,
}

impl fmt::Debug for Delivery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Delivery")
            .field("state", &*self.lock())
            .finish_non_exhaustive()
    }
}

impl Delivery {
    pub(crate) fn new(callbacks: Arc<Callbacks>, watch: Arc<Watch>, sink: Sink) -> Delivery {
        Delivery {
            callbacks,
            watch,
            sink,
            taken: AtomicU64::new(0),
            state: Mutex::default(),
            over_changed: Condvar::new(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hands lines of one worker in; never waits.
    pub(crate) fn hand_in(self: &Arc<Self>, worker: &Worker, index: usize, lines: Vec<Line>) {
        let count = lines.len() as u64;
        let bytes: usize = lines.iter().map(cost).sum();
        let mut state = self.lock();
        if state.bytes > if state.lossy { FULL } else { MOST } {
            *state.dropped.entry(index).or_default() += count;
            state.all_dropped += count;
            return;
        }
        state.given += 1;
        state.bytes += bytes;
        let mut dropped = state.dropped.remove(&index).unwrap_or(0);
        drop(state);
        let lines = lines.into_iter().map(|line| OutputLine {
            worker: Arc::clone(worker.name()),
            index,
            pid: worker.pid(),
            dropped: std::mem::take(&mut dropped),
            line,
        });
        let batch = Batch {
            lines: lines.collect(),
            bytes,
            delivery: Arc::clone(self),
        };
        self.callbacks.post(Box::new(move || batch.deliver()));
    }

    /// Waits until what was handed in before has been taken; not on the callback thread, not beyond `deadline`
    /// (monotonic nanoseconds), and not for a reader that stands still.
    pub(crate) fn settle(&self, deadline: Option<u64>) {
        let mut state = self.lock();
        let given = state.given;
        if state.over >= given || self.callbacks.is_here() {
            return;
        }
        let patience = now_ns().saturating_add(PATIENCE.as_nanos() as u64);
        let until = deadline.map_or(patience, |at| at.min(patience));
        while state.over < given {
            let left = until.saturating_sub(now_ns());
            if left == 0 {
                return;
            }
            state = self
                .over_changed
                .wait_timeout(state, Duration::from_nanos(left))
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }

    /// Lines dropped since the beginning.
    pub(crate) fn dropped(&self) -> u64 {
        self.lock().all_dropped
    }

    /// Whether the pipes are not to be read.
    pub(crate) fn is_muted(&self) -> bool {
        self.lock().muted
    }

    /// When [`Delivery::pace`] is to be asked although nothing happens.
    pub(crate) fn next_look(&self) -> Option<u64> {
        let state = self.lock();
        state.muted.then_some(state.look_at)
    }

    /// What to do about the pipes from here on.
    pub(crate) fn pace(&self, now: u64) -> Pace {
        let mut state = self.lock();
        let taken = self.taken.load(Ordering::Relaxed);
        state.pace(taken, now)
    }

    fn over(&self, bytes: usize) {
        let mut state = self.lock();
        state.over += 1;
        state.bytes -= bytes;
        let resumes = state.muted && state.bytes <= EASE;
        drop(state);
        self.over_changed.notify_all();
        if resumes {
            self.watch.notify();
        }
    }
}

impl State {
    fn pace(&mut self, taken: u64, now: u64) -> Pace {
        let eased = self.bytes <= EASE;
        self.lossy &= !eased;
        if !self.muted {
            if self.bytes <= FULL || self.lossy {
                return Pace::Same;
            }
            (self.muted, self.looks) = (true, 0);
            (self.taken_then, self.look_at) = (taken, now.saturating_add(LOOK_NS));
            return Pace::Mute;
        }
        if eased {
            self.muted = false;
            return Pace::Listen;
        }
        if now < self.look_at {
            return Pace::Same;
        }
        let stands_still = taken == self.taken_then;
        self.looks = if stands_still { self.looks + 1 } else { 0 };
        (self.taken_then, self.look_at) = (taken, now.saturating_add(LOOK_NS));
        if self.looks < LOOKS {
            return Pace::Same;
        }
        (self.muted, self.lossy) = (false, true);
        Pace::Listen
    }
}

/// What a line counts for.
fn cost(line: &Line) -> usize {
    line.text.len() + size_of::<OutputLine>()
}

/// Lines handed in together; over when it is dropped.
struct Batch {
    lines: Vec<OutputLine>,
    bytes: usize,
    delivery: Arc<Delivery>,
}

impl Batch {
    fn deliver(self) {
        let Delivery {
            callbacks,
            sink,
            taken,
            ..
        } = &*self.delivery;
        for line in &self.lines {
            callbacks.guard(|| sink(line));
            taken.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Drop for Batch {
    fn drop(&mut self) {
        // Where it was delivered may have made this a copy, in which a lock may be held for ever.
        if procession_worker::is_forked_copy() {
            return;
        }
        self.delivery.over(self.bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::{EASE, FULL, LOOK_NS, LOOKS, Pace, State};

    /// Looks at times, in units of the time between two; the last answer.
    fn look(state: &mut State, taken: u64, times: std::ops::Range<u64>) -> Pace {
        let mut pace = Pace::Same;
        for time in times {
            assert_eq!(pace, Pace::Same);
            pace = state.pace(taken, time * LOOK_NS);
        }
        pace
    }

    /// FAULTS 51
    #[test]
    fn a_slow_reader_makes_workers_wait() {
        let mut state = State::default();
        assert_eq!(state.pace(0, 0), Pace::Same);
        state.bytes = FULL + 1;
        assert_eq!(state.pace(3, 0), Pace::Mute);
        // One line now and then is slow, not still.
        let looks = u64::from(LOOKS);
        assert_eq!(look(&mut state, 3, 1..looks), Pace::Same);
        assert_eq!(look(&mut state, 4, looks..2 * looks), Pace::Same);
        // However long nobody could look.
        assert_eq!(look(&mut state, 5, 1_000..1_001), Pace::Same);
        assert_eq!(look(&mut state, 5, 2_000..2_001), Pace::Same);
        state.bytes = EASE;
        assert_eq!(state.pace(5, 0), Pace::Listen);
        assert!(!state.muted && !state.lossy);
    }

    /// FAULTS 51
    #[test]
    fn a_reader_that_stands_still_makes_nobody_wait() {
        let mut state = State {
            bytes: FULL + 1,
            ..State::default()
        };
        assert_eq!(state.pace(0, 0), Pace::Mute);
        assert_eq!(look(&mut state, 0, 1..1 + u64::from(LOOKS)), Pace::Listen);
        assert!(state.lossy);
        assert_eq!(look(&mut state, 0, 5..9), Pace::Same);
        state.bytes = EASE;
        assert_eq!(look(&mut state, 1, 9..10), Pace::Same);
        assert!(!state.lossy);
    }
}
