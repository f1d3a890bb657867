//! Functions that make state and functions that are lent it, each as a task like any other. They never touch where it is kept.

use std::any::type_name;
use std::fmt;
use std::marker::PhantomData;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::keep;
use crate::failure::Failure;
use crate::task::{Arguments, Task};

/// A function that makes a state: a `fn` item or a closure that captures nothing, of zero to eight parameters, which returns what
/// is to be kept. That need not be serializable, `Send` or `Sync`: it stays where it was made.
///
/// ```
/// use procession_task::MakeState;
///
/// fn make<F: MakeState<Args>, Args>(make: F, args: Args) -> F::State {
///     make.make(args)
/// }
/// let cell = make(|n: u32| std::rc::Rc::new(std::cell::Cell::new(n)), (5,));
/// assert_eq!(cell.get(), 5);
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot make a state from the arguments `{Args}`",
    label = "not a function from `{Args}` to something to keep",
    note = "it is a `fn` item or a closure that captures nothing; its arguments are passed as one tuple, `(5,)`, and travel through `serde`",
    note = "what it returns may be of any type that borrows nothing"
)]
pub trait MakeState<Args>: Copy + Send + Sync + 'static {
    /// What it makes.
    type State: 'static;

    /// Makes one.
    fn make(&self, args: Args) -> Self::State;
}

/// A function that is lent a state: like a [`Task`], with `&mut S` before its other parameters, of which there may be zero to
/// seven.
///
/// ```
/// use procession_task::StateTask;
///
/// fn call<S, F: StateTask<S, Args>, Args>(task: F, state: &mut S, args: Args) -> F::Output {
///     task.call(state, args)
/// }
/// let mut total = 1u32;
/// assert_eq!(call(|total: &mut u32, n: u32| { *total += n; *total }, &mut total, (2,)), 3);
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be a task with a state",
    label = "not a function from `&mut` state and serializable values to a serializable value",
    note = "its first parameter is `&mut S`, and up to seven others follow; it is a `fn` item or a closure that captures nothing",
    note = "each other parameter and the result must own what they hold and implement `serde::Serialize` and `serde::Deserialize`"
)]
pub trait StateTask<S, Args>: Copy + Send + Sync + 'static {
    /// What the function returns.
    type Output: Serialize + DeserializeOwned;

    /// Calls the function in this process.
    fn call(&self, state: &mut S, args: Args) -> Self::Output;
}

macro_rules! functions {
    (make $(($($arg:ident $value:ident),*))*) => {$(
        impl<Func, State, $($arg),*> MakeState<($($arg,)*)> for Func
        where
            Func: Fn($($arg),*) -> State + Copy + Send + Sync + 'static,
            State: 'static,
            $($arg: Serialize + DeserializeOwned),*
        {
            type State = State;

            fn make(&self, ($($value,)*): ($($arg,)*)) -> State {
                self($($value),*)
            }
        }
    )*};
    (lend $(($($arg:ident $value:ident),*))*) => {$(
        impl<Func, State, Res, $($arg),*> StateTask<State, ($($arg,)*)> for Func
        where
            Func: Fn(&mut State, $($arg),*) -> Res + Copy + Send + Sync + 'static,
            Res: Serialize + DeserializeOwned,
            $($arg: Serialize + DeserializeOwned),*
        {
            type Output = Res;

            fn call(&self, state: &mut State, ($($value,)*): ($($arg,)*)) -> Res {
                self(state, $($value),*)
            }
        }
    )*};
}

functions! { lend
    ()
    (A a)
    (A a, B b)
    (A a, B b, C c)
    (A a, B b, C c, D d)
    (A a, B b, C c, D d, E e)
    (A a, B b, C c, D d, E e, F f)
    (A a, B b, C c, D d, E e, F f, G g)
}

functions! { make
    ()
    (A a)
    (A a, B b)
    (A a, B b, C c)
    (A a, B b, C c, D d)
    (A a, B b, C c, D d, E e)
    (A a, B b, C c, D d, E e, F f)
    (A a, B b, C c, D d, E e, F f, G g)
    (A a, B b, C c, D d, E e, F f, G g, H h)
}

/// The task that makes a state where it runs, and leaves it there.
#[derive(Clone, Copy)]
pub struct Making<F>(F);

impl<F> Making<F> {
    /// Of this function.
    #[must_use]
    pub fn new(make: F) -> Making<F> {
        Making(make)
    }
}

impl<F: MakeState<Args>, Args: Arguments> Task<Args> for Making<F> {
    type Output = ();

    fn call(&self, args: Args) {
        keep::put(self.0.make(args));
    }

    fn name() -> &'static str {
        type_name::<F>()
    }
}

impl<F> fmt::Debug for Making<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Making({})", type_name::<F>())
    }
}

/// A task that is lent its worker's state; made by [`with_state`].
pub struct WithState<S, F> {
    task: F,
    state: PhantomData<fn(&mut S)>,
}

/// Makes a task of a function whose first parameter is `&mut` to the state of its worker: a task of the parameters behind it,
/// which every verb takes.
///
/// In a worker that has no state, or one of another type, the call ends in an error that names the types. It never runs then. A
/// task that panics loses the state, which may be half changed: it is dropped, and made again before the next task that wants
/// it.
///
/// Called by hand, outside of a pool, it panics when there is no such state.
///
/// ```
/// use procession_task::{Task, with_state};
///
/// fn visits(seen: &mut Vec<String>, name: String) -> usize {
///     seen.push(name);
///     seen.len()
/// }
/// fn is_task<F: Task<Args>, Args>(_: F) {}
/// is_task::<_, (String,)>(with_state(visits));
/// ```
#[must_use]
pub fn with_state<S, Args, F>(task: F) -> WithState<S, F>
where
    S: 'static,
    F: StateTask<S, Args>,
{
    WithState {
        task,
        state: PhantomData,
    }
}

impl<S: 'static, F: StateTask<S, Args>, Args> Task<Args> for WithState<S, F> {
    type Output = F::Output;

    fn call(&self, args: Args) -> F::Output {
        let mut lent = keep::take::<S>();
        match lent.as_mut().and_then(keep::Lent::get) {
            Some(state) => self.task.call(state, args),
            None => panic!("there is no state of type {} here", type_name::<S>()),
        }
    }

    fn check() -> Result<(), Failure> {
        keep::check::<S>()
    }

    fn name() -> &'static str {
        type_name::<F>()
    }
}

impl<S, F: Copy> Clone for WithState<S, F> {
    fn clone(&self) -> WithState<S, F> {
        *self
    }
}

impl<S, F: Copy> Copy for WithState<S, F> {}

impl<S, F> fmt::Debug for WithState<S, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WithState({})", type_name::<F>())
    }
}
