//! The parent's side of one pool worker: its child, its link, its bells.
//!
//! It moves bytes and reports facts; it must never decide which call goes where, and never believe the worker:
//! everything read from the link is copied, range-checked, and at worst an error value.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::fmt;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{Ordering, fence};
use std::time::Duration;

use procession_os::FatalNote;
use procession_os::child::{Child, Signal};
pub use procession_os::clock::monotonic_ns as now_ns;
use procession_os::doorbell::Waker;
use procession_os::memfd_with;
use procession_os::ring::{Consumer, Frames, Producer};
use procession_os::segment::Segment;
use procession_os::socket::{Received, Socket};
use procession_os::status::ExitStatus;
use procession_os::words::Words;
use procession_task::codec::{self, Limits};
use procession_task::failure::{Failure, Stage};
use procession_task::frame::{CallHeader, ReplyTag};
use procession_task::message::{ArgBytes, CallSpec, FromWorker, Role};

use crate::boot::{EXIT_BUILD, EXIT_NO_INIT};
use crate::error::{Error, WorkerDeath};
pub use crate::link::Bell;
use crate::link::{self, Layout, RING_BYTES, SEGMENT_BYTES, TAG_CALL, TAG_STOP};
use crate::start::{self, StartSpec};

/// Calls longer than this are streamed, and only to a worker that has nothing else to do.
const STREAM_ABOVE: usize = RING_BYTES / 2;
/// Arguments of an initializer above this travel in a memfd.
const INLINE_ARGS: usize = 32 * 1024;

/// How to start a pool worker.
#[derive(Clone, Debug, Default)]
pub struct WorkerSpec {
    /// Name in errors, `/proc` and `current_process`.
    pub name: String,
    /// Stable position in the pool.
    pub index: usize,
    /// Offset, fingerprint and encoded arguments of the initializer.
    pub initializer: Option<(i64, u64, Arc<Vec<u8>>)>,
    /// Variables to set (`Some`) or remove (`None`).
    pub env: Vec<(OsString, Option<OsString>)>,
    /// Working directory, the parent's if `None`.
    pub current_dir: Option<PathBuf>,
    /// Bytes of the longest argument tuple or result.
    pub max_frame: usize,
}

/// What became of a call given to [`Worker::send`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sent {
    /// It is on the link, whole or in part; the rest follows by [`Worker::pump`].
    Yes,
    /// There is no room for it; nothing was written.
    NoRoom,
}

/// What a worker said on its control socket.
#[derive(Debug)]
pub enum News {
    /// It rang; replies are on the link.
    Bell,
    /// It runs calls from here on.
    Ready,
    /// Its initializer failed; it is about to end.
    StartFailed(Failure),
    /// It closed the socket: it is ending, or must be ended.
    Closed,
    /// It broke the protocol: it must be killed.
    Broken(String),
}

struct Outgoing {
    bytes: Arc<Vec<u8>>,
    at: usize,
    end: usize,
}

/// One pool worker, as its parent holds it: two descriptors and one mapping.
pub struct Worker {
    child: Arc<Child>,
    control: Socket,
    nonce: u64,
    name: Arc<str>,
    greeted: bool,
    layout: Layout,
    calls: Producer,
    replies: Consumer,
    waker: Waker,
    room: Waker,
    outgoing: Option<Outgoing>,
    /// End positions of the call frames not fully replied to, oldest first.
    ends: VecDeque<u64>,
    inbox: Vec<u8>,
}

impl fmt::Debug for Worker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Worker")
            .field("name", &self.name)
            .field("pid", &self.child.pid())
            .finish_non_exhaustive()
    }
}

