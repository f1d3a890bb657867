//! A pool that costs nothing while there is nothing to do: its workers come with the work and go without it, give way to
//! other programs, and know how many threads they may run.
//!
//! In Python a pool has its processes from beginning to end; `concurrent.futures` starts them on demand and keeps them.

use std::error::Error;
use std::thread;
use std::time::{Duration, Instant};

use procession::Pool;

/// Work that mostly waits, so that as many workers as there may be are of use.
fn fetch(page: u64) -> u64 {
    thread::sleep(Duration::from_millis(100));
    page
}

/// What a worker knows of its share of the machine.
fn share() -> (usize, Option<String>) {
    (
        procession::cpu_count(),
        std::env::var("RAYON_NUM_THREADS").ok(),
    )
}

/// Waits until the pool has so many processes.
fn until(pool: &Pool, processes: usize) -> Result<(), Box<dyn Error>> {
    let limit = Instant::now() + Duration::from_secs(60);
    while pool.worker_pids().len() != processes {
        if Instant::now() > limit {
            return Err(format!("still {} processes", pool.worker_pids().len()).into());
        }
        thread::sleep(Duration::from_millis(5));
    }
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    procession::init();

    let pool = Pool::builder()
        .name("elastic")
        .workers(4)
        .min_workers(0)
        .idle_timeout(Duration::from_secs(2))
        .nice(5)
        .inner_threads(2)
        .build()?;
    println!("nothing to do: {} processes", pool.worker_pids().len());

    assert_eq!(pool.apply(fetch, (1,))?, 1);
    println!("one call: {} process", pool.worker_pids().len());

    // Each waits: one worker for each that waits, up to the most.
    let pages = pool.map(fetch, 0..40)?;
    println!(
        "{} calls: {} processes",
        pages.len(),
        pool.worker_pids().len()
    );

    until(&pool, 0)?;
    println!("idle for a while: {} processes", pool.worker_pids().len());

    // What is to be prompt from the first call on is warmed up before.
    println!("warm: {}", pool.warm_up_to(2, Duration::from_secs(60))?);

    // More, or fewer, at any time; what runs goes on.
    pool.resize(1)?;
    let (processors, threads) = pool.apply(share, ())?;
    println!("resized: at most {} process", pool.stats().workers.len());
    println!(
        "a worker sees {} processors and may run {} threads",
        if processors == procession::cpu_count() {
            "all"
        } else {
            "some"
        },
        threads.as_deref().unwrap_or("any number of")
    );

    pool.close();
    pool.join()?;
    Ok(())
}
