//! The start of a worker, in two steps: what its parent prepares while the one before is being started, and the rest.
//!
//! It must never leave a child behind on an error, and never wait for what the child says.

use std::cell::Cell;
use std::collections::VecDeque;
use std::fmt;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::sync::Arc;

use procession_os::clock;
use procession_os::doorbell::Waker;
use procession_os::ring::{Consumer, Producer};
use procession_os::segment::Segment;
use procession_task::message::{Role, WorkerLimits};

use super::orders::Packing;
use super::output::Outputs;
use super::{Worker, WorkerSpec, now_ns, shares};
use crate::error::Error;
use crate::hold;
use crate::link::{self, Layout, SEGMENT_BYTES};
use crate::output::Output;
use crate::start::{self, StartSpec};

/// A worker that is being started; its link is there.
///
/// Dropped, it ends by itself: its orders never come.
pub struct Birth {
    process: start::Starting,
    started_ns: u64,
    name: Arc<str>,
    layout: Layout,
    segment_id: Option<i32>,
    calls: Producer,
    replies: Consumer,
    limits: WorkerLimits,
    has_exit_hook: bool,
    log_level: u8,
}

impl fmt::Debug for Birth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Birth")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl Worker {
    /// Starts a worker process; it boots on its own and says [`News::Ready`](super::News::Ready) when it serves.
    ///
    /// Calls may be sent at once: they wait on the link.
    ///
    /// # Errors
    /// When `init` was forgotten, nesting is too deep, descriptors or memory are short, or the kernel
    /// refuses the start. Nothing is left behind then.
    pub fn start(spec: &WorkerSpec) -> Result<Worker, Error> {
        Worker::begin(spec)?.finish()
    }

    /// Prepares a worker's link and asks for its process; the kernel is at it when this returns.
    ///
    /// # Errors
    /// As [`Worker::start`], but for the kernel's refusal.
    pub fn begin(spec: &WorkerSpec) -> Result<Birth, Error> {
        let started_ns = now_ns();
        let mut segment = Segment::create("procession-link", SEGMENT_BYTES)
            .map_err(|e| Error::os(format!("start worker {}", spec.name), e))?;
        let segment_id = segment.id();
        let fds = match segment_id {
            Some(_) => Vec::new(),
            None => vec![duplicate(segment.fd(), &spec.name)?],
        };
        segment.close_fd();
        let layout = Layout::new(&Arc::new(segment))?;
        let mut packing = Packing::new(&spec.name, fds);
        let initializer = packing.call(spec.initializer.as_ref())?;
        let state = packing.call(spec.state.as_ref())?;
        let exit_hook = packing.call(spec.exit_hook.as_ref())?;
        let (calls, replies) = layout.parent_ends()?;
        layout.set(link::WANTED, wanted(spec));
        let limits = spec.limits();
        hold::watch_memory_killer();
        let process = start::begin(StartSpec {
            name: spec.name.clone(),
            index: u32::try_from(spec.index).ok(),
            role: Role::Pool {
                segment_bytes: SEGMENT_BYTES as u64,
                segment_id,
                max_frame: spec.max_frame as u64,
                initializer,
                state,
                limits: limits.clone(),
                exit_hook,
            },
            env: spec.env.clone(),
            env_clear: false,
            current_dir: spec.current_dir.clone(),
            stdout: spec.stdout.stdio(),
            stderr: spec.stderr.stdio(),
            fds: packing.fds,
        })?;
        Ok(Birth {
            process,
            started_ns,
            name: spec.name.as_str().into(),
            layout,
            segment_id,
            calls,
            replies,
            limits,
            has_exit_hook: spec.exit_hook.is_some(),
            log_level: spec.log_level,
        })
    }
}

impl Birth {
    /// Waits until the process is there and sends it its orders.
    ///
    /// # Errors
    /// As [`Worker::start`].
    pub fn finish(self) -> Result<Worker, Error> {
        let mut started = self.process.finish()?;
        let outputs = Outputs::of(&mut started).inspect_err(|_| {
            let _ = started.child.kill();
            let _ = started.child.wait();
        })?;
        let waker = Waker::new(&self.layout.header, link::SLEEP);
        let room = Waker::new(&self.layout.header, link::ROOM);
        Ok(Worker {
            child: started.child,
            control: started.control,
            nonce: started.nonce,
            started_ns: self.started_ns,
            name: self.name,
            greeted: false,
            layout: self.layout,
            segment_id: self.segment_id,
            calls: self.calls,
            replies: self.replies,
            waker,
            room,
            outgoing: None,
            ends: VecDeque::new(),
            unpublished: 0,
            last: None,
            inbox: Vec::new(),
            bells_due: Cell::new(0),
            outputs,
            limits: self.limits,
            spent: None,
            told_to_end: false,
            has_exit_hook: self.has_exit_hook,
            exit_due: None,
            log_level: self.log_level,
            shares: shares::Shares::default(),
        })
    }
}

/// What the worker reads in its link before it begins.
fn wanted(spec: &WorkerSpec) -> u64 {
    let captured = match spec.stdout {
        Output::Captured => link::OUTPUT_CAPTURED,
        Output::Inherit | Output::Null => 0,
    };
    let memory = if spec.notes_memory {
        link::MEMORY_NOTED
    } else {
        0
    };
    let suspension = if clock::counts_suspended_time() {
        link::SUSPENSION_COUNTED
    } else {
        0
    };
    captured | memory | suspension | u64::from(spec.log_level) << link::LOG_LEVEL_SHIFT
}

fn duplicate(fd: Option<BorrowedFd<'_>>, name: &str) -> Result<OwnedFd, Error> {
    fd.ok_or_else(|| Error::message("the link's segment has no descriptor"))?
        .try_clone_to_owned()
        .map_err(|e| Error::message(format!("cannot start worker {name}: {e}")))
}
