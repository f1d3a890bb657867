//! Long byte strings: what is left apart when they are encoded, and what is shared when they are decoded.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use procession_task::bytes::{APART_FROM, Encoded, Pieces, lend};
use procession_task::codec::encode_apart;
use procession_task::{Bytes, CodecErrorKind, Limits, decode, encode};
use serde::{Serialize, Serializer};

fn limits() -> Limits {
    Limits::default()
}

fn whole<T: Serialize + ?Sized>(value: &T) -> Vec<u8> {
    let mut out = Vec::new();
    encode(value, &mut out, &limits()).unwrap();
    out
}

fn apart<T: Serialize + ?Sized>(value: &T) -> (Vec<u8>, Pieces) {
    let (mut out, mut pieces) = (Vec::new(), Pieces::default());
    encode_apart(value, &mut out, &mut pieces, &limits()).unwrap();
    (out, pieces)
}

fn bytes(seed: u8, len: usize) -> Bytes {
    (0..len)
        .map(|i| (i as u8).wrapping_mul(31).wrapping_add(seed))
        .collect()
}

/// The bytes of an encoding, read piece by piece in steps of at most `step`.
fn read(encoded: &Encoded, step: usize) -> Vec<u8> {
    let mut all = Vec::new();
    while all.len() < encoded.len() {
        let next = encoded.from(all.len());
        assert!(!next.is_empty(), "at {} of {}", all.len(), encoded.len());
        all.extend_from_slice(&next[..next.len().min(step)]);
    }
    assert!(encoded.from(all.len()).is_empty());
    all
}

#[test]
fn an_encoding_with_pieces_apart_reads_as_the_one_without() {
    let long = APART_FROM;
    for lens in [
        &[][..],
        &[long],
        &[long - 1, long, 0, 3],
        &[long, long, long + 7],
        &[5, long * 3, long - 1, long],
    ] {
        let value: Vec<(u32, Bytes)> = lens
            .iter()
            .enumerate()
            .map(|(i, len)| (i as u32 * 1000, bytes(i as u8, *len)))
            .collect();
        let expected = whole(&value);
        let (short, pieces) = apart(&value);
        assert_eq!(short.len() + pieces.bytes(), expected.len());
        let left: usize = lens.iter().filter(|len| **len >= long).sum();
        assert_eq!(pieces.bytes(), left);
        let encoded = Encoded::new(short, pieces);
        assert_eq!(encoded.in_one_piece().is_some(), left == 0);
        for step in [usize::MAX, 4096, 1009] {
            assert_eq!(read(&encoded, step), expected);
        }
    }
}

#[test]
fn what_lies_apart_is_not_copied_and_does_not_change() {
    let mut given = bytes(1, APART_FROM);
    let (_, pieces) = apart(&given);
    let encoded = Encoded::new(Vec::new(), pieces);
    assert_eq!(encoded.from(0).as_ptr(), given.as_ptr());
    given[0] ^= 0xff;
    assert_eq!(encoded.from(0), &*bytes(1, APART_FROM));
    assert_ne!(given[0], encoded.from(0)[0]);
    // A slice by another name offers nothing, and is copied.
    struct Plain<'a>(&'a [u8]);
    impl Serialize for Plain<'_> {
        fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
            s.serialize_bytes(self.0)
        }
    }
    assert_eq!(apart(&Plain(&given)).1.bytes(), 0);
}

#[test]
fn a_value_that_encodes_within_its_encoding_leaves_the_right_pieces() {
    struct Digest(Bytes);
    impl Serialize for Digest {
        fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
            let own = whole(&self.0);
            let also = apart(&self.0).1.bytes();
            let mut buffer = vec![0; own.len()];
            let other = postcard::to_slice(&self.0, &mut buffer).unwrap().len();
            (own.len() as u64, also as u64, other as u64, &self.0).serialize(s)
        }
    }
    let value = (Digest(bytes(1, APART_FROM)), bytes(2, APART_FROM * 2));
    let (short, pieces) = apart(&value);
    assert_eq!(pieces.bytes(), APART_FROM * 3);
    assert_eq!(
        read(&Encoded::new(short, pieces), usize::MAX),
        whole(&value)
    );
}

