//! The parent's side of one pool worker: its child, its link, its bells.
//!
//! It moves bytes and reports facts; it must never decide which call goes where, and never believe the worker:
//! everything read from the link is copied, range-checked, and at worst an error value.

mod account;
mod bells;
mod birth;
mod calls;
mod ending;
mod orders;
mod output;
mod replies;
mod shares;

use std::cell::Cell;
use std::collections::VecDeque;
use std::ffi::OsString;
use std::fmt;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use procession_os::child::Child;
pub use procession_os::clock::{
    count_suspended_time, counts_suspended_time, monotonic_coarse_ns as tick_ns,
    monotonic_ns as now_ns,
};
use procession_os::doorbell::Waker;
use procession_os::ring::{Consumer, Producer};
use procession_os::socket::{Received, Socket};
use procession_task::LogBatch;
use procession_task::bytes::{APART_FROM, Encoded};
use procession_task::failure::Failure;
use procession_task::frame::CallHeader;
use procession_task::message::{FromWorker, WorkerLimits};

pub use procession_os::ring::Short;

pub use self::account::{At, SlowItem};
pub use self::birth::Birth;
pub use self::ending::{is_stopped, why_not_ready};
pub use self::orders::{EncodedCall, ExitValue};
pub use self::output::Line;
use self::output::Outputs;
pub use self::replies::{Replies, reply_frame};
pub use self::shares::{Delivered, Parcel, next_id};
use crate::error::Error;
pub use crate::link::Bell;
use crate::link::{Layout, RING_BYTES};
use crate::output::Output;
use crate::start;

/// Calls longer than this are streamed, and only to a worker that has nothing else to do.
const STREAM_ABOVE: usize = RING_BYTES / 2;
/// An item with a piece that lies apart is streamed.
const _: () = assert!(APART_FROM >= STREAM_ABOVE);

/// How to start a pool worker.
#[derive(Clone, Debug, Default)]
pub struct WorkerSpec {
    /// Name in errors, `/proc` and `current_process`.
    pub name: String,
    /// Stable position in the pool.
    pub index: usize,
    /// Runs before the first call.
    pub initializer: Option<EncodedCall>,
    /// Makes the state that tasks are lent, after the initializer.
    pub state: Option<EncodedCall>,
    /// Runs after the last call, if the worker ends in good order.
    pub exit_hook: Option<EncodedCall>,
    /// Variables to set (`Some`) or remove (`None`).
    pub env: Vec<(OsString, Option<OsString>)>,
    /// Working directory, the parent's if `None`.
    pub current_dir: Option<PathBuf>,
    /// Where its stdout goes.
    pub stdout: Output,
    /// Where its stderr goes.
    pub stderr: Output,
    /// The finest level of log records it sends, 1 (errors) to 5; 0: none.
    pub log_level: u8,
    /// It notes its resident memory after each call, for [`Worker::memory`].
    pub notes_memory: bool,
    /// Bytes of the longest argument tuple or result.
    pub max_frame: usize,
    /// What it is held to, but for its processors.
    pub limits: WorkerLimits,
    /// The processors of each worker, round robin by index; none: all of them.
    pub cpus: Arc<Vec<Vec<u32>>>,
}

impl WorkerSpec {
    fn limits(&self) -> WorkerLimits {
        let mut limits = self.limits.clone();
        if let Some(list) = self.index.checked_rem(self.cpus.len()) {
            limits.cpus = self.cpus.get(list).cloned().unwrap_or_default();
        }
        limits
    }
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
    /// It has come up: from here on its initializer runs, if it has one.
    Up,
    /// It runs calls from here on.
    Ready,
    /// Its initializer failed; it is about to end.
    StartFailed(Failure),
    /// Its exit hook has run: what it returned, or why it returned nothing.
    Exits(Result<ExitValue, Failure>),
    /// It has logged something.
    Logs(LogBatch),
    /// It closed the socket: it is ending, or must be ended.
    Closed,
    /// It broke the protocol: it must be killed.
    Broken(String),
}

/// A long frame on its way, from byte `at` to `end` of what it is made of.
struct Outgoing {
    from: Source,
    at: usize,
    end: usize,
}

