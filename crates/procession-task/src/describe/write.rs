//! The walk over a value that writes it as `{:?}` would; it must stop at a depth and where the text is full.

use std::fmt::Write;

use serde::Serialize;
use serde::ser::{self, Serializer};

use super::{Stop, Text};

/// Levels below the error that are written.
const DEEPEST: u32 = 32;

type Outcome = Result<(), Stop>;

/// Writes one value.
pub(super) struct Writer<'a>(pub(super) &'a mut Text);

/// Writes the parts of one value, up to what closes it.
pub(super) struct Parts<'a> {
    text: &'a mut Text,
    close: &'static str,
    any: bool,
}

impl<'a> Writer<'a> {
    fn plain(self, value: impl std::fmt::Debug) -> Outcome {
        Ok(write!(self.0, "{value:?}")?)
    }

    fn open(self, name: &str, open: &str, close: &'static str) -> Result<Parts<'a>, Stop> {
        if self.0.depth == DEEPEST {
            return Err(Stop);
        }
        self.0.depth += 1;
        self.0.write_str(name)?;
        self.0.write_str(open)?;
        Ok(Parts {
            text: self.0,
            close,
            any: false,
        })
    }

    fn wrap<T: ?Sized + Serialize>(self, name: &str, value: &T) -> Outcome {
        let mut parts = self.open(name, "(", ")")?;
        parts.part("", value)?;
        parts.close()
    }
}

impl Parts<'_> {
    fn part<T: ?Sized + Serialize>(&mut self, name: &str, value: &T) -> Outcome {
        if self.any {
            self.text.write_str(", ")?;
        }
        self.any = true;
        if !name.is_empty() {
            write!(self.text, "{name}: ")?;
        }
        value.serialize(Writer(self.text))
    }

    fn close(self) -> Outcome {
        self.text.depth -= 1;
        Ok(self.text.write_str(self.close)?)
    }
}

macro_rules! plain {
    ($($name:ident: $kind:ty;)*) => {
        $(fn $name(self, value: $kind) -> Outcome { self.plain(value) })*
    };
}

impl<'a> Serializer for Writer<'a> {
    type Ok = ();
    type Error = Stop;
    type SerializeSeq = Parts<'a>;
    type SerializeTuple = Parts<'a>;
    type SerializeTupleStruct = Parts<'a>;
    type SerializeTupleVariant = Parts<'a>;
    type SerializeMap = Parts<'a>;
    type SerializeStruct = Parts<'a>;
    type SerializeStructVariant = Parts<'a>;

    plain! {
        serialize_bool: bool;
        serialize_i8: i8;
        serialize_i16: i16;
        serialize_i32: i32;
        serialize_i64: i64;
        serialize_i128: i128;
        serialize_u8: u8;
        serialize_u16: u16;
        serialize_u32: u32;
        serialize_u64: u64;
        serialize_u128: u128;
        serialize_f32: f32;
        serialize_f64: f64;
        serialize_char: char;
        serialize_str: &str;
        serialize_bytes: &[u8];
    }

    fn serialize_none(self) -> Outcome {
        Ok(self.0.write_str("None")?)
    }

    fn serialize_some<T: ?Sized + Serialize>(self, value: &T) -> Outcome {
        self.wrap("Some", value)
    }

    fn serialize_unit(self) -> Outcome {
        Ok(self.0.write_str("()")?)
    }

    fn serialize_unit_struct(self, name: &'static str) -> Outcome {
        Ok(self.0.write_str(name)?)
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, variant: &'static str) -> Outcome {
        Ok(self.0.write_str(variant)?)
    }

    fn serialize_newtype_struct<T: ?Sized + Serialize>(
        self,
        name: &'static str,
        value: &T,
    ) -> Outcome {
        self.wrap(name, value)
    }

    fn serialize_newtype_variant<T: ?Sized + Serialize>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Outcome {
        self.wrap(variant, value)
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Parts<'a>, Stop> {
        self.open("", "[", "]")
    }

    fn serialize_tuple(self, _: usize) -> Result<Parts<'a>, Stop> {
        self.open("", "(", ")")
    }

    fn serialize_tuple_struct(self, name: &'static str, _: usize) -> Result<Parts<'a>, Stop> {
        self.open(name, "(", ")")
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Parts<'a>, Stop> {
        self.open(variant, "(", ")")
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Parts<'a>, Stop> {
        self.open("", "{", "}")
    }

    fn serialize_struct(self, name: &'static str, _: usize) -> Result<Parts<'a>, Stop> {
        self.open(name, " { ", " }")
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Parts<'a>, Stop> {
        self.open(variant, " { ", " }")
    }
}

macro_rules! unnamed {
    ($($kind:ident: $method:ident;)*) => {
        $(impl ser::$kind for Parts<'_> {
            type Ok = ();
            type Error = Stop;

            fn $method<T: ?Sized + Serialize>(&mut self, value: &T) -> Outcome {
                self.part("", value)
            }

            fn end(self) -> Outcome {
                self.close()
            }
        })*
    };
}

macro_rules! named {
    ($($kind:ident;)*) => {
        $(impl ser::$kind for Parts<'_> {
            type Ok = ();
            type Error = Stop;

            fn serialize_field<T: ?Sized + Serialize>(
                &mut self,
                name: &'static str,
                value: &T,
            ) -> Outcome {
                self.part(name, value)
            }

            fn end(self) -> Outcome {
                self.close()
            }
        })*
    };
}

unnamed! {
    SerializeSeq: serialize_element;
    SerializeTuple: serialize_element;
    SerializeTupleStruct: serialize_field;
    SerializeTupleVariant: serialize_field;
}

named! {
    SerializeStruct;
    SerializeStructVariant;
}

impl ser::SerializeMap for Parts<'_> {
    type Ok = ();
    type Error = Stop;

    fn serialize_key<T: ?Sized + Serialize>(&mut self, key: &T) -> Outcome {
        self.part("", key)
    }

    fn serialize_value<T: ?Sized + Serialize>(&mut self, value: &T) -> Outcome {
        self.text.write_str(": ")?;
        value.serialize(Writer(self.text))
    }

    fn end(self) -> Outcome {
        self.close()
    }
}
