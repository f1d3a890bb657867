//! The end of a pool: waiting for it, and the drop. It must never wait on a thread that the pool needs.

use std::sync::PoisonError;
use std::time::{Duration, Instant};

use procession_worker::Error;

use super::Pool;
use crate::driver::Shared;

/// Longest time dropping a pool may take; a worker that even SIGKILL does not end by then is left to the kernel.
const DROP_BOUND: Duration = Duration::from_secs(5);

impl Pool {
    /// Waits until every task is resolved, every worker has ended and was reaped, and every
    /// [callback](crate::Call::on_complete), captured line and log record has been handed on. Repeatable, also by several
    /// threads at a time.
    ///
    /// * `Ok` says that it is over, not how calls ended: a terminated pool is joined like a closed one, and so is a broken one
    ///   that was closed.
    /// * After [`close`](Pool::close) it waits for as long as tasks run, and for ever for one without end:
    ///   [`terminate`](Pool::terminate), in another thread, then shortens that to the workers' ends. A worker that not even
    ///   SIGKILL ends, and a callback that does not return, hold it up too: [`join_timeout`](Pool::join_timeout) has a limit.
    /// * Afterwards the pool has no process and no thread. Handles keep their outcomes, [`stats`](Pool::stats) its counts.
    /// * An inline pool has nothing to wait for: it returns at once, whatever other threads run in it.
    ///
    /// # Errors
    /// At once:
    /// * [`Error::is_closed`]: neither `close` nor `terminate` was called, broken or not.
    /// * [`Error::is_forked`]: this is a copy of the process, made by `fork`, and has no workers.
    /// * [`Error::is_would_deadlock`]: on this pool's own callback thread, and in a [`Waker`](std::task::Waker) that the pool
    ///   wakes, it would wait for itself. Other pools may be joined there.
    ///
    /// ```
    /// # procession_worker::init();
    /// let pool = procession_pool::Pool::new(1)?;
    /// assert!(pool.join().unwrap_err().is_closed(), "it is open");
    /// pool.close();
    /// pool.join()?;
    /// pool.join()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn join(&self) -> Result<(), Error> {
        self.join_deadline(None).map(|_| ())
    }

    /// As [`Pool::join`] for at most `timeout`; false when it is not over then, and nothing has changed: the workers go on, and
    /// it can be asked again. With zero it says whether it is over. A time beyond the clock is no limit.
    ///
    /// # Errors
    /// As [`Pool::join`].
    ///
    /// ```
    /// # procession_worker::init();
    /// use std::time::Duration;
    /// let pool = procession_pool::Pool::new(1)?;
    /// assert!(pool.join_timeout(Duration::ZERO).unwrap_err().is_closed(), "it is open");
    /// let _endless = pool.apply_async(std::thread::sleep, (Duration::from_secs(3600),));
    /// pool.close();
    /// assert!(!pool.join_timeout(Duration::from_millis(20))?);
    /// pool.terminate();
    /// assert!(pool.join_timeout(Duration::MAX)?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn join_timeout(&self, timeout: Duration) -> Result<bool, Error> {
        // A time-out beyond the clock is none.
        self.join_deadline(Instant::now().checked_add(timeout))
    }

    fn join_deadline(&self, deadline: Option<Instant>) -> Result<bool, Error> {
        if self.phase.is_open() {
            return Err(Error::closed(
                "cannot join a pool that is neither closed nor terminated: call close or terminate first",
            ));
        }
        let Some(shared) = &self.shared else {
            return Ok(true);
        };
        if !shared.is_ours() {
            return Err(Error::forked(shared.owner()));
        }
        if shared.calls_back_here() {
            return Err(Error::would_deadlock(
                "cannot join a pool from its own callback or retry predicate: it would wait for itself",
            ));
        }
        if shared.needs_this_thread() {
            return Err(Error::would_deadlock(
                "cannot join a pool from a waker that it wakes: it would wait for itself",
            ));
        }
        Ok(self.await_workers(shared, deadline) && shared.finish_callbacks(deadline))
    }

    /// Waits until every worker has ended; false when the deadline came first.
    fn await_workers(&self, shared: &Shared, deadline: Option<Instant>) -> bool {
        let mut ended = shared.ended.lock().unwrap_or_else(PoisonError::into_inner);
        while !*ended {
            ended = match deadline {
                None => shared
                    .ended_changed
                    .wait(ended)
                    .unwrap_or_else(PoisonError::into_inner),
                Some(at) => {
                    let left = at.saturating_duration_since(Instant::now());
                    if left.is_zero() {
                        return false;
                    }
                    shared
                        .ended_changed
                        .wait_timeout(ended, left)
                        .unwrap_or_else(PoisonError::into_inner)
                        .0
                }
            };
        }
        drop(ended);
        if let Some(thread) = self
            .thread
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
        {
            let _ = thread.join();
        }
        true
    }
}

/// Terminates the pool unless it has ended; waits for the workers' ends and for callbacks, five seconds at most for both.
/// What is left then ends by itself: the kernel and the pool's thread see to the workers, callbacks still run.
///
/// On the pool's callback thread it waits for the workers alone. In a [`Waker`](std::task::Waker) that the pool wakes it
/// does not wait. Nor does it for a pool that was joined, an inline one, whose
/// [exit hook](crate::PoolBuilder::exit_hook) it does not run, or in a copy made by `fork`, where it does nothing.
///
/// Items that this cuts off, of a pool that was closed too, are `Terminated`: handles outlive their pool. With the feature
/// `tracing` an event says so, of level WARN and target `procession`: `pool dropped with unfinished work`, with the fields
/// `pool` and `items`.
impl Drop for Pool {
    fn drop(&mut self) {
        self.terminate_as(Shared::terminate_dropped);
        let Some(shared) = self.ours().cloned() else {
            return;
        };
        let deadline = Instant::now() + DROP_BOUND;
        // A callback that drops its pool is the last one that can wait for callbacks.
        let _ = !shared.needs_this_thread()
            && self.await_workers(&shared, Some(deadline))
            && !shared.calls_back_here()
            && shared.finish_callbacks(Some(deadline));
        shared.let_callbacks_go();
    }
}
