//! A value as one line of text, for an error; it must not grow with the value, or let a control character pass.

use std::fmt::{self, Display, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde::ser::{self, Impossible};

use crate::codec::{Limits, decode};
use crate::failure::text;
use crate::state::drop_quietly;

mod write;

/// What follows the text of a value that panicked.
const PANICKED: &str = " (its `Serialize` panicked)";

/// Characters of an error's description that are kept.
const MOST: usize = 1024;

/// The value as `serde` sees it, much as `{:?}` would print it: at most `most` characters, and `…` where that is not all.
///
/// A value that refuses to be serialized, or lies deeper than 32 levels, ends the text in the same way; after one that panics
/// while it is, the text says so. Control characters are escaped. No more of the value is walked than is written.
///
/// ```
/// use procession_task::describe::text_of;
///
/// assert_eq!(text_of(&(3, "a\tb", Some(true)), 200), r#"(3, "a\tb", Some(true))"#);
/// assert_eq!(text_of(&[1, 2, 3, 4].as_slice(), 7), "[1, 2, …");
/// ```
pub fn text_of<T: Serialize + ?Sized>(value: &T, most: usize) -> String {
    let mut out = Text::new(most);
    let write = || value.serialize(write::Writer(&mut out)).is_ok();
    match catch_unwind(AssertUnwindSafe(write)) {
        Ok(whole) => out.finish(whole),
        Err(payload) => {
            drop_quietly(payload);
            out.finish(false) + PANICKED
        }
    }
}

/// What an encoded `Result` says when it is an `Err`, much as `{:?}` would print what is in it.
///
/// What does not decode, or panics while it does, is `"…"`; so is a value that says nothing of itself.
pub(crate) fn error_in<R: Serialize + DeserializeOwned>(encoded: &[u8]) -> String {
    let described = catch_unwind(AssertUnwindSafe(|| {
        let value: R = decode(encoded, &Limits::default()).ok()?;
        let mut out = Text::new(MOST);
        let whole = value.serialize(ErrOnly(&mut out)).is_ok();
        Some(out.finish(whole))
    }));
    described.ok().flatten().unwrap_or_else(|| "…".to_owned())
}

/// The text as far as it has come, and how many characters may follow.
struct Text {
    out: String,
    left: usize,
    depth: u32,
}

impl Text {
    fn new(most: usize) -> Text {
        Text {
            out: String::new(),
            left: most,
            depth: 0,
        }
    }

    fn finish(mut self, whole: bool) -> String {
        if !whole || self.out.is_empty() {
            self.out.push('…');
        }
        text::message(&self.out)
    }
}

impl Write for Text {
    fn write_str(&mut self, more: &str) -> fmt::Result {
        for c in more.chars() {
            self.left = self.left.checked_sub(1).ok_or(fmt::Error)?;
            self.out.push(c);
        }
        Ok(())
    }
}

/// The description stops here: it is long enough, or the value refuses.
#[derive(Debug)]
struct Stop;

impl Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the description stops")
    }
}

impl std::error::Error for Stop {}

impl ser::Error for Stop {
    fn custom<T: Display>(_: T) -> Stop {
        Stop
    }
}

impl From<fmt::Error> for Stop {
    fn from(_: fmt::Error) -> Stop {
        Stop
    }
}

/// Looks for the `Err` of a `Result` and at nothing else, so that tasks without one cost no code.
struct ErrOnly<'a>(&'a mut Text);

macro_rules! nothing {
    ($($name:ident($($arg:ty),*) $(<$t:ident>)?;)*) => {
        $(fn $name$(<$t: ?Sized + Serialize>)?(self, $(_: $arg),*) -> Result<(), Stop> { Err(Stop) })*
    };
}

macro_rules! nothing_long {
    ($($name:ident($($arg:ty),*) -> $kind:ident;)*) => {
        $(fn $name(self, $(_: $arg),*) -> Result<Self::$kind, Stop> { Err(Stop) })*
    };
}

