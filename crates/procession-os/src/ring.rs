//! A single-producer, single-consumer ring of frames in shared memory; must never trust a word the other side can write.

mod consumer;
mod frames;
mod gather;
mod header;
mod producer;

pub use self::consumer::Consumer;
pub use self::frames::Frames;
pub use self::header::{Corrupt, RING_HEADER_WORDS};
pub use self::producer::Producer;
