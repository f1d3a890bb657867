//! A lane's loop: a request a line in, a reply a line out. Must measure nothing itself.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::io::{BufRead, Write};
use std::process::ExitCode;
use std::time::Instant;

use crate::protocol::{Hello, Reply, Request};
use crate::stats;

/// One system under comparison.
pub trait Side {
    /// Takes one measurement; `Err` is the system's own failure, in words.
    fn measure(&mut self, request: &Request) -> Result<Reply, String>;
}

/// Answers requests for the side `id` until stdin ends: all that the program of a lane does.
pub fn lane(id: &str, side: impl Side) -> ExitCode {
    ended(id, serve(id, side))
}

/// The end of a lane's program, or of a child of one.
pub fn ended(id: &str, done: Result<(), String>) -> ExitCode {
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("{id}: {why}");
            ExitCode::FAILURE
        }
    }
}

fn serve(id: &str, mut side: impl Side) -> Result<(), String> {
    say(&Hello {
        name: id.to_string(),
        ..Hello::default()
    })?;
    for line in std::io::stdin().lock().lines() {
        let line = line.map_err(|error| format!("cannot read a request: {error}"))?;
        let request: Request =
            serde_json::from_str(&line).map_err(|error| format!("not a request: {error}"))?;
        say(&side.measure(&request).unwrap_or_else(Reply::failed))?;
    }
    Ok(())
}

/// The pool of that size, started when it is first asked for.
pub(super) fn kept<P>(
    pools: &mut HashMap<usize, P>,
    workers: usize,
    start: impl FnOnce(usize) -> Result<P, String>,
) -> Result<&P, String> {
    match pools.entry(workers) {
        Entry::Occupied(known) => Ok(known.into_mut()),
        Entry::Vacant(free) => Ok(free.insert(start(workers)?)),
    }
}

/// Seconds per item of one `run` over `count` items, after a run over `warm` items.
pub(super) fn whole(
    count: usize,
    warm: usize,
    mut run: impl FnMut(usize) -> Result<(), String>,
) -> Result<Reply, String> {
    run(warm)?;
    let start = Instant::now();
    run(count)?;
    Ok(Reply::one(
        start.elapsed().as_secs_f64() / count.max(1) as f64,
    ))
}

/// Seconds of one call after another: the mean as the sample, percentiles beside it.
pub(super) fn each_call(
    count: usize,
    mut call: impl FnMut(u64) -> Result<u64, String>,
) -> Result<Reply, String> {
    for i in 0..50 {
        call(i)?;
    }
    let mut times = Vec::with_capacity(count);
    let begin = Instant::now();
    for i in 0..count as u64 {
        let start = Instant::now();
        let answer = call(i)?;
        times.push(start.elapsed().as_secs_f64());
        if answer != i + 1 {
            return Err(format!("call {i} answered {answer}"));
        }
    }
    let mean = begin.elapsed().as_secs_f64() / count.max(1) as f64;
    Ok(Reply::one(mean)
        .with("p50", stats::percentile(&times, 50.0))
        .with("p99", stats::percentile(&times, 99.0)))
}

/// Seconds per call with arguments of 16 MiB. They are made before the clock starts: a caller has its data already.
pub(super) fn payload(
    count: usize,
    mut call: impl FnMut(Vec<u8>) -> Result<u64, String>,
) -> Result<Reply, String> {
    let mut samples = Vec::with_capacity(count);
    for round in 0..count + 3 {
        let data = vec![round as u8 | 1; PAYLOAD];
        let start = Instant::now();
        let length = call(data)?;
        if round >= 3 {
            samples.push(start.elapsed().as_secs_f64());
        }
        if length != PAYLOAD as u64 {
            return Err(format!("the worker saw {length} bytes"));
        }
    }
    Ok(Reply::many(samples))
}

/// The big argument's size.
pub(super) const PAYLOAD: usize = 16 << 20;

/// What one more worker costs the parent: the slope of `read` between pools of 2 and of 10.
pub(super) fn per_worker<P>(
    read: impl Fn() -> usize,
    start: impl Fn(usize) -> Result<P, String>,
    stop: impl Fn(P) -> Result<(), String>,
) -> Result<Reply, String> {
    let base = read() as f64;
    let mut seen = [0.0; 2];
    for (slot, workers) in seen.iter_mut().zip([2, 10]) {
        let pool = start(workers)?;
        *slot = read() as f64;
        stop(pool)?;
    }
    let slope = (seen[1] - seen[0]) / 8.0;
    Ok(Reply::one(slope).with("constant", seen[0] - 2.0 * slope - base))
}

fn say<T: serde::Serialize>(message: &T) -> Result<(), String> {
    let text =
        serde_json::to_string(message).map_err(|error| format!("cannot write a reply: {error}"))?;
    let mut out = std::io::stdout().lock();
    writeln!(out, "{text}")
        .and_then(|()| out.flush())
        .map_err(|error| format!("cannot write a reply: {error}"))
}
