//! A byte string that crosses a process boundary by as few copies as there can be; it must not change what the bytes are.

mod apart;
mod held;
mod lent;

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::ops::{Deref, DerefMut};

use serde::de::{self, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

pub use apart::{Encoded, Pieces};
pub use held::APART_FROM;
use held::Held;
pub use lent::lend;

pub(crate) use apart::take_offered;

/// An owned byte string. One of [`APART_FROM`] bytes and more goes into the arguments of a call, and comes out of them in
/// the worker, without being copied: only its way through shared memory is left.
///
/// A plain `Vec<u8>` is encoded byte by byte, as serde sees a list of numbers. The bytes on the wire are the same.
///
/// A long one is counted: a clone costs nothing, and the bytes are copied once somebody changes them or takes them out
/// while another clone, or a call under way, still has them.
///
/// ```
/// use procession_task::{Bytes, Limits, decode, encode};
///
/// let image = Bytes::from(vec![7; 1 << 20]);
/// let mut out = Vec::new();
/// encode(&image, &mut out, &Limits::default())?;
/// assert_eq!(decode::<Bytes>(&out, &Limits::default())?, image);
/// assert_eq!(image.len(), 1 << 20);
///
/// let mut changed = image.clone();
/// changed[0] = 8;
/// assert_eq!((changed[0], image[0]), (8, 7));
/// # Ok::<(), procession_task::CodecError>(())
/// ```
#[derive(Clone, Default)]
pub struct Bytes(Held);

impl Bytes {
    /// An empty byte string.
    #[must_use]
    pub const fn new() -> Bytes {
        Bytes(Held::Own(Vec::new()))
    }

    /// Gives the vector out: without a copy when nobody else has the bytes and they came from a vector, by one copy otherwise,
    /// as in a task that was given them.
    ///
    /// ```
    /// let bytes = procession_task::Bytes::from(vec![7; 1 << 20]);
    /// let other = bytes.clone();
    /// assert_eq!(bytes.into_vec(), *other);
    /// ```
    #[must_use]
    pub fn into_vec(self) -> Vec<u8> {
        self.0.into_vec()
    }
}

/// Shows the length and the first bytes, never a megabyte of numbers.
impl fmt::Debug for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: usize = 16;
        let head = self.get(..SHOWN).unwrap_or(self);
        write!(f, "Bytes({} bytes, b\"{}", self.len(), head.escape_ascii())?;
        f.write_str(if self.len() > SHOWN { "\"…)" } else { "\")" })
    }
}

impl Deref for Bytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.0.bytes()
    }
}

impl DerefMut for Bytes {
    fn deref_mut(&mut self) -> &mut [u8] {
        self.0.bytes_mut()
    }
}

impl AsRef<[u8]> for Bytes {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl From<Vec<u8>> for Bytes {
    fn from(bytes: Vec<u8>) -> Bytes {
        Bytes(Held::new(bytes))
    }
}

impl From<&[u8]> for Bytes {
    fn from(bytes: &[u8]) -> Bytes {
        bytes.to_vec().into()
    }
}

impl<const N: usize> From<[u8; N]> for Bytes {
    fn from(bytes: [u8; N]) -> Bytes {
        bytes.to_vec().into()
    }
}

impl From<String> for Bytes {
    fn from(text: String) -> Bytes {
        text.into_bytes().into()
    }
}

impl From<Bytes> for Vec<u8> {
    fn from(bytes: Bytes) -> Vec<u8> {
        bytes.into_vec()
    }
}

impl FromIterator<u8> for Bytes {
    fn from_iter<I: IntoIterator<Item = u8>>(bytes: I) -> Bytes {
        bytes.into_iter().collect::<Vec<u8>>().into()
    }
}

impl PartialEq for Bytes {
    fn eq(&self, other: &Bytes) -> bool {
        **self == **other
    }
}

impl Eq for Bytes {}

impl PartialEq<[u8]> for Bytes {
    fn eq(&self, other: &[u8]) -> bool {
        **self == *other
    }
}

impl PartialEq<Vec<u8>> for Bytes {
    fn eq(&self, other: &Vec<u8>) -> bool {
        **self == **other
    }
}

impl PartialOrd for Bytes {
    fn partial_cmp(&self, other: &Bytes) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Bytes {
    fn cmp(&self, other: &Bytes) -> Ordering {
        (**self).cmp(&**other)
    }
}

impl Hash for Bytes {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (**self).hash(state);
    }
}

impl Serialize for Bytes {
    #[inline]
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.0 {
            Held::Own(bytes) => serializer.serialize_bytes(bytes),
            Held::Part(part) => apart::offering(part, |bytes| serializer.serialize_bytes(bytes)),
        }
    }
}

impl<'de> Deserialize<'de> for Bytes {
    #[inline]
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Bytes, D::Error> {
        deserializer.deserialize_byte_buf(AsIs)
    }
}

/// Takes a part of a lent buffer as it is, and copies what lies elsewhere.
struct AsIs;

impl<'de> Visitor<'de> for AsIs {
    type Value = Bytes;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a byte string")
    }

    #[inline]
    fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<Bytes, E> {
        match lent::part_of_lent(bytes) {
            Some(part) => Ok(Bytes(Held::Part(part))),
            None => Ok(bytes.into()),
        }
    }

    #[inline]
    fn visit_byte_buf<E: de::Error>(self, bytes: Vec<u8>) -> Result<Bytes, E> {
        Ok(bytes.into())
    }

    fn visit_seq<A: de::SeqAccess<'de>>(self, list: A) -> Result<Bytes, A::Error> {
        plain::from_list(list).map(Bytes::from)
    }
}

/// For `#[serde(with = "…")]` on the `Vec<u8>` fields of this crate's own messages.
pub(crate) mod plain {
    use super::{Deserializer, Serializer, Visitor, de, fmt};

    #[inline]
    pub(crate) fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(bytes)
    }

    #[inline]
    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<u8>, D::Error> {
        from.deserialize_byte_buf(Owned)
    }

    /// Formats without byte strings (JSON) write a list of numbers.
    pub(super) fn from_list<'de, A: de::SeqAccess<'de>>(mut list: A) -> Result<Vec<u8>, A::Error> {
        let mut bytes = Vec::new();
        while let Some(byte) = list.next_element()? {
            bytes.push(byte);
        }
        Ok(bytes)
    }

    struct Owned;

    impl<'de> Visitor<'de> for Owned {
        type Value = Vec<u8>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a byte string")
        }

        #[inline]
        fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<Vec<u8>, E> {
            Ok(bytes.to_vec())
        }

        #[inline]
        fn visit_byte_buf<E: de::Error>(self, bytes: Vec<u8>) -> Result<Vec<u8>, E> {
            Ok(bytes)
        }

        fn visit_seq<A: de::SeqAccess<'de>>(self, list: A) -> Result<Vec<u8>, A::Error> {
            from_list(list)
        }
    }
}