impl Worker {
    /// Starts a worker process; it boots on its own and says [`News::Ready`] when it serves.
    ///
    /// Calls may be sent at once: they wait on the link.
    ///
    /// # Errors
    /// When `init` was forgotten, nesting is too deep, descriptors or memory are short, or the kernel
    /// refuses the start. Nothing is left behind then.
    pub fn start(spec: &WorkerSpec) -> Result<Worker, Error> {
        let mut segment = Segment::create("procession-link", SEGMENT_BYTES)
            .map_err(|e| Error::os(format!("start worker {}", spec.name), e))?;
        let mut fds = Vec::new();
        fds.push(duplicate(segment.fd(), &spec.name)?);
        segment.close_fd();
        let layout = Layout::new(&Arc::new(segment))?;
        let initializer = match &spec.initializer {
            None => None,
            Some((offset, fingerprint, args)) => {
                let args = if args.len() <= INLINE_ARGS {
                    ArgBytes::Inline(args.to_vec())
                } else {
                    let fd = memfd_with("procession-args", args)
                        .map_err(|e| Error::os(format!("start worker {}", spec.name), e))?;
                    fds.push(fd);
                    ArgBytes::Descriptor
                };
                Some(CallSpec {
                    offset: *offset,
                    fingerprint: *fingerprint,
                    args,
                })
            }
        };
        let (calls, replies) = layout.parent_ends()?;
        let started = start::start(StartSpec {
            name: spec.name.clone(),
            index: u32::try_from(spec.index).ok(),
            role: Role::Pool {
                segment_bytes: SEGMENT_BYTES as u64,
                max_frame: spec.max_frame as u64,
                initializer,
            },
            env: spec.env.clone(),
            env_clear: false,
            current_dir: spec.current_dir.clone(),
            stdout: Stdio::inherit(),
            stderr: Stdio::inherit(),
            fds,
        })?;
        let waker = Waker::new(&layout.header, link::SLEEP);
        let room = Waker::new(&layout.header, link::ROOM);
        Ok(Worker {
            child: started.child,
            control: started.control,
            nonce: started.nonce,
            name: spec.name.as_str().into(),
            greeted: false,
            layout,
            calls,
            replies,
            waker,
            room,
            outgoing: None,
            ends: VecDeque::new(),
            inbox: Vec::new(),
        })
    }

    /// Process id, for messages; nothing is ever signalled by it.
    pub fn pid(&self) -> u32 {
        self.child.pid()
    }

    /// Name given in the [`WorkerSpec`].
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// The child itself, to wait for or to signal.
    pub fn child(&self) -> &Arc<Child> {
        &self.child
    }

    /// Puts one call frame on the link; [`Worker::flush`] makes it visible.
    ///
    /// `range` is the frame's items within `bytes`, each with its length before it. A frame longer than half
    /// the ring is streamed, which needs a worker that has begun everything it was given.
    pub fn send(
        &mut self,
        head: CallHeader,
        bytes: &Arc<Vec<u8>>,
        range: std::ops::Range<usize>,
    ) -> Sent {
        let Some(items) = bytes.get(range.clone()) else {
            return Sent::NoRoom;
        };
        if items.len() <= STREAM_ABOVE {
            return self.send_short(head, items);
        }
        if self.outgoing.is_some() || !matches!(self.calls.is_drained(), Ok(true)) {
            return Sent::NoRoom;
        }
        let head = head.to_bytes();
        let Ok(len) = u32::try_from(head.len() + items.len()) else {
            return Sent::NoRoom;
        };
        if !self.calls.has_room(head.len()) || !self.calls.begin(TAG_CALL, len) {
            return Sent::NoRoom;
        }
        // Nothing is published here: the bell is asked for first, see `flush`.
        self.calls.feed(&head);
        self.ends.push_back(self.calls.position());
        self.outgoing = Some(Outgoing {
            bytes: Arc::clone(bytes),
            at: range.start,
            end: range.end,
        });
        Sent::Yes
    }

    /// As [`Worker::send`] for a frame that fits into half the ring, from borrowed bytes.
    pub fn send_short(&mut self, head: CallHeader, items: &[u8]) -> Sent {
        if self.outgoing.is_some() || !self.calls.write(TAG_CALL, &[&head.to_bytes(), items]) {
            return Sent::NoRoom;
        }
        self.ends.push_back(self.calls.position());
        Sent::Yes
    }

