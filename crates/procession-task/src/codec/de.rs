//! The decoder: postcard's leaves under a count of levels and of elements; it must not recurse deeper than allowed.
//!
//! postcard reads every integer, string and byte string. What contains others is walked here, because postcard itself bounds neither
//! nesting nor elements without bytes, and drops the message of a refusing `Deserialize`.

use serde::de::{self, DeserializeSeed, IntoDeserializer, Visitor};

use super::input::Input;
use super::{CodecError, from_postcard};

type Result<T> = std::result::Result<T, CodecError>;

/// One level of the value being read.
pub(super) struct Deserializer<'i, 'de> {
    input: &'i mut Input<'de>,
    /// Levels allowed below this one.
    left: u32,
}

impl<'i, 'de> Deserializer<'i, 'de> {
    #[inline]
    pub(super) fn new(input: &'i mut Input<'de>) -> Deserializer<'i, 'de> {
        let left = input.max_depth;
        Deserializer { input, left }
    }

    #[inline]
    fn down(self) -> Result<Deserializer<'i, 'de>> {
        match self.left.checked_sub(1) {
            Some(left) => Ok(Deserializer {
                input: self.input,
                left,
            }),
            None => Err(CodecError::depth(self.input.max_depth)),
        }
    }

    #[inline]
    fn part(&mut self) -> Deserializer<'_, 'de> {
        Deserializer {
            input: self.input,
            left: self.left,
        }
    }

    /// A tuple or struct: `len` is the type's own, yet it multiplies with what the bytes declare around it.
    #[inline]
    fn fixed<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value> {
        const FREE: usize = 64;
        let level = self.down()?;
        if len > FREE {
            level.input.pay(len - FREE)?;
        }
        visitor.visit_seq(Elements { level, left: len })
    }
}

macro_rules! leaves {
    ($($method:ident => $type:ty, $visit:ident;)*) => {$(
        #[inline(always)]
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
            visitor.$visit(self.input.leaf::<$type>()?)
        }
    )*};
}

impl<'de> de::Deserializer<'de> for Deserializer<'_, 'de> {
    type Error = CodecError;

    leaves! {
        deserialize_bool => bool, visit_bool;
        deserialize_i8 => i8, visit_i8;
        deserialize_i16 => i16, visit_i16;
        deserialize_i32 => i32, visit_i32;
        deserialize_i64 => i64, visit_i64;
        deserialize_i128 => i128, visit_i128;
        deserialize_u8 => u8, visit_u8;
        deserialize_u16 => u16, visit_u16;
        deserialize_u32 => u32, visit_u32;
        deserialize_u64 => u64, visit_u64;
        deserialize_u128 => u128, visit_u128;
        deserialize_f32 => f32, visit_f32;
        deserialize_f64 => f64, visit_f64;
        deserialize_char => char, visit_char;
        deserialize_str => &'de str, visit_borrowed_str;
        deserialize_string => &'de str, visit_borrowed_str;
        deserialize_bytes => &'de [u8], visit_borrowed_bytes;
        deserialize_byte_buf => &'de [u8], visit_borrowed_bytes;
    }

    #[inline]
    fn is_human_readable(&self) -> bool {
        false
    }

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value> {
        Err(CodecError::invalid(
            "the type asks for a self-describing format (an untagged or internally tagged enum, or a flattened field?)",
        ))
    }

    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        self.deserialize_any(visitor)
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        self.deserialize_any(visitor)
    }

    #[inline]
    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        match self.input.leaf::<u8>()? {
            0 => visitor.visit_none(),
            1 => visitor.visit_some(self.down()?),
            _ => Err(from_postcard(postcard::Error::DeserializeBadOption)),
        }
    }

    #[inline]
    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        visitor.visit_unit()
    }

    #[inline]
    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value> {
        visitor.visit_unit()
    }

    #[inline]
    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value> {
        visitor.visit_newtype_struct(self.down()?)
    }

    #[inline]
    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        let level = self.down()?;
        let left = level.input.length()?;
        visitor.visit_seq(Elements { level, left })
    }

    #[inline]
    fn deserialize_tuple<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value> {
        self.fixed(len, visitor)
    }

    #[inline]
    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        len: usize,
        visitor: V,
    ) -> Result<V::Value> {
        self.fixed(len, visitor)
    }

    #[inline]
    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        let level = self.down()?;
        let left = level.input.length()?;
        visitor.visit_map(Elements { level, left })
    }

    #[inline]
    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value> {
        self.fixed(fields.len(), visitor)
    }

    #[inline]
    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value> {
        visitor.visit_enum(self)
    }
}

/// The parts of a sequence, tuple, struct or map, in order.
struct Elements<'i, 'de> {
    level: Deserializer<'i, 'de>,
    left: usize,
}

impl Elements<'_, '_> {
    /// No element count can be trusted beyond the bytes there are.
    #[inline]
    fn hint(&self) -> Option<usize> {
        Some(self.left.min(self.level.input.len))
    }
}

impl<'de> de::SeqAccess<'de> for Elements<'_, 'de> {
    type Error = CodecError;

    #[inline]
    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>> {
        if self.left == 0 {
            return Ok(None);
        }
        self.left -= 1;
        seed.deserialize(self.level.part()).map(Some)
    }

    #[inline]
    fn size_hint(&self) -> Option<usize> {
        self.hint()
    }
}

impl<'de> de::MapAccess<'de> for Elements<'_, 'de> {
    type Error = CodecError;

    #[inline]
    fn next_key_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>> {
        de::SeqAccess::next_element_seed(self, seed)
    }

    #[inline]
    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value> {
        seed.deserialize(self.level.part())
    }

    #[inline]
    fn size_hint(&self) -> Option<usize> {
        self.hint()
    }
}

impl<'i, 'de> de::EnumAccess<'de> for Deserializer<'i, 'de> {
    type Error = CodecError;
    type Variant = Deserializer<'i, 'de>;

    #[inline]
    fn variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<(S::Value, Self::Variant)> {
        let index: u32 = self.input.leaf()?;
        let index: de::value::U32Deserializer<CodecError> = index.into_deserializer();
        Ok((seed.deserialize(index)?, self))
    }
}

impl<'de> de::VariantAccess<'de> for Deserializer<'_, 'de> {
    type Error = CodecError;

    #[inline]
    fn unit_variant(self) -> Result<()> {
        Ok(())
    }

    #[inline]
    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value> {
        seed.deserialize(self.down()?)
    }

    #[inline]
    fn tuple_variant<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value> {
        self.fixed(len, visitor)
    }

    #[inline]
    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value> {
        self.fixed(fields.len(), visitor)
    }
}
