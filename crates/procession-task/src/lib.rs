//! A function call as bytes and back. This crate starts nothing and does no input or output.
//!
//! `procession` runs functions in other processes of the same program. This crate is its lowest typed layer: it gives a function a name that another
//! process of the program understands ([`TaskRef`], [`resolve`]), turns arguments and results into bytes ([`encode`], [`decode`]), runs the call so that
//! nothing unwinds out of it ([`Descriptor::call`]), and defines what the two processes say to each other ([`message`], [`frame`]).
//!
//! # Five minutes
//! ```
//! use procession_task::{Limits, Stage, TaskRef, decode, encode, resolve};
//!
//! // Any function or closure that captures nothing, up to eight parameters. No macro, no registration.
//! fn divide(a: i64, b: i64) -> i64 {
//!     a / b
//! }
//! let limits = Limits::default();
//!
//! // The parent names the function and encodes the arguments as one tuple.
//! let task = TaskRef::of(divide)?;
//! let mut args = Vec::new();
//! encode(&(84i64, 2i64), &mut args, &limits)?;
//! let sent = (task.offset(), task.fingerprint(), args);
//!
//! // The worker, another process of the same program, finds the function and calls it.
//! let found = resolve(sent.0, sent.1)?;
//! let mut result = Vec::new();
//! found.call(&sent.2, &mut result, &limits)?;
//!
//! // The parent decodes the result.
//! assert_eq!(decode::<i64>(&result, &limits)?, 42);
//!
//! // What goes wrong comes back as a value: where it panicked, or what did not decode.
//! let mut args = Vec::new();
//! encode(&(1i64, 0i64), &mut args, &limits)?;
//! let failure = found.call(&args, &mut result, &limits).unwrap_err();
//! assert_eq!(failure.stage, Stage::Run);
//! assert_eq!(failure.message, "attempt to divide by zero");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What it promises
//! - *A name is checked before it is believed.* An offset that another process sent is compared with the program's constants, its alignment, a 128-bit
//!   magic, the address of a fixed point and a fingerprint of the types. A bad one is [`UnknownTask`], never a jump.
//! - *Linking does not matter.* Debug, release, thin and fat LTO, folded identical functions, static and dynamic relocation, `panic = "abort"`: each is
//!   built and run by a test. A function in another shared object than this crate is [`ForeignImage`], by name.
//! - *Bytes cannot ask for too much.* Length, nesting and elements without bytes are bounded in both directions; hostile bytes are an error, never a
//!   panic, an endless loop or an allocation of the sender's choice.
//! - *What encodes also decodes*, under the same [`Limits`].
//! - *A failure tells the step*: decoding, running, encoding; panic or error ([`Stage`]). Its texts are bounded and have no terminal escapes.
//!
//! It does not promise that another *build* of the program understands a name: compare [`build_id`] first.
//!
//! # When to use only this layer
//! When there are processes of one program already and only the calls are missing: a worker behind a socket, a job file, a forked server. For child
//! processes and pools, use `procession`.
//!
//! # Two things to know
//! - A closure may capture a zero-sized value, as a proof that something has been set up. It is taken along to the other process, where nothing
//!   has been set up.
//! - The format is postcard's: not self-describing. Untagged and internally tagged enums and flattened fields encode but do not decode.

pub mod bytes;
pub mod codec;
pub mod describe;
pub mod descriptor;
pub mod failure;
pub mod frame;
mod image;
pub mod message;
pub mod record;
pub mod state;
pub mod task;

pub use bytes::Bytes;
pub use codec::{CodecError, CodecErrorKind, Limits, decode, encode};
pub use descriptor::{Descriptor, ForeignImage, TaskRef, UnknownTask, build_id, resolve};
pub use failure::{Failure, Location, Stage, panic};
pub use frame::{CallHeader, Items, ReplyTag, push_item};
pub use message::{
    ArgBytes, Boot, CallSpec, FromWorker, MAGIC, PROTOCOL_VERSION, Role, ToWorker, WorkerLimits,
};
pub use record::{LogBatch, LogRecord};
pub use state::{MakeState, StateTask, WithState, with_state};
pub use task::{Arguments, Task};

/// The example of the README is a test.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
