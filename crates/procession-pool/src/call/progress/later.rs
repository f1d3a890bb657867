//! The verbs of a call that tells how far it is and returns a handle. They must not wait.

use std::sync::Arc;

use procession_task::task::{Arguments, Task};
use procession_worker::TaskError;
use serde::de::DeserializeOwned;

use super::CallProgress;
use crate::call::Call;
use crate::call::maps::{Failing, Map, handle_of};
use crate::cell::{Cell, Hook};
use crate::driver::Shared;
use crate::progress::later::{Later, Pending, Tally};
use crate::progress::{Progress, Teller};
use crate::result::AsyncResult;

impl<F: Copy, P: FnMut(Progress) + Send + 'static> CallProgress<'_, F, P> {
    /// See [`Pool::map_async`](crate::Pool::map_async); told on the thread of the callbacks.
    ///
    /// # Panics
    /// When the iterator panics. The end is not told then.
    pub fn map_async<T, I>(self, items: I) -> AsyncResult<Vec<F::Output>>
    where
        F: Task<(T,)>,
        (T,): Arguments,
        I: IntoIterator<Item = T>,
        F::Output: DeserializeOwned + Send + 'static,
    {
        self.starmap_async(items.into_iter().map(|item| (item,)))
    }

    /// See [`Pool::starmap_async`](crate::Pool::starmap_async); told on the thread of the callbacks.
    ///
    /// # Panics
    /// When the iterator panics. The end is not told then.
    pub fn starmap_async<Args, I>(self, items: I) -> AsyncResult<Vec<F::Output>>
    where
        F: Task<Args>,
        Args: Arguments,
        I: IntoIterator<Item = Args>,
        F::Output: DeserializeOwned + Send + 'static,
    {
        let CallProgress { call, progress } = self;
        let map = match call.pool.ours() {
            Some(pool) => told_later(&call, pool, items, progress),
            None => told_here(&call, items, progress),
        };
        handle_of(map, std::any::type_name::<F>())
    }
}

fn told_later<F, Args, I>(
    call: &Call<'_, F>,
    pool: &Arc<Shared>,
    items: I,
    progress: impl FnMut(Progress) + Send + 'static,
) -> Result<Map, TaskError>
where
    F: Copy + Task<Args>,
    Args: Arguments,
    I: IntoIterator<Item = Args>,
{
    let tally = Arc::new(Tally::default());
    let cell = Arc::new(Cell::pending_map_counted(Arc::clone(&tally)));
    let later = Later::new(Box::new(progress), Arc::clone(&tally), &cell, pool);
    let later = Pending::new(later);
    let seen = |map: &Map| tally.has_read(map.encoder.read());
    let map = call.start_map(items, Failing::Stops, Arc::clone(&cell), seen)?;
    let total = map.encoder.read();
    tally.has_read(total);
    // Reading the input may have made this a copy, where nothing is told.
    if pool.is_ours()
        && let Some(later) = later.keep()
    {
        let end = pool.callbacks.register(Box::new(move |_| later.end(total)));
        cell.attach(Hook::Due(end));
    }
    Ok(map)
}

/// In an inline pool everything has happened when the verb returns.
fn told_here<F, Args, I>(
    call: &Call<'_, F>,
    items: I,
    progress: impl FnMut(Progress),
) -> Result<Map, TaskError>
where
    F: Copy + Task<Args>,
    Args: Arguments,
    I: IntoIterator<Item = Args>,
{
    let tally = Arc::new(Tally::default());
    let cell = Cell::pending_map_counted(Arc::clone(&tally));
    let mut teller = Teller::new(progress);
    let map = call.start_map(items, Failing::Stops, cell, |map| {
        tally.has_read(map.encoder.read());
        teller.look(|| tally.progress());
    })?;
    teller.end(tally.progress().done, map.encoder.read() as u64);
    Ok(map)
}
