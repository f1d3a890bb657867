//! The codec under round trips, cuts, hostile bytes and values that ask for too much.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Debug;

use procession_task::message::{FromWorker, ToWorker};
use procession_task::{Bytes, CodecErrorKind, Failure, Limits, decode, encode};
use proptest::prelude::*;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum Shape {
    Unit,
    New(u64),
    Tuple(i8, i16, i32),
    Struct { name: String, maybe: Option<f64> },
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Mixed {
    id: u64,
    signed: (i8, i16, i32, i64, i128),
    letter: char,
    text: String,
    bytes: Bytes,
    list: Vec<Shape>,
    map: BTreeMap<String, Vec<u16>>,
    unit: (),
    flag: bool,
    big: u128,
    real: f32,
}

fn shape() -> impl Strategy<Value = Shape> {
    prop_oneof![
        Just(Shape::Unit),
        any::<u64>().prop_map(Shape::New),
        any::<(i8, i16, i32)>().prop_map(|(a, b, c)| Shape::Tuple(a, b, c)),
        (".*", proptest::option::of(-1e9..1e9f64))
            .prop_map(|(name, maybe)| Shape::Struct { name, maybe }),
    ]
}

fn mixed() -> impl Strategy<Value = Mixed> {
    let numbers = (
        any::<u64>(),
        any::<(i8, i16, i32, i64, i128)>(),
        any::<u128>(),
        -1e9..1e9f32,
    );
    let texts = (
        any::<char>(),
        ".*",
        proptest::collection::vec(any::<u8>(), 0..40),
    );
    let many = (
        proptest::collection::vec(shape(), 0..6),
        proptest::collection::btree_map(
            ".{0,4}",
            proptest::collection::vec(any::<u16>(), 0..4),
            0..4,
        ),
        any::<bool>(),
    );
    (numbers, texts, many).prop_map(
        |((id, signed, big, real), (letter, text, bytes), (list, map, flag))| {
            let bytes = Bytes::from(bytes);
            Mixed {
                id,
                signed,
                letter,
                text,
                bytes,
                list,
                map,
                unit: (),
                flag,
                big,
                real,
            }
        },
    )
}

fn encoded<T: Serialize>(value: &T) -> Vec<u8> {
    let mut out = Vec::new();
    encode(value, &mut out, &Limits::default()).unwrap();
    out
}

fn kind<T: DeserializeOwned + Debug>(bytes: &[u8]) -> CodecErrorKind {
    decode::<T>(bytes, &Limits::default()).unwrap_err().kind()
}

proptest! {
    #[test]
    fn a_value_comes_back_and_is_postcard(value in mixed()) {
        let bytes = encoded(&value);
        prop_assert_eq!(&bytes, &postcard::to_allocvec(&value).unwrap());
        prop_assert_eq!(decode::<Mixed>(&bytes, &Limits::default()).unwrap(), value);
    }

    #[test]
    fn a_cut_value_ended_early(value in mixed()) {
        let bytes = encoded(&value);
        for end in 0..bytes.len() {
            prop_assert_eq!(kind::<Mixed>(&bytes[..end]), CodecErrorKind::Truncated);
        }
    }

    #[test]
    fn bytes_left_over_are_refused(value in mixed(), extra in 1..9usize) {
        let mut bytes = encoded(&value);
        bytes.extend(std::iter::repeat_n(0, extra));
        prop_assert_eq!(kind::<Mixed>(&bytes), CodecErrorKind::Trailing);
    }

    #[test]
    fn a_small_limit_stops_the_encoding(value in mixed(), part in 0.0..1.0f64) {
        let full = encoded(&value).len();
        let limits = Limits { max_bytes: (full as f64 * part) as usize, ..Limits::default() };
        let mut out = b"before".to_vec();
        let e = encode(&value, &mut out, &limits).unwrap_err();
        let CodecErrorKind::TooLarge { size, limit } = e.kind() else { panic!("{e:?}") };
        prop_assert!(limit == limits.max_bytes as u64 && size > limit && size <= full as u64);
        prop_assert_eq!(out, b"before");
        let exact = Limits { max_bytes: full, ..limits };
        prop_assert!(encode(&value, &mut Vec::new(), &exact).is_ok());
    }

    #[test]
    fn hostile_bytes_are_an_error_or_a_value(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let limits = Limits::default();
        let _ = decode::<Mixed>(&bytes, &limits);
        let _ = decode::<Vec<Shape>>(&bytes, &limits);
        let _ = decode::<HashMap<u8, Vec<Option<()>>>>(&bytes, &limits);
        let _ = decode::<Vec<()>>(&bytes, &limits);
        let _ = decode::<Failure>(&bytes, &limits);
        let _ = decode::<List>(&bytes, &limits);
        let _ = FromWorker::decode(&bytes);
        let _ = ToWorker::decode(&bytes);
    }
}

#[test]
fn integers_of_every_length_are_postcard_with_and_without_room_to_spare() {
    let edges = (0..64).flat_map(|bit| [(1u64 << bit) - 1, 1 << bit, !(1 << bit), (1 << bit) + 1]);
    for edge in edges {
        let value = (
            edge,
            edge as u32,
            edge as u16,
            edge as i64,
            edge as i32,
            edge as i16,
        );
        let postcard = postcard::to_allocvec(&value).unwrap();
        assert_eq!(encoded(&value), postcard, "{edge:#x}");
        let max_bytes = postcard.len();
        let exact = Limits {
            max_bytes,
            ..Limits::default()
        };
        let mut out = Vec::new();
        encode(&value, &mut out, &exact).unwrap();
        assert_eq!(out, postcard, "{edge:#x}");
    }
}

#[derive(Debug, Serialize, Deserialize)]
struct List {
    next: Option<Box<List>>,
}

fn list(nodes: u32) -> List {
    (1..nodes).fold(List { next: None }, |list, _| List {
        next: Some(Box::new(list)),
    })
}

#[test]
fn recursion_stops_at_the_limit_on_both_sides() {
    // Two levels for each node, its struct and the `Some` around it.
    let fits = encoded(&list(64));
    assert!(decode::<List>(&fits, &Limits::default()).is_ok());
    let e = encode(&list(65), &mut Vec::new(), &Limits::default()).unwrap_err();
    assert_eq!(
        (e.kind(), e.to_string().as_str()),
        (CodecErrorKind::Depth, "nesting deeper than 128")
    );

    for bytes in [vec![1; 65], vec![1; 1 << 20]] {
        let e = decode::<List>(&bytes, &Limits::default()).unwrap_err();
        assert_eq!(
            (e.kind(), e.to_string().as_str()),
            (CodecErrorKind::Depth, "nesting deeper than 128")
        );
    }
    let shallow = Limits {
        max_depth: 3,
        ..Limits::default()
    };
    let e = encode(&(((1u8,),),), &mut Vec::new(), &shallow);
    assert!(e.is_ok());
    let e = encode(&((((1u8,),),),), &mut Vec::new(), &shallow).unwrap_err();
    assert_eq!(e.to_string(), "nesting deeper than 3");
}

#[derive(Debug, Serialize, Deserialize)]
struct Endless(Box<Endless>);

#[derive(Debug, Serialize, Deserialize)]
#[serde(transparent)]
struct Transparent(Option<Box<Transparent>>);

#[test]
fn recursion_without_bytes_or_through_options_alone_is_bounded() {
    assert_eq!(kind::<Endless>(&[]), CodecErrorKind::Depth);
    assert_eq!(kind::<Transparent>(&[1; 100_000]), CodecErrorKind::Depth);
}

#[test]
fn elements_without_bytes_are_bounded() {
    let most = 16 * 5 + 1024;
    for (count, ok) in [(most, true), (most + 1, false)] {
        let units = vec![(); count];
        let mut out = Vec::new();
        // Two bytes of length; three of other content.
        let encodes = encode(&(units, 7u8, 7u8, 7u8), &mut out, &Limits::default());
        assert_eq!(encodes.is_ok(), ok, "{count}");
        if ok {
            assert!(decode::<(Vec<()>, u8, u8, u8)>(&out, &Limits::default()).is_ok());
        } else {
            assert!(out.is_empty());
        }
    }
    let bomb = encoded(&u64::MAX);
    assert_eq!(kind::<Vec<()>>(&bomb), CodecErrorKind::Budget);
    assert_eq!(kind::<Vec<u64>>(&bomb), CodecErrorKind::Budget);
    assert_eq!(kind::<HashMap<(), ()>>(&bomb), CodecErrorKind::Budget);
    let e = decode::<Vec<()>>(&bomb, &Limits::default()).unwrap_err();
    assert_eq!(e.to_string(), "far more elements than bytes");
}

#[test]
fn a_list_inside_a_list_of_nothing_shares_the_budget() {
    // Each inner list declares 1,000 units.
    let mut bytes = vec![100];
    for _ in 0..100 {
        bytes.extend(encoded(&1000u32));
    }
    assert_eq!(kind::<Vec<Vec<()>>>(&bytes), CodecErrorKind::Budget);
}

#[test]
fn a_declared_length_allocates_nothing_by_itself() {
    // 1,000 strings of 2^60 bytes each, none of them there.
    let mut bytes = encoded(&1000u32);
    bytes.extend(encoded(&(1u64 << 60)));
    assert_eq!(kind::<Vec<String>>(&bytes), CodecErrorKind::Truncated);
    assert_eq!(
        kind::<Bytes>(&encoded(&(1u64 << 60))),
        CodecErrorKind::Truncated
    );
}

/// Writes for ever unless it is stopped.
struct Flood;

impl Serialize for Flood {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeSeq;
        let mut seq = serializer.serialize_seq(Some(1 << 50))?;
        loop {
            seq.serialize_element(&Bytes::from(vec![0; 1 << 16]))?;
        }
    }
}