#[test]
fn the_limit_counts_what_lies_apart() {
    let value = ("head", bytes(1, APART_FROM), bytes(2, APART_FROM));
    let exact = whole(&value).len();
    for max_bytes in [exact - 1, exact - APART_FROM - 1, APART_FROM, 3] {
        let limits = Limits {
            max_bytes,
            ..limits()
        };
        let (mut out, mut pieces) = (vec![9; 4], Pieces::default());
        let plain = encode(&value, &mut out, &limits).unwrap_err();
        let apart = encode_apart(&value, &mut out, &mut pieces, &limits).unwrap_err();
        assert_eq!(apart.to_string(), plain.to_string());
        assert!(matches!(apart.kind(), CodecErrorKind::TooLarge { .. }));
        assert_eq!((out.len(), pieces.bytes()), (4, 0), "as they were");
    }
    let limits = Limits {
        max_bytes: exact,
        ..limits()
    };
    encode_apart(&value, &mut Vec::new(), &mut Pieces::default(), &limits).unwrap();
}

#[test]
fn a_panic_after_a_piece_leaves_none_behind() {
    struct Trap(Bytes);
    impl Serialize for Trap {
        fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
            struct Panics;
            impl Serialize for Panics {
                fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
                    panic!("on purpose")
                }
            }
            (&self.0, Panics).serialize(s)
        }
    }
    let (mut out, mut pieces) = (Vec::new(), Pieces::default());
    let value = Trap(bytes(1, APART_FROM));
    let encoding = || encode_apart(&value, &mut out, &mut pieces, &limits());
    assert!(catch_unwind(AssertUnwindSafe(encoding)).is_err());
    assert_eq!((out.len(), pieces.bytes()), (0, 0));
    assert_eq!(value.0.into_vec(), bytes(1, APART_FROM).into_vec());
}

#[test]
fn a_lent_frame_is_shared_with_what_is_most_of_it_only() {
    let frame = Arc::new(whole(&(
        7u8,
        bytes(1, APART_FROM * 4),
        bytes(2, APART_FROM),
        3u8,
    )));
    type Value = (u8, Bytes, Bytes, u8);
    let within = |bytes: &Bytes| frame.as_ptr_range().contains(&bytes.as_ptr());

    let copied: Value = decode(&frame, &limits()).unwrap();
    assert!(!within(&copied.1));
    let shared: Value = lend(&frame, || decode(&frame, &limits())).unwrap();
    assert_eq!(shared, copied);
    assert!(within(&shared.1), "most of the frame");
    assert!(!within(&shared.2), "it would keep four times its size");

    // A loan within a loan, and bytes that are of neither.
    let other = Arc::new(whole(&bytes(9, APART_FROM)));
    lend(&frame, || {
        let inner: Bytes = lend(&other, || decode(&other, &limits())).unwrap();
        assert!(other.as_ptr_range().contains(&inner.as_ptr()));
        let again: Bytes = decode(&other, &limits()).unwrap();
        assert!(!other.as_ptr_range().contains(&again.as_ptr()));
        let outer: Value = decode(&frame, &limits()).unwrap();
        assert!(within(&outer.1));
    });
}

#[test]
fn what_is_shared_is_changed_and_taken_out_by_copy() {
    let frame = Arc::new(whole(&bytes(1, APART_FROM)));
    let decoded = || lend(&frame, || decode::<Bytes>(&frame, &limits())).unwrap();
    let (before, mut changed) = (decoded(), decoded());
    changed[0] ^= 0xff;
    assert_ne!(changed[0], before[0]);
    assert_eq!(before, bytes(1, APART_FROM));
    assert_eq!(decoded().into_vec(), bytes(1, APART_FROM).into_vec());
    drop((before, changed));

    // It outlives the frame's owner.
    let last = decoded();
    assert!(Arc::into_inner(frame).is_none());
    assert_eq!(last.into_vec(), bytes(1, APART_FROM).into_vec());
}

#[test]
fn a_vector_goes_in_and_out_without_a_copy() {
    for len in [0, 1, APART_FROM - 1, APART_FROM, APART_FROM * 2] {
        let vec: Vec<u8> = bytes(1, len).into_vec();
        let place = vec.as_ptr();
        let bytes = Bytes::from(vec);
        assert_eq!(bytes.as_ptr(), place);
        let clone = (len >= APART_FROM).then(|| bytes.clone());
        assert!(clone.as_ref().is_none_or(|clone| clone.as_ptr() == place));
        drop(clone);
        let vec = bytes.into_vec();
        assert_eq!((vec.as_ptr(), vec.len()), (place, len));
    }
}
