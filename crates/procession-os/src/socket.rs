//! The control socket: whole packets and descriptors between two processes. It never raises SIGPIPE, never blocks where it
//! says so, and never leaks a descriptor it received.

use std::io::{IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::io::{Errno, retry_on_intr};
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags,
    SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketFlags, SocketType, recv, recvmsg,
    sendmsg, socketpair,
};

use crate::error::Context;
use crate::{Error, Result};

pub use crate::memfd::{memfd_with, read_all};

/// One end of a Unix packet socket (`SOCK_SEQPACKET`): packets keep their bounds and order, and may carry descriptors.
///
/// ```
/// use procession_os::{Received, Socket};
///
/// let (ours, theirs) = Socket::pair()?;
/// let theirs = Socket::from_fd(theirs); // in real life, in another process
/// ours.send(b"hello", &[])?;
/// let Received::Packet { bytes, fds } = theirs.recv(0)? else { panic!("closed") };
/// assert_eq!((bytes.as_slice(), fds.len()), (&b"hello"[..], 0));
///
/// drop(ours);
/// assert!(matches!(theirs.recv(0)?, Received::Closed));
/// # Ok::<(), procession_os::Error>(())
/// ```
#[derive(Debug)]
pub struct Socket(OwnedFd);

/// What [`Socket::recv`] found.
#[derive(Debug)]
pub enum Received {
    /// A packet, 1 to [`Socket::MAX_PACKET`] bytes, and the descriptors it carried (closed on exec).
    Packet {
        /// The bytes.
        bytes: Vec<u8>,
        /// The descriptors, in the order they were sent.
        fds: Vec<OwnedFd>,
    },
    /// The other end is closed in every process, and all it sent has been received.
    Closed,
}

impl Socket {
    /// The largest packet, in bytes. Longer ones are refused on both sides; send those as a
    /// [`memfd_with`].
    pub const MAX_PACKET: usize = 64 * 1024;

    /// The most descriptors the kernel takes in one packet.
    pub const MAX_FDS: usize = 253;

    /// Two connected ends: one to keep, one to hand to a child. Both are closed on exec.
    ///
    /// An error when descriptors run out.
    ///
    /// ```
    /// let (ours, theirs) = procession_os::Socket::pair()?;
    /// # drop((ours, theirs));
    /// # Ok::<(), procession_os::Error>(())
    /// ```
    pub fn pair() -> Result<(Socket, OwnedFd)> {
        let (ours, theirs) = socketpair(
            AddressFamily::UNIX,
            SocketType::SEQPACKET,
            SocketFlags::CLOEXEC,
            None,
        )
        .context(|| "cannot create a control socket (socketpair)")?;
        Ok((Socket(ours), theirs))
    }

    /// The socket of a descriptor that was received or inherited. A descriptor of another kind makes the first call fail.
    ///
    /// ```
    /// # use procession_os::Socket;
    /// let (_ours, theirs) = Socket::pair()?;
    /// let theirs = Socket::from_fd(theirs);
    /// # drop(theirs);
    /// # Ok::<(), procession_os::Error>(())
    /// ```
    pub fn from_fd(fd: OwnedFd) -> Socket {
        Socket(fd)
    }

    /// Makes [`send`](Socket::send) and [`recv`](Socket::recv) fail with `WouldBlock` instead of waiting. It applies to
    /// this end in every process that shares it, not to the other end.
    ///
    /// ```
    /// # use procession_os::Socket;
    /// let (ours, _theirs) = Socket::pair()?;
    /// ours.set_nonblocking()?;
    /// assert_eq!(ours.recv(0).unwrap_err().io_kind(), std::io::ErrorKind::WouldBlock);
    /// # Ok::<(), procession_os::Error>(())
    /// ```
    pub fn set_nonblocking(&self) -> Result<()> {
        rustix::io::ioctl_fionbio(&self.0, true)
            .context(|| "cannot make a control socket non-blocking")
    }

