//! Deadlines: what takes too long is ended, what waits too long is given up, what nobody wants any more is cancelled.
//!
//! cargo run -p procession-examples --bin deadlines

use std::time::Duration;

use procession::{Pool, TaskErrorKind};

/// Collatz steps from `n` to 1; 0 never gets there.
fn steps(n: u64) -> u64 {
    let (mut n, mut steps) = (n, 0);
    while n != 1 {
        n = if n.is_multiple_of(2) {
            n / 2
        } else {
            3 * n + 1
        };
        steps += 1;
    }
    steps
}

/// Works until it is told that nobody waits for it.
fn work() -> u32 {
    while !procession::worker::cancelled() {
        std::thread::sleep(Duration::from_millis(1));
    }
    std::process::id()
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    procession::init();
    let pool = Pool::builder()
        .workers(2)
        .cancel_grace(Duration::from_secs(10))
        .build()?;

    // A limit for each item: the endless one is ended, its neighbours have their results.
    let numbers = [6, 0, 27];
    let limited = pool.call(steps).timeout(Duration::from_millis(500));
    for (n, outcome) in numbers.into_iter().zip(limited.try_map(numbers)) {
        match outcome {
            Ok(steps) => println!("{n}: {steps} steps"),
            Err(error) if error.kind() == TaskErrorKind::TimedOut => {
                println!(
                    "{n}: no end within {:?}",
                    error.time_limit().unwrap_or_default()
                );
            }
            Err(error) => return Err(error.into()),
        }
    }

    // Both workers are busy: what does not begin in time is given up.
    let busy = [pool.apply_async(work, ()), pool.apply_async(work, ())];
    let waits = pool
        .call(steps)
        .queue_deadline(Duration::from_millis(100))
        .apply_async((27,));
    match waits.get() {
        Err(error) if error.kind() == TaskErrorKind::Expired => println!("27: no worker in time"),
        other => println!("27: {other:?}"),
    }

    // A task that looks whether it is wanted keeps its worker.
    let before = pool.worker_pids();
    let cancelled = busy.iter().filter(|handle| handle.cancel()).count();
    println!("{cancelled} cancelled");
    pool.close();
    pool.join()?;
    println!("{} workers, none of them killed", before.len());
    Ok(())
}
