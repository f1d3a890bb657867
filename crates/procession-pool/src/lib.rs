//! A pool of worker processes: scheduler, results and maps.

mod builder;
mod call;
mod cell;
mod core;
mod driver;
mod map;
mod pool;
mod result;
mod stats;

pub use builder::{MAX_WORKERS, PoolBuilder, WORKERS_VARIABLE};
pub use call::Call;
pub use pool::Pool;
pub use result::{AsyncResult, as_completed, wait_any};
pub use stats::{PoolStats, WorkerStats};