#[test]
fn the_size_limit_stops_early() {
    let limits = Limits {
        max_bytes: 1 << 20,
        ..Limits::default()
    };
    let mut out = Vec::new();
    let e = encode(&Flood, &mut out, &limits).unwrap_err();
    let CodecErrorKind::TooLarge { size, limit } = e.kind() else {
        panic!("{e:?}")
    };
    assert_eq!(limit, 1 << 20);
    assert!(size > 1 << 20 && size < 2 << 20);
    assert!(out.is_empty() && out.capacity() <= 2 << 20);
    assert_eq!(e.to_string(), "larger than the limit of 1048576 bytes");
    let e = decode::<Bytes>(&vec![0; (1 << 20) + 1], &limits).unwrap_err();
    assert_eq!(
        e.kind(),
        CodecErrorKind::TooLarge {
            size: (1 << 20) + 1,
            limit: 1 << 20
        }
    );
}

struct Refuses;

impl Serialize for Refuses {
    fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        Err(serde::ser::Error::custom("a lock was poisoned"))
    }
}

#[derive(Debug, Deserialize)]
struct Odd(
    #[serde(deserialize_with = "odd")]
    #[expect(dead_code, reason = "never decoded")]
    u8,
);

fn odd<'de, D: serde::Deserializer<'de>>(from: D) -> Result<u8, D::Error> {
    let byte = u8::deserialize(from)?;
    Err(serde::de::Error::custom(format_args!(
        "{byte} is even\x1b[31m"
    )))
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(untagged)]
enum Untagged {
    Number(u32),
}

