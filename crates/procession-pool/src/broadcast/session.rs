//! Which shared values a call's arguments mention, noted while they are encoded. Serde hands nothing through, so the note
//! is the thread's; it must cost a call that mentions none no more than two words written.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;

use procession_task::bytes::Pieces;
use procession_task::codec::{self, CodecError, Limits};
use procession_task::frame;
use procession_task::task::Arguments;
use procession_worker::shares::{self, Finder};

use super::share::Share;

/// The shared values that encoded items mention, each once. `None` for nearly all.
pub(crate) type Mentions = Option<Box<Mentioned>>;

/// At least one shared value.
#[derive(Debug, Default)]
pub(crate) struct Mentioned(Vec<Arc<Share>>);

impl Mentioned {
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Arc<Share>> {
        self.0.iter()
    }

    fn add(&mut self, share: Arc<Share>) {
        if !self.0.iter().any(|other| Arc::ptr_eq(other, &share)) {
            self.0.push(share);
        }
    }
}

/// What the arguments being encoded are for.
#[derive(Clone, Copy)]
struct Open {
    /// The pool that they go to; 0: none.
    pool: usize,
    /// How many of the newest in [`NOTED`] are theirs.
    mentioned: usize,
}

thread_local! {
    static OPEN: Cell<Open> = const { Cell::new(Open { pool: 0, mentioned: 0 }) };
    static NOTED: RefCell<Vec<Arc<Share>>> = const { RefCell::new(Vec::new()) };
}

/// Arguments are being encoded. Sessions nest, since a `Serialize` may itself make a call.
struct Session {
    outer: Open,
}

impl Session {
    #[inline]
    fn open(pool: usize) -> Session {
        Session {
            outer: OPEN.replace(Open { pool, mentioned: 0 }),
        }
    }
}

impl Drop for Session {
    #[inline]
    fn drop(&mut self) {
        let open = OPEN.replace(self.outer);
        if open.mentioned > 0 {
            drop(take_newest(open.mentioned));
        }
    }
}

/// Takes what the innermost session noted.
#[cold]
fn take_newest(count: usize) -> Vec<Arc<Share>> {
    let newest = NOTED.try_with(|noted| {
        let noted = &mut *noted.borrow_mut();
        noted.split_off(noted.len().saturating_sub(count))
    });
    newest.unwrap_or_default()
}

/// Moves what the innermost session noted.
#[cold]
fn note_in(mentions: &mut Mentions) {
    let open = OPEN.get();
    OPEN.set(Open {
        mentioned: 0,
        ..open
    });
    let mentioned = mentions.get_or_insert_default();
    for share in take_newest(open.mentioned) {
        mentioned.add(share);
    }
}

/// Notes that the arguments being encoded mention `share`.
///
/// # Errors
/// When none are, or they go to another pool.
pub(super) fn mention(share: &Arc<Share>) -> Result<(), &'static str> {
    let open = OPEN.get();
    if open.pool == 0 {
        return Err(
            "a shared value can be sent only in the arguments of a call of the pool that made it",
        );
    }
    if open.pool != share.pool() {
        return Err(
            "a shared value can be sent only by the pool that made it, and this is another",
        );
    }
    let noted = NOTED.try_with(|noted| {
        let noted = &mut *noted.borrow_mut();
        let own = noted.len().saturating_sub(open.mentioned);
        let mut own = noted.iter().skip(own);
        if !own.any(|other| Arc::ptr_eq(other, share)) {
            noted.push(Arc::clone(share));
            OPEN.set(Open {
                mentioned: open.mentioned + 1,
                ..open
            });
        }
    });
    noted.map_err(|_| "a shared value cannot be sent by a thread that is being torn down")
}

/// Encodes what is no argument of a call: a shared value in it is an error.
pub(super) fn outside<R>(encode: impl FnOnce() -> R) -> R {
    let _session = Session::open(0);
    encode()
}

/// Runs a call in this thread, whose arguments mention these.
pub(crate) fn with_mentions<R>(mentions: &Mentions, call: impl FnOnce() -> R) -> R {
    let Some(mentioned) = mentions else {
        return call();
    };
    let given: Vec<_> = mentioned
        .iter()
        .filter_map(|share| Some((share.id(), Arc::clone(share.given()?))))
        .collect();
    let finder: Finder = Rc::new(move |id| {
        let found = given.iter().find(|(given, _)| *given == id);
        let found = found.map(|(_, given)| Arc::clone(given));
        found.ok_or_else(|| "the call does not mention this shared value".into())
    });
    shares::with(finder, call)
}

