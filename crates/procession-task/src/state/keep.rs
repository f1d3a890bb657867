//! Where state is between two tasks: in the thread that runs them, one place for each pool. It must never lend one state
//! twice, and never drop one while a panic unwinds.

use std::any::{Any, TypeId, type_name};
use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use crate::codec::Limits;
use crate::descriptor::Descriptor;
use crate::failure::{Failure, Stage};

/// How a state is made: a [`Making`](super::Making) function and its encoded arguments.
#[derive(Clone, Debug)]
pub struct Maker {
    descriptor: &'static Descriptor,
    args: Arc<Vec<u8>>,
}

impl Maker {
    /// The call that makes a state.
    #[must_use]
    pub fn new(descriptor: &'static Descriptor, args: Arc<Vec<u8>>) -> Maker {
        Maker { descriptor, args }
    }
}

/// A state between two tasks.
struct Kept {
    value: Box<dyn Any>,
    name: &'static str,
}

/// One pool's state in one thread.
struct Place {
    owner: u64,
    maker: Maker,
    kept: Option<Kept>,
    lent: bool,
    /// What a task held when it panicked: dropped when nothing unwinds.
    spoiled: Option<Box<dyn Any>>,
}

struct Here {
    /// The pool whose task runs, or would.
    current: u64,
    places: Vec<Place>,
}

thread_local! {
    static HERE: RefCell<Here> = const { RefCell::new(Here { current: 0, places: Vec::new() }) };
}

/// Runs `f` with the current place, if there is one. No code of the user may run in it.
///
/// A thread that is being torn down has none: what it kept is dropped already.
fn with_place<R>(mut f: impl FnMut(Option<&mut Place>) -> R) -> R {
    let done = HERE.try_with(|here| {
        let here = &mut *here.borrow_mut();
        let current = here.current;
        f(here.places.iter_mut().find(|place| place.owner == current))
    });
    done.unwrap_or_else(|_| f(None))
}

/// As long as it lives, the tasks of this thread are those of one pool.
#[derive(Debug)]
pub struct Within {
    before: u64,
}

/// Makes `owner` the pool of this thread's tasks. A state is made when the first of them needs it, or by [`Within::make`].
#[must_use]
pub fn within(owner: u64, maker: Option<&Maker>) -> Within {
    let before = HERE.try_with(|here| {
        let here = &mut *here.borrow_mut();
        if let Some(maker) = maker
            && !here.places.iter().any(|place| place.owner == owner)
        {
            here.places.push(Place {
                owner,
                maker: maker.clone(),
                kept: None,
                lent: false,
                spoiled: None,
            });
        }
        std::mem::replace(&mut here.current, owner)
    });
    Within {
        before: before.unwrap_or_default(),
    }
}

impl Within {
    /// Makes the state now, if it is not there.
    ///
    /// # Errors
    /// Why it cannot be made; nothing is there then.
    pub fn make(&self) -> Result<(), Failure> {
        make()
    }
}

impl Drop for Within {
    fn drop(&mut self) {
        let _ = HERE.try_with(|here| here.borrow_mut().current = self.before);
    }
}

/// Drops the current pool's state, at the end of a worker.
pub fn end() {
    let owner = HERE.with(|here| here.borrow().current);
    forget(owner);
}

/// Drops the state that this thread keeps for `owner`. A panic in it is caught.
pub fn forget(owner: u64) {
    let place = HERE.try_with(|here| {
        let places = &mut here.borrow_mut().places;
        let at = places.iter().position(|place| place.owner == owner)?;
        Some(places.swap_remove(at))
    });
    drop_quietly(place);
}

/// Drops what may panic in its drop.
pub(crate) fn drop_quietly<T>(value: T) {
    if let Err(payload) = catch_unwind(AssertUnwindSafe(|| drop(value))) {
        // Its own drop may panic as well.
        std::mem::forget(payload);
    }
}

fn make() -> Result<(), Failure> {
    let (spoiled, maker) = with_place(|place| {
        let place = place?;
        let wanted = place.kept.is_none() && !place.lent;
        Some((place.spoiled.take(), wanted.then(|| place.maker.clone())))
    })
    .unwrap_or_default();
    drop_quietly(spoiled);
    let Some(maker) = maker else { return Ok(()) };
    let mut output = Vec::new();
    let made = maker
        .descriptor
        .call(&maker.args, &mut output, &Limits::default());
    made.map_err(|failure| {
        let name = maker.descriptor.name();
        no_state(format!("the state cannot be made by {name}: {failure}"))
    })
}

fn no_state(why: String) -> Failure {
    Failure::new(Stage::NoState, why)
}

/// Whether a state of type `S` is there to be lent, after making it if it has to be.
pub(crate) fn check<S: 'static>() -> Result<(), Failure> {
    let wanted = type_name::<S>();
    let is_there = with_place(|place| match place {
        None => Err(no_state(format!(
            "there is no state here, but it wants a {wanted}: see PoolBuilder::state"
        ))),
        Some(place) if place.lent => Err(no_state(format!(
            "it wants the {wanted} that the task around it holds"
        ))),
        Some(place) => Ok(place.kept.is_some()),
    })?;
    if !is_there {
        make()?;
    }
    with_place(|place| match place.and_then(|place| place.kept.as_ref()) {
        None => Err(no_state(format!("there is no {wanted}, nothing was made"))),
        Some(kept) if (*kept.value).type_id() != TypeId::of::<S>() => Err(no_state(format!(
            "the state is a {}, but it wants a {wanted}",
            kept.name
        ))),
        Some(_) => Ok(()),
    })
}

/// Keeps a state that was made here. Without a place for it, it is dropped.
pub(crate) fn put<S: 'static>(value: S) {
    let mut kept = Some(Kept {
        value: Box::new(value),
        name: type_name::<S>(),
    });
    let former =
        with_place(|place| place.and_then(|place| std::mem::replace(&mut place.kept, kept.take())));
    drop(former);
}

/// A state in the hands of a task. What a panic finds there is not used again: it may be half changed.
pub(crate) struct Lent<S: 'static> {
    value: Option<Box<S>>,
    owner: u64,
}

/// Takes the state out of its place; `None` unless [`check`] has just succeeded.
pub(crate) fn take<S: 'static>() -> Option<Lent<S>> {
    with_place(|place| {
        let place = place?;
        let kept = place.kept.take()?;
        match kept.value.downcast::<S>() {
            Ok(value) => {
                place.lent = true;
                Some(Lent {
                    value: Some(value),
                    owner: place.owner,
                })
            }
            Err(value) => {
                place.kept = Some(Kept { value, ..kept });
                None
            }
        }
    })
}

impl<S: 'static> Lent<S> {
    pub(crate) fn get(&mut self) -> Option<&mut S> {
        self.value.as_deref_mut()
    }
}

impl<S: 'static> Drop for Lent<S> {
    fn drop(&mut self) {
        let Some(value) = self.value.take() else {
            return;
        };
        let mut value: Option<Box<dyn Any>> = Some(value);
        let _ = HERE.try_with(|here| {
            let places = &mut here.borrow_mut().places;
            let place = places.iter_mut().find(|place| place.owner == self.owner);
            let Some(place) = place else { return };
            place.lent = false;
            if std::thread::panicking() {
                place.spoiled = value.take();
            } else {
                place.kept = value.take().map(|value| Kept {
                    value,
                    name: type_name::<S>(),
                });
            }
        });
        // Its place is gone: nobody wants it, and a second panic would abort.
        if std::thread::panicking() {
            std::mem::forget(value);
        }
    }
}
