//! The scheduler as a pure function of events; must not hold a clock, a descriptor, a lock, a thread or a user's byte.
//!
//! The driver tells [`Core`] what happened and when; the core answers through [`Effects`]. Effects are called in the
//! middle of a core method and never call back into the core. `README.md` in this folder has the states, the
//! transition table and the policy with its numbers.

mod alarm;
mod assign;
mod chunk;
mod death;
mod effects;
mod expiry;
mod job;
mod limit;
mod look;
mod order;
mod own;
mod place;
mod profile;
mod queue;
mod rank;
mod reactor;
mod respawn;
mod retire;
mod retry;
#[cfg(test)]
mod sanity;
mod shutdown;
mod size;
mod stats;
mod steal;
mod sticky;
mod stop;
mod submit;
#[cfg(test)]
mod tests;
mod timer;
mod undying;
mod worker;

pub(crate) use alarm::NEVER;
pub(crate) use effects::{Cancelled, Effects, Overrun};
pub(crate) use job::{Chunk, JobId, JobSpec, Terms};
pub(crate) use reactor::{Core, CoreConfig, PoolState, Refused};
pub(crate) use retire::LifeConfig;
pub(crate) use retry::{After, Asks, Fate, Fault, Retry, Verdict};
pub(crate) use stats::CoreStats;
pub(crate) use sticky::Sticky;
pub(crate) use submit::Extended;
pub(crate) use worker::{Slot, WorkerRef};

/// A moment or a length of time on the monotonic clock, in nanoseconds.
pub(crate) type Nanos = u64;
