//! Room in a full pool, awaited. It must never hold room for anyone: whoever comes first has it.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use crate::cell::Cell;
use crate::pool::Pool;

impl Pool {
    /// As [`Pool::wait_for_room`], for any async runtime: completes once a call handed in would not wait for room.
    ///
    /// `true`: there is room at this moment; somebody else may take it first, so hand in with
    /// [`try_apply_async`](Pool::try_apply_async) and await again if that is full. At once without
    /// [`max_queued`](crate::PoolBuilder::max_queued), in an inline pool, and where it is polled on the thread of the
    /// [callbacks](crate::Call::on_complete), on which no call waits for room. `false`: the pool takes nothing more: it was
    /// closed or terminated, is broken, or is a copy made by `fork`. Dropped, it waits no more. Polled after it has completed,
    /// it looks once more.
    ///
    /// ```
    /// # procession_worker::init();
    /// # use std::task::{Context, Poll, Waker};
    /// # fn block_on<F: Future>(future: F) -> F::Output {
    /// #     let mut future = std::pin::pin!(future);
    /// #     loop {
    /// #         if let Poll::Ready(done) = future.as_mut().poll(&mut Context::from_waker(Waker::noop())) { break done; }
    /// #         std::thread::yield_now();
    /// #     }
    /// # }
    /// use procession_pool::Pool;
    /// use std::time::Duration;
    /// let pool = Pool::builder().workers(1).max_queued(1).build()?;
    /// let naps = async {
    ///     for _ in 0..3 {
    ///         let mut args = (Duration::from_millis(10),);
    ///         while pool.room().await {
    ///             match pool.try_apply_async(std::thread::sleep, args) {
    ///                 Ok(_handle) => break,
    ///                 Err(full) => args = full.into_args(),
    ///             }
    ///         }
    ///     }
    ///     pool.close();
    ///     pool.room().await
    /// };
    /// assert!(!block_on(naps), "it is closed");
    /// pool.join()?;
    /// assert_eq!(pool.stats().done, 3);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn room(&self) -> AwaitRoom<'_> {
        AwaitRoom {
            pool: self,
            asked: None,
        }
    }
}

/// Completes once a pool has room; made by [`Pool::room`], which says with what.
#[must_use = "futures do nothing unless awaited"]
pub struct AwaitRoom<'p> {
    pool: &'p Pool,
    /// What it waits by, once it was polled.
    asked: Option<Arc<Cell>>,
}

impl fmt::Debug for AwaitRoom<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AwaitRoom").finish_non_exhaustive()
    }
}

impl Future for AwaitRoom<'_> {
    type Output = bool;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<bool> {
        let pool = self.pool;
        match &pool.shared {
            None => Poll::Ready(pool.is_open()),
            Some(shared) if shared.is_ours() => shared.poll_room(&mut self.asked, context.waker()),
            Some(_) => Poll::Ready(false),
        }
    }
}

impl Drop for AwaitRoom<'_> {
    fn drop(&mut self) {
        if let Some(shared) = self.pool.shared.as_ref().filter(|shared| shared.is_ours()) {
            shared.withdraw_from_room(self.asked.take());
        }
    }
}
