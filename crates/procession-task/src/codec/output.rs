//! Where encoded bytes go: a vector that refuses to grow past its limit; it must never hold more than was allowed.

use postcard::ser_flavors::Flavor;

use super::{CodecError, Limits, from_postcard};
use crate::bytes::{Pieces, take_offered};

/// The bytes written so far, and what bounds them. Unless they are kept, the vector is cut back, also when a `Serialize` panics.
pub(super) struct Output<'a> {
    pub(super) inner: postcard::Serializer<Bounded<'a>>,
    pub(super) elements: usize,
    pub(super) max_depth: u32,
    /// Where long byte strings may be left, and how many were there before.
    apart: Option<(&'a mut Pieces, usize)>,
}

/// A vector that refuses to grow past `end`.
pub(super) struct Bounded<'a> {
    out: &'a mut Vec<u8>,
    start: usize,
    end: usize,
    /// Bytes that count and lie elsewhere.
    apart: usize,
    refused: usize,
    kept: bool,
}

impl<'a> Output<'a> {
    #[inline]
    pub(super) fn new(
        out: &'a mut Vec<u8>,
        pieces: Option<&'a mut Pieces>,
        limits: &Limits,
    ) -> Output<'a> {
        let start = out.len();
        let end = start.saturating_add(limits.max_bytes);
        let output = Bounded {
            out,
            start,
            end,
            apart: 0,
            refused: 0,
            kept: false,
        };
        Output {
            inner: postcard::Serializer { output },
            elements: 0,
            max_depth: limits.max_depth,
            apart: pieces.map(|pieces| {
                let before = pieces.count();
                (pieces, before)
            }),
        }
    }

    /// How many bytes were written.
    #[inline]
    pub(super) fn written(&self) -> usize {
        let output = &self.inner.output;
        output.out.len() - output.start + output.apart
    }

    /// Keeps what was written.
    #[inline]
    pub(super) fn keep(mut self) {
        self.inner.output.kept = true;
    }

    /// Writes a byte string that may be left where it is.
    #[cold]
    pub(super) fn long_bytes(&mut self, bytes: &[u8]) -> Result<(), CodecError> {
        if self.leave_apart(bytes)? {
            return Ok(());
        }
        serde::Serializer::serialize_bytes(&mut self.inner, bytes).map_err(|e| self.error(e))
    }

    /// Leaves a byte string where it is, with its length in the output; false when it has to be copied.
    fn leave_apart(&mut self, bytes: &[u8]) -> Result<bool, CodecError> {
        let Some((pieces, _)) = &mut self.apart else {
            return Ok(false);
        };
        let Some(piece) = take_offered(bytes) else {
            return Ok(false);
        };
        let output = &mut self.inner.output;
        output.varint(bytes.len() as u64)?;
        if bytes.len() > output.end - output.out.len() {
            return Err(output.bounds().refuse(output.out.len(), bytes.len()));
        }
        output.end -= bytes.len();
        output.apart += bytes.len();
        pieces.push(output.out.len(), piece);
        Ok(true)
    }

    /// A full output is known by its own note; every other refusal is postcard's.
    #[cold]
    pub(super) fn error(&self, error: postcard::Error) -> CodecError {
        let output = &self.inner.output;
        match error {
            postcard::Error::SerializeBufferFull | postcard::Error::CollectStrError
                if output.refused > 0 =>
            {
                output.bounds().refuse(output.refused, 0)
            }
            other => from_postcard(other),
        }
    }
}

impl Drop for Output<'_> {
    #[inline]
    fn drop(&mut self) {
        let output = &mut self.inner.output;
        if !output.kept {
            output.out.truncate(output.start);
            if let Some((pieces, before)) = &mut self.apart {
                pieces.truncate(*before);
            }
        }
    }
}

impl Bounded<'_> {
    /// Writes a varint, seven bits a byte, the lowest first.
    #[inline]
    pub(super) fn varint(&mut self, value: u64) -> Result<(), CodecError> {
        const SHORT: usize = 4;
        if value >= 1 << (7 * SHORT) || self.end - self.out.len() < SHORT {
            return long_varint(value, self.out, self.bounds());
        }
        let (bytes, len) = spread(value as u32);
        // A store of known length, of which the end is not kept.
        let end = self.out.len() + len;
        self.out.extend_from_slice(&bytes);
        self.out.truncate(end);
        Ok(())
    }

    #[inline]
    fn bounds(&self) -> Bounds {
        Bounds {
            start: self.start,
            end: self.end,
            apart: self.apart,
        }
    }

    #[inline]
    fn refuse(&mut self, more: usize) -> postcard::Error {
        self.refused = self.out.len().saturating_add(more);
        postcard::Error::SerializeBufferFull
    }
}

/// What [`Bounded`] keeps to. By value, because of an output that is referred to nothing is held in registers.
#[derive(Clone, Copy)]
struct Bounds {
    start: usize,
    end: usize,
    apart: usize,
}

impl Bounds {
    #[cold]
    fn refuse(self, written: usize, more: usize) -> CodecError {
        let size = written.saturating_add(more) - self.start + self.apart;
        CodecError::too_large(size, self.end - self.start + self.apart)
    }
}

/// As [`varint`](Bounded::varint), for one that is long or may not fit.
#[inline(never)]
fn long_varint(mut value: u64, out: &mut Vec<u8>, bounds: Bounds) -> Result<(), CodecError> {
    const LONGEST: usize = 10;
    let (mut bytes, mut len) = ([0; LONGEST], 0);
    for byte in &mut bytes {
        len += 1;
        *byte = value as u8 & 0x7f;
        value >>= 7;
        if value == 0 {
            break;
        }
        *byte |= 0x80;
    }
    if len > bounds.end - out.len() {
        return Err(bounds.refuse(out.len(), len));
    }
    out.extend_from_slice(bytes.get(..len).unwrap_or_default());
    Ok(())
}

/// The varint of a value of at most 28 bits, and its length: seven bits a byte, and a mark in all but the last.
#[inline]
fn spread(value: u32) -> ([u8; 4], usize) {
    let part = |at: u32| value << at & 0x7f << (8 * at);
    let bytes = part(0) | part(1) | part(2) | part(3);
    let longer = |than: u32| usize::from(value >> (7 * than) > 0);
    let len = 1 + longer(1) + longer(2) + longer(3);
    let marks = 0x0080_8080 >> (8 * (4 - len));
    ((bytes | marks).to_le_bytes(), len)
}

impl Flavor for Bounded<'_> {
    type Output = ();

    #[inline]
    fn try_push(&mut self, byte: u8) -> postcard::Result<()> {
        if self.out.len() >= self.end {
            return Err(self.refuse(1));
        }
        self.out.push(byte);
        Ok(())
    }

    #[inline]
    fn try_extend(&mut self, bytes: &[u8]) -> postcard::Result<()> {
        if bytes.len() > self.end - self.out.len() {
            return Err(self.refuse(bytes.len()));
        }
        // A length known when this is compiled is a store or two; a call of memcpy costs more than a short number.
        match bytes {
            [a] => self.out.extend_from_slice(&[*a]),
            [a, b] => self.out.extend_from_slice(&[*a, *b]),
            [a, b, c] => self.out.extend_from_slice(&[*a, *b, *c]),
            [a, b, c, d] => self.out.extend_from_slice(&[*a, *b, *c, *d]),
            _ => self.out.extend_from_slice(bytes),
        }
        Ok(())
    }

    fn finalize(self) -> postcard::Result<()> {
        Ok(())
    }
}
