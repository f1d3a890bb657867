//! The loop of a pool worker: takes calls from its link, runs them, replies.
//!
//! It runs one call at a time, in the order of the ring, and must never return to the program's `main`.

use std::os::fd::OwnedFd;
use std::sync::atomic::{Ordering, fence};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use procession_os::clock::monotonic_ns;
use procession_os::doorbell::{self, Sleeper};
use procession_os::prologue;
use procession_os::ring::{Consumer, Producer};
use procession_os::segment::Segment;
use procession_os::socket::{Received, Socket};
use procession_task::codec::{self, Limits};
use procession_task::descriptor::{Descriptor, resolve};
use procession_task::failure::{Failure, Stage, panic};
use procession_task::frame::{CallHeader, Items, ReplyTag};
use procession_task::message::{Boot, FromWorker, Role};

use crate::boot::{EXIT_INITIALIZER, EXIT_PARENT_GONE, EXIT_PROTOCOL, call_arguments};
use crate::link::{self, Bell, LAST_WORDS_BYTES, Layout, TAG_CALL, TAG_STOP};

/// How long an idle worker sleeps before it looks whether its parent still holds the control socket.
const IDLE_LOOK: Duration = Duration::from_secs(5);
/// Results are published at least this often while a frame runs, so that progress is visible.
const PUBLISH_NS: u64 = 50_000;
/// Whatever the parent allows.
const LONGEST_SPIN_NS: u64 = 1_000_000;
/// Items run between two readings of the clock while items are shorter than [`SHORT_ITEM_NS`].
const CLOCK_STRIDE: u32 = 16;
const SHORT_ITEM_NS: u64 = 2_000;
/// A frame buffer above this is given back before the worker sleeps.
const KEEP_BUFFER: usize = 64 << 20;

/// What [`crate::boot`] hands over: everything the parent sent, checked.
pub(crate) struct Pooled {
    pub(crate) control: Socket,
    pub(crate) boot: Boot,
    /// The segment, then the initializer's arguments if they were too long for the message.
    pub(crate) fds: Vec<OwnedFd>,
}

/// Where the panic hook writes the last words and where `cancelled` looks: set once, before any user code runs.
static LINK: OnceLock<Layout> = OnceLock::new();

/// Serves calls until the parent says stop or is gone. Never returns.
pub(crate) fn run(pooled: Pooled) -> ! {
    let Pooled { control, boot, fds } = pooled;
    let Role::Pool {
        segment_bytes,
        max_frame,
        initializer,
    } = boot.role
    else {
        prologue::exit_now(EXIT_PROTOCOL);
    };
    let mut fds = fds.into_iter();
    let layout = fds
        .next()
        .filter(|_| segment_bytes == link::SEGMENT_BYTES as u64)
        .and_then(|fd| Segment::open(fd, link::SEGMENT_BYTES).ok())
        .and_then(|segment| Layout::new(&Arc::new(segment)).ok());
    let Some(layout) = layout else {
        prologue::exit_now(EXIT_PROTOCOL);
    };
    let _ = LINK.set(layout.clone());
    prologue::install_fatal_signal_note(
        layout.header.sub(link::FATAL_NOTE, link::FATAL_NOTE_WORDS),
    );
    panic::install_hook(write_last_words, panic::Report::Quiet);

    let limits = Limits {
        max_bytes: max_frame as usize,
        ..Limits::default()
    };
    let Ok((calls, replies)) = layout.worker_ends() else {
        prologue::exit_now(EXIT_PROTOCOL);
    };
    if let Some(spec) = initializer {
        let started = call_arguments(&spec, &mut fds, &limits).and_then(|args| {
            let descriptor = resolve(spec.offset, spec.fingerprint)
                .map_err(|e| Failure::new(Stage::UnknownTask, e.to_string()))?;
            let mut output = Vec::new();
            descriptor.call(&args, &mut output, &limits)?;
            reported_error(descriptor, &output)
        });
        if let Err(failure) = started {
            let _ = control.send(&FromWorker::StartFailed(failure).encode(), &[]);
            std::process::exit(EXIT_INITIALIZER);
        }
    }
    layout.set_last_words(&[]);
    if control.send(&FromWorker::Ready.encode(), &[]).is_err() {
        prologue::exit_now(EXIT_PARENT_GONE);
    }
    let sleeper = Sleeper::new(&layout.header, link::SLEEP);
    let room = Sleeper::new(&layout.header, link::ROOM);
    let now = monotonic_ns();
    let mut server = Server {
        layout,
        calls,
        replies,
        control,
        sleeper,
        room,
        limits,
        known: None,
        vain_spins: 0,
        output: Vec::new(),
        clock: Clock {
            now,
            published: now,
            ..Clock::default()
        },
    };
    server
        .calls
        .limit(max_frame as usize + CallHeader::BYTES + 4);
    server.serve()
}

