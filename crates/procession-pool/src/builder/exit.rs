//! The call that a worker makes before it ends in good order. It runs nothing.

use std::any::{TypeId, type_name};

use procession_task::task::{Arguments, Task};
use procession_worker::Error;

use super::PoolBuilder;
use super::calls::Encoded;
use crate::exits::ExitHook;

/// What was asked for.
#[derive(Clone, Debug, Default)]
pub(crate) struct ExitOptions {
    hook: Option<Result<Encoded, Error>>,
    /// What it returns.
    output: Option<(TypeId, &'static str)>,
}

impl PoolBuilder {
    /// Runs `task` with `args` once in each worker that ends in good order, after its last task; what it returns is collected
    /// by [`Pool::exit_results`](crate::Pool::exit_results).
    ///
    /// A worker ends in good order when the pool was closed and nothing is left to do, or when it makes way for another one:
    /// never in [`terminate`](crate::Pool::terminate), in drop, or by a death. It has
    /// [`exit_timeout`](PoolBuilder::exit_timeout) for it. A panic, a death and a time-out in it are errors among the results;
    /// the pool's end does not wait for more. With [state](PoolBuilder::state), it may be
    /// [`with_state(f)`](crate::with_state). Arguments that cannot be encoded (their `Serialize` fails or panics) are an error of
    /// [`PoolBuilder::build`]. An inline pool runs it in the caller, in the first [`close`](crate::Pool::close), unless it was
    /// terminated before.
    ///
    /// ```
    /// # procession_worker::init();
    /// use std::sync::atomic::{AtomicU64, Ordering};
    /// use procession_pool::Pool;
    /// static SEEN: AtomicU64 = AtomicU64::new(0); // each worker has its own
    ///
    /// let pool = Pool::builder().workers(3).exit_hook(|| SEEN.load(Ordering::Relaxed), ()).build()?;
    /// pool.map(|n: u64| { SEEN.fetch_add(n, Ordering::Relaxed); }, 1..=100)?;
    /// pool.close();
    /// pool.join()?;
    /// let seen = pool.exit_results::<u64>().into_iter().sum::<Result<u64, _>>()?;
    /// assert_eq!(seen, 5050);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn exit_hook<F, Args>(mut self, task: F, args: Args) -> Self
    where
        F: Task<Args>,
        Args: Arguments,
        F::Output: 'static,
    {
        self.exit.hook = Some(Encoded::new("exit hook", task, &args));
        self.exit.output = Some((TypeId::of::<F::Output>(), type_name::<F::Output>()));
        self
    }
}

impl ExitOptions {
    pub(super) fn hook(self) -> Result<Option<ExitHook>, Error> {
        let (Some(encoded), Some(output)) = (self.hook.transpose()?, self.output) else {
            return Ok(None);
        };
        Ok(Some(ExitHook {
            task: encoded.task,
            call: encoded.call(),
            output,
        }))
    }
}
