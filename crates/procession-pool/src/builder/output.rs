//! A pool's options for what its workers write. Reads nothing.

use std::fmt;
use std::sync::Arc;

use procession_worker::Output;

use super::PoolBuilder;
use crate::output::{OutputLine, Sink, print};

/// What was chosen.
#[derive(Clone, Default)]
pub(crate) struct OutputOptions {
    stdout: Option<Output>,
    stderr: Option<Output>,
    callback: Option<Sink>,
}

impl fmt::Debug for OutputOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OutputOptions")
            .field("stdout", &self.stdout)
            .field("stderr", &self.stderr)
            .field("callback", &self.callback.is_some())
            .finish()
    }
}

impl OutputOptions {
    /// What was chosen for one stream, or follows from what was chosen besides.
    fn choice(&self, chosen: Option<Output>) -> Output {
        let unsaid = match self.callback {
            Some(_) => Output::Captured,
            None => Output::Inherit,
        };
        chosen.unwrap_or(unsaid)
    }

    pub(crate) fn stdout(&self) -> Output {
        self.choice(self.stdout)
    }

    pub(crate) fn stderr(&self) -> Output {
        self.choice(self.stderr)
    }

    /// How many pipes each worker has.
    pub(crate) fn captured(&self) -> usize {
        let both = [self.stdout(), self.stderr()];
        both.iter().filter(|o| **o == Output::Captured).count()
    }

    /// Who gets the lines; `None` when nothing is captured.
    pub(crate) fn sink(&self) -> Option<Sink> {
        let sink = || self.callback.clone().unwrap_or_else(|| Arc::new(print));
        (self.captured() > 0).then(sink)
    }
}

impl PoolBuilder {
    /// Where the workers' standard output goes: to this program's own unless set, or to
    /// [`on_output`](PoolBuilder::on_output).
    ///
    /// With [`Output::Captured`] and no callback, each line is printed to this program's own stdout behind its worker's
    /// name: `[pool/3] text`. What is captured comes line by line, never one inside another, with these rules:
    ///
    /// * A task's lines are handed on before its outcome: its [`on_complete`](crate::Call::on_complete) callbacks run after
    ///   them, and `apply`, `get`, `wait` and the maps return after them, unless a callback holds them up for longer than a
    ///   second. A future and `ready` do not wait for them, the lazy maps need not. [`join`](crate::Pool::join) returns after the last one.
    /// * That holds for whole lines of the task's own process, written by the time it returns. Rust's stdout is flushed for
    ///   it, and C's, which would keep back several KiB in a pipe, is told to write each line as it ends.
    /// * A line is a line when its end is there, or when its worker has ended. One longer than 16 KiB comes in pieces.
    /// * Workers that write faster than the lines are taken wait, as they would for a slow terminal. When none has been
    ///   taken for a second, what comes is dropped and [counted](OutputLine::dropped) instead: at most 16 MiB are kept.
    /// * A pipe costs one descriptor for each worker, and a call with output a few system calls.
    ///
    /// An inline pool has no workers: its tasks write where this program does.
    ///
    /// ```
    /// # procession_worker::init();
    /// use procession_pool::{Output, Pool};
    /// let pool = Pool::builder().workers(1).stdout(Output::Null).build()?;
    /// pool.apply(|| println!("nobody reads this"), ())?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn stdout(mut self, output: Output) -> Self {
        self.output.stdout = Some(output);
        self
    }

    /// Where the workers' standard error goes, with the rules of [`stdout`](PoolBuilder::stdout).
    ///
    /// With [`Output::Captured`], the last 8 KiB a worker wrote there are also part of the error of its death:
    /// [`WorkerDeath::stderr_tail`](procession_worker::WorkerDeath::stderr_tail). An inline pool has none of this.
    ///
    /// ```
    /// # procession_worker::init();
    /// use procession_pool::{Output, Pool};
    /// let pool = Pool::builder().workers(1).stderr(Output::Captured).build()?;
    /// fn crash() {
    ///     eprintln!("out of paper");
    ///     std::process::abort();
    /// }
    /// let error = pool.apply(crash, ()).unwrap_err();
    /// let death = error.death().expect("it died");
    /// assert_eq!(death.stderr_tail().map(str::trim_end), Some("out of paper"));
    /// assert!(error.to_string().ends_with("its last lines on stderr:\nout of paper"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn stderr(mut self, output: Output) -> Self {
        self.output.stderr = Some(output);
        self
    }

    /// Calls `callback` with each line the workers write, in the order of each worker's stream.
    ///
    /// Both outputs are captured, unless [`stdout`](PoolBuilder::stdout) or [`stderr`](PoolBuilder::stderr) says otherwise;
    /// the rules are there. The callback is called on the pool's callback thread, with the rules of
    /// [`on_complete`](crate::Call::on_complete): it may use the pool, its panics are counted, and while it runs the
    /// callbacks after it wait. [`join`](crate::Pool::join) returns after the last line. Of an inline pool it is never called.
    ///
    /// ```
    /// # procession_worker::init();
    /// use procession_pool::{OutputLine, Pool};
    /// use std::sync::mpsc;
    /// let (tell, lines) = mpsc::channel();
    /// let pool = Pool::builder()
    ///     .workers(1)
    ///     .on_output(move |line: &OutputLine| tell.send(line.clone()).unwrap())
    ///     .build()?;
    /// pool.apply(|| println!("hello"), ())?;
    /// let line = lines.try_recv()?; // it is there when `apply` returns
    /// assert_eq!((line.worker(), line.text()), ("pool/1", "hello"));
    /// assert_eq!(line.to_string(), "[pool/1] hello");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn on_output(mut self, callback: impl Fn(&OutputLine) + Send + Sync + 'static) -> Self {
        self.output.callback = Some(Arc::new(callback));
        self
    }
}
