//! What happens in a pool, as a stream that one who looks seldom can follow as well as one who looks often.
//!
//! Counts are looked at when they are asked for; only births and deaths are kept. It must never keep more than a fixed
//! number of those, nor the pool from ending.

use std::fmt;
use std::iter::FusedIterator;
use std::sync::Arc;
use std::time::Duration;

use procession_worker::WorkerDeath;
use procession_worker::handle::now_ns;

use crate::driver::{Note, Shared};
use crate::here::OwnWorker;
use crate::pool::Pool;
use crate::progress::{INTERVAL, Progress};
use crate::result::after;

/// While something runs and nothing has changed, the links are looked at this often at last: an item in the middle of a
/// chunk rings nobody.
const LONGEST_PAUSE: u64 = 1_000_000_000;

/// Something that happened in a pool; from [`Pool::events`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Event {
    /// A worker process was started; it boots.
    #[non_exhaustive]
    WorkerBorn {
        /// Its place in the pool, from 0.
        index: usize,
        /// Its process id.
        pid: u32,
    },
    /// A worker process has ended and was reaped.
    #[non_exhaustive]
    WorkerDied {
        /// Its place in the pool, from 0.
        index: usize,
        /// How it ended; the text is a sentence.
        death: WorkerDeath,
        /// The pool had told it to end.
        expected: bool,
    },
    /// The counts have changed, or are told for the first time.
    Progress(Progress),
    /// So many births and deaths are not told one by one: more than 256 waited to be read.
    #[non_exhaustive]
    Missed {
        /// Workers started.
        born: u64,
        /// Workers ended.
        died: u64,
    },
}

impl Pool {
    /// What happens from here on: births and deaths of workers, and counts whenever they have changed, at most twenty times
    /// a second.
    ///
    /// Every reader has a stream of its own. Births and deaths come one by one, each at once; a stream keeps at most 256 that
    /// nobody has read, and those beyond are [counted](Event::Missed): told after the ones that were kept. Counts are not kept
    /// at all: the reader's thread looks when it is at the stream, so a slow reader sees fewer of them, the newest each time,
    /// and a pool whose events nobody reads pays nothing. An idle pool's reader sleeps; while items run it looks at least once
    /// a second.
    ///
    /// The stream [ends](Events) with the pool's last worker. Of a pool that has ended it is one look at the counts.
    ///
    /// ```
    /// # procession_worker::init();
    /// use procession_pool::{Event, Pool};
    /// let pool = Pool::new(2)?;
    /// let events = pool.events();
    /// let results = std::thread::scope(|scope| {
    ///     let seen = scope.spawn(|| events.collect::<Vec<_>>());
    ///     pool.map(|x: u64| x + 1, 0..1000)?;
    ///     pool.close();
    ///     pool.join()?;
    ///     Ok::<_, Box<dyn std::error::Error>>(seen.join().expect("events"))
    /// })?;
    /// let deaths = results.iter().filter(|e| matches!(e, Event::WorkerDied { expected: true, .. }));
    /// assert_eq!(deaths.count(), 2);
    /// let last = results.iter().rev().find_map(|e| match e {
    ///     Event::Progress(p) => Some(*p),
    ///     _ => None,
    /// });
    /// assert_eq!(last.map(|p| (p.done, p.failed, p.total)), Some((1000, 0, 1000)));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn events(&self) -> Events {
        let listening = self.ours().map(|shared| {
            let (id, from) = shared.listen();
            Listening {
                shared: Arc::clone(shared),
                id,
                from,
            }
        });
        Events {
            listening,
            here: self.phase.own.clone(),
            told: None,
            looked_at: 0,
            next: 0,
            pause: INTERVAL,
        }
    }
}

/// The events of a pool, from [`Pool::events`]. It keeps no pool alive: after the last event, which comes when every worker
/// of the pool has ended (closed, terminated, dropped or broken, joined or not), it returns `None` for ever.
///
/// The first event is a [`Progress`](Event::Progress) or a birth; when the pool has ended, its final counts have been told.
/// Of an inline pool there are counts alone, of what runs in callers' threads, until it is closed and what it has taken on
/// is finished. In a copy of this process made by `fork`, there are no events: `None` at once.
///
/// [`next`](Iterator::next) waits for an event, for as long as the pool lives; [`next_timeout`](Events::next_timeout) has a
/// limit. A dropped stream is told nothing more. It goes to other threads; a [callback](crate::Call::on_complete) that waits in
/// it keeps the callbacks after it waiting.
#[must_use = "events are told to who asks for them"]
pub struct Events {
    /// `None` at the end.
    listening: Option<Listening>,
    /// Of an inline pool; `None` at the end.
    here: Option<Arc<OwnWorker>>,
    told: Option<Progress>,
    looked_at: u64,
    /// When to look at the counts again.
    next: u64,
    /// How long to sleep, if nothing happens while something runs, until the look after that.
    pause: u64,
}