/// An initializer that returns `Err` has failed as one that panics has.
fn reported_error(descriptor: &Descriptor, output: &[u8]) -> Result<(), Failure> {
    if descriptor.returns_result() && output.first() == Some(&1) {
        let message = format!("the initializer {} returned an error", descriptor.name());
        return Err(Failure::new(Stage::Start, message));
    }
    Ok(())
}

/// Whether the owner of the task this worker runs has cancelled it.
pub(crate) fn is_cancelled() -> bool {
    LINK.get().is_some_and(|layout| {
        let task = layout.get(link::TASK);
        task != 0 && layout.get(link::CANCEL) == task
    })
}

fn write_last_words(failure: &Failure) {
    let Some(layout) = LINK.get() else {
        return;
    };
    let mut failure = failure.clone();
    failure.backtrace = None;
    let mut cut = failure.message.len().min(LAST_WORDS_BYTES / 2);
    while !failure.message.is_char_boundary(cut) {
        cut -= 1;
    }
    failure.message.truncate(cut);
    let mut bytes = Vec::new();
    if codec::encode(&failure, &mut bytes, &Limits::default()).is_ok() {
        layout.set_last_words(&bytes);
    }
}

/// The worker's readings of the monotonic clock, so that it is read no oftener than needed.
#[derive(Default)]
struct Clock {
    /// Items run since the last reading.
    unread: u32,
    now: u64,
    published: u64,
    busy: u64,
    items: u64,
    per_item: u64,
}

impl Clock {
    /// Items between two readings: one while they are long, or of unknown length.
    fn stride(&self) -> u32 {
        if (1..=SHORT_ITEM_NS).contains(&self.per_item) {
            CLOCK_STRIDE
        } else {
            1
        }
    }
}

struct Server {
    layout: Layout,
    calls: Consumer,
    replies: Producer,
    control: Socket,
    /// Sleeps until there are calls.
    sleeper: Sleeper,
    /// Sleeps until there is room for replies.
    room: Sleeper,
    limits: Limits,
    /// The descriptor of the last call: tasks repeat.
    known: Option<(i64, u64, &'static Descriptor)>,
    /// Spins in a row that ended in a sleep.
    vain_spins: u32,
    output: Vec<u8>,
    clock: Clock,
}

impl Server {
    fn serve(&mut self) -> ! {
        let mut frame = Vec::new();
        loop {
            frame.clear();
            match self.calls.claim(&mut frame) {
                Ok(Some(TAG_CALL)) => {
                    if self.calls.missing() > 0 {
                        self.receive_rest(&mut frame);
                        self.clock.now = monotonic_ns();
                    }
                    self.calls.release();
                    self.run_frame(&frame);
                }
                Ok(Some(TAG_STOP)) => {
                    self.calls.release();
                    self.publish();
                    std::process::exit(0);
                }
                Ok(Some(_)) | Err(_) => prologue::exit_now(EXIT_PROTOCOL),
                Ok(None) => {
                    if frame.capacity() > KEEP_BUFFER {
                        frame = Vec::new();
                    }
                    self.wait_for_calls();
                    self.clock.now = monotonic_ns();
                }
            }
        }
    }

    /// Receives what of a long frame did not fit into the ring at once.
    fn receive_rest(&mut self, frame: &mut Vec<u8>) {
        while self.calls.missing() > 0 {
            match self.calls.more(frame) {
                Ok(0) => self.wait_for_calls(),
                Ok(_) => {}
                Err(_) => prologue::exit_now(EXIT_PROTOCOL),
            }
        }
    }

