//! Mapped shared memory of fixed size: a memfd, or where there is none a System V segment. It gives out its bytes as atomic
//! words only, never as a slice.
//!
//! # Safety
//! 1. The mapping is made once, of exactly `len` bytes, and unmapped in `Drop`; every view keeps the segment alive.
//! 2. A file mapped here can no longer shrink: the seal is set before the descriptor leaves [`Segment::create`], and
//!    [`Segment::open`] verifies it *before* it compares the size. A System V segment keeps the size it was made with. So an
//!    access never raises SIGBUS for a missing page.
//! 3. Another process may write any byte at any instant, therefore only [`Words`] (atomics) are given out.
#![expect(unsafe_code, reason = "maps and unmaps shared memory")]

use std::ffi::c_void;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::ptr::NonNull;
use std::sync::Arc;

use rustix::fs::{
    FallocateFlags, SealFlags, fallocate, fcntl_add_seals, fcntl_get_seals, fstat, ftruncate,
};
use rustix::io::Errno;
use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};

use crate::error::Context;
use crate::memfd::memfd;
use crate::sys;
use crate::words::Words;
use crate::{Error, Result};

/// Memory shared between processes, mapped readable and writable: a memfd whose size is sealed.
///
/// Where the kernel makes no memfd (too many open files in the system, a sandbox that forbids the call) it is a System V
/// segment instead, which has an [`id`](Segment::id) in place of a descriptor and works the same.
///
/// ```
/// use procession_os::Segment;
/// use std::sync::{Arc, atomic::Ordering};
///
/// let ours = Arc::new(Segment::create("demo", 4096)?);
/// // The other process receives the descriptor and maps the same memory.
/// let fd = ours.fd().unwrap().try_clone_to_owned()?;
/// let theirs = Arc::new(Segment::open(fd, 4096)?);
///
/// ours.words(0, 8)?.at(3).store(42, Ordering::Release);
/// assert_eq!(theirs.words(0, 8)?.at(3).load(Ordering::Acquire), 42);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Segment {
    start: NonNull<c_void>,
    len: usize,
    fd: Option<OwnedFd>,
    id: Option<i32>,
}

// SAFETY: the mapping belongs to the process, not to a thread, and is reached only through atomics.
unsafe impl Send for Segment {}
// SAFETY: as above; `&Segment` gives out `Words`, which are atomics, and the descriptor.
unsafe impl Sync for Segment {}

/// What must hold before a mapping is safe to touch whatever the other side does.
const FIXED_SIZE: SealFlags = SealFlags::SHRINK.union(SealFlags::GROW);

impl Segment {
    /// Makes a zeroed segment of `len` bytes. Its pages exist from the start: memory that is not there is an error here,
    /// not a fault later.
    ///
    /// `name` shows up in `/proc/*/maps` as `/memfd:name` and need not be unique. An error for 0 bytes, for a name with a
    /// NUL byte or above 249 bytes, and when memory runs out.
    ///
    /// ```
    /// # use procession_os::Segment;
    /// assert_eq!(Segment::create("demo", 260 * 1024)?.len(), 260 * 1024);
    /// assert!(Segment::create("demo", 0).is_err());
    /// # Ok::<(), procession_os::Error>(())
    /// ```
    pub fn create(name: &str, len: usize) -> Result<Segment> {
        let fd = match memfd(name, len as u64) {
            Ok(fd) => fd,
            // Without an errno, or with EINVAL, it is the caller's mistake; else the kernel has none for us.
            Err(refused) if len > 0 && is_refusal(&refused) => {
                return Segment::of_system_v(len).map_err(|_| refused);
            }
            Err(mistake) => return Err(mistake),
        };
        let bytes = len as u64;
        ftruncate(&fd, bytes)
            .context(|| format!("cannot size the segment {name} to {len} bytes (ftruncate)"))?;
        rustix::io::retry_on_intr(|| fallocate(&fd, FallocateFlags::empty(), 0, bytes)).context(
            || format!("cannot get {len} bytes of memory for the segment {name} (fallocate)"),
        )?;
        fcntl_add_seals(&fd, FIXED_SIZE | SealFlags::SEAL)
            .context(|| format!("cannot seal the segment {name} (F_ADD_SEALS)"))?;
        Segment::map(fd, len)
    }

