//! A value that every call needs: broadcast once, or sent as an argument each time, 1 KiB to 16 MiB. Per size also what
//! making it costs, with its first call and its end. Must not count the caller's own copies.

use std::collections::HashMap;

use criterion::{BatchSize, BenchmarkId, Criterion};
use procession::{Bytes, Pool, Shared, SharedBytes};

const SIZES: [usize; 5] = [1 << 10, 16 << 10, 256 << 10, 1 << 20, 16 << 20];
const ENTRIES: [u64; 3] = [100, 10_000, 100_000];

fn at(bytes: &[u8], at: usize) -> u8 {
    bytes.get(at).copied().unwrap_or_default()
}

fn of_argument(bytes: Bytes, place: usize) -> u8 {
    at(&bytes, place)
}

fn of_shared(bytes: SharedBytes, place: usize) -> u8 {
    at(&bytes, place)
}

type Table = HashMap<u64, String>;

fn table(entries: u64) -> Table {
    (0..entries).map(|n| (n, format!("value {n}"))).collect()
}

fn main() {
    procession::init();
    let mut criterion = Criterion::default().configure_from_args();
    let pool = Pool::new(2).expect("start");
    let mut group = criterion.benchmark_group("broadcast");
    group.sample_size(20);
    for size in SIZES {
        let shared = pool.broadcast_bytes(vec![1; size]).expect("broadcast");
        group.bench_function(BenchmarkId::new("bytes shared", size), |bencher| {
            bencher.iter(|| pool.apply(of_shared, (shared.clone(), 7)).expect("task"));
        });
        group.bench_function(BenchmarkId::new("bytes sent", size), |bencher| {
            bencher.iter_batched(
                || Bytes::from(vec![1; size]),
                |bytes| pool.apply(of_argument, (bytes, 7)).expect("task"),
                BatchSize::PerIteration,
            );
        });
        group.bench_function(BenchmarkId::new("bytes anew", size), |bencher| {
            let bytes = vec![1; size];
            bencher.iter(|| {
                let shared = pool.broadcast_bytes(&bytes).expect("broadcast");
                pool.apply(of_shared, (shared, 7)).expect("task")
            });
        });
    }
    for entries in ENTRIES {
        let shared = pool.broadcast(table(entries)).expect("broadcast");
        group.bench_function(BenchmarkId::new("table shared", entries), |bencher| {
            let look = |table: Shared<Table>, n: u64| table.get(&n).map(String::len);
            bencher.iter(|| pool.apply(look, (shared.clone(), 7)).expect("task"));
        });
        group.bench_function(BenchmarkId::new("table sent", entries), |bencher| {
            let look = |table: Table, n: u64| table.get(&n).map(String::len);
            let table = table(entries);
            bencher.iter_batched(
                || table.clone(),
                |table| pool.apply(look, (table, 7)).expect("task"),
                BatchSize::PerIteration,
            );
        });
    }
    group.finish();
    criterion.final_summary();
}
