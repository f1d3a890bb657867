//! What every worker is held to: memory, processor time, priority, processors, threads of libraries. It only takes down what
//! is asked for and refuses what has no meaning; the kernel does the holding.

use std::ffi::OsString;
use std::time::Duration;

use procession_worker::Error;
use procession_worker::handle::{WorkerSpec, usable_cpus};

use super::PoolBuilder;

/// Variables by which libraries learn how many threads to run, and that they would else take from the number of processors.
const THREAD_VARIABLES: [&str; 8] = [
    "RAYON_NUM_THREADS",
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "BLIS_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "NUMBA_NUM_THREADS",
    "POLARS_MAX_THREADS",
];

/// What the builder was asked for.
#[derive(Clone, Debug, Default)]
pub(crate) struct LimitOptions {
    memory: Option<u64>,
    cpu: Option<Duration>,
    nice: i32,
    cpus: Option<Vec<Vec<usize>>>,
    inner: InnerThreads,
}

/// How many threads libraries in a worker are told to run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum InnerThreads {
    /// The worker's share of the processors.
    #[default]
    Share,
    /// Nothing is said.
    Untold,
    Fixed(usize),
}

impl PoolBuilder {
    /// Bounds the private memory of every worker, in bytes; the kernel refuses what goes beyond. Without it there is no bound,
    /// and 0 is an error of [`PoolBuilder::build`].
    ///
    /// It is Linux's `RLIMIT_DATA`: heap, writable private mappings and the stacks of threads count, by what is mapped; shared
    /// memory and mapped files do not. A task that goes beyond it cannot allocate: a Rust program then aborts, and the task's
    /// error, of kind `WorkerDied`, says `exceeded its memory limit of 256 MiB`. The worker is replaced and nothing else is
    /// lost. A task that asks for memory with `try_reserve`, or C code that looks at what `malloc` returns, may go on instead.
    ///
    /// A limit that is too small for a worker to start breaks the pool: every handle says so, with what the worker had. Processes
    /// that a worker starts have the same limit, each for itself. An inline pool ignores it.
    ///
    /// ```
    /// # procession_worker::init();
    /// use procession_pool::{Pool, TaskErrorKind};
    /// let pool = Pool::builder().workers(1).memory_limit(256 << 20).build()?;
    /// let fill = |bytes: usize| vec![1u8; bytes].len();
    /// assert_eq!(pool.apply(fill, (1 << 20,))?, 1 << 20);
    /// let error = pool.apply(fill, (1 << 30,)).unwrap_err();
    /// assert_eq!(error.kind(), TaskErrorKind::WorkerDied);
    /// assert!(error.to_string().contains("exceeded its memory limit of 256 MiB"), "{error}");
    /// assert_eq!(pool.apply(fill, (5,))?, 5, "its worker was replaced");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn memory_limit(mut self, bytes: u64) -> Self {
        self.limits.memory = Some(bytes);
        self
    }

    /// Bounds the processor time that a worker may use in its whole life, in whole seconds, rounded up. Without it there is no
    /// bound, and 0 is an error of [`PoolBuilder::build`].
    ///
    /// It is Linux's `RLIMIT_CPU`: time asleep does not count, the time of all threads does. At the limit the kernel sends
    /// SIGXCPU, and a second later SIGKILL. The task it hits has an error of kind `WorkerDied` that says `exceeded its CPU limit
    /// of 10 s (SIGXCPU)`. It may be an innocent one: what the worker did before counts too. To hold each call to a time, take
    /// [`Call::timeout`](crate::Call::timeout); this is the bound that holds even when the parent is stopped. An inline pool
    /// ignores it.
    ///
    /// ```
    /// # procession_worker::init();
    /// use std::time::Duration;
    /// use procession_pool::Pool;
    /// let pool = Pool::builder().workers(1).cpu_limit(Duration::from_secs(1)).build()?;
    /// let error = pool.apply(|| -> () { loop { std::hint::spin_loop() } }, ()).unwrap_err();
    /// assert!(error.to_string().contains("exceeded its CPU limit of 1 s (SIGXCPU)"), "{error}");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn cpu_limit(mut self, time: Duration) -> Self {
        self.limits.cpu = Some(time);
        self
    }

    /// Adds `by` to the nice value of every worker: above 0 they give way to other programs, 19 the most.
    ///
    /// Below 0 takes a privilege (`CAP_SYS_NICE`); without it no worker starts and the pool is broken, with that reason.
    /// Outside -20 to 19 is an error of [`PoolBuilder::build`]. An inline pool ignores it.
    ///
    /// ```
    /// # procession_worker::init();
    /// use procession_pool::Pool;
    /// let pool = Pool::builder().workers(1).nice(5).build()?;
    /// assert_eq!(pool.apply(|x: u32| x + 1, (1,))?, 2);
    /// assert!(Pool::builder().nice(20).build().is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn nice(mut self, by: i32) -> Self {
        self.limits.nice = by;
        self
    }

    /// Lets each worker run on the processors of one list only: the first worker on those of the first list, and so on, and
    /// from the first list again when there are more workers than lists.
    ///
    /// Processors are numbered as in `/proc/cpuinfo` and `taskset`. A replacement runs where its predecessor did. No list, an
    /// empty list, and a processor that this program may not use are errors of [`PoolBuilder::build`], of an inline pool too,
    /// which ignores it else.
    ///
    /// ```
    /// # procession_worker::init();
    /// use procession_pool::Pool;
    /// let pool = Pool::builder().workers(2).cpu_affinity([[0]]).build()?;
    /// assert_eq!(pool.apply(procession_worker::cpu_count, ())?, 1, "as seen by a worker");
    /// let error = Pool::builder().workers(1).cpu_affinity([[100_000]]).build().unwrap_err();
    /// assert!(error.to_string().contains("CPU 100000"), "{error}");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn cpu_affinity<Lists, List>(mut self, lists: Lists) -> Self
    where
        Lists: IntoIterator<Item = List>,
        List: IntoIterator<Item = usize>,
    {
        let lists = lists.into_iter().map(|list| list.into_iter().collect());
        self.limits.cpus = Some(lists.collect());
        self
    }

    /// How many threads libraries inside a worker are told to run: `None` to tell them nothing, a number to tell them that.
    ///
    /// Otherwise it is a worker's share, the number of processors by the number of workers and at least 1: eight workers of
    /// eight threads each would be slower than eight of one. They are told by the variables `RAYON_NUM_THREADS`,
    /// `OMP_NUM_THREADS`, `MKL_NUM_THREADS`, `OPENBLAS_NUM_THREADS`, `BLIS_NUM_THREADS`, `NUMEXPR_NUM_THREADS`,
    /// `NUMBA_NUM_THREADS` and `POLARS_MAX_THREADS` in the workers' environment, replacements included. A variable that
    /// [`PoolBuilder::env`] sets or removes stays as it says; the share, unlike a number given here, also leaves alone
    /// what stands in this program's own environment. 0 is an error of [`PoolBuilder::build`]. An inline pool ignores it.
    ///
    /// ```
    /// # procession_worker::init();
    /// use procession_pool::Pool;
    /// let threads = || std::env::var("RAYON_NUM_THREADS").ok();
    /// let pool = Pool::builder().workers(1_000.min(2 * procession_worker::cpu_count())).build()?;
    /// # if std::env::var_os("RAYON_NUM_THREADS").is_none() {
    /// assert_eq!(pool.apply(threads, ())?.as_deref(), Some("1"));
    /// # }
    /// let pool = Pool::builder().workers(1).inner_threads(3).build()?;
    /// assert_eq!(pool.apply(threads, ())?.as_deref(), Some("3"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn inner_threads(mut self, threads: impl Into<Option<usize>>) -> Self {
        self.limits.inner = match threads.into() {
            None => InnerThreads::Untold,
            Some(threads) => InnerThreads::Fixed(threads),
        };
        self
    }
}

