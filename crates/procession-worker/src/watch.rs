//! What a pool's own thread sleeps on: every worker's pidfd, control socket and captured outputs, and one notification.
//!
//! It reports which of them is ready; it must never read from them or know what they mean.

use std::fmt;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use procession_os::clock::counts_suspended_time;
use rustix::event::{EventfdFlags, Timespec, epoll, eventfd};
use rustix::io::Errno;

use crate::error::Error;
use crate::handle::Worker;

const NOTIFIED: u64 = u64::MAX;
const ENDED_BIT: u64 = 1 << 63;
const OUTPUT_BIT: u64 = 1 << 62;
/// How soon after the machine wakes up the time is seen that it was suspended, where that counts.
const SUSPENSION_SEEN: Duration = Duration::from_secs(1);

/// Something a [`Watch`] saw.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen {
    /// The worker added under this key has ended: its pidfd is readable.
    Ended(u64),
    /// The worker added under this key has something on its control socket, or room there if that was asked for.
    Control(u64),
    /// The worker added under this key has written to a captured output.
    Output(u64),
    /// [`Watch::notify`] was called.
    Notified,
}

/// Whether somebody waits for room on a control socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Room {
    /// Something has yet to be said.
    Wanted,
    /// Everything is said.
    Enough,
}

/// One epoll instance over the workers of a pool.
pub struct Watch {
    epoll: OwnedFd,
    wake: OwnedFd,
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watch").finish_non_exhaustive()
    }
}

impl Watch {
    /// Makes an empty watch: two descriptors.
    ///
    /// # Errors
    /// When the process is out of descriptors.
    pub fn new() -> Result<Watch, Error> {
        let os =
            |what| move |e| Error::os("make a pool", procession_os::error::Error::new(what, e));
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)
            .map_err(os("make an epoll instance (epoll_create)"))?;
        let wake = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)
            .map_err(os("make an event descriptor (eventfd)"))?;
        epoll::add(
            &epoll,
            &wake,
            epoll::EventData::new_u64(NOTIFIED),
            epoll::EventFlags::IN,
        )
        .map_err(os("watch an event descriptor (epoll_ctl)"))?;
        Ok(Watch { epoll, wake })
    }

    /// Watches a worker; `key` (below 2^62) comes back in [`Seen`].
    ///
    /// # Errors
    /// When the kernel is out of memory or watches.
    pub fn add(&self, worker: &Worker, key: u64) -> Result<(), Error> {
        let os = |e| {
            let what = "watch a worker (epoll_ctl)";
            Error::os("start a worker", procession_os::error::Error::new(what, e))
        };
        let flags = epoll::EventFlags::IN;
        epoll::add(
            &self.epoll,
            worker.child().as_fd(),
            epoll::EventData::new_u64(key | ENDED_BIT),
            flags,
        )
        .map_err(os)?;
        epoll::add(
            &self.epoll,
            worker.control_fd(),
            epoll::EventData::new_u64(key),
            flags,
        )
        .map_err(os)?;
        self.listen(worker, key)
    }

    /// Watches a worker's captured outputs, which [`Watch::add`] does too; once more changes nothing.
    ///
    /// # Errors
    /// When the kernel is out of memory or watches.
    pub fn listen(&self, worker: &Worker, key: u64) -> Result<(), Error> {
        for pipe in worker.output_fds() {
            let data = epoll::EventData::new_u64(key | OUTPUT_BIT);
            match epoll::add(&self.epoll, pipe, data, epoll::EventFlags::IN) {
                Ok(()) | Err(Errno::EXIST) => {}
                Err(e) => {
                    let what = "watch a worker's output (epoll_ctl)";
                    let cause = procession_os::error::Error::new(what, e);
                    return Err(Error::os("start a worker", cause));
                }
            }
        }
        Ok(())
    }

    /// Stops watching a worker's captured outputs.
    pub fn mute(&self, worker: &Worker) {
        for pipe in worker.output_fds() {
            let _ = epoll::delete(&self.epoll, pipe);
        }
    }

    /// Stops watching those captured outputs of a worker that nobody can write to any more: they are readable for ever.
    pub fn mute_ended(&self, worker: &Worker) {
        for pipe in worker.ended_output_fds() {
            let _ = epoll::delete(&self.epoll, pipe);
        }
    }

    /// Whether room on a worker's control socket is to be seen as well.
    pub fn look_for_room(&self, worker: &Worker, key: u64, wanted: Room) {
        let flags = match wanted {
            Room::Wanted => epoll::EventFlags::IN | epoll::EventFlags::OUT,
            Room::Enough => epoll::EventFlags::IN,
        };
        // Refused only when the socket is watched no longer: the worker ends.
        let data = epoll::EventData::new_u64(key);
        let _ = epoll::modify(&self.epoll, worker.control_fd(), data, flags);
    }

    /// Stops watching a worker's control socket, which would be readable for ever once closed.
    pub fn hush(&self, worker: &Worker) {
        let _ = epoll::delete(&self.epoll, worker.control_fd());
    }

    /// Stops watching a worker.
    pub fn remove(&self, worker: &Worker) {
        let _ = epoll::delete(&self.epoll, worker.child().as_fd());
        self.hush(worker);
        self.mute(worker);
    }

    /// Makes the present or next [`Watch::wait`] return.
    pub fn notify(&self) {
        // A full counter means that it is readable, which is all that is wanted.
        let _ = rustix::io::write(&self.wake, &1u64.to_ne_bytes());
    }

    /// Sleeps until something happens or `timeout` passes; appends what was seen.
    pub fn wait(&self, timeout: Option<Duration>, seen: &mut Vec<Seen>) {
        // The kernel does not count the time in which the machine is suspended here: it is to be seen soon after.
        let most = if counts_suspended_time() {
            SUSPENSION_SEEN
        } else {
            Duration::MAX
        };
        let timeout = timeout.map(|t| t.min(most)).map(|t| Timespec {
            tv_sec: i64::try_from(t.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: t.subsec_nanos().into(),
        });
        let mut events: Vec<epoll::Event> = Vec::with_capacity(64);
        match epoll::wait(
            &self.epoll,
            rustix::buffer::spare_capacity(&mut events),
            timeout.as_ref(),
        ) {
            Ok(_) | Err(Errno::INTR) => {}
            // Only a programming error can end here; the caller polls on rather than spins silently.
            Err(_) => return,
        }
        for event in events {
            let data = event.data.u64();
            seen.push(if data == NOTIFIED {
                let _ = rustix::io::read(&self.wake, &mut [0u8; 8]);
                Seen::Notified
            } else if data & ENDED_BIT != 0 {
                Seen::Ended(data & !ENDED_BIT)
            } else if data & OUTPUT_BIT != 0 {
                Seen::Output(data & !OUTPUT_BIT)
            } else {
                Seen::Control(data)
            });
        }
    }
}
