//! A loop made by hand on `ipc-channel`: what a Rust programmer would write without a library. Must stay as fast as such a loop can be.
//!
//! Each worker is a re-exec of the `peers` binary with one channel for calls, one byte channel for big arguments, and all
//! share one reply channel, so that the parent waits in one place. A window of calls stays in flight per worker.

use std::collections::{HashMap, VecDeque};
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use ipc_channel::ipc::{
    self, IpcBytesReceiver, IpcBytesSender, IpcOneShotServer, IpcReceiver, IpcSender,
};
use serde::{Deserialize, Serialize};

use super::serve::{Side, each_call, kept, payload, per_worker, whole};
use crate::protocol::{Reply, Request};
use crate::{machine, tasks};

/// Calls in flight per worker. Deeper windows were not faster (4, 16, 64, 128 and 256 tried): each message is a system call.
const WINDOW: usize = 16;

/// What the parent sends.
#[derive(Debug, Serialize, Deserialize)]
enum Call {
    Tiny(u64),
    /// The argument follows on the byte channel.
    Length,
    Die(String),
    Stop,
}

/// What a worker sends: its index and the result.
type Answer = (usize, u64);

/// The first message of a worker: where to send calls and big arguments, and where to send its index and the reply channel.
type Greeting = (
    IpcSender<Call>,
    IpcBytesSender,
    IpcSender<(usize, IpcSender<Answer>)>,
);

/// Pools by their number of workers.
#[derive(Debug, Default)]
pub struct Ipc {
    pools: HashMap<usize, Pool>,
}

#[derive(Debug)]
struct Pool {
    workers: Vec<Worker>,
    answers: IpcReceiver<Answer>,
}

#[derive(Debug)]
struct Worker {
    calls: IpcSender<Call>,
    bytes: IpcBytesSender,
    child: Child,
}

impl Side for Ipc {
    fn measure(&mut self, request: &Request) -> Result<Reply, String> {
        let count = request.count;
        match request.work.as_str() {
            "pool_start" => return pool_start(request.workers),
            "death" => return death(count, &request.dir),
            "parent_threads" => {
                return per_worker(|| machine::entries("task"), Pool::start, Pool::stop);
            }
            "parent_descriptors" => {
                return per_worker(|| machine::entries("fd"), Pool::start, Pool::stop);
            }
            _ => {}
        }
        let pool = kept(&mut self.pools, request.workers, Pool::start)?;
        match request.work.as_str() {
            "map_single" => whole(count, 2_000, |n| pool.map(n)),
            "call" => each_call(count, |i| {
                let worker = &pool.workers[i as usize % pool.workers.len()];
                worker.calls.send(Call::Tiny(i)).map_err(text)?;
                Ok(pool.answers.recv().map_err(text)?.1)
            }),
            "argument_16m" => payload(count, |data| {
                let worker = &pool.workers[0];
                worker.calls.send(Call::Length).map_err(text)?;
                worker.bytes.send(&data).map_err(text)?;
                Ok(pool.answers.recv().map_err(text)?.1)
            }),
            _ => Ok(Reply::unsupported()),
        }
    }
}

impl Pool {
    fn start(workers: usize) -> Result<Pool, String> {
        let (answer, answers) = ipc::channel().map_err(text)?;
        let starting = (0..workers)
            .map(|_| Starting::exec())
            .collect::<Result<Vec<_>, _>>()?;
        let workers = starting
            .into_iter()
            .enumerate()
            .map(|(index, starting)| starting.greet(index, answer.clone()))
            .collect::<Result<Vec<_>, _>>()?;
        Ok(Pool { workers, answers })
    }

    fn stop(self) -> Result<(), String> {
        for worker in &self.workers {
            worker.calls.send(Call::Stop).map_err(text)?;
        }
        for mut worker in self.workers {
            worker.child.wait().map_err(text)?;
        }
        Ok(())
    }

