//! Tiny tasks a second through each verb, 10,000 at a time on 2 workers; rayon on 2 threads as the bound of what shares an
//! address space. Must submit from one thread.

use std::sync::mpsc;

use criterion::{Criterion, Throughput};
use procession::Pool;
use procession_benches::tasks::tiny;
use rayon::ThreadPoolBuilder;
use rayon::prelude::*;

const ITEMS: u64 = 10_000;

fn add(a: u64, b: u64) -> u64 {
    a.wrapping_add(b)
}

fn main() {
    procession::init();
    let mut criterion = Criterion::default().configure_from_args();
    let mut group = criterion.benchmark_group("throughput");
    group
        .throughput(Throughput::Elements(ITEMS))
        .sample_size(30);

    let pool = Pool::new(2).expect("start");
    group.bench_function("map", |bencher| {
        bencher.iter(|| pool.map(tiny, 0..ITEMS).expect("map"))
    });
    group.bench_function("map_one_a_message", |bencher| {
        bencher.iter(|| pool.call(tiny).chunk_size(1).map(0..ITEMS).expect("map"));
    });
    group.bench_function("starmap", |bencher| {
        bencher.iter(|| {
            pool.starmap(add, (0..ITEMS).map(|i| (i, i)))
                .expect("starmap")
        });
    });
    group.bench_function("try_map", |bencher| {
        bencher.iter(|| pool.try_map(tiny, 0..ITEMS))
    });
    group.bench_function("apply_async_get", |bencher| {
        bencher.iter(|| {
            let handles: Vec<_> = (0..ITEMS).map(|i| pool.apply_async(tiny, (i,))).collect();
            handles
                .into_iter()
                .map(|handle| handle.get().expect("task"))
                .fold(0, u64::wrapping_add)
        });
    });
    drop(pool);

    let threads = ThreadPoolBuilder::new()
        .num_threads(2)
        .build()
        .expect("threads");
    let inputs: Vec<u64> = (0..ITEMS).collect();
    group.bench_function("rayon_par_iter", |bencher| {
        bencher
            .iter(|| threads.install(|| inputs.par_iter().map(|i| tiny(*i)).collect::<Vec<_>>()));
    });
    group.bench_function("rayon_par_iter_single", |bencher| {
        bencher.iter(|| {
            threads.install(|| {
                inputs
                    .par_iter()
                    .with_max_len(1)
                    .map(|i| tiny(*i))
                    .collect::<Vec<_>>()
            })
        });
    });
    group.bench_function("rayon_spawn_channel", |bencher| {
        bencher.iter(|| {
            let (sender, receiver) = mpsc::channel();
            for i in 0..ITEMS {
                let sender = sender.clone();
                threads.spawn(move || {
                    let _ = sender.send(tiny(i));
                });
            }
            drop(sender);
            receiver.into_iter().fold(0, u64::wrapping_add)
        });
    });
    group.finish();
    criterion.final_summary();
}
