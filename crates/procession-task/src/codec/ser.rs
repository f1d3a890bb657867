//! The encoder: postcard's, under a count of levels; it must not buffer.

use std::fmt::Display;

use serde::Serialize;
use serde::ser;

use super::output::Output;
use super::{CodecError, from_postcard};
use crate::bytes::APART_FROM;

type Result<T> = std::result::Result<T, CodecError>;

/// One level of the value being written.
pub(super) struct Serializer<'o, 'a> {
    output: &'o mut Output<'a>,
    /// Levels allowed below this one.
    left: u32,
}

impl<'o, 'a> Serializer<'o, 'a> {
    #[inline]
    pub(super) fn new(output: &'o mut Output<'a>) -> Serializer<'o, 'a> {
        let left = output.max_depth;
        Serializer { output, left }
    }

    #[inline]
    fn down(self) -> Result<Serializer<'o, 'a>> {
        match self.left.checked_sub(1) {
            Some(left) => Ok(Serializer {
                output: self.output,
                left,
            }),
            None => Err(CodecError::depth(self.output.max_depth)),
        }
    }

    #[inline]
    fn part(&mut self) -> Serializer<'_, 'a> {
        Serializer {
            output: self.output,
            left: self.left,
        }
    }

    #[inline]
    fn variant(&mut self, index: u32) -> Result<()> {
        ser::Serializer::serialize_u32(self.part(), index)
    }

    #[inline]
    fn length(&mut self, len: Option<usize>) -> Result<()> {
        let Some(len) = len else {
            return Err(from_postcard(postcard::Error::SerializeSeqLengthUnknown));
        };
        self.output.elements = self.output.elements.saturating_add(len);
        ser::Serializer::serialize_u64(self.part(), len as u64)
    }
}

macro_rules! leaves {
    ($($method:ident($($arg:ident: $type:ty),*);)*) => {$(
        #[inline(always)]
        fn $method(self, $($arg: $type),*) -> Result<()> {
            match ser::Serializer::$method(&mut self.output.inner, $($arg),*) {
                Ok(()) => Ok(()),
                Err(e) => Err(self.output.error(e)),
            }
        }
    )*};
}

/// Integers of up to 64 bits, as postcard writes them, without its detour over a buffer of the longest.
macro_rules! integers {
    ($($method:ident($arg:ident: $type:ty) => $unsigned:expr;)*) => {$(
        #[inline(always)]
        fn $method(self, $arg: $type) -> Result<()> {
            self.output.inner.output.varint($unsigned)
        }
    )*};
}

/// A small number of either sign as a small one.
#[inline]
fn zigzag(v: i64) -> u64 {
    ((v << 1) ^ (v >> 63)) as u64
}

impl ser::Serializer for Serializer<'_, '_> {
    type Ok = ();
    type Error = CodecError;
    type SerializeSeq = Self;
    type SerializeTuple = Self;
    type SerializeTupleStruct = Self;
    type SerializeTupleVariant = Self;
    type SerializeMap = Self;
    type SerializeStruct = Self;
    type SerializeStructVariant = Self;

    leaves! {
        serialize_bool(v: bool);
        serialize_i8(v: i8);
        serialize_i128(v: i128);
        serialize_u8(v: u8);
        serialize_u128(v: u128);
        serialize_f32(v: f32);
        serialize_f64(v: f64);
        serialize_char(v: char);
        serialize_str(v: &str);
        serialize_none();
        serialize_unit();
        serialize_unit_struct(name: &'static str);
        serialize_unit_variant(name: &'static str, index: u32, variant: &'static str);
    }

    integers! {
        serialize_i16(v: i16) => zigzag(v.into());
        serialize_i32(v: i32) => zigzag(v.into());
        serialize_i64(v: i64) => zigzag(v);
        serialize_u16(v: u16) => v.into();
        serialize_u32(v: u32) => v.into();
        serialize_u64(v: u64) => v;
    }

    #[inline(always)]
    fn serialize_bytes(self, v: &[u8]) -> Result<()> {
        if v.len() >= APART_FROM {
            return self.output.long_bytes(v);
        }
        match ser::Serializer::serialize_bytes(&mut self.output.inner, v) {
            Ok(()) => Ok(()),
            Err(e) => Err(self.output.error(e)),
        }
    }

    #[inline]
    fn is_human_readable(&self) -> bool {
        false
    }

    #[inline]
    fn collect_str<T: Display + ?Sized>(self, value: &T) -> Result<()> {
        match ser::Serializer::collect_str(&mut self.output.inner, value) {
            Ok(()) => Ok(()),
            Err(e) => Err(self.output.error(e)),
        }
    }

    #[inline]
    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<()> {
        let mut below = self.down()?;
        ser::Serializer::serialize_u8(below.part(), 1)?;
        value.serialize(below)
    }

    #[inline]
    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<()> {
        value.serialize(self.down()?)
    }

    #[inline]
    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        index: u32,
        _: &'static str,
        value: &T,
    ) -> Result<()> {
        let mut below = self.down()?;
        below.variant(index)?;
        value.serialize(below)
    }

    #[inline]
    fn serialize_seq(self, len: Option<usize>) -> Result<Self> {
        let mut below = self.down()?;
        below.length(len)?;
        Ok(below)
    }

    #[inline]
    fn serialize_tuple(self, _: usize) -> Result<Self> {
        self.down()
    }

    #[inline]
    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Self> {
        self.down()
    }

    #[inline]
    fn serialize_tuple_variant(
        self,
        _: &'static str,
        index: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self> {
        let mut below = self.down()?;
        below.variant(index)?;
        Ok(below)
    }

    #[inline]
    fn serialize_map(self, len: Option<usize>) -> Result<Self> {
        self.serialize_seq(len)
    }

    #[inline]
    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Self> {
        self.down()
    }

    #[inline]
    fn serialize_struct_variant(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
        len: usize,
    ) -> Result<Self> {
        self.serialize_tuple_variant(name, index, variant, len)
    }
}

macro_rules! compound {
    ($($kind:ident { $($method:ident($($key:ident)?);)* })*) => {$(
        impl ser::$kind for Serializer<'_, '_> {
            type Ok = ();
            type Error = CodecError;
            $(
                #[inline]
                fn $method<T: Serialize + ?Sized>(&mut self, $($key: &'static str,)? value: &T) -> Result<()> {
                    $(let _ = $key;)?
                    value.serialize(self.part())
                }
            )*
            #[inline]
            fn end(self) -> Result<()> {
                Ok(())
            }
        }
    )*};
}

compound! {
    SerializeSeq { serialize_element(); }
    SerializeTuple { serialize_element(); }
    SerializeTupleStruct { serialize_field(); }
    SerializeTupleVariant { serialize_field(); }
    SerializeMap { serialize_key(); serialize_value(); }
    SerializeStruct { serialize_field(key); }
    SerializeStructVariant { serialize_field(key); }
}