    /// Maps a segment that another process made, after checking that its size is `len` and can never change.
    ///
    /// An error when the file is no memfd, is not sealed against shrinking and growing, has another size, or cannot be
    /// mapped writable. The descriptor is closed then.
    ///
    /// ```
    /// # use procession_os::Segment;
    /// let made = Segment::create("demo", 4096)?;
    /// let fd = made.fd().unwrap().try_clone_to_owned().unwrap();
    /// let error = Segment::open(fd, 8192).unwrap_err();
    /// assert_eq!(error.to_string(), "the received segment has 4096 bytes, 8192 were announced");
    /// # Ok::<(), procession_os::Error>(())
    /// ```
    pub fn open(fd: OwnedFd, len: usize) -> Result<Segment> {
        let seals =
            fcntl_get_seals(&fd).context(|| "the received segment is no memfd (F_GET_SEALS)")?;
        if !seals.contains(FIXED_SIZE) {
            return Err(Error::message(
                "the received segment is not sealed: its size could change while it is mapped",
            ));
        }
        let stat = fstat(&fd).context(|| "cannot read the size of the received segment (fstat)")?;
        if u64::try_from(stat.st_size) != Ok(len as u64) {
            return Err(Error::message(format!(
                "the received segment has {} bytes, {len} were announced",
                stat.st_size
            )));
        }
        Segment::map(fd, len)
    }

    /// Marked for removal as soon as it is mapped: from then on it ends with its last user, however that ends.
    fn of_system_v(len: usize) -> Result<Segment> {
        let id = sys::make_shm(len)
            .context(|| format!("cannot make a System V segment of {len} bytes (shmget)"))?;
        let mapped = sys::attach_shm(id);
        let removed = sys::remove_shm(id);
        let start = mapped.context(|| "cannot map a System V segment (shmat)")?;
        let segment = Segment {
            start,
            len,
            fd: None,
            id: Some(id),
        };
        removed.context(|| "cannot mark a System V segment for removal (shmctl)")?;
        Ok(segment)
    }

    /// Maps a System V segment that another process made and still maps, after checking that its size is `len`.
    ///
    /// An error when there is no such segment, it has another size, belongs to another user, or cannot be mapped.
    ///
    /// ```
    /// # use procession_os::Segment;
    /// let error = Segment::attach(-1, 4096).unwrap_err();
    /// assert!(error.to_string().contains("shmctl"), "{error}");
    /// ```
    pub fn attach(id: i32, len: usize) -> Result<Segment> {
        let there = sys::shm_len(id).context(|| "cannot look at the announced segment (shmctl)")?;
        if there != len {
            return Err(Error::message(format!(
                "the announced segment has {there} bytes, not {len}"
            )));
        }
        let start = sys::attach_shm(id).context(|| "cannot map the announced segment (shmat)")?;
        Ok(Segment {
            start,
            len,
            fd: None,
            id: Some(id),
        })
    }

    /// What another process [attaches](Segment::attach) this segment by, when it is no memfd.
    ///
    /// ```
    /// # use procession_os::Segment;
    /// assert_eq!(Segment::create("demo", 64)?.id(), None);
    /// # Ok::<(), procession_os::Error>(())
    /// ```
    pub fn id(&self) -> Option<i32> {
        self.id
    }

