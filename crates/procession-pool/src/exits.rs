//! What workers leave behind when they end in good order: the exit hook's results, kept as bytes until they are asked for.
//! It never runs a hook but in an inline pool, whose worker is the caller.

use std::any::{TypeId, type_name};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use procession_task::codec::Limits;
use procession_task::descriptor::TaskRef;
use procession_worker::handle::{EncodedCall, ExitValue};
use procession_worker::{TaskError, TaskErrorKind};
use serde::de::DeserializeOwned;

use crate::pool::Pool;
use crate::result::decode_guarded;

/// The function that runs in each worker that ends in good order.
#[derive(Clone, Debug)]
pub(crate) struct ExitHook {
    pub(crate) task: TaskRef,
    pub(crate) call: EncodedCall,
    /// What it returns.
    pub(crate) output: (TypeId, &'static str),
}

/// One worker's end, as the pool's thread heard of it.
pub(crate) type Exit = Result<ExitValue, TaskError>;

/// The hook and its results so far, in the order in which workers ended.
#[derive(Debug, Default)]
pub(crate) struct Exits {
    hook: Option<ExitHook>,
    results: Mutex<Vec<Arc<Encoded>>>,
}

/// One result, shared with whoever reads it: that is user code, and the pool's own thread must not wait for it.
type Encoded = Result<Vec<u8>, TaskError>;

impl Exits {
    pub(crate) fn new(hook: Option<ExitHook>) -> Arc<Exits> {
        Arc::new(Exits {
            hook,
            results: Mutex::default(),
        })
    }

    /// The name of the hook's function.
    pub(crate) fn name(&self) -> Option<&'static str> {
        self.hook.as_ref().map(|hook| hook.task.name())
    }

    /// The hook as a worker is given it.
    pub(crate) fn call(&self) -> Option<EncodedCall> {
        self.hook.as_ref().map(|hook| hook.call.clone())
    }

    fn add(&self, result: Encoded) {
        self.lock().push(Arc::new(result));
    }

    fn so_far(&self) -> Vec<Arc<Encoded>> {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Arc<Encoded>>> {
        self.results.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps what came; reads long values, so no lock of the pool may be held.
    pub(crate) fn keep(&self, exits: Vec<Exit>, limit: usize) {
        for exit in exits {
            self.add(exit.and_then(|value| {
                value.read(limit).map_err(|e| {
                    TaskError::new(TaskErrorKind::DecodeResult, self.name().unwrap_or_default())
                        .with_detail(e.to_string())
                })
            }));
        }
    }

    /// Runs the hook in this thread, as the end of an inline pool.
    pub(crate) fn run_here(&self, limits: &Limits) {
        let Some(hook) = &self.hook else { return };
        let mut output = Vec::new();
        let called = hook
            .task
            .descriptor()
            .call(&hook.call.2, &mut output, limits);
        let failed = |failure| TaskError::from_failure(hook.task.name(), failure);
        self.add(called.map(|()| output).map_err(failed));
    }
}

impl Pool {
    /// What the [exit hook](crate::PoolBuilder::exit_hook) returned in each worker that has ended in good order, in the order
    /// in which they ended. After [`Pool::join`] it is all there is; before, what has come so far. It can be asked again, and
    /// waits for nothing.
    ///
    /// Empty without an exit hook. Of an inline pool there is one result at most, of the first [`close`](Pool::close). In a
    /// copy of this process made by `fork`, what had come before.
    ///
    /// Each is a value or an error: `Panicked` when the hook did, `TimedOut` when it took longer than
    /// [`exit_timeout`](crate::PoolBuilder::exit_timeout), `WorkerDied` when its worker died in it, `Terminated` when the pool
    /// was, `EncodeResult` or `TooLarge` when its value could not be handed over, and `DecodeResult` when it is not an `R`, or its
    /// `Deserialize` panics. Workers that were killed, died, never became ready, or were ended by [`Pool::terminate`] before, are
    /// not among them.
    ///
    /// ```
    /// # procession_worker::init();
    /// use procession_pool::Pool;
    /// let pool = Pool::builder().workers(2).exit_hook(procession_worker::worker_index, ()).build()?;
    /// assert_eq!(pool.map(|x: u32| x + 1, 0..3)?, [1, 2, 3]);
    /// pool.close();
    /// pool.join()?;
    /// let mut indices = pool.exit_results::<Option<usize>>().into_iter().collect::<Result<Vec<_>, _>>()?;
    /// indices.sort();
    /// assert_eq!(indices, [Some(0), Some(1)]);
    /// let wrong = pool.exit_results::<String>();
    /// assert!(wrong[0].as_ref().unwrap_err().to_string().contains("not alloc::string::String"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn exit_results<R>(&self) -> Vec<Result<R, TaskError>>
    where
        R: DeserializeOwned + 'static,
    {
        let Some(hook) = &self.exits.hook else {
            return Vec::new();
        };
        let undecodable = |why: String| {
            TaskError::new(TaskErrorKind::DecodeResult, hook.task.name()).with_detail(why)
        };
        let decode = |result: &Arc<Encoded>| {
            let bytes = Result::as_ref(result).map_err(TaskError::clone)?;
            if hook.output.0 != TypeId::of::<R>() {
                let (is, not) = (hook.output.1, type_name::<R>());
                return Err(undecodable(format!("it returns {is}, not {not}")));
            }
            decode_guarded(bytes, &Limits::default()).map_err(undecodable)
        };
        self.exits.so_far().iter().map(decode).collect()
    }
}
