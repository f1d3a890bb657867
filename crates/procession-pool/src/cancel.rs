//! Everything a pool has, cancelled at once. The pool itself goes on; ending it is `terminate`'s.

use crate::pool::Pool;

impl Pool {
    /// Cancels every call and map that has no outcome yet, and returns how many those were; the pool serves on.
    ///
    /// It is [`AsyncResult::cancel`](crate::AsyncResult::cancel) on each of them at once: what had not begun never runs, what
    /// runs is told and ended after the [grace](crate::PoolBuilder::cancel_grace) unless it returns, and every handle, every
    /// blocked [`map`](Pool::map) and [`apply`](Pool::apply) gets an error of kind `Cancelled` from this moment on. Outcomes
    /// that are there stand. A map is one, however many items it has; an [`imap`](Pool::imap) yields its items under way as
    /// cancelled and goes on with those it reads afterwards. Submissions that wait for room find it.
    ///
    /// It waits for nothing, and may be called anywhere. 0 when there is nothing to cancel, also after the end, in an inline
    /// pool, and in a copy of this process made by `fork`.
    ///
    /// ```
    /// # procession_worker::init();
    /// use std::time::Duration;
    /// use procession_pool::{Pool, TaskErrorKind};
    /// let pool = Pool::new(2)?;
    /// let hour = (Duration::from_secs(3600),);
    /// let calls: Vec<_> = (0..50).map(|_| pool.apply_async(std::thread::sleep, hour)).collect();
    /// assert_eq!(pool.cancel_all(), 50);
    /// for call in calls {
    ///     assert_eq!(call.get().unwrap_err().kind(), TaskErrorKind::Cancelled);
    /// }
    /// assert_eq!(pool.cancel_all(), 0);
    /// assert_eq!(pool.apply(|x: u32| x + 1, (1,))?, 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn cancel_all(&self) -> usize {
        self.ours().map_or(0, |shared| shared.cancel_all())
    }
}