    /// Sends one packet with copies of `fds`, waiting for room.
    ///
    /// An error when the packet is empty or too long, when there are more than [`MAX_FDS`](Socket::MAX_FDS) descriptors,
    /// when the other end is closed (`BrokenPipe` or `ConnectionReset`; no SIGPIPE), and when the kernel refuses.
    ///
    /// ```
    /// # use procession_os::Socket;
    /// let (ours, theirs) = Socket::pair()?;
    /// ours.send(b"one", &[theirs.try_clone().unwrap().as_fd()])?;
    /// assert!(ours.send(b"", &[]).is_err());
    /// drop(theirs);
    /// # use std::os::fd::AsFd;
    /// # Ok::<(), procession_os::Error>(())
    /// ```
    pub fn send(&self, bytes: &[u8], fds: &[BorrowedFd<'_>]) -> Result<()> {
        self.send_with(bytes, fds, SendFlags::empty())
            .context(|| "cannot send on a control socket (sendmsg)")
    }

    /// Sends one packet if there is room at this moment; `false`: there is none, nothing was sent.
    ///
    /// Errors as in [`send`](Socket::send).
    ///
    /// ```
    /// # use procession_os::Socket;
    /// let (ours, _theirs) = Socket::pair()?;
    /// let mut sent = 0;
    /// while ours.try_send(b"nobody reads", &[])? {
    ///     sent += 1;
    /// }
    /// assert!(sent > 0);
    /// # Ok::<(), procession_os::Error>(())
    /// ```
    pub fn try_send(&self, bytes: &[u8], fds: &[BorrowedFd<'_>]) -> Result<bool> {
        match self.send_with(bytes, fds, SendFlags::DONTWAIT) {
            Ok(()) => Ok(true),
            Err(Errno::AGAIN) => Ok(false),
            Err(errno) => Err(Error::new(
                "cannot send on a control socket (sendmsg)",
                errno,
            )),
        }
    }

    fn send_with(
        &self,
        bytes: &[u8],
        fds: &[BorrowedFd<'_>],
        flags: SendFlags,
    ) -> std::result::Result<(), Errno> {
        if bytes.is_empty() || fds.len() > Self::MAX_FDS {
            return Err(Errno::INVAL);
        }
        if bytes.len() > Self::MAX_PACKET {
            return Err(Errno::MSGSIZE);
        }
        let mut space = vec![MaybeUninit::uninit(); descriptor_space(fds.len())];
        retry_on_intr(|| {
            let mut control = SendAncillaryBuffer::new(&mut space);
            if !fds.is_empty() && !control.push(SendAncillaryMessage::ScmRights(fds)) {
                return Err(Errno::NOBUFS);
            }
            // A packet socket takes all of a packet or nothing, so the count says nothing new.
            sendmsg(
                &self.0,
                &[IoSlice::new(bytes)],
                &mut control,
                flags | SendFlags::NOSIGNAL,
            )
            .map(|_| ())
        })
    }

    /// Waits for one packet with at most `max_fds` descriptors.
    ///
    /// `Closed` when the other end is closed, or sent an empty packet, which this type never does. An error when the
    /// packet was longer than [`MAX_PACKET`](Socket::MAX_PACKET) or carried more descriptors than `max_fds` or than this
    /// process has room for (the packet is lost then, and descriptors that did arrive are closed).
    ///
    /// ```
    /// # use procession_os::{Received, Socket};
    /// # use std::os::fd::AsFd;
    /// let (ours, theirs) = Socket::pair()?;
    /// ours.send(b"take these", &[ours.as_fd(), ours.as_fd()])?;
    /// let error = Socket::from_fd(theirs).recv(1).unwrap_err();
    /// assert!(error.to_string().contains("more descriptors than"));
    /// # Ok::<(), procession_os::Error>(())
    /// ```
    pub fn recv(&self, max_fds: usize) -> Result<Received> {
        match self.recv_with(max_fds, RecvFlags::empty())? {
            Some(received) => Ok(received),
            None => Err(Error::new(
                "no packet on a non-blocking control socket (recvmsg)",
                Errno::AGAIN,
            )),
        }
    }

    /// Takes a packet if there is one; `None`: there is none at this moment.
    ///
    /// Ends otherwise as [`recv`](Socket::recv) does.
    ///
    /// ```
    /// # use procession_os::Socket;
    /// let (ours, _theirs) = Socket::pair()?;
    /// assert!(ours.try_recv(0)?.is_none());
    /// # Ok::<(), procession_os::Error>(())
    /// ```
    pub fn try_recv(&self, max_fds: usize) -> Result<Option<Received>> {
        self.recv_with(max_fds, RecvFlags::DONTWAIT)
    }

    /// The length of the next packet, at most one above the limit; `None`: there is none at this moment.
    ///
    /// Asking costs a system call; a buffer for the longest packet would cost every child its pages.
    fn next_length(&self, flags: RecvFlags) -> Result<Option<usize>> {
        loop {
            match recv(
                &self.0,
                &mut [0; 1],
                flags | RecvFlags::PEEK | RecvFlags::TRUNC,
            ) {
                Ok((_, length)) => return Ok(Some(length.min(Self::MAX_PACKET))),
                // A peer that closed without reading all of ours raises ECONNRESET once, before what it sent itself.
                Err(Errno::INTR | Errno::CONNRESET) => {}
                Err(Errno::AGAIN) => return Ok(None),
                Err(errno) => {
                    return Err(Error::new("cannot look at a control socket (recv)", errno));
                }
            }
        }
    }

    fn recv_with(&self, max_fds: usize, flags: RecvFlags) -> Result<Option<Received>> {
        let Some(length) = self.next_length(flags)? else {
            return Ok(None);
        };
        let mut bytes = vec![0; length];
        let mut space = vec![MaybeUninit::uninit(); descriptor_space(max_fds.min(Self::MAX_FDS))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let packet = loop {
            match recvmsg(
                &self.0,
                &mut [IoSliceMut::new(&mut bytes)],
                &mut control,
                flags | RecvFlags::CMSG_CLOEXEC,
            ) {
                Ok(packet) => break packet,
                Err(Errno::INTR | Errno::CONNRESET) => {}
                Err(Errno::AGAIN) => return Ok(None),
                Err(errno) => {
                    return Err(Error::new(
                        "cannot receive on a control socket (recvmsg)",
                        errno,
                    ));
                }
            }
        };
        // Owned from here on: every return below closes them.
        let fds = take_descriptors(&mut control);
        if packet.flags.contains(ReturnFlags::CTRUNC) || fds.len() > max_fds {
            return Err(Error::message(format!(
                "a packet carried more descriptors than expected ({max_fds}) or than this process has room for; {} were closed",
                fds.len()
            )));
        }
        if packet.flags.contains(ReturnFlags::TRUNC) {
            return Err(Error::message(format!(
                "a packet was longer than {} bytes",
                Self::MAX_PACKET
            )));
        }
        if packet.bytes == 0 {
            return Ok(Some(Received::Closed));
        }
        bytes.truncate(packet.bytes);
        Ok(Some(Received::Packet { bytes, fds }))
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl From<Socket> for OwnedFd {
    fn from(socket: Socket) -> Self {
        socket.0
    }
}

fn descriptor_space(count: usize) -> usize {
    if count == 0 {
        0
    } else {
        rustix::cmsg_space!(ScmRights(count))
    }
}

fn take_descriptors(control: &mut RecvAncillaryBuffer<'_>) -> Vec<OwnedFd> {
    control
        .drain()
        .filter_map(|message| {
            if let RecvAncillaryMessage::ScmRights(fds) = message {
                Some(fds)
            } else {
                None
            }
        })
        .flatten()
        .collect()
}
