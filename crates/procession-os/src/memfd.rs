//! Bytes as a file in memory: made whole and sealed, or read whole within a limit. It maps nothing.

use std::os::fd::{BorrowedFd, OwnedFd};

use rustix::fs::{FileType, MemfdFlags, SealFlags, fcntl_add_seals, fstat, memfd_create};
use rustix::io::{Errno, retry_on_intr};
use rustix::process::{Resource, getrlimit};

use crate::error::Context;
use crate::{Error, Result};

/// A memfd holding `bytes`, sealed: nobody can change it, not even its maker. For what is too long for a packet.
///
/// An error when memory or descriptors run out, and above the file size limit.
///
/// ```
/// use procession_os::{memfd_with, read_all};
/// use std::os::fd::AsFd;
///
/// let fd = memfd_with("arguments", b"any length")?;
/// assert_eq!(read_all(fd.as_fd(), 1024)?, b"any length");
/// # Ok::<(), procession_os::Error>(())
/// ```
pub fn memfd_with(name: &str, bytes: &[u8]) -> Result<OwnedFd> {
    let fd = memfd(name, (bytes.len() as u64).max(1))?;
    let mut rest = bytes;
    while !rest.is_empty() {
        let written = retry_on_intr(|| rustix::io::write(&fd, rest)).context(|| {
            format!(
                "cannot write {} bytes to the memfd {name} (write)",
                bytes.len()
            )
        })?;
        rest = rest.get(written..).unwrap_or_default();
    }
    fcntl_add_seals(
        &fd,
        SealFlags::WRITE | SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL,
    )
    .context(|| format!("cannot seal the memfd {name} (F_ADD_SEALS)"))?;
    Ok(fd)
}

/// Reads a whole regular file from its start, whatever its offset.
///
/// An error when it is no regular file (a pipe could block for ever), when it has more than `limit` bytes (nothing is read
/// or allocated then), and when it grows above `limit` while it is read.
///
/// ```
/// use procession_os::{memfd_with, read_all};
/// use std::os::fd::AsFd;
///
/// let fd = memfd_with("result", &[7; 100])?;
/// assert_eq!(read_all(fd.as_fd(), 100)?.len(), 100);
/// let error = read_all(fd.as_fd(), 99).unwrap_err();
/// assert_eq!(error.to_string(), "a received file has 100 bytes, the limit is 99");
/// # Ok::<(), procession_os::Error>(())
/// ```
pub fn read_all(fd: BorrowedFd<'_>, limit: u64) -> Result<Vec<u8>> {
    let stat = fstat(fd).context(|| "cannot look at a received file (fstat)")?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return Err(Error::message("a received descriptor is no regular file"));
    }
    let size = u64::try_from(stat.st_size).unwrap_or(u64::MAX);
    let too_long = |size: u64| {
        Error::message(format!(
            "a received file has {size} bytes, the limit is {limit}"
        ))
    };
    if size > limit {
        return Err(too_long(size));
    }
    let mut bytes: Vec<u8> = Vec::new();
    // One byte more than announced, so that the read that fills it also sees the end.
    let room = usize::try_from(size)
        .ok()
        .and_then(|size| size.checked_add(1));
    room.and_then(|room| bytes.try_reserve_exact(room).ok())
        .ok_or_else(|| {
            Error::new(
                format!("no memory for a received file of {size} bytes"),
                Errno::NOMEM,
            )
        })?;
    loop {
        if bytes.capacity() == bytes.len() {
            bytes.reserve(4096);
        }
        let offset = bytes.len() as u64;
        let read = retry_on_intr(|| {
            rustix::io::pread(fd, rustix::buffer::spare_capacity(&mut bytes), offset)
        })
        .context(|| "cannot read a received file (pread)")?;
        if bytes.len() as u64 > limit {
            return Err(too_long(bytes.len() as u64));
        }
        if read == 0 {
            return Ok(bytes);
        }
    }
}

/// A new memfd, closed on exec, sealable, never executable where the kernel knows that (Linux 6.3). Refuses a size above
/// the file size limit, because the kernel would answer that with SIGXFSZ.
pub(crate) fn memfd(name: &str, bytes: u64) -> Result<OwnedFd> {
    if bytes == 0 {
        return Err(Error::message(format!(
            "a segment of 0 bytes ({name}) cannot be mapped"
        )));
    }
    if getrlimit(Resource::Fsize)
        .current
        .is_some_and(|limit| limit < bytes)
    {
        return Err(Error::new(
            format!("{bytes} bytes for {name} are above the file size limit (RLIMIT_FSIZE)"),
            Errno::FBIG,
        ));
    }
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    match memfd_create(name, flags | MemfdFlags::NOEXEC_SEAL) {
        Err(Errno::INVAL) => memfd_create(name, flags),
        other => other,
    }
    .context(|| format!("cannot create the segment {name} (memfd_create)"))
}
