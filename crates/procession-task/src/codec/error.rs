//! Why a value could not be encoded or decoded; it must not carry more than a bounded text.

use std::any::Any;
use std::fmt;

use crate::failure::text;
use crate::state::drop_quietly;

/// Why a value could not be encoded or decoded: a kind to match on, and a text that says what happened.
///
/// ```
/// use procession_task::{CodecErrorKind, Limits, decode};
///
/// let e = decode::<std::num::NonZeroU8>(&[0], &Limits::default()).unwrap_err();
/// assert_eq!(e.kind(), CodecErrorKind::Invalid);
/// assert!(e.to_string().contains("expected a nonzero u8"));
/// ```
#[derive(Clone)]
pub struct CodecError(Box<Repr>);

#[derive(Clone, Debug)]
struct Repr {
    kind: CodecErrorKind,
    text: String,
}

/// The kinds of [`CodecError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CodecErrorKind {
    /// The encoding is longer than the limit. While encoding, `size` is what had been reached when it stopped, so at least that.
    TooLarge {
        /// Bytes.
        size: u64,
        /// Bytes allowed.
        limit: u64,
    },
    /// Nested deeper than `Limits::max_depth`.
    Depth,
    /// Far more elements than bytes: more than 16 for each byte, and 1,024 more.
    Budget,
    /// The value was complete before the bytes were.
    Trailing,
    /// The bytes ended before the value was complete.
    Truncated,
    /// The bytes do not describe this type, or a `Serialize` or `Deserialize` refused.
    Invalid,
}

impl CodecError {
    /// What kind of error this is.
    #[must_use]
    pub fn kind(&self) -> CodecErrorKind {
        self.0.kind
    }

    /// The error of a value whose `Serialize` panicked with this.
    ///
    /// ```
    /// let e = procession_task::CodecError::panicked(Box::new("not today"));
    /// assert_eq!(e.to_string(), "its `Serialize` panicked: not today");
    /// ```
    #[cold]
    #[must_use]
    pub fn panicked(payload: Box<dyn Any + Send>) -> CodecError {
        let message = payload.downcast_ref::<String>().map(String::as_str);
        let error = match message.or_else(|| payload.downcast_ref::<&str>().copied()) {
            Some(message) => {
                CodecError::invalid(format_args!("its `Serialize` panicked: {message}"))
            }
            None => CodecError::invalid("its `Serialize` panicked"),
        };
        drop_quietly(payload);
        error
    }

    #[cold]
    pub(crate) fn new(kind: CodecErrorKind) -> CodecError {
        CodecError(Box::new(Repr {
            kind,
            text: String::new(),
        }))
    }

    #[cold]
    pub(super) fn too_large(size: usize, limit: usize) -> CodecError {
        CodecError::new(CodecErrorKind::TooLarge {
            size: size as u64,
            limit: limit as u64,
        })
    }

    #[cold]
    pub(super) fn depth(limit: u32) -> CodecError {
        let text = format!("nesting deeper than {limit}");
        CodecError(Box::new(Repr {
            kind: CodecErrorKind::Depth,
            text,
        }))
    }

    #[cold]
    pub(super) fn trailing(bytes: usize) -> CodecError {
        let text = match bytes {
            1 => "1 byte left over after the value".to_string(),
            n => format!("{n} bytes left over after the value"),
        };
        CodecError(Box::new(Repr {
            kind: CodecErrorKind::Trailing,
            text,
        }))
    }

    #[cold]
    pub(super) fn invalid(message: impl fmt::Display) -> CodecError {
        let text = text::message(&message.to_string());
        CodecError(Box::new(Repr {
            kind: CodecErrorKind::Invalid,
            text,
        }))
    }
}

/// postcard's own refusals, in this crate's words.
#[cold]
pub(super) fn from_postcard(error: postcard::Error) -> CodecError {
    use postcard::Error as P;
    match error {
        P::DeserializeUnexpectedEnd => CodecError::new(CodecErrorKind::Truncated),
        P::DeserializeBadVarint => CodecError::invalid("an integer does not fit its type"),
        P::DeserializeBadBool => CodecError::invalid("a bool is neither 0 nor 1"),
        P::DeserializeBadChar => CodecError::invalid("a char is not one Unicode character"),
        P::DeserializeBadUtf8 => CodecError::invalid("a string is not UTF-8"),
        P::DeserializeBadOption => CodecError::invalid("an option is neither absent nor present"),
        P::SerializeSeqLengthUnknown => {
            CodecError::invalid("a sequence or map does not know its length (a flattened struct?)")
        }
        P::CollectStrError => CodecError::invalid("a Display implementation returned an error"),
        other => CodecError::invalid(other),
    }
}

impl fmt::Display for CodecError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.kind {
            CodecErrorKind::TooLarge { limit, .. } => {
                write!(f, "larger than the limit of {limit} bytes")
            }
            CodecErrorKind::Budget => f.write_str("far more elements than bytes"),
            CodecErrorKind::Truncated => f.write_str("the value ended early"),
            CodecErrorKind::Depth | CodecErrorKind::Trailing | CodecErrorKind::Invalid => {
                f.write_str(&self.0.text)
            }
        }
    }
}

impl fmt::Debug for CodecError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CodecError({:?}: {self})", self.0.kind)
    }
}

impl std::error::Error for CodecError {}

impl serde::ser::Error for CodecError {
    fn custom<T: fmt::Display>(message: T) -> CodecError {
        CodecError::invalid(message)
    }
}

impl serde::de::Error for CodecError {
    fn custom<T: fmt::Display>(message: T) -> CodecError {
        CodecError::invalid(message)
    }
}
