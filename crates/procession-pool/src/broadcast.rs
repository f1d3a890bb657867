//! Values for many calls: encoded once, sent to each worker that needs them once, named by a number in the calls.
//! The public side. It must never touch a worker: `driver` sends, when a call that mentions a value is sent.

mod session;
mod share;

use std::any::type_name;
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use procession_task::codec::{self, Limits};
use procession_task::descriptor::type_fingerprint;
use procession_worker::Error;
use procession_worker::shares::{self, Content};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de, ser};

pub(crate) use self::session::{Encoding, Mentions, with_mentions};
pub(crate) use self::share::Share;
use crate::pool::Pool;

impl Pool {
    /// Encodes a value once and returns a handle that any call of this pool takes as an argument, in place of the value.
    ///
    /// The value is sent to a worker before the first call there that mentions it, and again to one that replaces a dead
    /// worker; calls themselves carry a number. Above 32 KiB the encoding is one sealed memory file that all workers
    /// map, which costs this process one descriptor. A worker decodes it once, at the first call that mentions it.
    /// When the last handle is gone and the last call that mentions it is over, the workers give the memory back.
    ///
    /// Workers cannot change it: each has its own value, made of the same bytes. For bytes alone, which need not even be
    /// decoded, there is [`Pool::broadcast_bytes`].
    ///
    /// It returns once the value is encoded, and waits for no worker. In an inline pool calls find the encoding in this
    /// process, and decode it as a worker would. A handle may outlive its pool: here it is the value itself.
    ///
    /// # Errors
    /// * The value cannot be encoded (its `Serialize` fails or panics), or memory or descriptors run out.
    /// * After [`Pool::close`] or [`Pool::terminate`] ([`Error::is_closed`]). A broken pool gives a handle, but runs no call.
    /// * In a copy of this process made by `fork` ([`Error::is_forked`]).
    ///
    /// ```
    /// # procession_worker::init();
    /// use procession_pool::{Pool, Shared};
    /// use std::collections::HashMap;
    ///
    /// type Prices = HashMap<String, u64>;
    /// fn price(prices: Shared<Prices>, name: String, count: u64) -> Option<u64> {
    ///     Some(prices.get(&name)? * count)
    /// }
    ///
    /// let pool = Pool::new(2)?;
    /// let prices: Prices = [("pen".to_string(), 3), ("ink".to_string(), 8)].into();
    /// let prices = pool.broadcast(prices)?;
    /// assert_eq!(pool.apply(price, (prices.clone(), "ink".into(), 2))?, Some(16));
    /// let orders = [("pen", 10), ("cup", 1)].map(|(name, count)| (prices.clone(), name.to_string(), count));
    /// assert_eq!(pool.starmap(price, orders)?, [Some(30), None]);
    /// assert_eq!(prices.len(), 2, "here it is the value itself");
    ///
    /// pool.close();
    /// assert!(pool.broadcast(1).unwrap_err().is_closed());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn broadcast<T>(&self, value: T) -> Result<Shared<T>, Error>
    where
        T: Serialize + DeserializeOwned + Send + Sync + 'static,
    {
        self.may_broadcast()?;
        let limits = Limits {
            max_bytes: usize::MAX,
            ..Limits::default()
        };
        let mut encoding = Vec::new();
        let encode = || codec::encode(&value, &mut encoding, &limits);
        session::outside(|| codec::guarded(encode))
            .map_err(|e| Error::message(format!("cannot broadcast a {}: {e}", type_name::<T>())))?;
        // Encoding is user code: it may have closed the pool, or made this a copy.
        self.may_broadcast()?;
        let share = Some(Arc::new(Share::new(self, &encoding)?));
        let value = Arc::new(value);
        Ok(Shared { value, share })
    }

    /// As [`Pool::broadcast`] for bytes, which are neither encoded nor decoded: above 32 KiB, every process looks at the
    /// same memory, this one included.
    ///
    /// # Errors
    /// As [`Pool::broadcast`], but for the encoding: there is none.
    ///
    /// ```
    /// # procession_worker::init();
    /// use procession_pool::{Pool, SharedBytes};
    /// fn ones(bits: SharedBytes, from: usize, to: usize) -> u32 {
    ///     bits[from..to].iter().map(|byte| byte.count_ones()).sum()
    /// }
    ///
    /// let pool = Pool::new(2)?;
    /// let bits = pool.broadcast_bytes(vec![3; 1 << 20])?;
    /// let halves = [(bits.clone(), 0, 1 << 19), (bits.clone(), 1 << 19, 1 << 20)];
    /// assert_eq!(pool.starmap(ones, halves)?, [1 << 20, 1 << 20]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn broadcast_bytes(&self, bytes: impl AsRef<[u8]>) -> Result<SharedBytes, Error> {
        self.may_broadcast()?;
        let share = Share::new(self, bytes.as_ref())?;
        let content = share.content()?;
        let share = Some(Arc::new(share));
        Ok(SharedBytes { content, share })
    }

    fn may_broadcast(&self) -> Result<(), Error> {
        if let Some(shared) = self.shared.as_ref().filter(|shared| !shared.is_ours()) {
            return Err(Error::forked(shared.owner()));
        }
        if !self.is_open() {
            let text = "cannot broadcast: the pool was closed or terminated";
            return Err(Error::closed(text));
        }
        Ok(())
    }
}

