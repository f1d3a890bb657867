//! How a map is cut: 2,000 tasks that take nothing, 1 µs and 100 µs of CPU, with adaptive chunks, one item a message, and
//! chunks of 64, on 2 workers; rayon on 2 threads does the same. Must use tasks of fixed work, not of fixed time.

use std::time::Duration;

use criterion::{BenchmarkId, Criterion, Throughput};
use procession::Pool;
use procession_benches::tasks::{spin, turns_for};
use rayon::ThreadPoolBuilder;
use rayon::prelude::*;

const ITEMS: usize = 2_000;

fn main() {
    procession::init();
    let mut criterion = Criterion::default().configure_from_args();
    let mut group = criterion.benchmark_group("chunking");
    group
        .throughput(Throughput::Elements(ITEMS as u64))
        .sample_size(20);
    let pool = Pool::new(2).expect("start");
    let threads = ThreadPoolBuilder::new()
        .num_threads(2)
        .build()
        .expect("threads");
    for (name, micros) in [("0us", 0), ("1us", 1), ("100us", 100)] {
        let inputs = vec![turns_for(Duration::from_micros(micros)); ITEMS];
        group.bench_function(BenchmarkId::new("adaptive", name), |bencher| {
            bencher.iter(|| pool.map(spin, inputs.clone()).expect("map"));
        });
        for chunk in [1, 64] {
            group.bench_function(
                BenchmarkId::new(format!("chunk_size_{chunk}"), name),
                |bencher| {
                    bencher.iter(|| {
                        pool.call(spin)
                            .chunk_size(chunk)
                            .map(inputs.clone())
                            .expect("map")
                    });
                },
            );
        }
        group.bench_function(BenchmarkId::new("rayon", name), |bencher| {
            bencher.iter(|| {
                threads.install(|| {
                    inputs
                        .par_iter()
                        .map(|turns| spin(*turns))
                        .collect::<Vec<_>>()
                })
            });
        });
    }
    group.finish();
    criterion.final_summary();
}
