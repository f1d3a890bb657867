//! Bytes a second by size of the argument and of the result, 64 B to 16 MiB, as `procession::Bytes`; a memcpy of the same
//! size as the bound. Arguments are made outside of the measured time. Must not count the caller's own copies.

use criterion::{BatchSize, BenchmarkId, Criterion, Throughput};
use procession::{Bytes, Pool};

const SIZES: [usize; 6] = [64, 1 << 10, 16 << 10, 256 << 10, 1 << 20, 16 << 20];

fn length(data: Bytes) -> u64 {
    data.len() as u64
}

fn make(size: usize) -> Bytes {
    Bytes::from(vec![1; size])
}

fn main() {
    procession::init();
    let mut criterion = Criterion::default().configure_from_args();
    let mut group = criterion.benchmark_group("payload");
    group.sample_size(20);
    let pool = Pool::new(2).expect("start");
    for size in SIZES {
        group.throughput(Throughput::Bytes(size as u64));
        let batch = if size > 64 << 10 {
            BatchSize::PerIteration
        } else {
            BatchSize::SmallInput
        };
        group.bench_function(BenchmarkId::new("argument", size), |bencher| {
            bencher.iter_batched(
                || make(size),
                |data| pool.apply(length, (data,)).expect("task"),
                batch,
            );
        });
        group.bench_function(BenchmarkId::new("result", size), |bencher| {
            bencher.iter(|| pool.apply(make, (size,)).expect("task"));
        });
        group.bench_function(BenchmarkId::new("memcpy", size), |bencher| {
            let (source, mut target) = (vec![1u8; size], vec![2u8; size]);
            bencher.iter(|| {
                std::hint::black_box(&mut target).copy_from_slice(std::hint::black_box(&source))
            });
        });
    }
    group.finish();
    criterion.final_summary();
}
