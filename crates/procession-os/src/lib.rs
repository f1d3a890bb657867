//! Processes, shared-memory rings and doorbells for Linux: the lowest layer of procession.

#[cfg(not(target_os = "linux"))]
compile_error!("procession-os runs on Linux only: it is built on pidfds, sealed memfds and futexes, which no other system has");

pub mod child;
pub mod clock;
pub mod doorbell;
pub mod error;
pub mod limits;
pub mod prologue;
pub mod ring;
pub mod segment;
pub mod socket;
pub mod spawn;
pub mod status;
pub mod sync;
pub mod words;

mod abandoned;
mod fault;
mod sys;

pub use child::{Child, Signal};
pub use clock::monotonic_ns;
pub use error::{Error, Result};
pub use fault::FatalNote;
pub use limits::{check_descriptors, cpu_count};
pub use segment::Segment;
pub use socket::{Received, Socket, memfd_with, read_all};
pub use spawn::{Spawn, Spawned};
pub use status::{ExitStatus, signal_name};
pub use words::Words;