    fn map(fd: OwnedFd, len: usize) -> Result<Segment> {
        let protection = ProtFlags::READ | ProtFlags::WRITE;
        // SAFETY: a fresh address range of the kernel's choice: no memory of this process is replaced.
        let start = unsafe {
            mmap(
                std::ptr::null_mut(),
                len,
                protection,
                MapFlags::SHARED | MapFlags::POPULATE,
                &fd,
                0,
            )
        }
        .context(|| format!("cannot map a segment of {len} bytes (mmap)"))?;
        let Some(start) = NonNull::new(start) else {
            return Err(Error::message("the kernel mapped a segment at address 0"));
        };
        Ok(Segment {
            start,
            len,
            fd: Some(fd),
            id: None,
        })
    }

    /// The descriptor to send to the other process; `None` after [`close_fd`](Segment::close_fd), and for a System V segment.
    ///
    /// ```
    /// # use procession_os::Segment;
    /// assert!(Segment::create("demo", 64)?.fd().is_some());
    /// # Ok::<(), procession_os::Error>(())
    /// ```
    pub fn fd(&self) -> Option<BorrowedFd<'_>> {
        self.fd.as_ref().map(AsFd::as_fd)
    }

    /// Closes the descriptor; the memory stays mapped. For after it was sent: a pool keeps two descriptors per worker.
    ///
    /// ```
    /// # use procession_os::Segment;
    /// let mut segment = Segment::create("demo", 64)?;
    /// segment.close_fd();
    /// assert!(segment.fd().is_none());
    /// # Ok::<(), procession_os::Error>(())
    /// ```
    pub fn close_fd(&mut self) {
        self.fd = None;
    }

    /// The size in bytes, never 0.
    ///
    /// ```
    /// # use procession_os::Segment;
    /// assert_eq!(Segment::create("demo", 64)?.len(), 64);
    /// # Ok::<(), procession_os::Error>(())
    /// ```
    #[expect(clippy::len_without_is_empty, reason = "a segment is never empty")]
    pub fn len(&self) -> usize {
        self.len
    }

    /// A view of `count` 8-byte words from `byte_offset` on; it keeps the segment mapped.
    ///
    /// An error when the offset is no multiple of 8 or the words do not lie wholly inside.
    ///
    /// ```
    /// # use procession_os::Segment;
    /// # use std::sync::Arc;
    /// let segment = Arc::new(Segment::create("demo", 64)?);
    /// assert_eq!(segment.words(8, 7)?.len(), 7);
    /// assert!(segment.words(8, 8).is_err());
    /// assert!(segment.words(4, 1).is_err());
    /// # Ok::<(), procession_os::Error>(())
    /// ```
    pub fn words(self: &Arc<Self>, byte_offset: usize, count: usize) -> Result<Words> {
        let end = count
            .checked_mul(8)
            .and_then(|bytes| bytes.checked_add(byte_offset));
        if !byte_offset.is_multiple_of(8) || end.is_none_or(|end| end > self.len) {
            return Err(Error::message(format!(
                "{count} words at byte {byte_offset} do not lie in a segment of {} bytes",
                self.len
            )));
        }
        // SAFETY: the offset is at most `len`, checked above, so the result stays in the mapping or one past it.
        let first = unsafe { self.start.byte_add(byte_offset) };
        // SAFETY: `count` words from `first` on lie inside the mapping (checked above), aligned since a mapping starts at
        // a page and the offset is a multiple of 8; they stay mapped readable and writable while the `Arc` lives (fact 1),
        // cannot vanish (fact 2), and nothing else in this process gives access to them (fact 3).
        Ok(unsafe { Words::mapped(Arc::clone(self) as _, first.cast(), count) })
    }
}

/// The kernel could not or would not; it did not say that the question makes no sense.
fn is_refusal(error: &Error) -> bool {
    let errno = error.raw_os_error();
    errno.is_some_and(|errno| errno != Errno::INVAL.raw_os_error())
}

impl Drop for Segment {
    fn drop(&mut self) {
        // SAFETY: exactly the range that `map` made; every view of it holds an `Arc` of this segment, so none is left.
        let unmapped = unsafe { munmap(self.start.as_ptr(), self.len) };
        debug_assert!(unmapped.is_ok(), "munmap of an own mapping: {unmapped:?}");
    }
}
