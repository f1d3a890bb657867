//! What parent and worker say over the control socket; each direction is its own type.
//!
//! The encoding is postcard's; its bytes are fixed by `tests/golden.rs` and change only together with [`PROTOCOL_VERSION`].

use serde::{Deserialize, Serialize};

use crate::bytes::plain;
use crate::codec::{CodecError, Limits, decode, encode};
use crate::failure::Failure;
use crate::record::LogBatch;

/// The version of every message and frame of this crate.
pub const PROTOCOL_VERSION: u16 = 4;

/// The first field of the first message in each direction: `process\0` as a big-endian number.
pub const MAGIC: u64 = 0x7072_6f63_6573_7300;

/// What the parent says.
///
/// ```
/// use procession_task::message::ToWorker;
///
/// let bytes = ToWorker::Cancel { seq: 3 }.encode();
/// assert_eq!(bytes, [1, 3]);
/// assert_eq!(ToWorker::decode(&bytes)?, ToWorker::Cancel { seq: 3 });
/// # Ok::<(), procession_task::CodecError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(
    clippy::large_enum_variant,
    reason = "each is encoded where it is made, and none is kept"
)]
pub enum ToWorker {
    /// The first message, and the only one before the worker's `Hello`.
    Boot(Boot),
    /// Reserved.
    Cancel {
        /// Which call.
        seq: u64,
    },
    /// A value for any number of calls: it comes before the first of them.
    Share {
        /// What calls name it by.
        id: u64,
        /// Its encoding. In a descriptor it is sealed against writing.
        value: ArgBytes,
    },
    /// No call will name these values any more.
    Forget {
        /// Which of those that were shared.
        ids: Vec<u64>,
    },
}

/// Everything a worker has to know before it serves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Boot {
    /// [`MAGIC`].
    pub magic: u64,
    /// [`PROTOCOL_VERSION`].
    pub version: u16,
    /// Chosen by the parent for this start; the worker says it back.
    pub nonce: u64,
    /// The parent's [`build_id`](crate::build_id).
    #[serde(with = "plain")]
    pub build_id: Vec<u8>,
    /// The worker's name.
    pub name: String,
    /// The worker's place in its pool.
    pub index: Option<u32>,
    /// The process that must stay alive.
    pub parent_pid: u32,
    /// The thread of it that started the worker, whose end is the parent's.
    pub parent_thread: u32,
    /// The parent's own name.
    pub parent_name: String,
    /// How many parents up to the first process.
    pub depth: u32,
    /// What the worker is for.
    pub role: Role,
}

/// What a worker is for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Role {
    /// It serves calls from a shared segment until told to stop.
    Pool {
        /// The length of the segment.
        segment_bytes: u64,
        /// The System V segment it is, if it is no memfd, whose descriptor would come first.
        segment_id: Option<i32>,
        /// The longest frame in either direction.
        max_frame: u64,
        /// Runs once, before the first call.
        initializer: Option<CallSpec>,
        /// Makes the state that tasks are lent; runs after the initializer.
        state: Option<CallSpec>,
        /// Set before anything of the user's runs.
        limits: WorkerLimits,
        /// Runs once, after the last call, when the worker was told to stop.
        exit_hook: Option<CallSpec>,
    },
    /// It runs one call and ends.
    Process {
        /// The call.
        call: CallSpec,
        /// The longest result, in bytes.
        max_result: u64,
    },
}

/// What a pool worker is held to; the default is nothing.
///
/// ```
/// assert_eq!(procession_task::WorkerLimits::default().memory, None);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkerLimits {
    /// Bytes of private memory.
    pub memory: Option<u64>,
    /// Seconds of processor time.
    pub cpu_seconds: Option<u64>,
    /// Added to the nice value.
    pub nice: i32,
    /// The processors it may run on; all of them, if empty.
    pub cpus: Vec<u32>,
}

/// One call: which function, with which arguments.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallSpec {
    /// [`TaskRef::offset`](crate::TaskRef::offset).
    pub offset: i64,
    /// [`TaskRef::fingerprint`](crate::TaskRef::fingerprint).
    pub fingerprint: u64,
    /// The encoded argument tuple.
    pub args: ArgBytes,
}

/// Where encoded arguments or an encoded result are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ArgBytes {
    /// In the message.
    Inline(#[serde(with = "plain")] Vec<u8>),
    /// In the next file descriptor that came with the packet, all of it.
    Descriptor,
}

/// What a worker says.
///
/// ```
/// use procession_task::message::FromWorker;
///
/// assert_eq!(FromWorker::Ready.encode(), [1]);
/// assert!(FromWorker::decode(&[99]).is_err());
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum FromWorker {
    /// The answer to `Boot`.
    Hello {
        /// [`MAGIC`].
        magic: u64,
        /// [`PROTOCOL_VERSION`].
        version: u16,
        /// The nonce of `Boot`.
        nonce: u64,
        /// The worker's own [`build_id`](crate::build_id).
        #[serde(with = "plain")]
        build_id: Vec<u8>,
        /// The worker's process number as it sees it.
        pid: u32,
    },
    /// It serves from here on.
    Ready,
    /// It ends without having served.
    StartFailed(Failure),
    /// A process's function returned, or a pool worker's exit hook.
    Returned {
        /// The encoded result.
        value: ArgBytes,
        /// The result is the `Err` of a `Result`.
        is_err: bool,
    },
    /// A process's function gave no result, or a pool worker's exit hook.
    Failed(Failure),
    /// Look at the reply ring.
    Bell,
    /// What a pool worker has logged, if its parent asked for it.
    Log(LogBatch),
}

macro_rules! wire {
    ($($message:ident)*) => {$(
        impl $message {
            /// The message as bytes.
            #[must_use]
            pub fn encode(&self) -> Vec<u8> {
                let mut bytes = Vec::new();
                // Cannot fail: nothing nests deep and every length is known. Empty bytes are refused by the receiver as truncated.
                let _ = encode(self, &mut bytes, &Limits { max_bytes: usize::MAX, ..Limits::default() });
                bytes
            }

            /// Reads a message that takes up all of `bytes`.
            ///
            /// # Errors
            /// As [`decode`](crate::decode): truncated, trailing or invalid bytes.
            pub fn decode(bytes: &[u8]) -> Result<$message, CodecError> {
                decode(bytes, &Limits::default())
            }
        }
    )*};
}

wire! { ToWorker FromWorker }