    /// Asks the worker to end in good order after all it was given. False: no room, ask again.
    pub fn stop(&mut self) -> bool {
        let sent = self.outgoing.is_none() && self.calls.write(TAG_STOP, &[]);
        self.flush();
        sent
    }

    /// Continues a streamed call as far as there is room; returns how many bytes went.
    pub fn pump(&mut self) -> usize {
        let Some(out) = &mut self.outgoing else {
            return 0;
        };
        let begun = out.at;
        loop {
            let rest = out.bytes.get(out.at..out.end).unwrap_or_default();
            let fed = self.calls.feed(rest);
            out.at += fed;
            if fed > 0 {
                self.calls.publish();
                self.waker.wake_if_asleep();
            }
            if fed == 0 || out.at >= out.end {
                break;
            }
        }
        let went = out.at - begun;
        if out.at >= out.end {
            self.outgoing = None;
        }
        went
    }

    /// True while a long call is being streamed to this worker.
    pub fn is_streaming(&self) -> bool {
        self.outgoing.is_some()
    }

    /// True while a frame longer than the free space is on its way in either direction.
    pub fn is_moving(&self) -> bool {
        self.outgoing.is_some() || !self.inbox.is_empty()
    }

    /// Publishes what was written and wakes the worker if it sleeps. Whoever wants a bell for it asks before.
    pub fn flush(&mut self) {
        if self.calls.publish() {
            self.waker.wake_if_asleep();
        }
        self.pump();
    }

