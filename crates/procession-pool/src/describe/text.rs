//! A value as text, by its `Serialize`: as Rust would write it, up to a length. It must never keep what is beyond that.

use std::fmt;

use serde::{Serialize, ser};

/// The text of `value`, of at most `most` characters, and a sign when that is not all.
pub(super) fn of<T: Serialize + ?Sized>(value: &T, most: usize) -> String {
    let mut text = Text {
        out: String::new(),
        left: most,
    };
    if value.serialize(&mut text).is_err() {
        text.out.push('…');
    }
    text.out
}

struct Text {
    out: String,
    left: usize,
}

/// There is no room left, or the value refuses.
#[derive(Debug)]
struct Stop;

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the text ends here")
    }
}

impl std::error::Error for Stop {}

impl ser::Error for Stop {
    fn custom<T: fmt::Display>(_: T) -> Stop {
        Stop
    }
}

impl fmt::Write for Text {
    fn write_str(&mut self, s: &str) -> fmt::Result {
        for c in s.chars() {
            self.left = self.left.checked_sub(1).ok_or(fmt::Error)?;
            self.out.push(c);
        }
        Ok(())
    }
}

impl Text {
    fn put(&mut self, what: impl fmt::Display) -> Result<(), Stop> {
        fmt::Write::write_fmt(self, format_args!("{what}")).map_err(|_| Stop)
    }

    fn group(&mut self, open: &str, close: &'static str) -> Result<Group<'_>, Stop> {
        self.put(open)?;
        Ok(Group {
            text: self,
            begun: false,
            close,
        })
    }

    fn named(&mut self, name: &str, open: &str, close: &'static str) -> Result<Group<'_>, Stop> {
        self.put(name)?;
        self.group(open, close)
    }
}

/// A sequence, tuple, map or struct under way.
struct Group<'a> {
    text: &'a mut Text,
    begun: bool,
    close: &'static str,
}

impl Group<'_> {
    fn next(&mut self) -> Result<&mut Text, Stop> {
        if self.begun {
            self.text.put(", ")?;
        }
        self.begun = true;
        Ok(self.text)
    }

    fn element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Stop> {
        value.serialize(self.next()?)
    }

    fn field<T: Serialize + ?Sized>(&mut self, key: &str, value: &T) -> Result<(), Stop> {
        let text = self.next()?;
        text.put(key)?;
        text.put(": ")?;
        value.serialize(text)
    }

    fn close(self) -> Result<(), Stop> {
        self.text.put(self.close)
    }
}

macro_rules! plain {
    ($($method:ident $type:ty),*) => {$(
        fn $method(self, value: $type) -> Result<(), Stop> {
            self.put(value)
        }
    )*};
}

impl<'a> ser::Serializer for &'a mut Text {
    type Ok = ();
    type Error = Stop;
    type SerializeSeq = Group<'a>;
    type SerializeTuple = Group<'a>;
    type SerializeTupleStruct = Group<'a>;
    type SerializeTupleVariant = Group<'a>;
    type SerializeMap = Group<'a>;
    type SerializeStruct = Group<'a>;
    type SerializeStructVariant = Group<'a>;

    plain! {
        serialize_bool bool, serialize_i8 i8, serialize_i16 i16, serialize_i32 i32, serialize_i64 i64,
        serialize_i128 i128, serialize_u8 u8, serialize_u16 u16, serialize_u32 u32, serialize_u64 u64,
        serialize_u128 u128
    }

    fn serialize_f32(self, value: f32) -> Result<(), Stop> {
        self.put(format_args!("{value:?}"))
    }

    fn serialize_f64(self, value: f64) -> Result<(), Stop> {
        self.put(format_args!("{value:?}"))
    }

    fn serialize_char(self, value: char) -> Result<(), Stop> {
        self.put(format_args!("{value:?}"))
    }

    fn serialize_str(self, value: &str) -> Result<(), Stop> {
        self.put('"')?;
        for c in value.chars() {
            self.put(c.escape_debug())?;
        }
        self.put('"')
    }

    fn serialize_bytes(self, value: &[u8]) -> Result<(), Stop> {
        self.put("b\"")?;
        for byte in value {
            self.put(std::ascii::escape_default(*byte))?;
        }
        self.put('"')
    }

    fn serialize_none(self) -> Result<(), Stop> {
        self.put("None")
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), Stop> {
        self.serialize_newtype_struct("Some", value)
    }

    fn serialize_unit(self) -> Result<(), Stop> {
        self.put("()")
    }

    fn serialize_unit_struct(self, name: &'static str) -> Result<(), Stop> {
        self.put(name)
    }

