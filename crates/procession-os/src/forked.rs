//! Whether this process is a copy made by `fork`; must cost no system call when asked.
//!
//! # Safety
//! One private page is mapped once and never unmapped; the kernel clears it in a forked copy
//! (`MADV_WIPEONFORK`, Linux 4.14). It is reached as one atomic word only.
#![expect(unsafe_code, reason = "one page that the kernel wipes on fork")]

use std::ptr;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::mm::{Advice, MapFlags, ProtFlags};

/// The word that a fork clears, or the pid of the original where the kernel cannot do that.
enum Mark {
    Page(&'static AtomicU64),
    Pid(u32),
}

static MARK: OnceLock<Mark> = OnceLock::new();

/// Whether this process is a copy, made by `fork`, of the one in which this was first called.
///
/// The first call, in the original, sets the mark.
///
/// ```
/// assert!(!procession_os::is_forked_copy());
/// ```
#[inline]
pub fn is_forked_copy() -> bool {
    match MARK.get_or_init(mark) {
        Mark::Page(word) => word.load(Ordering::Relaxed) == 0,
        Mark::Pid(pid) => *pid != std::process::id(),
    }
}

fn mark() -> Mark {
    wiped_page().map_or_else(|| Mark::Pid(std::process::id()), Mark::Page)
}

fn wiped_page() -> Option<&'static AtomicU64> {
    let page = rustix::param::page_size();
    let prot = ProtFlags::READ | ProtFlags::WRITE;
    // SAFETY: an anonymous private mapping at an address of the kernel's choice overlaps nothing.
    let start =
        unsafe { rustix::mm::mmap_anonymous(ptr::null_mut(), page, prot, MapFlags::PRIVATE) }
            .ok()?;
    // SAFETY: the range is the mapping just made, which nothing else refers to.
    unsafe { rustix::mm::madvise(start, page, Advice::LinuxWipeOnFork) }.ok()?;
    // SAFETY: the page is mapped for the rest of the process's life, aligned, zeroed, and reached as this word only.
    let word = unsafe { AtomicU64::from_ptr(start.cast()) };
    word.store(1, Ordering::Relaxed);
    Some(word)
}
