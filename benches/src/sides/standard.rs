//! What the standard library alone gives: memcpy of the big argument, and processes by `Command`. Must use no pool.

use std::process::{Child, Command, Stdio};
use std::time::Instant;

use super::serve::{PAYLOAD, Side};
use crate::protocol::{Reply, Request};
use crate::runner::pipes::Pipes;

/// The bounds.
#[derive(Debug)]
pub struct Standard;

impl Side for Standard {
    fn measure(&mut self, request: &Request) -> Result<Reply, String> {
        match request.work.as_str() {
            "argument_16m" => Ok(memcpy(request.count)),
            "processes" => {
                reap(child(&["--nothing"])?)?;
                let start = Instant::now();
                let alive = (0..request.count)
                    .map(|_| child(&["--nothing"]))
                    .collect::<Result<Vec<_>, _>>()?;
                alive.into_iter().try_for_each(reap)?;
                Ok(Reply::one(start.elapsed().as_secs_f64()))
            }
            "processes_memory" => {
                let mut pipes = Pipes::open(&request.dir)?;
                let alive = (0..request.count)
                    .map(|_| child(&["--hold", &request.dir]))
                    .collect::<Result<Vec<_>, _>>()?;
                let total = pipes.total_pss(alive.iter().map(Child::id))?;
                let released = pipes.release()?;
                alive.into_iter().try_for_each(reap)?;
                drop(released);
                Ok(Reply::one(total).with("each", total / request.count.max(1) as f64))
            }
            _ => Ok(Reply::unsupported()),
        }
    }
}

/// Seconds of one copy of 16 MiB between two buffers that are in memory already.
fn memcpy(count: usize) -> Reply {
    let source = vec![7u8; PAYLOAD];
    let mut target = vec![1u8; PAYLOAD];
    let samples = (0..count)
        .map(|_| {
            let start = Instant::now();
            std::hint::black_box(&mut target).copy_from_slice(std::hint::black_box(&source));
            start.elapsed().as_secs_f64()
        })
        .collect();
    Reply::many(samples)
}

fn child(args: &[&str]) -> Result<Child, String> {
    let image = std::env::current_exe().map_err(|error| error.to_string())?;
    Command::new(image)
        .args(args)
        .stdin(Stdio::null())
        .spawn()
        .map_err(|error| error.to_string())
}

fn reap(mut child: Child) -> Result<(), String> {
    match child.wait() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("a child ended with {status}")),
        Err(error) => Err(error.to_string()),
    }
}