/// A value that [`Pool::broadcast`] sends to each worker once: an argument like any other.
///
/// It may stand alone, in a tuple, a struct or a collection among the arguments of any verb. In the process that made it,
/// it derefs to the value itself; in a call, to the worker's own value, which all calls there have in common. Cloning it is
/// cheap and copies nothing.
///
/// # How it can fail
/// * A call of **another pool** that mentions it ends with `EncodeArgs`, and nothing is sent. So does a `Process`, and an
///   initializer cannot be given one.
/// * A **result** that mentions it ends with `EncodeResult`: return what was computed of it, or the value.
/// * A call that **passes its own on** to a pool of the worker's ends with `EncodeArgs`: broadcast it there.
/// * A value that **does not decode** in a worker makes each call that mentions it end with `DecodeArgs`; a worker that has
///   no memory or descriptors left to take it does so too.
/// * **Elsewhere** (a file, a message) serializing it is an error of that serializer.
///
/// In a copy of this process made by `fork` it still is the value; the calls that would mention it are refused.
///
/// ```
/// # procession_worker::init();
/// use procession_pool::{Pool, Shared, TaskErrorKind};
/// let (one, other) = (Pool::new(1)?, Pool::new(1)?);
/// let words = one.broadcast(vec!["a".to_string()])?;
/// let count = |words: Shared<Vec<String>>| words.len();
/// assert_eq!(one.apply(count, (words.clone(),))?, 1);
/// let error = other.apply(count, (words.clone(),)).unwrap_err();
/// assert_eq!(error.kind(), TaskErrorKind::EncodeArgs);
/// let error = one.apply(|words: Shared<Vec<String>>| words, (words,)).unwrap_err();
/// assert_eq!(error.kind(), TaskErrorKind::EncodeResult);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Shared<T> {
    value: Arc<T>,
    /// `None` in a call: it was made elsewhere.
    share: Option<Arc<Share>>,
}

/// Bytes that [`Pool::broadcast_bytes`] sends to each worker once, as [`Shared`] is a value.
///
/// It derefs to a slice over memory that all processes have in common if it is longer than 32 KiB.
pub struct SharedBytes {
    content: Arc<Content>,
    /// `None` in a call: it was made elsewhere.
    share: Option<Arc<Share>>,
}

impl<T> Deref for Shared<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl Deref for SharedBytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.content
    }
}

impl AsRef<[u8]> for SharedBytes {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl<T> Clone for Shared<T> {
    fn clone(&self) -> Shared<T> {
        Shared {
            value: Arc::clone(&self.value),
            share: self.share.clone(),
        }
    }
}

impl Clone for SharedBytes {
    fn clone(&self) -> SharedBytes {
        SharedBytes {
            content: Arc::clone(&self.content),
            share: self.share.clone(),
        }
    }
}

/// Shows the type, never a whole table.
impl<T> fmt::Debug for Shared<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared")
            .field("type", &type_name::<T>())
            .field("share", &self.share)
            .finish_non_exhaustive()
    }
}

/// Shows the length, never a megabyte of numbers.
impl fmt::Debug for SharedBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedBytes")
            .field("len", &self.len())
            .field("share", &self.share)
            .finish_non_exhaustive()
    }
}

/// Writes its number and type, in the arguments of a call of its pool; anywhere else it is an error.
impl<T> Serialize for Shared<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        number::<T, S>(self.share.as_ref(), serializer)
    }
}

/// As a [`Shared`] does.
impl Serialize for SharedBytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        number::<SharedBytes, S>(self.share.as_ref(), serializer)
    }
}

fn number<T, S: Serializer>(share: Option<&Arc<Share>>, serializer: S) -> Result<S::Ok, S::Error> {
    let Some(share) = share else {
        return Err(ser::Error::custom(
            "a shared value cannot be sent by the process that received it, neither as a result nor to another process",
        ));
    };
    session::mention(share).map_err(ser::Error::custom)?;
    (share.id(), type_fingerprint::<T>()).serialize(serializer)
}

/// Finds the value that the arguments of a call mean; anywhere else it is an error.
impl<'de, T: DeserializeOwned + Send + Sync + 'static> Deserialize<'de> for Shared<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Shared<T>, D::Error> {
        let given = given::<T, D>(deserializer)?;
        let value = given.value::<T>().map_err(de::Error::custom)?;
        Ok(Shared { value, share: None })
    }
}

/// As a [`Shared`] does.
impl<'de> Deserialize<'de> for SharedBytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<SharedBytes, D::Error> {
        let given = given::<SharedBytes, D>(deserializer)?;
        let content = given.bytes().map_err(de::Error::custom)?;
        Ok(SharedBytes {
            content,
            share: None,
        })
    }
}

fn given<'de, T, D: Deserializer<'de>>(deserializer: D) -> Result<Arc<shares::Given>, D::Error> {
    let (id, fingerprint) = <(u64, u64)>::deserialize(deserializer)?;
    if fingerprint != type_fingerprint::<T>() {
        return Err(de::Error::custom("a shared value is of another type"));
    }
    shares::find(id).map_err(de::Error::custom)
}
