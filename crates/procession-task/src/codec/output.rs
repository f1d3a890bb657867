//! Where encoded bytes go: a vector that refuses to grow past its limit; it must never hold more than was allowed.

use postcard::ser_flavors::Flavor;

use super::{CodecError, Limits, from_postcard};

/// The bytes written so far, and what bounds them. Unless they are kept, the vector is cut back, also when a `Serialize` panics.
pub(super) struct Output<'a> {
    pub(super) inner: postcard::Serializer<Bounded<'a>>,
    pub(super) elements: usize,
    pub(super) max_depth: u32,
}

/// A vector that refuses to grow past `end`.
pub(super) struct Bounded<'a> {
    out: &'a mut Vec<u8>,
    start: usize,
    end: usize,
    refused: usize,
    kept: bool,
}

impl<'a> Output<'a> {
    #[inline]
    pub(super) fn new(out: &'a mut Vec<u8>, limits: &Limits) -> Output<'a> {
        let start = out.len();
        let end = start.saturating_add(limits.max_bytes);
        let output = Bounded {
            out,
            start,
            end,
            refused: 0,
            kept: false,
        };
        Output {
            inner: postcard::Serializer { output },
            elements: 0,
            max_depth: limits.max_depth,
        }
    }

    /// How many bytes were written.
    #[inline]
    pub(super) fn written(&self) -> usize {
        self.inner.output.out.len() - self.inner.output.start
    }

    /// Keeps what was written.
    #[inline]
    pub(super) fn keep(mut self) {
        self.inner.output.kept = true;
    }

    /// A full output is known by its own note; every other refusal is postcard's.
    #[cold]
    pub(super) fn error(&self, error: postcard::Error) -> CodecError {
        let Bounded {
            start,
            end,
            refused,
            ..
        } = self.inner.output;
        match error {
            postcard::Error::SerializeBufferFull | postcard::Error::CollectStrError
                if refused > 0 =>
            {
                CodecError::too_large(refused - start, end - start)
            }
            other => from_postcard(other),
        }
    }
}

impl Drop for Bounded<'_> {
    #[inline]
    fn drop(&mut self) {
        if !self.kept {
            self.out.truncate(self.start);
        }
    }
}

impl Bounded<'_> {
    /// Writes a varint, seven bits a byte, the lowest first.
    #[inline]
    pub(super) fn varint(&mut self, mut value: u64) -> postcard::Result<()> {
        const LONGEST: usize = 10;
        if self.end - self.out.len() < LONGEST {
            return self.varint_near_the_end(value);
        }
        while value >= 0x80 {
            self.out.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.out.push(value as u8);
        Ok(())
    }

    /// Where the longest might not fit, whether this one does is known by its bytes.
    #[cold]
    fn varint_near_the_end(&mut self, mut value: u64) -> postcard::Result<()> {
        let mut bytes = Vec::new();
        while value >= 0x80 {
            bytes.push(value as u8 | 0x80);
            value >>= 7;
        }
        bytes.push(value as u8);
        self.try_extend(&bytes)
    }

    #[cold]
    fn refuse(&mut self, more: usize) -> postcard::Error {
        self.refused = self.out.len().saturating_add(more);
        postcard::Error::SerializeBufferFull
    }
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
