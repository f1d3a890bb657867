//! Recycling: a function that leaks is kept in bounds, because its workers make room before they are too large.
//!
//! cargo run -p procession-examples --bin recycling

use std::collections::BTreeMap;
use std::time::Duration;

use procession::Pool;

const MIB: usize = 1 << 20;

/// A library as they come: it forgets 16 MiB for each picture. Who did it, and how large they were before.
fn thumbnail(picture: u32) -> (u32, u32, usize) {
    let before = resident_mib();
    std::mem::forget(std::hint::black_box(vec![1u8; 16 * MIB]));
    (picture * picture, std::process::id(), before)
}

fn resident_mib() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.trim().split(' ').next()?.parse::<usize>().ok());
    kib.unwrap_or(0) / 1024
}

fn who(_: u32) -> u32 {
    std::process::id()
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    procession::init();

    // By size: whoever is above 64 MiB after a call makes room for a fresh worker.
    let pool = Pool::builder()
        .workers(1)
        .recycle_above(64 * MIB as u64)
        .build()?;
    let (mut sum, mut largest) = (0, 0);
    for picture in 0..40 {
        let (square, _, before) = pool.apply(thumbnail, (picture,))?;
        sum += square;
        largest = largest.max(before);
    }
    let stats = pool.stats();
    println!(
        "{} pictures done, {} failed, sum {sum}",
        stats.done, stats.failed
    );
    println!("never begun above 64 MiB: {}", largest <= 64);
    println!("workers replaced: {}", stats.recycled >= 8);

    // By count: ten items each, however they are cut into chunks.
    let pool = Pool::builder()
        .workers(2)
        .max_tasks_per_worker(10)
        .build()?;
    let mut items = BTreeMap::new();
    for pid in pool.map(who, 0..100)? {
        *items.entry(pid).or_insert(0) += 1;
    }
    let most = items.values().max().copied().unwrap_or(0);
    println!(
        "at most {most} items for each of at least ten workers: {}",
        items.len() >= 10
    );

    // By age: no worker is older than a few moments when it begins.
    let pool = Pool::builder()
        .workers(1)
        .max_lifetime(Duration::from_millis(50))
        .build()?;
    let first = pool.apply(who, (0,))?;
    while pool.apply(who, (0,))? == first {
        std::thread::sleep(Duration::from_millis(10));
    }
    println!("another worker, {} failed", pool.stats().failed);
    Ok(())
}
