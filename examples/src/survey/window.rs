//! Keeps the workers busy while files are still being found, with a bounded number of batches open. It never looks into a file.

use std::collections::VecDeque;

use procession::{AsyncResult, Pool, TaskError};

use super::{
    batch::is_large,
    measure::{Measured, measure},
    walk::File,
};

/// Batches of small files open for each worker: one runs, the others are ready to.
const PER_WORKER: usize = 8;

/// Large files open at once. More than this are not needed to keep any number of CPUs busy.
const LARGE_OPEN: usize = 256;

/// Batches that were sent and not yet answered.
#[derive(Debug)]
pub struct Window<'pool> {
    pool: &'pool Pool,
    small: VecDeque<Sent>,
    /// Apart, so that a file of many gigabytes never stands in front of batches that are done.
    large: VecDeque<Sent>,
    limit: usize,
}

#[derive(Debug)]
struct Sent {
    files: Vec<File>,
    result: AsyncResult<Measured>,
}

/// The answer to one batch: what is in its files, or why there is no answer.
#[derive(Debug)]
pub struct Answer {
    /// The files of the batch, in the order of the answer.
    pub files: Vec<File>,
    /// An error is about the whole batch: its worker died, for instance.
    pub outcome: Result<Measured, TaskError>,
}

impl<'pool> Window<'pool> {
    /// An empty window for a pool of so many workers.
    pub fn new(pool: &'pool Pool, workers: usize) -> Self {
        let limit = PER_WORKER * workers.max(1);
        Window {
            pool,
            small: VecDeque::new(),
            large: VecDeque::new(),
            limit,
        }
    }

    /// Sends a batch. It does not wait: call [`Window::answer`] between sends to keep the window bounded.
    pub fn send(&mut self, files: Vec<File>) {
        let paths = files
            .iter()
            .map(|file| file.path.clone())
            .collect::<Vec<_>>();
        let large = is_large(&files);
        let sent = Sent {
            files,
            result: self.pool.apply_async(measure, (paths,)),
        };
        if large {
            self.large.push_back(sent)
        } else {
            self.small.push_back(sent)
        }
    }

    /// An answer that is there already, or, when the window is full, the oldest one as soon as it is there.
    /// `None`: there is room, and nothing to do but send.
    pub fn answer(&mut self) -> Option<Answer> {
        if self.small.len() > self.limit || self.small.front().is_some_and(Sent::ready) {
            return self.small.pop_front().map(Sent::get);
        }
        if self.large.len() > LARGE_OPEN {
            return self.large.pop_front().map(Sent::get);
        }
        let ready = self.large.iter().position(Sent::ready)?;
        self.large.remove(ready).map(Sent::get)
    }

    /// An answer, however long it takes; `None` when every batch is answered.
    pub fn wait(&mut self) -> Option<Answer> {
        self.answer().or_else(|| {
            self.small
                .pop_front()
                .or_else(|| self.large.pop_front())
                .map(Sent::get)
        })
    }
}

impl Sent {
    fn ready(&self) -> bool {
        self.result.ready()
    }

    fn get(self) -> Answer {
        Answer {
            files: self.files,
            outcome: self.result.get(),
        }
    }
}
