//! The one clock of the whole project: monotonic nanoseconds. Wall-clock time is never read.

use std::sync::atomic::{AtomicBool, Ordering};

/// Whether the clock goes on while the machine is suspended.
static COUNTS_SUSPENDED_TIME: AtomicBool = AtomicBool::new(false);

/// Lets the clock of this process go on while the machine is suspended: `CLOCK_BOOTTIME` instead of `CLOCK_MONOTONIC`. To be
/// said before the clock is read for anything that is compared later: readings before and after differ by all the time that
/// the machine has been suspended. Sleeps go on to be counted without it.
///
/// ```
/// procession_os::clock::count_suspended_time();
/// assert!(procession_os::clock::counts_suspended_time());
/// ```
pub fn count_suspended_time() {
    COUNTS_SUSPENDED_TIME.store(true, Ordering::Relaxed);
}

/// Whether [`count_suspended_time`] was called.
pub fn counts_suspended_time() -> bool {
    COUNTS_SUSPENDED_TIME.load(Ordering::Relaxed)
}

/// Nanoseconds of `CLOCK_MONOTONIC`: comparable between processes of one boot, unmoved by wall-clock changes, standing
/// still while the machine is suspended, unless [that counts](count_suspended_time).
///
/// ```
/// let before = procession_os::monotonic_ns();
/// assert!(procession_os::monotonic_ns() >= before);
/// ```
pub fn monotonic_ns() -> u64 {
    let clock = if counts_suspended_time() {
        rustix::time::ClockId::Boottime
    } else {
        rustix::time::ClockId::Monotonic
    };
    nanoseconds(rustix::time::clock_gettime(clock))
}

/// As [`monotonic_ns`], but as of the kernel's last tick, 1 to 10 ms ago: it does not wait for the processor's counter, so
/// it costs a fraction. Equal readings mean that hardly any time has passed; their difference means little else.
///
/// ```
/// let coarse = procession_os::monotonic_coarse_ns();
/// assert!(coarse <= procession_os::monotonic_ns());
/// ```
pub fn monotonic_coarse_ns() -> u64 {
    nanoseconds(rustix::time::clock_gettime(
        rustix::time::ClockId::MonotonicCoarse,
    ))
}

fn nanoseconds(now: rustix::time::Timespec) -> u64 {
    // The monotonic clock starts near zero at boot: neither field is negative, and 584 years fit.
    (now.tv_sec as u64)
        .wrapping_mul(1_000_000_000)
        .wrapping_add(now.tv_nsec as u64)
}
