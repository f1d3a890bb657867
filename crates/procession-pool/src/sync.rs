//! The atomics and the lock that outcomes are written against; must not add behaviour of its own.
//!
//! In a normal build these are those of `std`. Under `--cfg model_outcomes` they are loom's, so that the very code that
//! ships is what the models explore. It is not `--cfg loom`, under which the links below this crate are models too.

#[cfg(not(model_outcomes))]
pub(crate) use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
#[cfg(not(model_outcomes))]
pub(crate) use std::sync::{Mutex, MutexGuard};

#[cfg(model_outcomes)]
pub(crate) use loom::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
#[cfg(model_outcomes)]
pub(crate) use loom::sync::{Mutex, MutexGuard};
