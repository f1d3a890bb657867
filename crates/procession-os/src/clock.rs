//! The one clock of the whole project: monotonic nanoseconds. Wall-clock time is never read.

/// Nanoseconds of `CLOCK_MONOTONIC`: comparable between processes of one boot, unmoved by wall-clock changes, standing
/// still while the machine is suspended.
///
/// ```
/// let before = procession_os::monotonic_ns();
/// assert!(procession_os::monotonic_ns() >= before);
/// ```
pub fn monotonic_ns() -> u64 {
    nanoseconds(rustix::time::clock_gettime(
        rustix::time::ClockId::Monotonic,
    ))
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
