//! The logger of a pool worker whose parent wants its records: gathers them, and sends them over the control socket.
//!
//! It must never wait for the parent: what there is no room for is dropped and counted.

use std::os::fd::AsFd;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError, TryLockError};

use log::{LevelFilter, Log, Metadata, Record};
use procession_os::clock::monotonic_ns;
use procession_os::socket::Socket;
use procession_task::message::FromWorker;
use procession_task::{LogBatch, LogRecord};

use super::words::running;
use crate::info;

/// Bytes of records that wait for room in the socket.
const MOST: usize = 256 * 1024;
/// Bytes after which records are sent together at once.
const BATCH: usize = 16 * 1024;
/// A record this long after the last packet is sent at once.
const GATHER_NS: u64 = 10_000_000;

static FORWARDER: OnceLock<Forwarder> = OnceLock::new();

struct Forwarder {
    level: LevelFilter,
    control: Socket,
    /// The process this belongs to: in a copy made by `fork` the lock may be held for ever.
    owner: u32,
    queue: Mutex<Queue>,
}

#[derive(Default)]
struct Queue {
    records: Vec<LogRecord>,
    bytes: usize,
    dropped: u64,
    sent_at: u64,
}

/// Makes this worker's records go to its parent, up to `level`; before any user code runs.
///
/// A program that has set a logger of its own before `init` keeps it, and the parent is told so by a record.
pub(super) fn open(level: u8, control: &Socket) {
    let filter = LevelFilter::iter().nth(usize::from(level));
    let (Some(level), Ok(fd)) = (filter, control.as_fd().try_clone_to_owned()) else {
        return;
    };
    let forwarder = FORWARDER.get_or_init(|| Forwarder {
        level,
        control: Socket::from_fd(fd),
        owner: std::process::id(),
        queue: Mutex::default(),
    });
    if log::set_logger(forwarder).is_ok() {
        log::set_max_level(level);
        return;
    }
    let told = format!(
        "no log records come from {}: the program sets a logger of its own before procession::init()",
        info::current_process().name()
    );
    forwarder.take(LogRecord::new(log::Level::Warn as u8, "procession", &told));
}

/// Sends what is gathered.
pub(super) fn send() {
    if let Some(forwarder) = FORWARDER.get()
        && forwarder.is_ours()
    {
        forwarder.send(&mut forwarder.lock());
    }
}

/// As [`send`], where this thread or one that is no more may be in the middle of it.
pub(super) fn send_if_free() {
    let Some(forwarder) = FORWARDER.get().filter(|it| it.is_ours()) else {
        return;
    };
    match forwarder.queue.try_lock() {
        Ok(mut queue) => forwarder.send(&mut queue),
        Err(TryLockError::Poisoned(queue)) => forwarder.send(&mut queue.into_inner()),
        Err(TryLockError::WouldBlock) => {}
    }
}

impl Forwarder {
    fn is_ours(&self) -> bool {
        self.owner == std::process::id()
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps a record, and sends what is kept when it is time.
    fn take(&self, record: LogRecord) {
        let urgent = record.level <= log::Level::Warn as u8;
        let mut queue = self.lock();
        let bytes = queue.bytes + record.bytes();
        if bytes > MOST {
            queue.dropped += 1;
        } else {
            queue.bytes = bytes;
            queue.records.push(record);
        }
        let waited = monotonic_ns().saturating_sub(queue.sent_at);
        if urgent || queue.bytes >= BATCH || waited >= GATHER_NS {
            self.send(&mut queue);
        }
    }

    /// Sends packet by packet what the socket has room for.
    fn send(&self, queue: &mut Queue) {
        while !queue.records.is_empty() || queue.dropped > 0 {
            queue.sent_at = monotonic_ns();
            let mut bytes = 0;
            let fitting = queue.records.iter().take_while(|record| {
                bytes += record.bytes();
                bytes <= 2 * BATCH
            });
            let count = fitting.count().max(1).min(queue.records.len());
            let rest = queue.records.split_off(count);
            let batch = LogBatch {
                dropped: queue.dropped,
                records: std::mem::replace(&mut queue.records, rest),
            };
            let message = FromWorker::Log(batch);
            match self.control.try_send(&message.encode(), &[]) {
                Ok(true) => queue.dropped = 0,
                Ok(false) => {
                    // Kept for the next time.
                    if let FromWorker::Log(batch) = message {
                        let rest = std::mem::replace(&mut queue.records, batch.records);
                        queue.records.extend(rest);
                    }
                    break;
                }
                // The parent is gone, and with it whoever wants to know.
                Err(_) => queue.dropped = 0,
            }
        }
        queue.bytes = queue.records.iter().map(LogRecord::bytes).sum();
    }
}

impl Log for Forwarder {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.level() <= self.level
    }

    fn log(&self, record: &Record<'_>) {
        if !self.enabled(record.metadata()) || !self.is_ours() {
            return;
        }
        // User code, which may log as well: no lock is held.
        let message = record.args().to_string();
        let (task, item) = running().unwrap_or_default();
        let taken = LogRecord::new(record.level() as u8, record.target(), &message);
        self.take(taken.of(task, item).at(
            record.module_path().unwrap_or_default(),
            record.file().unwrap_or_default(),
            record.line().unwrap_or_default(),
        ));
    }

    fn flush(&self) {
        send();
    }
}
