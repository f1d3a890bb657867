//! rayon: threads without isolation, the bound for everything that needs no memory of its own. Must start no process.

use std::collections::HashMap;
use std::sync::mpsc;

use rayon::prelude::*;
use rayon::{ThreadPool, ThreadPoolBuilder};

use super::serve::{Side, each_call, kept, whole};
use crate::protocol::{Reply, Request};
use crate::tasks;

/// Thread pools by their number of threads.
#[derive(Debug, Default)]
pub struct Rayon {
    pools: HashMap<usize, ThreadPool>,
}

fn start(workers: usize) -> Result<ThreadPool, String> {
    ThreadPoolBuilder::new()
        .num_threads(workers)
        .build()
        .map_err(|error| error.to_string())
}

impl Side for Rayon {
    fn measure(&mut self, request: &Request) -> Result<Reply, String> {
        let (count, turns) = (request.count, request.turns);
        let pool = kept(&mut self.pools, request.workers.max(1), start)?;
        match request.work.as_str() {
            "map_default" => whole(count, 10_000, |n| {
                let inputs: Vec<u64> = (0..n as u64).collect();
                check(
                    &pool.install(|| inputs.into_par_iter().map(tasks::tiny).collect::<Vec<_>>()),
                    n,
                )
            }),
            "map_single" => whole(count, 10_000, |n| {
                let inputs: Vec<u64> = (0..n as u64).collect();
                check(
                    &pool.install(|| {
                        inputs
                            .into_par_iter()
                            .with_max_len(1)
                            .map(tasks::tiny)
                            .collect::<Vec<_>>()
                    }),
                    n,
                )
            }),
            "submit_get" => whole(count, 10_000, |n| {
                let (sender, receiver) = mpsc::channel();
                for i in 0..n as u64 {
                    let sender = sender.clone();
                    pool.spawn(move || {
                        let _ = sender.send((i, tasks::tiny(i)));
                    });
                }
                drop(sender);
                let mut results = vec![0; n];
                for (i, result) in receiver {
                    results[i as usize] = result;
                }
                check(&results, n)
            }),
            "call" => each_call(count, |i| Ok(pool.install(|| tasks::tiny(i)))),
            "tasks_100us" => whole(count, 100, |n| {
                let inputs = vec![turns; n];
                let results: Vec<u64> =
                    pool.install(|| inputs.into_par_iter().map(tasks::spin).collect());
                if results.len() == n {
                    Ok(())
                } else {
                    Err("results are missing".to_string())
                }
            }),
            _ => Ok(Reply::unsupported()),
        }
    }
}

fn check(results: &[u64], count: usize) -> Result<(), String> {
    match (results.len() == count, results.last()) {
        (true, Some(last)) if *last == count as u64 => Ok(()),
        _ => Err("wrong results".to_string()),
    }
}
