//! The state that every worker makes for its tasks. It makes none.

use procession_task::state::{MakeState, Making};
use procession_task::task::Arguments;
use procession_worker::Error;

use super::PoolBuilder;
use super::calls::Encoded;

/// What was asked for.
#[derive(Clone, Debug, Default)]
pub(crate) struct StateOptions {
    make: Option<Result<Encoded, Error>>,
}

impl PoolBuilder {
    /// Gives every worker, replacements included, a state of its own: what `make` returns for `args`, made in the worker after
    /// its initializer and before its first task, and lent to every task that is made by
    /// [`with_state`](crate::with_state).
    ///
    /// The state never leaves the worker: it need not be serializable, `Send` or `Sync`, so that it can be a connection, a
    /// model, a cache. Tasks of one worker run one after the other, so nobody else has it meanwhile. It is dropped when the
    /// worker ends in good order, after the [exit hook](PoolBuilder::exit_hook), which may be `with_state` as well.
    ///
    /// A task that panics while it holds the state loses it: what it leaves may be half changed. It is dropped, and made again
    /// before the next task in that worker that wants it; when that fails, this task has the error, and the next one tries
    /// again. A worker whose first state cannot be made never becomes ready, as with an
    /// [initializer](PoolBuilder::initializer) that fails.
    ///
    /// A task that wants a state which is not there, or is of another type, does not run: it has an error of kind
    /// `InvalidOption` that names the types.
    ///
    /// In an inline pool, each thread that calls is a worker of its own: `build` makes the state of the thread it runs in,
    /// other threads make theirs at their first call that wants one and drop it when they end. One that cannot be made is an
    /// error of `build`, or of that call (`InvalidOption`).
    ///
    /// Arguments that cannot be encoded (their `Serialize` fails or panics) are an error of [`PoolBuilder::build`].
    ///
    /// ```
    /// # procession_worker::init();
    /// use std::collections::HashMap;
    /// use std::rc::Rc;
    /// use procession_pool::{Pool, TaskErrorKind, with_state};
    ///
    /// struct Words { known: HashMap<String, Rc<str>> }
    ///
    /// fn load(language: String) -> Words {
    ///     // In real life this takes a second and reads a file.
    ///     Words { known: HashMap::from([("cat".to_string(), Rc::from(format!("cat in {language}")))]) }
    /// }
    ///
    /// fn translate(words: &mut Words, word: String) -> Option<String> {
    ///     words.known.get(&word).map(|found| found.to_string())
    /// }
    ///
    /// let pool = Pool::builder().workers(2).state(load, ("French".to_string(),)).build()?;
    /// let found = pool.map(with_state(translate), ["cat", "dog"].map(String::from))?;
    /// assert_eq!(found, [Some("cat in French".to_string()), None]);
    ///
    /// let wrong = pool.apply(with_state(|n: &mut u64| *n), ()).unwrap_err();
    /// assert_eq!(wrong.kind(), TaskErrorKind::InvalidOption);
    /// assert!(wrong.to_string().contains("Words, but it wants a u64"), "{wrong}");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn state<F, Args>(mut self, make: F, args: Args) -> Self
    where
        F: MakeState<Args>,
        Args: Arguments,
    {
        self.state.make = Some(Encoded::new("state", Making::new(make), &args));
        self
    }
}

impl StateOptions {
    pub(super) fn encoded(self) -> Result<Option<Encoded>, Error> {
        self.make.transpose()
    }
}
