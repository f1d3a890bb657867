//! How long a worker may take to come. It measures nothing.

use std::time::Duration;

use procession_worker::Error;

use super::PoolBuilder;
use crate::driver::Patience;
use crate::options::nanos;

/// What the builder was asked for.
#[derive(Clone, Debug, Default)]
pub(crate) struct TimeOptions {
    start: Option<Duration>,
}

impl PoolBuilder {
    /// How long a worker may take from its start until it is ready, initializer included: 60 s otherwise. Zero is an error of
    /// [`PoolBuilder::build`].
    ///
    /// One that takes longer is killed, which counts as a failed start: while another worker serves, the place is tried again;
    /// when no worker has become ready, the pool is broken after five of them, and every handle says which limit it was.
    ///
    /// ```
    /// # procession_worker::init();
    /// use std::time::Duration;
    /// use procession_pool::{Pool, TaskErrorKind};
    /// let pool = Pool::builder()
    ///     .workers(5)
    ///     .initializer(std::thread::sleep, (Duration::from_secs(3600),))
    ///     .start_timeout(Duration::from_millis(200))
    ///     .build()?;
    /// let error = pool.apply(|x: u32| x, (1,)).unwrap_err();
    /// assert_eq!(error.kind(), TaskErrorKind::Broken);
    /// assert!(error.to_string().contains("did not become ready within its start timeout of 200ms"), "{error}");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn start_timeout(mut self, limit: Duration) -> Self {
        self.times.start = Some(limit);
        self
    }
}

impl TimeOptions {
    /// Whether everything asked for has a meaning.
    pub(super) fn check(&self) -> Result<(), Error> {
        match self.start {
            Some(limit) if limit.is_zero() => Err(Error::message(
                "cannot make a pool: start_timeout must be above 0",
            )),
            Some(_) | None => Ok(()),
        }
    }

    pub(super) fn patience(&self) -> Patience {
        let mut patience = Patience::default();
        if let Some(limit) = self.start {
            patience.start = nanos(limit);
        }
        patience
    }
}