    /// Takes the inbox, to walk it while the worker is used otherwise; give it back with
    /// [`Worker::put_inbox`].
    pub fn take_inbox(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.inbox)
    }

    /// Gives the inbox back without its first `consumed` bytes.
    pub fn put_inbox(&mut self, mut inbox: Vec<u8>, consumed: usize) {
        if consumed >= inbox.len() {
            inbox.clear();
        } else if consumed > 0 {
            inbox.drain(..consumed);
        }
        self.inbox = inbox;
    }

    /// Appends what the worker has replied to the inbox and returns how many bytes came; `staged` also takes
    /// replies it has not published yet.
    ///
    /// # Errors
    /// When the indices on the link are not possible ones.
    pub fn collect(&mut self, staged: bool) -> Result<usize, Error> {
        let took = if staged {
            self.replies.drain_staged(&mut self.inbox)
        } else {
            self.replies.drain(&mut self.inbox)
        };
        let took = took.map_err(|e| Error::message(e.to_string()))?;
        if took > 0 {
            self.room.wake_if_asleep();
        }
        Ok(took)
    }

    /// The oldest frame has its last reply.
    pub fn frame_replied(&mut self) {
        self.ends.pop_front();
    }

    /// How many frames wait for a reply.
    pub fn frames(&self) -> usize {
        self.ends.len()
    }

    /// How many of the frames without a last reply the worker has claimed: one that keeps the protocol, at most one.
    ///
    /// # Errors
    /// When the claim index is not a possible one.
    pub fn begun_frames(&mut self) -> Result<u32, Error> {
        let claimed = self.calls.claimed().map_err(|e| Error::message(e.to_string()))?;
        let begun = self.ends.iter().take_while(|end| **end <= claimed);
        Ok(u32::try_from(begun.count()).unwrap_or(u32::MAX))
    }

    /// Takes back every frame the worker has not begun; returns how many.
    ///
    /// # Errors
    /// When the claim index is not a possible one.
    pub fn take_back(&mut self) -> Result<u32, Error> {
        let claimed = self
            .calls
            .take_back()
            .map_err(|e| Error::message(e.to_string()))?;
        let mut taken = 0;
        while self.ends.back().is_some_and(|end| *end > claimed) {
            self.ends.pop_back();
            taken += 1;
            self.outgoing = None;
        }
        Ok(taken)
    }

    /// Position at which the `n`th frame without a last reply ends (0 is the oldest).
    pub fn end_of(&self, n: usize) -> Option<u64> {
        self.ends.get(n).copied()
    }

    /// Asks to be told: see [`Bell`]. Before calls are published this needs no fence.
    pub fn ask(&self, bell: Bell, at: u64) {
        self.layout
            .header
            .at(link::BELL)
            .store(bell.word(at), Ordering::Release);
    }

    /// What was asked and not yet answered.
    pub fn asked(&self) -> Bell {
        Bell::parse(self.layout.get(link::BELL)).0
    }

    /// Orders a bell asked for before a look at the replies: what the worker stages after that look, it
    /// stages seeing the bell.
    pub fn fence() {
        fence(Ordering::SeqCst);
    }

    /// The words a waiting thread sleeps on; they keep the mapping alive.
    pub fn rung_words(&self) -> Words {
        self.layout.header.sub(link::RUNG, 1)
    }

    /// How long the worker may spin when it runs dry.
    pub fn allow_spin(&self, spin: Duration) {
        let ns = spin.as_nanos() as u64;
        if self.layout.get(link::SPIN) != ns {
            self.layout.set(link::SPIN, ns);
        }
    }

    /// Nanoseconds spent in frames and items run, since the start; the worker's own figures.
    pub fn work_done(&self) -> (u64, u64) {
        (
            self.layout.get(link::BUSY_NS),
            self.layout.get(link::ITEMS_DONE),
        )
    }

    /// Reads one packet of the control socket, if there is one.
    pub fn news(&mut self) -> Option<News> {
        let packet = match self.control.try_recv(0) {
            Ok(None) => return None,
            Ok(Some(Received::Packet { bytes, .. })) => bytes,
            Ok(Some(Received::Closed)) => return Some(News::Closed),
            Err(e) => return Some(News::Broken(e.to_string())),
        };
        Some(match FromWorker::decode(&packet) {
            Ok(FromWorker::Bell) => News::Bell,
            Ok(hello @ FromWorker::Hello { .. }) if !self.greeted => {
                self.greeted = true;
                match start::check_hello(&hello, self.nonce) {
                    Ok(()) => return self.news(),
                    Err(e) => News::Broken(e.to_string()),
                }
            }
            Ok(FromWorker::Ready) if self.greeted => News::Ready,
            Ok(FromWorker::StartFailed(failure)) if self.greeted => News::StartFailed(failure),
            Ok(_) => News::Broken("it sent a message that does not belong here".into()),
            Err(e) => News::Broken(format!("it sent a packet that is no message: {e}")),
        })
    }

    /// The story of this worker's end, after its status is known.
    pub fn death(&self, status: ExitStatus, while_running: bool) -> WorkerDeath {
        let started = self.layout.get(link::STARTED_NS);
        let ran_for = (while_running && started > 0)
            .then(|| Duration::from_nanos(now_ns().saturating_sub(started)));
        let death = WorkerDeath::new(self.pid(), self.name.to_string(), status, ran_for);
        match (self.fatal_note(), status.signal()) {
            (Some(note), _) => death.with_last_words(note),
            (None, Some(signo)) => match hint_of(signo) {
                Some(hint) => death.with_hint(hint.into()),
                None => death,
            },
            (None, None) => death,
        }
    }

    /// The panic a worker wrote down before it aborted; none when it ended otherwise: that panic was caught.
    pub fn last_panic(&self, status: ExitStatus) -> Option<Failure> {
        if status.signal() != Some(Signal::ABORT.as_raw()) {
            return None;
        }
        let bytes = self.layout.last_words()?;
        let failure: Failure = codec::decode(&bytes, &Limits::default()).ok()?;
        matches!(
            failure.stage,
            Stage::Run | Stage::PanicDecode | Stage::PanicEncode
        )
        .then_some(failure)
    }

    fn fatal_note(&self) -> Option<String> {
        let words = self
            .layout
            .header
            .sub(link::FATAL_NOTE, link::FATAL_NOTE_WORDS);
        let note = FatalNote::read(&words)?;
        let name = procession_os::signal_name(note.signo).unwrap_or("a signal");
        Some(if note.code <= 0 {
            format!("{name} was sent by a process")
        } else if note.near_stack_pointer {
            format!("stack overflow ({name} at the end of the stack)")
        } else {
            format!("{name} at address {:#x}", note.address)
        })
    }

    /// Sends SIGTERM; nothing happens when it has ended.
    pub fn terminate(&self) {
        let _ = self.child.signal(Signal::TERM);
    }

    /// Collects the exit status, once the worker has ended.
    ///
    /// # Errors
    /// When the kernel does not answer; the worker is then still there.
    pub fn reap(&self) -> Result<Option<ExitStatus>, Error> {
        self.child
            .try_wait()
            .map_err(|e| Error::os(format!("reap worker {}", self.name), e))
    }

    /// Kills the worker and its process group.
    pub fn kill(&self) {
        let _ = self.child.kill_group();
        let _ = self.child.kill();
    }

    pub(crate) fn control_fd(&self) -> BorrowedFd<'_> {
        self.control.as_fd()
    }
}

