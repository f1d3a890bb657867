//! Whether the time in which the machine is suspended counts: for the whole process, decided once. It must not change while a
//! pool has read the clock.

use std::sync::OnceLock;

use procession_worker::Error;
use procession_worker::handle;

/// What holds from the first pool on.
static COUNTS: OnceLock<bool> = OnceLock::new();

/// Lets all times of this process's pools go on while the machine is suspended: a limit of ten minutes is over after ten
/// minutes, however long the lid was closed.
///
/// Without it they stand still then, as the tasks do: waking up ends nothing. With it, what a task's
/// [`timeout`](crate::Call::timeout), a [`queue_deadline`](crate::Call::queue_deadline), a delay of retries or a worker's
/// [`max_lifetime`](crate::PoolBuilder::max_lifetime) has left ends within a second of waking up. A result that is there by
/// then stands. Waits of the caller's own, such as [`get_timeout`](crate::AsyncResult::get_timeout), last at most as long as
/// without it. An inline pool ends nothing.
///
/// It is `CLOCK_BOOTTIME` instead of `CLOCK_MONOTONIC`
/// ([clock_gettime(2)](https://man7.org/linux/man-pages/man2/clock_gettime.2.html)), in the workers too; readings of the one and
/// the other cannot be compared. So it has to be said before the first pool of the process is made. Saying it again changes
/// nothing.
///
/// # Errors
/// When a pool was made before without it; nothing changes then.
///
/// ```
/// # procession_worker::init();
/// use procession_pool::Pool;
/// procession_pool::count_suspended_time()?;
/// let pool = Pool::new(1)?;
/// assert_eq!(pool.apply(|x: u32| x + 1, (1,))?, 2);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn count_suspended_time() -> Result<(), Error> {
    let counts = COUNTS.get_or_init(|| {
        handle::count_suspended_time();
        true
    });
    if *counts {
        Ok(())
    } else {
        Err(Error::message(
            "cannot count the time in which the machine is suspended: a pool was made before, whose clock does not; call \
             `count_suspended_time` first",
        ))
    }
}

/// A pool is about to read the clock.
pub(crate) fn decide() {
    COUNTS.get_or_init(handle::counts_suspended_time);
}
