//! Tutorial 7: 500 tasks as 500 processes, and on a pool of 8 workers, timed. It is a demonstration and not the benchmark: that is `cargo xtask bench`.
//!
//! ```text
//! cargo run --release -p procession-examples --bin five_hundred               # 500 tasks, 8 workers
//! cargo run --release -p procession-examples --bin five_hundred -- 100 4      # 100 tasks, 4 workers
//! ```
//!
//! The tutorial says that a pool is better than a process for each task. That holds for memory always, and for time where
//! a task is shorter than the start of a process. Tasks that only wait can do so all at once in 500 processes, but only
//! eight at a time in a pool of eight.

use std::{
    env,
    error::Error,
    hint::black_box,
    thread,
    time::{Duration, Instant},
};

use procession::{Pool, Process, Task};

fn do_nothing(number: u64) -> u64 {
    number
}

fn compute(number: u64) -> u64 {
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_millis(2) {
        black_box(number);
    }
    number
}

fn wait(number: u64) -> u64 {
    thread::sleep(Duration::from_millis(10));
    number
}

/// One process for each task. All are started before the first is joined: up to `tasks` are alive together.
fn as_processes<F>(task: F, tasks: u64) -> Result<Duration, Box<dyn Error>>
where
    F: Task<(u64,), Output = u64>,
{
    let begun = Instant::now();
    let children = (0..tasks)
        .map(|number| Process::spawn(task, (number,)))
        .collect::<Result<Vec<_>, _>>()?;
    for (number, child) in (0..tasks).zip(children) {
        assert_eq!(
            child.into_result()?,
            number,
            "each process returns its own number"
        );
    }
    Ok(begun.elapsed())
}

/// The same tasks on a pool, its start and its end included in the time.
fn on_a_pool<F>(task: F, tasks: u64, workers: usize) -> Result<Duration, Box<dyn Error>>
where
    F: Task<(u64,), Output = u64>,
{
    let begun = Instant::now();
    let pool = Pool::new(workers)?;
    let results: Vec<_> = (0..tasks)
        .map(|number| pool.apply_async(task, (number,)))
        .collect();
    for (number, result) in (0..tasks).zip(results) {
        assert_eq!(result.get()?, number, "each task returns its own number");
    }
    pool.close();
    pool.join()?;
    Ok(begun.elapsed())
}

fn compare<F>(what: &str, task: F, tasks: u64, workers: usize) -> Result<(), Box<dyn Error>>
where
    F: Task<(u64,), Output = u64>,
{
    let processes = as_processes(task, tasks)?.as_secs_f64() * 1e3;
    let pool = on_a_pool(task, tasks, workers)?.as_secs_f64() * 1e3;
    println!(
        "{what:<22} {processes:>9.1} ms {pool:>9.1} ms {:>8.2}",
        processes / pool
    );
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    procession::init();

    let mut arguments = env::args().skip(1);
    let tasks: u64 = arguments.next().map_or(Ok(500), |text| text.parse())?;
    let workers: usize = arguments.next().map_or(Ok(8), |text| text.parse())?;

    println!(
        "{:<22} {:>12} {:>12} {:>8}",
        "",
        format!("{tasks} procs"),
        format!("pool of {workers}"),
        "ratio"
    );
    compare("do nothing", do_nothing, tasks, workers)?;
    compare("compute for 2 ms", compute, tasks, workers)?;
    compare("wait for 10 ms", wait, tasks, workers)?;
    Ok(())
}
