//! Values that many calls name: what a handle among a call's arguments finds in the process that runs the call.
//! It knows no socket and no pool; it must never hold a lock while a value is decoded, which is user code.

use std::any::Any;
use std::cell::RefCell;
use std::fmt;
use std::ops::Deref;
use std::rc::Rc;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use procession_os::Sealed;
use procession_task::codec::{Limits, decode};
use serde::de::DeserializeOwned;

/// The bytes of a shared value: its own copy if they are few, else the one file that every process maps.
#[derive(Debug)]
pub enum Content {
    /// In this process's memory.
    Here(Vec<u8>),
    /// In a file that nobody can change.
    Mapped(Sealed),
}

impl Deref for Content {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Content::Here(bytes) => bytes,
            Content::Mapped(sealed) => sealed,
        }
    }
}

/// A shared value in a process that runs calls with it: decoded once, by the first call that names it.
pub struct Given {
    /// Gone once the value is decoded: nobody needs them any more.
    bytes: Mutex<Option<Arc<Content>>>,
    value: OnceLock<Arc<dyn Any + Send + Sync>>,
}

impl fmt::Debug for Given {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Given")
            .field("decoded", &self.value.get().is_some())
            .finish_non_exhaustive()
    }
}

impl Given {
    /// A value that has arrived as these bytes.
    pub fn new(bytes: Content) -> Given {
        Given {
            bytes: Mutex::new(Some(Arc::new(bytes))),
            value: OnceLock::new(),
        }
    }

    /// The bytes themselves.
    ///
    /// # Errors
    /// When they were decoded to a value: they are no bytes for calls then.
    pub fn bytes(&self) -> Result<Arc<Content>, String> {
        let bytes = self.bytes.lock().unwrap_or_else(PoisonError::into_inner);
        bytes.clone().ok_or_else(other_type)
    }

    /// The value, decoded by whoever asks first.
    ///
    /// # Errors
    /// When it cannot be decoded, or is of another type.
    pub fn value<T>(&self) -> Result<Arc<T>, String>
    where
        T: DeserializeOwned + Send + Sync + 'static,
    {
        let limits = Limits {
            max_bytes: usize::MAX,
            ..Limits::default()
        };
        if self.value.get().is_none()
            && let Ok(bytes) = self.bytes()
        {
            let decoded = decode::<T>(&bytes, &limits)
                .map_err(|e| format!("a shared value cannot be decoded: {e}"))?;
            // Two calls of an inline pool may both have decoded it: the first one's stands.
            let _ = self.value.set(Arc::new(decoded));
            *self.bytes.lock().unwrap_or_else(PoisonError::into_inner) = None;
        }
        let value = self.value.get().ok_or_else(other_type)?;
        Arc::clone(value).downcast().map_err(|_| other_type())
    }
}

fn other_type() -> String {
    "a shared value is of another type".into()
}

/// Finds a value by its number, or says why there is none.
pub type Finder = Rc<dyn Fn(u64) -> Result<Arc<Given>, String>>;

thread_local! {
    static FINDERS: RefCell<Vec<Finder>> = const { RefCell::new(Vec::new()) };
}

/// What the arguments that this thread decodes mean by `id`.
///
/// # Errors
/// When they are the arguments of no call, or the value is not there.
pub fn find(id: u64) -> Result<Arc<Given>, String> {
    // User code runs meanwhile, which may come back here.
    let finder = FINDERS.try_with(|finders| finders.borrow().last().cloned());
    match finder {
        Ok(Some(find)) => find(id),
        // Nor has a thread that is being torn down a place for one.
        Ok(None) | Err(_) => {
            Err("a shared value can be received only as an argument of a call".into())
        }
    }
}

/// Runs `call`, whose arguments name what `finder` finds.
pub fn with<R>(finder: Finder, call: impl FnOnce() -> R) -> R {
    let _pop = Pop;
    let _ = FINDERS.try_with(|finders| finders.borrow_mut().push(finder));
    call()
}

struct Pop;

impl Drop for Pop {
    fn drop(&mut self) {
        // Dropped after the list is let go.
        let _finder = FINDERS.try_with(|finders| finders.borrow_mut().pop());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded<T: serde::Serialize>(value: &T) -> Given {
        let mut bytes = Vec::new();
        procession_task::codec::encode(value, &mut bytes, &Limits::default()).unwrap();
        Given::new(Content::Here(bytes))
    }

    #[test]
    fn a_value_is_decoded_once_and_its_bytes_go() {
        let given = encoded(&vec![1u32, 2, 3]);
        assert_eq!(&**given.bytes().unwrap(), [3, 1, 2, 3]);
        let first = given.value::<Vec<u32>>().unwrap();
        let second = given.value::<Vec<u32>>().unwrap();
        assert!(Arc::ptr_eq(&first, &second));
        assert!(given.bytes().is_err());
        assert!(given.value::<String>().is_err());
    }

    #[test]
    fn what_does_not_decode_says_so_each_time() {
        let given = Given::new(Content::Here(vec![5, 1]));
        for _ in 0..2 {
            let error = given.value::<String>().unwrap_err();
            assert!(error.contains("the value ended early"), "{error}");
        }
    }

    #[test]
    fn the_innermost_call_decides() {
        let none: Finder = Rc::new(|id| Err(format!("no {id}")));
        let other: Finder = Rc::new(|_| Ok(Arc::new(encoded(&7u8))));
        assert!(find(1).unwrap_err().contains("only as an argument"));
        with(Rc::clone(&none), || {
            assert_eq!(*with(other, || find(1)).unwrap().value::<u8>().unwrap(), 7);
            assert_eq!(find(1).unwrap_err(), "no 1");
        });
        let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            with(none, || panic!("in a call"));
        }));
        assert!(panicked.is_err() && find(1).is_err_and(|e| e.contains("only")));
    }
}
