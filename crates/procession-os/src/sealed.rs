//! A file in memory that nobody can change, as a plain slice of bytes. It must never map what is not sealed against writing.
//!
//! # Safety
//! 1. The mapping is made once, of exactly `len` bytes from the file's start, readable only, and unmapped in `Drop`; a slice
//!    of it borrows the [`Sealed`].
//! 2. Before it is made, the kernel has confirmed the seals `UNCHANGING`. `F_SEAL_WRITE` is granted only while no writable
//!    mapping exists and no write is under way, and refuses every later one, a punched hole included; `F_SEAL_SHRINK` keeps
//!    every page. No seal can ever be taken off. So the bytes are the same for as long as the file exists, whoever holds
//!    descriptors of it, and the mapping keeps the file.
//! 3. The mapping is private: nothing that is done to it in this process reaches the file, and older kernels (before 6.7)
//!    refuse a shared one of a file sealed against writing. Its pages are the file's own as long as nobody writes, and a
//!    mapping for reading does not let anybody.
#![expect(unsafe_code, reason = "maps, reads and unmaps memory of a sealed file")]

use std::ffi::c_void;
use std::fmt;
use std::ops::Deref;
use std::os::fd::BorrowedFd;
use std::ptr::NonNull;

use rustix::fs::{SealFlags, fcntl_get_seals, fstat};
use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};

use crate::error::Context;
use crate::{Error, Result};

/// What must hold before bytes of a file may be looked at as a slice.
const UNCHANGING: SealFlags = SealFlags::WRITE.union(SealFlags::SHRINK);

/// The whole content of a sealed memfd, mapped and not copied: any number of processes look at the same memory.
///
/// ```
/// use procession_os::{Sealed, memfd_with};
/// use std::os::fd::AsFd;
///
/// let file = memfd_with("table", b"read by many")?;
/// let sealed = Sealed::open(file.as_fd())?;
/// drop(file); // the mapping stays
/// assert_eq!(&*sealed, b"read by many");
/// # Ok::<(), procession_os::Error>(())
/// ```
pub struct Sealed {
    start: NonNull<c_void>,
    /// 0: nothing is mapped.
    len: usize,
}

// SAFETY: the mapping belongs to the process, not to a thread, and its bytes never change (fact 2).
unsafe impl Send for Sealed {}
// SAFETY: as above; `&Sealed` gives out `&[u8]`, which any thread may read.
unsafe impl Sync for Sealed {}

impl Sealed {
    /// Maps a file made by [`memfd_with`](crate::memfd_with), here or in another process.
    ///
    /// An error when it is no memfd, is not sealed against writing and shrinking, or cannot be mapped. The descriptor is
    /// not needed afterwards.
    ///
    /// ```
    /// # use procession_os::{Sealed, Segment};
    /// let writable = Segment::create("link", 4096)?;
    /// let error = Sealed::open(writable.fd().unwrap()).unwrap_err();
    /// assert!(error.to_string().contains("not sealed against writing"));
    /// # Ok::<(), procession_os::Error>(())
    /// ```
    pub fn open(file: BorrowedFd<'_>) -> Result<Sealed> {
        let seals = fcntl_get_seals(file).context(|| "the file is no memfd (F_GET_SEALS)")?;
        if !seals.contains(UNCHANGING) {
            return Err(Error::message(
                "the file is not sealed against writing and shrinking: its bytes could change while they are looked at",
            ));
        }
        let stat = fstat(file).context(|| "cannot read the size of a sealed file (fstat)")?;
        let len = usize::try_from(stat.st_size)
            .map_err(|_| Error::message("a sealed file has an impossible size"))?;
        if len == 0 {
            let start = NonNull::dangling();
            return Ok(Sealed { start, len });
        }
        // SAFETY: a fresh address range of the kernel's choice: no memory of this process is replaced.
        let start = unsafe {
            mmap(
                std::ptr::null_mut(),
                len,
                ProtFlags::READ,
                MapFlags::PRIVATE,
                file,
                0,
            )
        }
        .context(|| format!("cannot map a sealed file of {len} bytes (mmap)"))?;
        match NonNull::new(start) {
            Some(start) => Ok(Sealed { start, len }),
            None => Err(Error::message(
                "the kernel mapped a sealed file at address 0",
            )),
        }
    }
}

impl Deref for Sealed {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        // SAFETY: `len` bytes from `start` on are mapped readable while `self`, which is borrowed, lives (fact 1); they are
        // initialised and never change (fact 2). With a length of 0 the pointer is dangling, as an empty slice's may be.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr().cast(), self.len) }
    }
}

impl fmt::Debug for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sealed")
            .field("len", &self.len)
            .finish_non_exhaustive()
    }
}

impl Drop for Sealed {
    fn drop(&mut self) {
        if self.len == 0 {
            return;
        }
        // SAFETY: exactly the range that `open` mapped; slices of it borrowed `self`, so none is left.
        let unmapped = unsafe { munmap(self.start.as_ptr(), self.len) };
        debug_assert!(unmapped.is_ok(), "munmap of an own mapping: {unmapped:?}");
    }
}