/// A session whose mentions are kept, however it ends.
pub(crate) struct Noting<'m> {
    _session: Session,
    mentions: &'m mut Mentions,
}

impl Drop for Noting<'_> {
    #[inline]
    fn drop(&mut self) {
        if OPEN.get().mentioned > 0 {
            note_in(self.mentions);
        }
    }
}

/// How a pool encodes arguments.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Encoding {
    pub(crate) limits: Limits,
    /// The address of the pool's [mark](crate::phase::Phase::mark); never 0.
    pub(crate) pool: usize,
}

impl Encoding {
    /// Appends an item to a frame, and what it mentions to `mentions`.
    #[inline]
    pub(crate) fn push<A: Arguments>(
        &self,
        args: &A,
        frame: &mut Vec<u8>,
        mentions: &mut Mentions,
    ) -> Result<(), CodecError> {
        let _noting = self.noting(mentions);
        frame::push_item(frame, |out| codec::encode(args, out, &self.limits))
    }

    /// As [`Encoding::push`], with what need not be copied in `pieces`.
    #[inline]
    pub(crate) fn push_apart<A: Arguments>(
        &self,
        args: &A,
        frame: &mut Vec<u8>,
        mentions: &mut Mentions,
        pieces: &mut Pieces,
    ) -> Result<(), CodecError> {
        let _noting = self.noting(mentions);
        frame::push_item_apart(frame, pieces, |out, pieces| {
            codec::encode_apart(args, out, pieces, &self.limits)
        })
    }

    /// What is encoded in this thread goes to this pool, and mentions go to `mentions`, until this is dropped.
    #[inline]
    pub(crate) fn noting<'m>(&self, mentions: &'m mut Mentions) -> Noting<'m> {
        Noting {
            _session: Session::open(self.pool),
            mentions,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Pool;

    fn encode<A: Arguments>(
        pool: &Pool,
        args: &A,
        mentions: &mut Mentions,
    ) -> Result<(), CodecError> {
        pool.encoding().push(args, &mut Vec::new(), mentions)
    }

    #[test]
    fn each_value_is_noted_once_and_nothing_is_left_over() {
        let pool = Pool::builder().workers(0).build().unwrap();
        let (one, two) = (pool.broadcast(1u8).unwrap(), pool.broadcast(2u8).unwrap());
        let mut mentions = None;
        encode(&pool, &(1u8, "plain".to_string()), &mut mentions).unwrap();
        assert!(mentions.is_none());
        for _ in 0..3 {
            let args = (vec![one.clone(), one.clone()], two.clone(), one.clone());
            encode(&pool, &args, &mut mentions).unwrap();
        }
        assert_eq!(mentions.take().unwrap().iter().count(), 2);

        // A refusal after a mention leaves nothing noted in the thread for the next call.
        let other = Pool::builder().workers(0).build().unwrap();
        let theirs = other.broadcast(3u8).unwrap();
        let error = encode(&pool, &(one.clone(), theirs), &mut mentions).unwrap_err();
        assert!(error.to_string().contains("this is another"), "{error}");
        assert_eq!((OPEN.get().pool, OPEN.get().mentioned), (0, 0));
        NOTED.with_borrow(|noted| assert!(noted.is_empty()));
        assert!(
            outside(|| encode(&pool, &(one,), &mut mentions)).is_ok(),
            "a call in between"
        );
    }

    #[test]
    fn outside_of_calls_it_is_refused_both_ways() {
        let pool = Pool::builder().workers(0).build().unwrap();
        let shared = pool.broadcast(5u64).unwrap();
        let limits = Limits::default();
        let error = codec::encode(&shared, &mut Vec::new(), &limits).unwrap_err();
        assert!(
            error
                .to_string()
                .contains("only in the arguments of a call"),
            "{error}"
        );
        // What a hostile worker might write into a result.
        let mut forged = Vec::new();
        let fingerprint = procession_task::descriptor::type_fingerprint::<u64>();
        codec::encode(&(1u64, fingerprint), &mut forged, &limits).unwrap();
        let error = codec::decode::<crate::Shared<u64>>(&forged, &limits).unwrap_err();
        assert!(error.to_string().contains("only as an argument"), "{error}");
        let error = codec::decode::<crate::Shared<u32>>(&forged, &limits).unwrap_err();
        assert!(error.to_string().contains("of another type"), "{error}");
        assert!(codec::decode::<crate::SharedBytes>(&[0, 0], &limits).is_err());
    }
}