impl LimitOptions {
    /// Whether everything asked for has a meaning.
    pub(super) fn check(&self) -> Result<(), Error> {
        let fault = if self.memory == Some(0) {
            "memory_limit must be above 0".to_owned()
        } else if self.cpu.is_some_and(|time| time.is_zero()) {
            "cpu_limit must be above 0".to_owned()
        } else if !(-20..=19).contains(&self.nice) {
            format!("nice must be within -20 and 19, not {}", self.nice)
        } else if self.inner == InnerThreads::Fixed(0) {
            "inner_threads must be at least 1".to_owned()
        } else if let Some(lists) = &self.cpus {
            return checked(lists).map(drop);
        } else {
            return Ok(());
        };
        Err(Error::message(format!("cannot make a pool: {fault}")))
    }

    /// Writes down what `workers` workers are held to.
    pub(super) fn write(&self, workers: usize, spec: &mut WorkerSpec) -> Result<(), Error> {
        spec.limits.memory = self.memory;
        spec.limits.cpu_seconds = self.cpu.map(|time| {
            let more = u64::from(time.subsec_nanos() > 0);
            time.as_secs().saturating_add(more)
        });
        spec.limits.nice = self.nice;
        if let Some(lists) = &self.cpus {
            spec.cpus = checked(lists)?.into();
        }
        let mut env = self.thread_variables(workers);
        // What the user says comes later, so it stands.
        env.append(&mut spec.env);
        spec.env = env;
        Ok(())
    }

    fn thread_variables(&self, workers: usize) -> Vec<(OsString, Option<OsString>)> {
        let threads = match self.inner {
            InnerThreads::Untold => return Vec::new(),
            InnerThreads::Fixed(threads) => threads,
            InnerThreads::Share => (self.processors(workers) / workers.max(1)).max(1),
        };
        let is_free =
            |name: &&str| self.inner != InnerThreads::Share || std::env::var_os(name).is_none();
        let names = THREAD_VARIABLES.into_iter().filter(is_free);
        names
            .map(|name| (name.into(), Some(threads.to_string().into())))
            .collect()
    }

    /// The processors that `workers` workers have together.
    fn processors(&self, workers: usize) -> usize {
        match &self.cpus {
            None => procession_worker::cpu_count(),
            Some(lists) => {
                let shortest = lists.iter().map(Vec::len).min().unwrap_or(1);
                shortest * lists.len().min(workers)
            }
        }
    }
}

fn checked(lists: &[Vec<usize>]) -> Result<Vec<Vec<u32>>, Error> {
    let usable = usable_cpus()?;
    let error = |what: String| Error::message(format!("cannot make a pool: {what}"));
    if lists.is_empty() {
        return Err(error("cpu_affinity needs at least one list".into()));
    }
    let of_list = |(at, list): (usize, &Vec<usize>)| {
        if list.is_empty() {
            return Err(error(format!("list {at} of cpu_affinity is empty")));
        }
        let known = |&cpu: &usize| match u32::try_from(cpu) {
            Ok(number) if usable.contains(&number) => Ok(number),
            Ok(_) | Err(_) => Err(error(format!(
                "list {at} of cpu_affinity names CPU {cpu}, but this program may use {usable:?}"
            ))),
        };
        list.iter().map(known).collect()
    };
    lists.iter().enumerate().map(of_list).collect()
}