#[test]
fn the_inner_message_is_kept() {
    let e = encode(&vec![Refuses], &mut Vec::new(), &Limits::default()).unwrap_err();
    assert_eq!(
        (e.kind(), e.to_string().as_str()),
        (CodecErrorKind::Invalid, "a lock was poisoned")
    );
    let text = |e: procession_task::CodecError| e.to_string();
    let limits = Limits::default();
    assert_eq!(
        text(decode::<Odd>(&[4], &limits).unwrap_err()),
        "4 is even\\u{1b}[31m"
    );
    assert_eq!(
        text(decode::<bool>(&[2], &limits).unwrap_err()),
        "a bool is neither 0 nor 1"
    );
    assert_eq!(
        text(decode::<String>(&[1, 0xff], &limits).unwrap_err()),
        "a string is not UTF-8"
    );
    assert!(
        text(decode::<Shape>(&[9], &limits).unwrap_err())
            .contains("expected variant index 0 <= i < 4")
    );
    assert!(text(decode::<Untagged>(&[9], &limits).unwrap_err()).contains("self-describing"));
}

#[test]
fn a_serialize_that_panics_leaves_the_output_as_it_was() {
    struct Bomb;
    impl Serialize for Bomb {
        fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
            panic!("while encoding")
        }
    }
    let mut out = b"before".to_vec();
    let encoding =
        std::panic::AssertUnwindSafe(|| encode(&(7u64, Bomb), &mut out, &Limits::default()));
    assert!(std::panic::catch_unwind(encoding).is_err());
    assert_eq!(out, b"before");
}

#[test]
fn bytes_are_written_as_a_list_of_bytes_is() {
    assert_eq!(
        encoded(&Bytes::from(vec![1, 2, 3])),
        encoded(&vec![1u8, 2, 3])
    );
    assert_eq!(
        format!("{:?}", Bytes::from(vec![b'a'; 20])),
        "Bytes(20 bytes, b\"aaaaaaaaaaaaaaaa\"…)"
    );
    assert_eq!(
        format!("{:?}", Bytes::from(*b"\x00z")),
        "Bytes(2 bytes, b\"\\x00z\")"
    );
}