/// What a long frame is made of.
enum Source {
    Items(Arc<Vec<u8>>),
    Item(Arc<Encoded>),
}

impl Outgoing {
    /// What is to go next, as far as it lies in one piece.
    fn next(&self) -> &[u8] {
        match &self.from {
            Source::Items(bytes) => bytes.get(self.at..self.end).unwrap_or_default(),
            Source::Item(item) => item.from(self.at),
        }
    }
}

/// One pool worker, as its parent holds it: two descriptors, one more for each captured output, and one mapping.
pub struct Worker {
    child: Arc<Child>,
    control: Socket,
    nonce: u64,
    started_ns: u64,
    name: Arc<str>,
    greeted: bool,
    layout: Layout,
    /// The System V segment that the link is, if it is no memfd.
    segment_id: Option<i32>,
    calls: Producer,
    replies: Consumer,
    waker: Waker,
    room: Waker,
    outgoing: Option<Outgoing>,
    /// End positions of the call frames not fully replied to, oldest first.
    ends: VecDeque<u64>,
    /// How many of the newest of them are not published yet.
    unpublished: usize,
    /// The last call sent, if the worker has it or will have it before the next one.
    last: Option<CallHeader>,
    inbox: Vec<u8>,
    /// Bells of the pool's own thread that were asked for and have not rung; negative: rung without being asked for.
    bells_due: Cell<i64>,
    /// Its captured outputs, if any is.
    outputs: Option<Box<Outputs>>,
    limits: WorkerLimits,
    /// Its processor time at its end, if that is limited.
    spent: Option<Duration>,
    /// SIGKILL was ours.
    told_to_end: bool,
    has_exit_hook: bool,
    /// When it was told to end in good order, until what its exit hook returned has come.
    exit_due: Option<u64>,
    log_level: u8,
    shares: shares::Shares,
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
    /// Whether the link is a System V segment, for want of a memfd.
    pub fn is_on_system_v(&self) -> bool {
        self.segment_id.is_some()
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

    /// Reads one packet of the control socket, if there is one.
    pub fn news(&mut self) -> Option<News> {
        let (packet, fds) = match self.control.try_recv(usize::from(self.exit_due.is_some())) {
            Ok(None) => return None,
            Ok(Some(Received::Packet { bytes, fds })) => (bytes, fds),
            Ok(Some(Received::Closed)) => return Some(News::Closed),
            Err(e) => return Some(News::Broken(e.to_string())),
        };
        Some(match FromWorker::decode(&packet) {
            Ok(FromWorker::Bell) => self.rang(),
            Ok(hello @ FromWorker::Hello { .. }) if !self.greeted => {
                self.greeted = true;
                match start::check_hello(&hello, self.nonce) {
                    Ok(()) => News::Up,
                    Err(e) => News::Broken(e.to_string()),
                }
            }
            Ok(FromWorker::Ready) if self.greeted => {
                if let Some(outputs) = &mut self.outputs {
                    outputs.ready();
                }
                News::Ready
            }
            Ok(FromWorker::StartFailed(failure)) if self.greeted => News::StartFailed(failure),
            Ok(FromWorker::Returned { value, .. }) if self.exit_due.is_some() => {
                self.exit_due = None;
                match ExitValue::of(value, fds) {
                    Some(value) => News::Exits(Ok(value)),
                    None => News::Broken("what its exit hook returned did not arrive".into()),
                }
            }
            Ok(FromWorker::Failed(failure)) if self.exit_due.is_some() => {
                self.exit_due = None;
                News::Exits(Err(failure))
            }
            Ok(FromWorker::Log(batch)) if self.greeted && self.log_level > 0 => News::Logs(batch),
            Ok(_) => News::Broken("it sent a message that does not belong here".into()),
            Err(e) => News::Broken(format!("it sent a packet that is no message: {e}")),
        })
    }

    pub(crate) fn control_fd(&self) -> BorrowedFd<'_> {
        self.control.as_fd()
    }
}

/// The processors this program may use, by number.
///
/// # Errors
/// When the kernel does not say.
pub fn usable_cpus() -> Result<Vec<u32>, Error> {
    procession_os::hold::usable_cpus().map_err(|e| Error::os("cannot make a pool", e))
}
