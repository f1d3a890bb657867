//! CPU time and context switches of this process and of the children it has reaped. Reads counters, changes nothing.
//!
//! # Safety
//!
//! One libc call that fills a struct of plain integers owned by the caller.
#![expect(unsafe_code, reason = "rustix has no getrusage")]

use std::io;
use std::mem::MaybeUninit;
use std::time::Duration;

/// Counters since the process began; the difference of two readings is what happened between them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Usage {
    pub(crate) cpu: Duration,
    pub(crate) switches: u64,
}

impl Usage {
    /// This process and all descendants that have been waited for, each by its own parent.
    pub(crate) fn now() -> io::Result<Usage> {
        let own = read(libc::RUSAGE_SELF)?;
        let children = read(libc::RUSAGE_CHILDREN)?;
        Ok(Usage {
            cpu: own.cpu + children.cpu,
            switches: own.switches + children.switches,
        })
    }

    /// What was used since an earlier reading.
    pub(crate) fn since(&self, earlier: &Usage) -> Usage {
        Usage {
            cpu: self.cpu.saturating_sub(earlier.cpu),
            switches: self.switches.saturating_sub(earlier.switches),
        }
    }
}

fn read(who: libc::c_int) -> io::Result<Usage> {
    let mut usage = MaybeUninit::<libc::rusage>::zeroed();
    // SAFETY: the pointer is to a live local of exactly the type the call fills, and the call keeps no copy of it.
    if unsafe { libc::getrusage(who, usage.as_mut_ptr()) } != 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: `rusage` holds integers only; zeroed bytes, and whatever the kernel wrote over them, are valid values.
    let usage = unsafe { usage.assume_init() };
    let count = |n: libc::c_long| u64::try_from(n).unwrap_or(0);
    Ok(Usage {
        cpu: duration(usage.ru_utime) + duration(usage.ru_stime),
        switches: count(usage.ru_nvcsw) + count(usage.ru_nivcsw),
    })
}

fn duration(time: libc::timeval) -> Duration {
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    let micros = u64::try_from(time.tv_usec).unwrap_or(0);
    Duration::from_secs(seconds) + Duration::from_micros(micros)
}