/// Why a worker ended that had not said [`News::Ready`], as far as its exit code tells.
pub fn why_not_ready(status: ExitStatus) -> &'static str {
    match status.code() {
        Some(EXIT_NO_INIT) => {
            "it reached main without procession::init(), which must be the first line of main"
        }
        Some(EXIT_BUILD) => "it is another build of the program than its parent",
        Some(_) | None => "it ended before it was ready",
    }
}

/// What the signal of a death suggests when the worker left no note of it.
fn hint_of(signo: i32) -> Option<&'static str> {
    if signo == Signal::KILL.as_raw() {
        Some("if nobody sent it, the kernel did for want of memory (see dmesg)")
    } else if signo == Signal::SEGV.as_raw() {
        // The handler that leaves the note needs a stack of its own, which only the runtime's threads have.
        Some("it could leave no note of the fault, as when a thread's stack overflows")
    } else {
        None
    }
}

fn duplicate(fd: Option<BorrowedFd<'_>>, name: &str) -> Result<OwnedFd, Error> {
    fd.ok_or_else(|| Error::message("the link's segment has no descriptor"))?
        .try_clone_to_owned()
        .map_err(|e| Error::message(format!("cannot start worker {name}: {e}")))
}

/// Walks reply frames in bytes that [`Worker::collect`] gave: for each, whether it is a value, and its payload.
#[derive(Debug)]
pub struct Replies<'a> {
    frames: Frames<'a>,
    strange: bool,
}

impl<'a> Replies<'a> {
    /// Starts at the first byte of `bytes`.
    pub fn new(bytes: &'a [u8]) -> Replies<'a> {
        Replies {
            frames: Frames::new(bytes),
            strange: false,
        }
    }

    /// True once a frame was neither a value nor a failure, which no correct worker sends.
    pub fn is_strange(&self) -> bool {
        self.strange
    }

    /// Bytes of the whole frames walked so far.
    pub fn consumed(&self) -> usize {
        self.frames.consumed()
    }

    /// Length of the frame that is not whole yet, as far as its header is there.
    pub fn wanted(&self) -> usize {
        self.frames.wanted()
    }
}

impl<'a> Iterator for Replies<'a> {
    type Item = (bool, &'a [u8]);

    fn next(&mut self) -> Option<(bool, &'a [u8])> {
        let (tag, payload) = self.frames.next()?;
        let is_value = tag == ReplyTag::OK;
        self.strange |= !is_value && tag != ReplyTag::FAILED;
        Some((is_value, payload))
    }
}

/// The bytes of one reply frame that carries a value.
pub fn reply_frame(value: &[u8]) -> Vec<u8> {
    let mut frame = Vec::with_capacity(8 + value.len().next_multiple_of(8));
    frame.extend_from_slice(&(value.len() as u32).to_le_bytes());
    frame.extend_from_slice(&ReplyTag::OK.to_le_bytes());
    frame.extend_from_slice(value);
    frame.resize(frame.len().next_multiple_of(8), 0);
    frame
}