    /// Returns when the parent has published something more. Rings first: a dry worker is news.
    fn wait_for_calls(&mut self) {
        self.calls.release();
        self.publish();
        let (who, at) = Bell::parse(self.layout.get(link::BELL));
        // Nobody waits for a bell of the pool's own thread unless it is asked for from the first call on.
        if who != Bell::Loop || at == 0 {
            self.ring_if_asked(u64::MAX);
        }
        if self.spin() {
            return;
        }
        self.ring_if_asked(u64::MAX);
        let calls = &mut self.calls;
        let slept = self
            .sleeper
            .sleep_unless(|| !calls.is_empty(), Some(IDLE_LOOK));
        if slept.is_err() {
            prologue::exit_now(EXIT_PROTOCOL);
        }
        if self.calls.is_empty() {
            self.look_for_parent();
        }
    }

    /// Polls for calls as long as the parent allows; true when there are some. In vain a few times in a row, it
    /// polls only briefly until it is not.
    fn spin(&mut self) -> bool {
        let allowed = self.layout.get(link::SPIN).min(LONGEST_SPIN_NS);
        let spin = if self.vain_spins > 3 {
            allowed / 10
        } else {
            allowed
        };
        if spin == 0 {
            return !self.calls.is_empty();
        }
        let start = monotonic_ns();
        for round in 1u32.. {
            if !self.calls.is_empty() {
                self.vain_spins = 0;
                return true;
            }
            doorbell::spin_hint(round);
            if round.is_multiple_of(16) && monotonic_ns().saturating_sub(start) > spin {
                break;
            }
        }
        self.vain_spins = self.vain_spins.saturating_add(1);
        false
    }

    /// The parent-death signal is the first line; the closed control socket is the second.
    fn look_for_parent(&self) {
        if matches!(
            self.control.try_recv(0),
            Ok(Some(Received::Closed)) | Err(_)
        ) {
            prologue::exit_now(EXIT_PARENT_GONE);
        }
    }

    fn run_frame(&mut self, frame: &[u8]) {
        let Some((head, items)) = CallHeader::split(frame) else {
            prologue::exit_now(EXIT_PROTOCOL);
        };
        let begun = self.clock.now;
        // Whoever sees the task sees its start.
        self.layout.set(link::ITEM, u64::from(head.first));
        self.layout.set(link::STARTED_NS, begun);
        let task = self.layout.header.at(link::TASK);
        task.store(head.task, Ordering::Release);
        match self.descriptor(&head) {
            Ok(descriptor) => {
                for (item, args) in (head.first..).zip(Items::new(items)) {
                    if self.is_cancelled(head.task) {
                        self.reply_failure(&Failure::new(Stage::Run, "cancelled"));
                    } else {
                        self.run_item(descriptor, item, args);
                    }
                }
            }
            Err(failure) => {
                for _ in 0..head.count {
                    self.reply_failure(&failure);
                }
            }
        }
        if self.clock.unread > 0 {
            self.read_clock();
        }
        self.layout.set(link::TASK, 0);
        self.clock.busy += self.clock.now.saturating_sub(begun);
        self.clock.items += u64::from(head.count);
        self.layout.set(link::BUSY_NS, self.clock.busy);
        self.layout.set(link::ITEMS_DONE, self.clock.items);
        self.replies.stage();
        // Dekker with the parent, which stores the bell and then looks at `staged`: see docs/protocol.md.
        fence(Ordering::SeqCst);
        self.ring_if_asked(self.calls.position());
    }

    /// Whether the rest of this task is not wanted; looked at as often as the clock.
    fn is_cancelled(&self, task: u64) -> bool {
        self.clock.unread == 0 && self.layout.get(link::CANCEL) == task
    }

    fn run_item(&mut self, descriptor: &'static Descriptor, item: u32, args: &[u8]) {
        self.layout.set(link::ITEM, u64::from(item));
        self.layout.set(link::STARTED_NS, self.clock.now);
        let mut output = std::mem::take(&mut self.output);
        output.clear();
        match descriptor.call(args, &mut output, &self.limits) {
            Ok(()) => self.reply(ReplyTag::OK, &output),
            Err(failure) => self.reply_failure(&failure),
        }
        // Also after a value: its own drop may have panicked once it was encoded.
        if self.layout.get(link::LAST_WORDS) != 0 {
            self.layout.set_last_words(&[]);
        }
        self.output = output;
        self.clock.unread += 1;
        if self.clock.unread >= self.clock.stride() {
            self.read_clock();
        }
        self.replies.stage();
    }

