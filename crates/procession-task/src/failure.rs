//! What a worker reports instead of a result; its text is bounded and printable wherever it came from.

mod hook;
pub(crate) mod text;

/// The panic hook of a worker: it keeps what a panic said, and where, for the report of the call that panicked.
pub mod panic {
    pub use super::hook::{Report, install_hook, take};
    pub(crate) use super::hook::{payload_text, take_for};
}

use std::fmt;

use serde::{Deserialize, Serialize};

pub use text::tail;

use crate::codec::{CodecError, CodecErrorKind};

/// Why a call gave no result: the stage it failed in, a message, and for a panic its place.
///
/// Every text is bounded (message 8 KiB, backtrace 16 KiB, file name 1 KiB) and its control characters except newline and tab are escaped:
/// when it is built by [`Failure::new`] and again when it is decoded, so a hostile worker cannot send terminal escapes.
///
/// ```
/// use procession_task::{Failure, Stage};
///
/// let failure = Failure::new(Stage::Run, "bad \x1b[31mcolour");
/// assert_eq!(failure.message, "bad \\u{1b}[31mcolour");
/// assert_eq!(failure.to_string(), "panicked: bad \\u{1b}[31mcolour");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// How far the call had come.
    pub stage: Stage,
    /// What happened: a panic's message, or an error's text.
    #[serde(deserialize_with = "text::de_message")]
    pub message: String,
    /// Where it panicked, if the panic hook saw it.
    pub location: Option<Location>,
    /// The stack, when `RUST_BACKTRACE` or `RUST_LIB_BACKTRACE` asks for it.
    #[serde(deserialize_with = "text::de_backtrace")]
    pub backtrace: Option<String>,
}

/// How far a call had come when it failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Stage {
    /// The function is not one of this program.
    UnknownTask,
    /// The argument bytes do not describe the arguments.
    DecodeArgs,
    /// A `Deserialize` of an argument panicked.
    PanicDecode,
    /// The function panicked.
    Run,
    /// The `Serialize` of the result panicked.
    PanicEncode,
    /// The result could not be encoded.
    EncodeResult,
    /// The result is larger than the limit.
    TooLarge {
        /// Bytes reached when the encoding stopped.
        size: u64,
        /// Bytes allowed.
        limit: u64,
    },
    /// The worker could not start, or its initializer failed.
    Start,
    /// The function wants a state that is not there.
    NoState,
}

/// A place in source code.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Location {
    /// The file, as the compiler knew it.
    #[serde(deserialize_with = "text::de_file")]
    pub file: String,
    /// The line, from 1.
    pub line: u32,
    /// The column, from 1.
    pub column: u32,
}

impl Failure {
    /// A failure without a place, its message bounded and escaped.
    #[must_use]
    pub fn new(stage: Stage, message: impl AsRef<str>) -> Failure {
        let message = text::message(message.as_ref());
        Failure {
            stage,
            message,
            location: None,
            backtrace: None,
        }
    }

    /// The arguments did not decode.
    pub(crate) fn decode_args(error: &CodecError) -> Failure {
        Failure::new(Stage::DecodeArgs, error.to_string())
    }

    /// The result did not encode.
    pub(crate) fn encode_result(error: &CodecError) -> Failure {
        let stage = match error.kind() {
            CodecErrorKind::TooLarge { size, limit } => Stage::TooLarge { size, limit },
            CodecErrorKind::Depth
            | CodecErrorKind::Budget
            | CodecErrorKind::Trailing
            | CodecErrorKind::Truncated
            | CodecErrorKind::Invalid => Stage::EncodeResult,
        };
        Failure::new(stage, error.to_string())
    }
}

/// `panicked at src/x.rs:10:5: message`, `cannot decode the arguments: message` and so on, without the backtrace.
impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.stage {
            Stage::UnknownTask => "unknown task",
            Stage::DecodeArgs => "cannot decode the arguments",
            Stage::PanicDecode => "panicked while decoding the arguments",
            Stage::Run => "panicked",
            Stage::PanicEncode => "panicked while encoding the result",
            Stage::EncodeResult | Stage::TooLarge { .. } => "cannot encode the result",
            Stage::Start => "cannot start",
            Stage::NoState => "no state",
        })?;
        if let Some(location) = &self.location {
            write!(f, " at {location}")?;
        }
        write!(f, ": {}", self.message)
    }
}

impl std::error::Error for Failure {}

/// `src/x.rs:10:5`
impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file, self.line, self.column)
    }
}