    /// One message per item, results in order: each answer is followed by the next call to the worker that gave it.
    fn map(&self, count: usize) -> Result<(), String> {
        let mut results = vec![0; count];
        let mut items = 0..count;
        let mut asked = vec![VecDeque::with_capacity(WINDOW); self.workers.len()];
        for index in (0..self.workers.len())
            .cycle()
            .take(WINDOW * self.workers.len())
        {
            self.feed(index, &mut items, &mut asked[index])?;
        }
        for _ in 0..count {
            let (index, result) = self.answers.recv().map_err(text)?;
            let item = asked[index].pop_front().ok_or("an answer too many")?;
            results[item] = result;
            self.feed(index, &mut items, &mut asked[index])?;
        }
        if results.last() == Some(&(count as u64)) {
            Ok(())
        } else {
            Err("wrong results".to_string())
        }
    }

    fn feed(
        &self,
        index: usize,
        items: &mut std::ops::Range<usize>,
        asked: &mut VecDeque<usize>,
    ) -> Result<(), String> {
        let Some(item) = items.next() else {
            return Ok(());
        };
        asked.push_back(item);
        self.workers[index]
            .calls
            .send(Call::Tiny(item as u64))
            .map_err(text)
    }
}

/// A worker between its exec and its greeting: all are started before the first greeting is awaited.
struct Starting {
    child: Child,
    server: IpcOneShotServer<Greeting>,
}

impl Starting {
    fn exec() -> Result<Starting, String> {
        let (server, name) = IpcOneShotServer::new().map_err(text)?;
        let image = std::env::current_exe().map_err(text)?;
        let child = Command::new(image)
            .args(["--ipc-worker", &name])
            .stdin(Stdio::null())
            .spawn()
            .map_err(text)?;
        Ok(Starting { child, server })
    }

    fn greet(self, index: usize, answer: IpcSender<Answer>) -> Result<Worker, String> {
        let (_, (calls, bytes, first)) = self.server.accept().map_err(text)?;
        first.send((index, answer)).map_err(text)?;
        Ok(Worker {
            calls,
            bytes,
            child: self.child,
        })
    }
}

/// The whole life of a worker of the loop on `ipc-channel`, which greets the server `name`.
pub fn worker(name: &str) -> Result<(), String> {
    let (calls_out, calls) = ipc::channel::<Call>().map_err(text)?;
    let (bytes_out, bytes) = ipc::bytes_channel().map_err(text)?;
    let (first_out, first) = ipc::channel().map_err(text)?;
    let greeting: Greeting = (calls_out, bytes_out, first_out);
    IpcSender::connect(name.to_string())
        .map_err(text)?
        .send(greeting)
        .map_err(text)?;
    let (index, answer) = first.recv().map_err(text)?;
    serve_calls(index, &calls, &bytes, &answer)
}

fn serve_calls(
    index: usize,
    calls: &IpcReceiver<Call>,
    bytes: &IpcBytesReceiver,
    answer: &IpcSender<Answer>,
) -> Result<(), String> {
    while let Ok(call) = calls.recv() {
        let result = match call {
            Call::Tiny(x) => tasks::tiny(x),
            Call::Length => bytes.recv().map_err(text)?.len() as u64,
            Call::Die(path) => {
                tasks::die(path);
                0
            }
            Call::Stop => return Ok(()),
        };
        answer.send((index, result)).map_err(text)?;
    }
    Ok(())
}

fn pool_start(workers: usize) -> Result<Reply, String> {
    Pool::start(1)?.stop()?;
    let start = Instant::now();
    let pool = Pool::start(workers)?;
    for (worker, i) in pool.workers.iter().zip(0..) {
        worker.calls.send(Call::Tiny(i)).map_err(text)?;
    }
    for _ in 0..workers {
        pool.answers.recv().map_err(text)?;
    }
    pool.stop()?;
    Ok(Reply::one(start.elapsed().as_secs_f64()))
}

/// A reply channel shared by all would never notice a death; with one worker of its own it disconnects.
fn death(count: usize, dir: &str) -> Result<Reply, String> {
    let path = format!("{dir}/death-ipc");
    let mut samples = Vec::with_capacity(count);
    for _ in 0..count {
        let pool = Pool::start(1)?;
        pool.workers[0]
            .calls
            .send(Call::Die(path.clone()))
            .map_err(text)?;
        if pool.answers.recv().is_ok() {
            return Err("a dead worker answered".to_string());
        }
        samples.push(tasks::since_death(&path)?);
        for mut worker in pool.workers {
            worker.child.wait().map_err(text)?;
        }
    }
    Ok(Reply::many(samples))
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}