    /// Reads the clock, and publishes if that was not done for a while.
    fn read_clock(&mut self) {
        let now = monotonic_ns();
        let items = u64::from(self.clock.unread.max(1));
        self.clock.per_item = (now.saturating_sub(self.clock.now) / items).max(1);
        self.clock.unread = 0;
        self.clock.now = now;
        if now.saturating_sub(self.clock.published) > PUBLISH_NS {
            self.publish();
        }
    }

    fn descriptor(&mut self, head: &CallHeader) -> Result<&'static Descriptor, Failure> {
        if let Some((offset, fingerprint, known)) = self.known
            && (offset, fingerprint) == (head.offset, head.fingerprint)
        {
            return Ok(known);
        }
        let found = resolve(head.offset, head.fingerprint)
            .map_err(|e| Failure::new(Stage::UnknownTask, e.to_string()))?;
        self.known = Some((head.offset, head.fingerprint, found));
        Ok(found)
    }

    fn reply_failure(&mut self, failure: &Failure) {
        let mut bytes = Vec::new();
        // A failure's parts are bounded, so it always fits.
        if codec::encode(failure, &mut bytes, &Limits::default()).is_err() {
            bytes.clear();
        }
        self.reply(ReplyTag::FAILED, &bytes);
    }

    /// Puts one reply on the ring; one longer than the free space is streamed as the parent makes room.
    fn reply(&mut self, tag: u32, bytes: &[u8]) {
        if self.replies.write(tag, &[bytes]) {
            return;
        }
        while !self.replies.begin(tag, bytes.len() as u32) {
            self.wait_for_room();
        }
        let mut rest = bytes;
        while !rest.is_empty() {
            let piece = rest.get(..link::PIECE).unwrap_or(rest);
            let fed = self.replies.feed(piece);
            rest = rest.get(fed..).unwrap_or_default();
            if fed == 0 {
                self.wait_for_room();
            } else {
                self.publish();
            }
        }
    }

    /// Returns when the parent has taken something from the full reply ring.
    fn wait_for_room(&mut self) {
        self.publish();
        fence(Ordering::SeqCst);
        self.ring_if_asked(u64::MAX);
        let spin = self.layout.get(link::SPIN).max(10_000);
        let start = monotonic_ns();
        let mut round = 0;
        while monotonic_ns().saturating_sub(start) < spin {
            if self.replies.has_room(0) {
                return;
            }
            doorbell::spin_hint(round);
            round += 1;
        }
        let replies = &mut self.replies;
        let slept = self
            .room
            .sleep_unless(|| replies.has_room(0), Some(IDLE_LOOK));
        if slept.is_err() {
            prologue::exit_now(EXIT_PROTOCOL);
        }
        if !self.replies.has_room(0) {
            self.look_for_parent();
        }
    }

    fn publish(&mut self) {
        self.replies.stage();
        if self.replies.publish() {
            self.clock.published = self.clock.now;
        }
        fence(Ordering::SeqCst);
    }

    /// Rings when the parent asked to hear of call position `done`, or when `done` says "dry".
    ///
    /// The word is taken by compare-and-swap: a request stored meanwhile is looked at, never lost.
    fn ring_if_asked(&mut self, done: u64) {
        let mut asked = self.layout.get(link::BELL);
        loop {
            let (who, at) = Bell::parse(asked);
            if who == Bell::Silent || done < at {
                return;
            }
            self.publish();
            if who == Bell::Poller {
                return;
            }
            let word = self.layout.header.at(link::BELL);
            match word.compare_exchange(asked, 0, Ordering::AcqRel, Ordering::Relaxed) {
                Ok(_) => return self.ring(who),
                Err(found) => asked = found,
            }
        }
    }

    fn ring(&self, who: Bell) {
        if who == Bell::Loop {
            // A full socket means the parent has packets to read already.
            let _ = self.control.try_send(&FromWorker::Bell.encode(), &[]);
        } else {
            let rung = self.layout.header.futex(link::RUNG);
            rung.fetch_add(1, Ordering::AcqRel);
            doorbell::wake(rung);
        }
    }
}
