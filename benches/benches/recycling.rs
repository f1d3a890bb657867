//! What a worker that makes room costs: calls of a pool that replaces after each of them, after each hundredth and never, and
//! of one whose workers note their memory. Must not let a pool have more than one worker: each call waits for the one before.

use std::time::Duration;

use criterion::Criterion;
use procession::{Pool, PoolBuilder};

fn nothing() {}

/// A pool of one worker that is booted.
fn pool(options: impl FnOnce(PoolBuilder) -> PoolBuilder) -> Pool {
    let pool = options(Pool::builder().workers(1)).build().expect("start");
    pool.apply(nothing, ()).expect("a first call");
    pool
}

fn main() {
    procession::init();
    let mut criterion = Criterion::default().configure_from_args();
    let mut group = criterion.benchmark_group("recycling");
    group.sample_size(20);
    let pools = [
        ("never", pool(|builder| builder)),
        (
            "memory_noted",
            pool(|builder| builder.recycle_above(1 << 40)),
        ),
        (
            "lifetime",
            pool(|builder| builder.max_lifetime(Duration::from_secs(3_600))),
        ),
        (
            "each_hundredth",
            pool(|builder| builder.max_tasks_per_worker(100)),
        ),
        ("each", pool(|builder| builder.max_tasks_per_worker(1))),
    ];
    for (name, pool) in &pools {
        group.bench_function(*name, |bencher| {
            bencher.iter(|| pool.apply(nothing, ()).expect("a call"));
        });
    }
    group.finish();
    criterion.final_summary();
}
