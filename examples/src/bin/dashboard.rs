//! Dashboard: a pool watched from outside while it works, as lines of text.
//!
//! cargo run -p procession-examples --bin dashboard

use std::time::Duration;

use procession::{Event, Events, Pool, Progress};

/// Takes as many milliseconds as it is told; one number is bad luck.
fn work(n: u64) -> u64 {
    std::thread::sleep(Duration::from_millis(if n == 17 { 300 } else { 5 }));
    if n == 13 {
        std::process::abort();
    }
    n
}

/// Prints what happens until the pool has ended.
fn watch(events: Events) -> Progress {
    let mut last = Progress::default();
    for event in events {
        match event {
            Event::WorkerBorn { index, .. } => println!("place {index}: a new worker"),
            Event::WorkerDied {
                death,
                expected: false,
                ..
            } => println!("{}: {}", death.name(), death.exit_status()),
            Event::Progress(progress) => {
                eprintln!("{} of {} items", progress.ended(), progress.total);
                last = progress;
            }
            _ => {}
        }
    }
    last
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    procession::init();
    let pool = Pool::builder().workers(1).name("plant").build()?;
    let watcher = std::thread::spawn({
        let events = pool.events();
        move || watch(events)
    });

    let each = pool.try_map(work, 0..40);
    let failed = each.iter().filter(|outcome| outcome.is_err()).count();
    // The handles are resolved before the new worker is told of: one more call waits for it.
    pool.apply(work, (0,))?;

    let stats = pool.stats();
    pool.close();
    pool.join()?;
    let last = watcher.join().map_err(|_| "the watcher panicked")?;
    println!(
        "{} done, {} failed, {} in all",
        last.done, last.failed, last.total
    );
    println!("{failed} of the map");
    println!(
        "{} waits and {} runs measured",
        stats.waits.count(),
        stats.runs.count()
    );
    if let Some(slowest) = stats.slowest.first() {
        let long = slowest.ran_for >= Duration::from_millis(300);
        println!(
            "slowest: item {} of {}, long: {long}",
            slowest.item, slowest.name
        );
    }
    for worker in &stats.workers {
        println!(
            "{}: {:?}, {} restart",
            worker.name, worker.state, worker.restarts
        );
    }
    Ok(())
}
