//! A function call as bytes and back; this crate starts nothing and does no input or output.

pub mod bytes;
pub mod codec;
pub mod descriptor;
pub mod failure;
pub mod frame;
mod image;
pub mod message;
pub mod task;

pub use bytes::Bytes;
pub use codec::{CodecError, CodecErrorKind, Limits, decode, encode};
pub use descriptor::{Descriptor, ForeignImage, TaskRef, UnknownTask, build_id, resolve};
pub use failure::{Failure, Location, Stage, panic};
pub use frame::{CallHeader, Items, ReplyTag, push_item};
pub use message::{ArgBytes, Boot, CallSpec, FromWorker, MAGIC, PROTOCOL_VERSION, Role, ToWorker};
pub use task::{Arguments, Task};
