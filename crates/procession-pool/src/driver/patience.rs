//! How long workers are waited for when they come and go. Numbers only: what happens then is decided elsewhere.

/// How long a worker may take from its start until it is ready, initializer included.
const START_LIMIT_NS: u64 = 60_000_000_000;
/// Time a worker has to end in good order once told to stop, exit hook included.
const STOP_GRACE_NS: u64 = 5_000_000_000;
/// Time between SIGTERM and SIGKILL for a worker that is to end at once.
const TERM_GRACE_NS: u64 = 100_000_000;

/// In nanoseconds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience {
    /// From the start of a worker until it is ready.
    pub(crate) start: u64,
    /// Of that, from when its program has come up.
    pub(crate) initializer: u64,
    /// From the word that a worker is to end in good order until it has ended.
    pub(crate) stop: u64,
    /// From SIGTERM to SIGKILL; 0: SIGKILL at once.
    pub(crate) term: u64,
}

impl Default for Patience {
    fn default() -> Patience {
        Patience {
            start: START_LIMIT_NS,
            initializer: u64::MAX,
            stop: STOP_GRACE_NS,
            term: TERM_GRACE_NS,
        }
    }
}
