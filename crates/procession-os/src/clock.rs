//! The one clock of the whole project: monotonic nanoseconds. Wall-clock time is never read.

/// Nanoseconds of `CLOCK_MONOTONIC`: comparable between processes of one boot, unmoved by wall-clock changes, standing
/// still while the machine is suspended.
///
/// ```
/// let before = procession_os::monotonic_ns();
/// assert!(procession_os::monotonic_ns() >= before);
/// ```
pub fn monotonic_ns() -> u64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    // The monotonic clock starts near zero at boot: neither field is negative, and 584 years fit.
    (now.tv_sec as u64)
        .wrapping_mul(1_000_000_000)
        .wrapping_add(now.tv_nsec as u64)
}
