//! Which calls begin first, and which worker gets which chunk. What is asked for is only taken down here; the scheduler does it.

use crate::call::Call;
use crate::core::Sticky;

impl<F: Copy> Call<'_, F> {
    /// Calls and items of a higher priority begin before those of a lower one: 0 otherwise, for all verbs.
    ///
    /// What runs is not interrupted. Of equal ones, the first to come is the first to begin. What a worker was given ahead and
    /// has not begun is taken back when something of a higher priority comes; what has to be tried again, or comes back from
    /// a worker that died, goes before all others of its own priority.
    ///
    /// No number is an error, and nothing starves: after 256 frames (calls, or chunks of a map) in a row that passed
    /// lower ones by, the one which has waited longest of these is begun. A pool whose unfinished calls all have the
    /// same priority, whichever it is, works as if there were none. While they differ, a worker is given little ahead of what
    /// it does, so calls of a few microseconds take longer. Where a pool is full ([`max_queued`](crate::PoolBuilder::max_queued)),
    /// a call of any priority waits for room. An inline pool runs everything at once, in the order of the
    /// program.
    ///
    /// ```
    /// # procession_worker::init();
    /// use procession_pool::Pool;
    /// let pool = Pool::new(1)?;
    /// let rows = pool.call(|row: u64| row * row).priority(-1).map_async(0..10_000); // whenever there is time
    /// let asked = pool.call(|x: u64| x + 1).priority(5).apply((1,))?; // somebody waits for it
    /// assert_eq!(asked, 2);
    /// assert_eq!(rows.get()?.len(), 10_000);
    /// let any = pool.call(|x: u64| x + 1).priority(i32::MIN);
    /// assert_eq!(any.apply((2,))?, 3);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn priority(mut self, priority: i32) -> Self {
        self.priority = priority;
        self
    }

    /// Chunk `i` of a map goes to the worker of [index](procession_worker::worker_index) `i` modulo the pool's size, each time:
    /// the same items to the same workers, map after map, so that what a worker keeps of them is of use again.
    ///
    /// For all maps, lazy ones too; a single call ignores it. Chunks are of the [`chunk_size`](Call::chunk_size), or of one
    /// item without it; the first item begins the first chunk. The size of the pool is that at the time of the call.
    ///
    /// No other worker takes such a chunk, however idle it is. When a worker dies or is replaced, the next one under its index
    /// takes what is left, after its predecessor's [grace](crate::PoolBuilder::term_grace) if that had to be ended. What
    /// belongs to an index that is beyond a smaller [size](crate::Pool::resize), or whose worker fails to start, goes to
    /// anyone; what is handed in during the pause after such a failure, two seconds at most, waits for the next start. Each
    /// chunk that waits takes 16 bytes. Everything else is as without it: priorities, limits, retries, errors of
    /// items. Where a worker has chunks of its own and others wait for anyone, it takes turns. An inline pool ignores it.
    ///
    /// ```
    /// # procession_worker::init();
    /// use procession_pool::{Pool, TaskErrorKind};
    /// let pool = Pool::new(2)?;
    /// let place = |_: u64| procession_worker::worker_index();
    /// let first = pool.call(place).chunk_size(3).sticky().map(0..9)?;
    /// assert_eq!(first, [0, 0, 0, 1, 1, 1, 0, 0, 0].map(Some));
    /// assert_eq!(pool.call(place).chunk_size(3).sticky().map(0..9)?, first);
    ///
    /// let none = pool.call(place).chunk_size(0).sticky().map(0..9);
    /// assert_eq!(none.unwrap_err().kind(), TaskErrorKind::InvalidOption);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn sticky(mut self) -> Self {
        self.sticky = true;
        self
    }

    /// Items in a chunk of a map, if that is fixed.
    pub(crate) fn chunk_items(&self) -> Option<usize> {
        self.chunk.or(self.sticky.then_some(1))
    }

    /// Whose the chunks of a map are, in a pool of this size; `chunk` is that of [`Call::chunk_items`].
    pub(crate) fn owners(&self, size: usize, chunk: usize) -> Option<Sticky> {
        let number = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        self.sticky.then(|| Sticky {
            indexes: number(size),
            chunk: number(chunk),
            from: 0,
        })
    }
}

impl Sticky {
    /// The same for a job that begins with this item.
    pub(crate) fn beginning_with(self, item: u64) -> Sticky {
        let round = u64::from(self.chunk.max(1)) * u64::from(self.indexes.max(1));
        Sticky {
            from: item % round,
            ..self
        }
    }
}
