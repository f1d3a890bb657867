//! Spans and events for the crate `tracing`, noted under the driver's lock and emitted after it is released: a subscriber is user code.
//!
//! Without the feature `tracing` there is nothing here, and it must cost nothing; with it, and no subscriber that wants the
//! level, each note costs a load and a branch.

#[cfg(not(feature = "tracing"))]
mod none;
#[cfg(feature = "tracing")]
mod notes;
#[cfg(feature = "tracing")]
mod spans;

#[cfg(not(feature = "tracing"))]
pub(crate) use none::Trace;
#[cfg(feature = "tracing")]
pub(crate) use notes::Trace;