    fn serialize_unit_variant(self, _: &str, _: u32, variant: &str) -> Result<(), Stop> {
        self.put(variant)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        value: &T,
    ) -> Result<(), Stop> {
        let mut group = self.named(name, "(", ")")?;
        group.element(value)?;
        group.close()
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<(), Stop> {
        self.serialize_newtype_struct(variant, value)
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Group<'a>, Stop> {
        self.group("[", "]")
    }

    fn serialize_tuple(self, _: usize) -> Result<Group<'a>, Stop> {
        self.group("(", ")")
    }

    fn serialize_tuple_struct(self, name: &'static str, _: usize) -> Result<Group<'a>, Stop> {
        self.named(name, "(", ")")
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Group<'a>, Stop> {
        self.named(variant, "(", ")")
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Group<'a>, Stop> {
        self.group("{", "}")
    }

    fn serialize_struct(self, name: &'static str, _: usize) -> Result<Group<'a>, Stop> {
        self.named(name, " { ", " }")
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Group<'a>, Stop> {
        self.named(variant, " { ", " }")
    }

    fn is_human_readable(&self) -> bool {
        true
    }
}

macro_rules! groups {
    ($($of:ident $method:ident),*) => {$(
        impl ser::$of for Group<'_> {
            type Ok = ();
            type Error = Stop;

            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Stop> {
                self.element(value)
            }

            fn end(self) -> Result<(), Stop> {
                self.close()
            }
        }
    )*};
}

groups! {
    SerializeSeq serialize_element, SerializeTuple serialize_element, SerializeTupleStruct serialize_field,
    SerializeTupleVariant serialize_field
}

macro_rules! structs {
    ($($of:ident)*) => {$(
        impl ser::$of for Group<'_> {
            type Ok = ();
            type Error = Stop;

            fn serialize_field<T: Serialize + ?Sized>(
                &mut self,
                key: &'static str,
                value: &T,
            ) -> Result<(), Stop> {
                self.field(key, value)
            }

            fn end(self) -> Result<(), Stop> {
                self.close()
            }
        }
    )*};
}

structs! { SerializeStruct SerializeStructVariant }

impl ser::SerializeMap for Group<'_> {
    type Ok = ();
    type Error = Stop;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Stop> {
        self.element(key)
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Stop> {
        self.text.put(": ")?;
        value.serialize(&mut *self.text)
    }

    fn end(self) -> Result<(), Stop> {
        self.close()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[derive(Serialize)]
    struct Point {
        x: i32,
        y: f64,
    }

    #[derive(Serialize)]
    enum Shape {
        Empty,
        Dot(Point),
        Line(u8, u8),
        Named { name: &'static str },
    }

    #[derive(Serialize)]
    struct Meters(u32);

    fn text<T: Serialize>(value: T) -> String {
        of(&value, 200)
    }

    #[test]
    fn values_read_as_rust_writes_them() {
        assert_eq!(text((3, "a", true)), r#"(3, "a", true)"#);
        assert_eq!(text(((), Some('c'), None::<u8>)), "((), Some('c'), None)");
        assert_eq!(text(Point { x: -1, y: 2.0 }), "Point { x: -1, y: 2.0 }");
        let shapes = [
            Shape::Empty,
            Shape::Dot(Point { x: 0, y: 0.5 }),
            Shape::Line(1, 2),
            Shape::Named { name: "n" },
        ];
        let written = "[Empty, Dot(Point { x: 0, y: 0.5 }), Line(1, 2), Named { name: \"n\" }]";
        // A sequence, not a tuple as an array would be.
        assert_eq!(text(Vec::from(shapes)), written);
        assert_eq!(text(Meters(4)), "Meters(4)");
        assert_eq!(text(BTreeMap::from([(1, "b")])), r#"{1: "b"}"#);
    }

    #[test]
    fn control_characters_are_escaped() {
        assert_eq!(
            text("a\x1b[31m\n\"\u{202e}"),
            r#""a\u{1b}[31m\n\"\u{202e}""#
        );
    }

    #[test]
    fn long_values_are_cut_and_not_walked_to_the_end() {
        struct Endless;
        impl Serialize for Endless {
            fn serialize<S: ser::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_seq(0u64..)
            }
        }
        let cut = of(&Endless, 20);
        assert_eq!(cut, "[0, 1, 2, 3, 4, 5, 6…");
        assert_eq!(text("é".repeat(1_000)).chars().count(), 201);
    }

    #[test]
    fn value_that_refuses_ends_the_text() {
        struct Refuses;
        impl Serialize for Refuses {
            fn serialize<S: ser::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
                Err(ser::Error::custom("no"))
            }
        }
        assert_eq!(text((1, Refuses)), "(1, …");
    }
}
