//! procession. Must use it as a user would: the public interface, nothing tuned for one work.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use procession::{Bytes, Pool, Process};

use super::serve::{Side, each_call, kept, payload, per_worker, whole};
use crate::protocol::{Reply, Request};
use crate::runner::pipes::Pipes;
use crate::{machine, tasks};

/// Pools by their number of workers.
#[derive(Debug, Default)]
pub struct Ours {
    pools: HashMap<usize, Pool>,
}

impl Side for Ours {
    fn measure(&mut self, request: &Request) -> Result<Reply, String> {
        match request.work.as_str() {
            "pool_start" => return pool_start(request.workers),
            "processes" => return processes(request.count),
            "processes_memory" => return processes_memory(request.count, &request.dir),
            "parent_threads" => return per_worker(|| machine::entries("task"), start, stop),
            "parent_descriptors" => return per_worker(|| machine::entries("fd"), start, stop),
            _ => {}
        }
        with_pool(kept(&mut self.pools, request.workers, start)?, request)
    }
}

fn with_pool(pool: &Pool, request: &Request) -> Result<Reply, String> {
    let (count, turns) = (request.count, request.turns);
    match request.work.as_str() {
        "map_default" => whole(count, 10_000, |n| {
            check(&pool.map(tasks::tiny, 0..n as u64).map_err(text)?, n)
        }),
        "map_single" => whole(count, 10_000, |n| {
            check(
                &pool
                    .call(tasks::tiny)
                    .chunk_size(1)
                    .map(0..n as u64)
                    .map_err(text)?,
                n,
            )
        }),
        "submit_get" => whole(count, 10_000, |n| {
            let handles: Vec<_> = (0..n as u64)
                .map(|i| pool.apply_async(tasks::tiny, (i,)))
                .collect();
            let results: Result<Vec<u64>, _> =
                handles.into_iter().map(|handle| handle.get()).collect();
            check(&results.map_err(text)?, n)
        }),
        "call" => each_call(count, |i| pool.apply(tasks::tiny, (i,)).map_err(text)),
        "argument_16m" => payload(count, |data| {
            pool.apply(length, (Bytes::from(data),)).map_err(text)
        }),
        "tasks_100us" => whole(count, 100, |n| {
            let results = pool.map(tasks::spin, vec![turns; n]).map_err(text)?;
            if results.len() == n {
                Ok(())
            } else {
                Err("results are missing".to_string())
            }
        }),
        "death" => death(pool, count, &request.dir),
        _ => Ok(Reply::unsupported()),
    }
}

/// The task of the big argument.
fn length(data: Bytes) -> u64 {
    data.len() as u64
}

/// A started pool whose workers have all worked.
fn start(workers: usize) -> Result<Pool, String> {
    let pool = Pool::new(workers).map_err(text)?;
    let tasks: Vec<_> = (0..workers as u64 * 16)
        .map(|i| pool.apply_async(tasks::tiny, (i,)))
        .collect();
    tasks
        .into_iter()
        .try_for_each(|task| task.get().map(drop))
        .map_err(text)?;
    Ok(pool)
}

fn stop(pool: Pool) -> Result<(), String> {
    pool.close();
    pool.join().map_err(text)
}

fn pool_start(workers: usize) -> Result<Reply, String> {
    stop(start(1)?)?;
    let begin = Instant::now();
    let pool = Pool::new(workers).map_err(text)?;
    let tasks: Vec<_> = (0..workers as u64)
        .map(|i| pool.apply_async(tasks::tiny, (i,)))
        .collect();
    tasks
        .into_iter()
        .try_for_each(|task| task.get().map(drop))
        .map_err(text)?;
    stop(pool)?;
    Ok(Reply::one(begin.elapsed().as_secs_f64()))
}

fn death(pool: &Pool, count: usize, dir: &str) -> Result<Reply, String> {
    let path = format!("{dir}/death-ours");
    let mut samples = Vec::with_capacity(count);
    for i in 0..count as u64 {
        match pool.apply(tasks::die, (path.clone(),)) {
            Ok(()) => return Err("a dead worker answered".to_string()),
            Err(error) if error.death().is_none() => return Err(error.to_string()),
            Err(_) => samples.push(tasks::since_death(&path)?),
        }
        // Not in the measured time: the next death meets a whole pool, not one that is busy starting a worker.
        whole_again(pool)?;
        pool.apply(tasks::tiny, (i,)).map_err(text)?;
    }
    Ok(Reply::many(samples))
}

/// Waits until the dead worker's place is taken by one that is ready.
fn whole_again(pool: &Pool) -> Result<(), String> {
    let begin = Instant::now();
    loop {
        let stats = pool.stats();
        if stats.idle == stats.workers.len() as u64 {
            return Ok(());
        }
        if begin.elapsed() > Duration::from_secs(5) {
            return Err("a dead worker was not replaced within 5 s".to_string());
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn processes(count: usize) -> Result<Reply, String> {
    run_processes(1)?;
    let start = Instant::now();
    run_processes(count)?;
    Ok(Reply::one(start.elapsed().as_secs_f64()))
}

fn run_processes(count: usize) -> Result<(), String> {
    let alive = (0..count)
        .map(|_| Process::spawn(tasks::nothing, ()))
        .collect::<Result<Vec<_>, _>>()
        .map_err(text)?;
    alive.into_iter().try_for_each(joined)
}

fn processes_memory(count: usize, dir: &str) -> Result<Reply, String> {
    let mut pipes = Pipes::open(dir)?;
    let spawned: Result<Vec<_>, _> = (0..count)
        .map(|_| Process::spawn(tasks::hold, (dir.to_string(),)))
        .collect();
    let alive = spawned.map_err(text)?;
    let total = pipes.total_pss(alive.iter().map(Process::pid))?;
    let released = pipes.release()?;
    alive.into_iter().try_for_each(joined)?;
    drop(released);
    Ok(Reply::one(total).with("each", total / count.max(1) as f64))
}

fn joined(process: Process<()>) -> Result<(), String> {
    let status = process.join().map_err(text)?;
    if status.success() {
        Ok(())
    } else {
        Err(format!("a process ended with {status}"))
    }
}

fn check(results: &[u64], count: usize) -> Result<(), String> {
    match (results.len() == count, results.last()) {
        (true, Some(last)) if *last == count as u64 => Ok(()),
        _ => Err("wrong results".to_string()),
    }
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}