struct Listening {
    shared: Arc<Shared>,
    id: u64,
    from: flume::Receiver<Note>,
}

impl Drop for Listening {
    fn drop(&mut self) {
        if self.shared.is_ours() {
            self.shared.unlisten(self.id);
        }
    }
}

impl fmt::Debug for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Events")
            .field("ended", &self.has_ended())
            .field("told", &self.told)
            .finish_non_exhaustive()
    }
}

impl Events {
    /// The next event, if there is one within `timeout`. `None` also at the [end](Events::has_ended). Zero looks at what is
    /// there; a time beyond the clock is no limit.
    ///
    /// ```
    /// # procession_worker::init();
    /// use procession_pool::{Event, Pool};
    /// use std::time::Duration;
    /// let pool = Pool::new(1)?;
    /// let mut events = pool.events();
    /// let first = events.next_timeout(Duration::ZERO);
    /// assert!(matches!(first, Some(Event::Progress(p)) if p.total == 0));
    /// assert!(events.next_timeout(Duration::from_millis(1)).is_none() && !events.has_ended());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn next_timeout(&mut self, timeout: Duration) -> Option<Event> {
        self.next_by(after(timeout).unwrap_or(u64::MAX))
    }

    /// The pool has ended and everything was told: every `None` from here on is the end, and no time-out.
    pub fn has_ended(&self) -> bool {
        self.listening.is_none() && self.here.is_none()
    }

    /// The next count of an inline pool.
    fn next_here(&mut self, deadline: u64) -> Option<Event> {
        let own = self.here.clone()?;
        if procession_worker::is_forked_copy() {
            self.here = None;
            return None;
        }
        loop {
            let now = now_ns();
            // What has been told, or would be told too soon, is no news.
            let soon = now < self.next;
            let until = if soon {
                self.next.min(deadline)
            } else {
                deadline
            };
            let left = Duration::from_nanos(until.saturating_sub(now));
            let (progress, over) = match soon {
                true => own.account.rest(left),
                false => own.account.look(self.told, left),
            };
            if self.told != Some(progress) && (over || now_ns() >= self.next) {
                self.told = Some(progress);
                self.next = now_ns().saturating_add(INTERVAL);
                return Some(Event::Progress(progress));
            }
            if over {
                self.here = None;
                return None;
            }
            if now_ns() >= deadline {
                return None;
            }
        }
    }

    fn next_by(&mut self, deadline: u64) -> Option<Event> {
        if self.here.is_some() {
            return self.next_here(deadline);
        }
        loop {
            let listening = self.listening.as_ref()?;
            if !listening.shared.is_ours() {
                self.listening = None;
                return None;
            }
            let over = match listening.from.try_recv() {
                Ok(Note::Event(event)) => return Some(event),
                Ok(Note::News) => {
                    self.hear();
                    continue;
                }
                Err(flume::TryRecvError::Empty) => false,
                Err(flume::TryRecvError::Disconnected) => true,
            };
            let now = now_ns();
            if (over || now >= self.next)
                && let Some(event) = self.look(now)
            {
                return Some(event);
            }
            if over {
                self.listening = None;
                return None;
            }
            if now >= deadline {
                return None;
            }
            if let Some(event) = self.sleep(self.next.min(deadline).saturating_sub(now)) {
                return Some(event);
            }
        }
    }

    /// The counts may have changed.
    fn hear(&mut self) {
        self.next = self.looked_at.saturating_add(INTERVAL);
        self.pause = INTERVAL;
    }

    /// Looks at the counts, and says when to look again.
    fn look(&mut self, now: u64) -> Option<Event> {
        let listening = self.listening.as_ref()?;
        let look = listening.shared.look(listening.id);
        self.looked_at = now;
        self.next = now.saturating_add(INTERVAL);
        if let Some((born, died)) = look.missed {
            self.next = now;
            return Some(Event::Missed { born, died });
        }
        if self.told != Some(look.progress) {
            self.told = Some(look.progress);
            self.pause = INTERVAL;
            return Some(Event::Progress(look.progress));
        }
        if look.progress.ended() == look.progress.total {
            // There will be news before anything changes.
            self.next = u64::MAX;
        } else {
            self.next = now.saturating_add(self.pause);
            self.pause = (self.pause * 2).min(LONGEST_PAUSE);
        }
        None
    }

    fn sleep(&mut self, at_most: u64) -> Option<Event> {
        let from = &self.listening.as_ref()?.from;
        // The end wakes too.
        match from.recv_timeout(Duration::from_nanos(at_most)) {
            Ok(Note::Event(event)) => Some(event),
            Ok(Note::News) => {
                self.hear();
                None
            }
            Err(_) => None,
        }
    }
}

impl Iterator for Events {
    type Item = Event;

    fn next(&mut self) -> Option<Event> {
        self.next_by(u64::MAX)
    }
}

impl FusedIterator for Events {}
