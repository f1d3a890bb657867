//! Values to bytes and back, within limits; it must not panic, loop or allocate at the sender's choice.
//!
//! The format is postcard's. What this file adds is a bound on everything the bytes could ask for, and errors that say what happened.

mod de;
mod error;
mod input;
mod output;
mod ser;

pub use error::{CodecError, CodecErrorKind};

use std::panic::{AssertUnwindSafe, catch_unwind};

use error::from_postcard;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::bytes::Pieces;

/// How much a value may ask for.
///
/// The default is 1 GiB of bytes and 128 levels of nesting.
///
/// ```
/// let limits = procession_task::Limits::default();
/// assert_eq!(limits.max_bytes, 1 << 30);
/// assert_eq!(limits.max_depth, 128);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The longest encoding, in bytes. Encoding stops here, before more is allocated.
    pub max_bytes: usize,
    /// The deepest nesting. Every tuple, struct, sequence, map, `Some` and enum payload is one level.
    pub max_depth: u32,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            max_bytes: 1 << 30,
            max_depth: 128,
        }
    }
}

/// How many elements `bytes` of input may declare: elements without bytes of their own (`Vec<()>`) are bounded by this alone.
const fn element_budget(bytes: usize) -> usize {
    bytes.saturating_mul(16).saturating_add(1024)
}

/// Appends the encoding of `value` to `out`. What encodes within `limits` also decodes within them.
///
/// # Errors
/// `TooLarge` when it would be longer than `limits.max_bytes`, `Depth` when it nests deeper than `limits.max_depth`, `Budget` when it has far more
/// elements than bytes, `Invalid` when the value's own `Serialize` refuses. `out` is then as it was.
///
/// ```
/// use procession_task::{CodecErrorKind, Limits, encode};
///
/// let mut out = vec![9];
/// encode(&(300u32, "hi"), &mut out, &Limits::default())?;
/// assert_eq!(out, [9, 0xac, 0x02, 2, b'h', b'i']);
///
/// let small = Limits { max_bytes: 100, ..Limits::default() };
/// let e = encode("x".repeat(1000).as_str(), &mut out, &small).unwrap_err();
/// assert!(matches!(e.kind(), CodecErrorKind::TooLarge { limit: 100, .. }));
/// assert_eq!(e.to_string(), "larger than the limit of 100 bytes");
/// assert_eq!(out.len(), 6);
/// # Ok::<(), procession_task::CodecError>(())
/// ```
#[inline]
pub fn encode<T: Serialize + ?Sized>(
    value: &T,
    out: &mut Vec<u8>,
    limits: &Limits,
) -> Result<(), CodecError> {
    encode_to(value, output::Output::new(out, None, limits))
}

/// As [`encode`], but a long [`Bytes`](crate::Bytes) in the value is noted in `pieces` instead of being copied.
///
/// # Errors
/// As [`encode`]; `pieces` is then as it was, too.
///
/// ```
/// use procession_task::bytes::Pieces;
/// use procession_task::codec::encode_apart;
/// use procession_task::{Bytes, Limits};
///
/// let (mut out, mut pieces) = (Vec::new(), Pieces::default());
/// encode_apart(&Bytes::from(vec![7; 100_000]), &mut out, &mut pieces, &Limits::default())?;
/// assert_eq!((out.len(), pieces.bytes()), (3, 100_000));
/// # Ok::<(), procession_task::CodecError>(())
/// ```
#[inline]
pub fn encode_apart<T: Serialize + ?Sized>(
    value: &T,
    out: &mut Vec<u8>,
    pieces: &mut Pieces,
    limits: &Limits,
) -> Result<(), CodecError> {
    encode_to(value, output::Output::new(out, Some(pieces), limits))
}

#[inline(always)]
fn encode_to<T: Serialize + ?Sized>(
    value: &T,
    mut output: output::Output<'_>,
) -> Result<(), CodecError> {
    value.serialize(ser::Serializer::new(&mut output))?;
    if output.elements > 0 && output.elements > element_budget(output.written()) {
        return Err(CodecError::new(CodecErrorKind::Budget));
    }
    output.keep();
    Ok(())
}

/// Runs an encoding, of which a `Serialize` that panics is an error too, with the panic's message.
///
/// # Errors
/// What `encode` returns, and `Invalid` when it panics. What it was writing to is then as a `Serialize` that panics leaves it:
/// for [`encode`] that is as it was.
///
/// ```
/// use procession_task::codec::{encode, guarded};
/// use procession_task::{CodecErrorKind, Limits};
///
/// struct Shy;
/// impl serde::Serialize for Shy {
///     fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
///         panic!("not today")
///     }
/// }
/// let mut out = vec![9];
/// let e = guarded(|| encode(&(1u8, Shy), &mut out, &Limits::default())).unwrap_err();
/// assert_eq!(e.kind(), CodecErrorKind::Invalid);
/// assert_eq!(e.to_string(), "its `Serialize` panicked: not today");
/// assert_eq!(out, [9]);
/// ```
#[inline]
pub fn guarded(encode: impl FnOnce() -> Result<(), CodecError>) -> Result<(), CodecError> {
    catch_unwind(AssertUnwindSafe(encode))
        .unwrap_or_else(|payload| Err(CodecError::panicked(payload)))
}

/// Decodes one value that takes up all of `bytes`.
///
/// # Errors
/// `TooLarge` when there are more bytes than `limits.max_bytes`, `Truncated` when the value ended early, `Trailing` when bytes are left over, `Depth` and
/// `Budget` when the bytes nest deeper or declare more elements than allowed, `Invalid` when they do not describe a `T`.
///
/// ```
/// use procession_task::{CodecErrorKind, Limits, decode};
///
/// let limits = Limits::default();
/// assert_eq!(decode::<(u32, String)>(&[0xac, 0x02, 2, b'h', b'i'], &limits)?, (300, "hi".to_string()));
///
/// let e = decode::<String>(&[2, b'h'], &limits).unwrap_err();
/// assert_eq!((e.kind(), e.to_string().as_str()), (CodecErrorKind::Truncated, "the value ended early"));
/// let e = decode::<u8>(&[1, 2, 3, 4], &limits).unwrap_err();
/// assert_eq!((e.kind(), e.to_string().as_str()), (CodecErrorKind::Trailing, "3 bytes left over after the value"));
/// let e = decode::<bool>(&[7], &limits).unwrap_err();
/// assert_eq!(e.kind(), CodecErrorKind::Invalid);
/// # Ok::<(), procession_task::CodecError>(())
/// ```
#[inline]
pub fn decode<T: DeserializeOwned>(bytes: &[u8], limits: &Limits) -> Result<T, CodecError> {
    if bytes.len() > limits.max_bytes {
        return Err(CodecError::too_large(bytes.len(), limits.max_bytes));
    }
    let mut input = input::Input::new(bytes, limits.max_depth);
    let value = T::deserialize(de::Deserializer::new(&mut input))?;
    match input.left_over() {
        0 => Ok(value),
        extra => Err(CodecError::trailing(extra)),
    }
}
