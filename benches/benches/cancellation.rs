//! What a cancelled call costs: one that waits, one that runs and looks at its token, one that runs and has to be killed, its
//! worker's replacement included. Must not let a pool have more than one worker: the next call shows that it is ready again.

use std::time::Duration;

use criterion::{BatchSize, Criterion};
use procession::{AsyncResult, Pool};

fn sleep(ms: u64) {
    std::thread::sleep(Duration::from_millis(ms));
}

fn listen() {
    while !procession::worker::cancelled() {
        std::thread::sleep(Duration::from_micros(10));
    }
}

fn nothing() {}

/// A pool of one worker that is booted.
fn pool(grace: Duration) -> Pool {
    let pool = Pool::builder()
        .workers(1)
        .cancel_grace(grace)
        .build()
        .expect("start");
    pool.apply(nothing, ()).expect("a first call");
    pool
}

/// Waits until the worker is at it.
fn running(pool: &Pool, handle: AsyncResult<()>) -> AsyncResult<()> {
    while pool.stats().running == 0 {
        std::hint::spin_loop();
    }
    handle
}

fn main() {
    procession::init();
    let mut criterion = Criterion::default().configure_from_args();
    let mut group = criterion.benchmark_group("cancellation");
    group.sample_size(20);

    let busy = pool(Duration::from_secs(60));
    let runs = running(&busy, busy.apply_async(sleep, (3_600_000,)));
    group.bench_function("queued", |bencher| {
        let waits = || busy.apply_async(sleep, (0,));
        bencher.iter_batched(waits, |handle| handle.cancel(), BatchSize::PerIteration);
    });
    runs.cancel();
    busy.terminate();

    let kept = pool(Duration::from_secs(60));
    group.bench_function("running_cooperative", |bencher| {
        let begun = || running(&kept, kept.apply_async(listen, ()));
        let cancel = |handle: AsyncResult<()>| {
            handle.cancel();
            kept.apply(nothing, ()).expect("the worker is kept");
        };
        bencher.iter_batched(begun, cancel, BatchSize::PerIteration);
    });

    let killed = pool(Duration::ZERO);
    group.bench_function("running_killed", |bencher| {
        let begun = || running(&killed, killed.apply_async(sleep, (3_600_000,)));
        let cancel = |handle: AsyncResult<()>| {
            handle.cancel();
            killed.apply(nothing, ()).expect("a worker takes its place");
        };
        bencher.iter_batched(begun, cancel, BatchSize::PerIteration);
    });
    group.finish();
    criterion.final_summary();
}
