//! The latency of one call after another: `apply` on pools of 1, 2 and 8 workers, an `apply_async` that is fetched at once,
//! and rayon's `install` on as many threads. Must keep one call in flight at a time.

use criterion::{BenchmarkId, Criterion};
use procession::Pool;
use procession_benches::tasks::tiny;
use rayon::ThreadPoolBuilder;

fn main() {
    procession::init();
    let mut criterion = Criterion::default().configure_from_args();
    let mut group = criterion.benchmark_group("round_trip");
    for workers in [1, 2, 8] {
        let pool = Pool::new(workers).expect("start");
        group.bench_function(BenchmarkId::new("apply", workers), |bencher| {
            bencher.iter(|| pool.apply(tiny, (1,)).expect("task"));
        });
        group.bench_function(BenchmarkId::new("apply_async_get", workers), |bencher| {
            bencher.iter(|| pool.apply_async(tiny, (1,)).get().expect("task"));
        });
        drop(pool);
        let threads = ThreadPoolBuilder::new()
            .num_threads(workers)
            .build()
            .expect("threads");
        group.bench_function(BenchmarkId::new("rayon_install", workers), |bencher| {
            bencher.iter(|| threads.install(|| tiny(std::hint::black_box(1))));
        });
    }
    group.finish();
    criterion.final_summary();
}