impl ser::Serializer for ErrOnly<'_> {
    type Ok = ();
    type Error = Stop;
    type SerializeSeq = Impossible<(), Stop>;
    type SerializeTuple = Impossible<(), Stop>;
    type SerializeTupleStruct = Impossible<(), Stop>;
    type SerializeTupleVariant = Impossible<(), Stop>;
    type SerializeMap = Impossible<(), Stop>;
    type SerializeStruct = Impossible<(), Stop>;
    type SerializeStructVariant = Impossible<(), Stop>;

    fn serialize_newtype_variant<T: ?Sized + Serialize>(
        self,
        _: &'static str,
        index: u32,
        _: &'static str,
        value: &T,
    ) -> Result<(), Stop> {
        if index == 1 {
            value.serialize(write::Writer(self.0))
        } else {
            Err(Stop)
        }
    }

    nothing! {
        serialize_bool(bool);
        serialize_i8(i8);
        serialize_i16(i16);
        serialize_i32(i32);
        serialize_i64(i64);
        serialize_u8(u8);
        serialize_u16(u16);
        serialize_u32(u32);
        serialize_u64(u64);
        serialize_f32(f32);
        serialize_f64(f64);
        serialize_char(char);
        serialize_str(&str);
        serialize_bytes(&[u8]);
        serialize_none();
        serialize_some(&T) <T>;
        serialize_unit();
        serialize_unit_struct(&'static str);
        serialize_unit_variant(&'static str, u32, &'static str);
        serialize_newtype_struct(&'static str, &T) <T>;
    }

    nothing_long! {
        serialize_seq(Option<usize>) -> SerializeSeq;
        serialize_tuple(usize) -> SerializeTuple;
        serialize_tuple_struct(&'static str, usize) -> SerializeTupleStruct;
        serialize_tuple_variant(&'static str, u32, &'static str, usize) -> SerializeTupleVariant;
        serialize_map(Option<usize>) -> SerializeMap;
        serialize_struct(&'static str, usize) -> SerializeStruct;
        serialize_struct_variant(&'static str, u32, &'static str, usize) -> SerializeStructVariant;
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde::{Deserialize, Serialize};

    use super::{MOST, error_in, text_of};
    use crate::codec::{Limits, encode};

    #[derive(Serialize, Deserialize)]
    enum Why {
        NotFound { path: String },
        Code(i32),
        Both(u8, Option<char>),
        Nothing,
    }

    #[derive(Serialize, Deserialize)]
    struct Unit;

    /// Panics where it is to be read by a person, and inside of something else.
    struct Shy;

    impl Serialize for Shy {
        fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
            panic!("not today")
        }
    }

    #[test]
    fn a_value_that_panics_ends_the_text() {
        assert_eq!(
            text_of(&(1, Shy, 2), 200),
            "(1, … (its `Serialize` panicked)"
        );
        assert_eq!(text_of(&Shy, 0), "… (its `Serialize` panicked)");
    }

    fn said<E: Serialize + serde::de::DeserializeOwned>(error: E) -> String {
        let mut bytes = Vec::new();
        encode(&Err::<u8, E>(error), &mut bytes, &Limits::default()).unwrap();
        error_in::<Result<u8, E>>(&bytes)
    }

    /// PR23
    #[test]
    fn errors_read_as_they_would_in_debug() {
        let path = "a\nb".to_owned();
        assert_eq!(said(Why::NotFound { path }), r#"NotFound { path: "a\nb" }"#);
        assert_eq!(said(Why::Code(-3)), "Code(-3)");
        assert_eq!(said(Why::Both(1, Some('x'))), "Both(1, Some('x'))");
        assert_eq!(said(Why::Nothing), "Nothing");
        assert_eq!(said(Unit), "Unit");
        assert_eq!(said("no licence".to_owned()), "\"no licence\"");
        assert_eq!(said((1.5, true, ())), "(1.5, true, ())");
        assert_eq!(said(vec![Some(1), None]), "[Some(1), None]");
        assert_eq!(
            said(BTreeMap::from([(1, "one".to_owned())])),
            "{1: \"one\"}"
        );
    }

    #[test]
    fn long_and_deep_errors_are_cut() {
        let long = said("é".repeat(10_000));
        assert!(
            long.chars().count() == MOST + 1 && long.ends_with('…'),
            "{long}"
        );
        #[derive(Serialize, Deserialize)]
        struct Deep(Option<Box<Deep>>);
        let mut deep = Deep(None);
        for _ in 0..40 {
            deep = Deep(Some(Box::new(deep)));
        }
        assert!(said(deep).ends_with('…'));
    }

    #[test]
    fn terminal_escapes_do_not_pass() {
        assert!(!said("\x1b[31m\x07".to_owned()).contains(|c: char| c.is_control()));
    }

    #[test]
    fn endless_values_are_not_walked_to_the_end_and_one_that_refuses_ends_the_text() {
        struct Endless;
        impl Serialize for Endless {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_seq(0u64..)
            }
        }
        struct Refuses;
        impl Serialize for Refuses {
            fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
                Err(serde::ser::Error::custom("no"))
            }
        }
        assert_eq!(text_of(&Endless, 20), "[0, 1, 2, 3, 4, 5, 6…");
        assert_eq!(text_of(&(1, Refuses), 200), "(1, …");
    }

    #[test]
    fn what_is_no_error_says_nothing() {
        assert_eq!(error_in::<u32>(&[1]), "…");
        assert_eq!(error_in::<Result<u32, u32>>(&[0, 1]), "…");
        assert_eq!(error_in::<Result<u32, String>>(&[1, 200]), "…");
    }
}
