//! What laziness costs: 10,000 items of no work and of 10 µs on 2 workers through `map`, `imap` and `imap_unordered`, one
//! item in flight at a time, and the drop of a lazy map whose window is full. Must not let the consumer do any work.

use std::time::Duration;

use criterion::{BatchSize, BenchmarkId, Criterion, Throughput};
use procession::Pool;
use procession_benches::tasks::{spin, turns_for};

const ITEMS: usize = 10_000;

fn main() {
    procession::init();
    let mut criterion = Criterion::default().configure_from_args();
    let mut group = criterion.benchmark_group("laziness");
    group
        .throughput(Throughput::Elements(ITEMS as u64))
        .sample_size(20);
    let pool = Pool::new(2).expect("start");
    for (name, micros) in [("0us", 0), ("10us", 10)] {
        let inputs = vec![turns_for(Duration::from_micros(micros)); ITEMS];
        group.bench_function(BenchmarkId::new("map", name), |bencher| {
            bencher.iter(|| pool.map(spin, inputs.clone()).expect("map"));
        });
        group.bench_function(BenchmarkId::new("imap", name), |bencher| {
            bencher.iter(|| {
                pool.imap(spin, inputs.clone())
                    .filter(Result::is_ok)
                    .count()
            });
        });
        group.bench_function(BenchmarkId::new("imap_unordered", name), |bencher| {
            bencher.iter(|| {
                let outcomes = pool.imap_unordered(spin, inputs.clone());
                outcomes.filter(Result::is_ok).count()
            });
        });
    }
    group.throughput(Throughput::Elements(1));
    let call = pool.call(spin).buffer_size(1);
    let mut one_by_one = call.imap(std::iter::repeat(0));
    group.bench_function("one_in_flight", |bencher| {
        bencher.iter(|| one_by_one.next());
    });
    drop(one_by_one);
    group.bench_function("drop_with_a_full_window", |bencher| {
        let begun = || {
            let call = pool.call(spin).buffer_size(64);
            let mut lazy = call.imap(std::iter::repeat(turns_for(Duration::from_micros(100))));
            lazy.next();
            lazy
        };
        bencher.iter_batched(begun, drop, BatchSize::PerIteration);
    });
    group.finish();
    criterion.final_summary();
}
