//! What can be called in another process: functions of up to eight parameters that capture nothing.
//!
//! Nothing here knows how a function is named across processes; that is `descriptor`.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::failure::Failure;

/// The parameters of a task as one tuple: `()`, `(A,)`, `(A, B)` and so on up to eight.
///
/// ```
/// use procession_task::Arguments;
///
/// fn count<A: Arguments>(_args: &A) {}
/// count(&(5u32,));
/// count(&("name".to_string(), vec![1u8, 2]));
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the arguments of a task",
    label = "not a tuple of 0 to 8 serializable values",
    note = "arguments are one tuple, even for one parameter: write `(5,)`, not `5`",
    note = "each value must own what it holds and implement `serde::Serialize` and `serde::Deserialize`: `String` instead of `&str`"
)]
pub trait Arguments: Serialize + DeserializeOwned {}

/// A function that can be called in another process: a `fn` item, an instance of a generic one, or a closure that captures nothing.
///
/// It is implemented for functions of zero to eight parameters; `Args` is the tuple of the parameters. Each parameter and the result
/// implement `serde::Serialize` and `serde::de::DeserializeOwned`.
///
/// A parameter that borrows (`&str`, `&[u8]`) is refused by the compiler with "implementation of `Deserialize` is not general enough": take
/// `String`, `Vec<T>` or [`Bytes`](crate::Bytes). `Cow<'_, str>` works and is sent without a copy.
///
/// A closure that captures and a `fn` pointer satisfy the bounds but have a size: [`TaskRef::of`](crate::TaskRef::of) refuses them
/// while compiling.
///
/// ```
/// use procession_task::Task;
///
/// fn add(a: u32, b: u32) -> u32 {
///     a + b
/// }
///
/// fn run<F: Task<Args>, Args>(task: F, args: Args) -> F::Output {
///     task.call(args)
/// }
/// assert_eq!(run(add, (2, 3)), 5);
/// assert_eq!(run(|s: String| s.len(), ("four".to_string(),)), 4);
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be a task with the arguments `{Args}`",
    label = "not a function from `{Args}` to a serializable value",
    note = "a task is a `fn` item or a closure that captures nothing, with 0 to 8 parameters; its arguments are passed as one tuple: `(5,)`",
    note = "each parameter and the result must own what they hold and implement `serde::Serialize` and `serde::Deserialize`: take `String` instead of `&str`, `Vec<T>` instead of `&[T]`"
)]
pub trait Task<Args>: Copy + Send + Sync + 'static {
    /// What the function returns.
    type Output: Serialize + DeserializeOwned;

    /// Calls the function in this process.
    fn call(&self, args: Args) -> Self::Output;

    /// Whether everything is there that a call needs besides its arguments.
    #[doc(hidden)]
    #[inline]
    fn check() -> Result<(), Failure> {
        Ok(())
    }

    /// The function's name.
    #[doc(hidden)]
    fn name() -> &'static str {
        std::any::type_name::<Self>()
    }
}

macro_rules! tasks {
    ($(($($arg:ident $value:ident),*))*) => {$(
        impl<$($arg: Serialize + DeserializeOwned),*> Arguments for ($($arg,)*) {}

        impl<Func, Res, $($arg),*> Task<($($arg,)*)> for Func
        where
            Func: Fn($($arg),*) -> Res + Copy + Send + Sync + 'static,
            Res: Serialize + DeserializeOwned,
            $($arg: Serialize + DeserializeOwned),*
        {
            type Output = Res;

            #[inline]
            fn call(&self, ($($value,)*): ($($arg,)*)) -> Res {
                self($($value),*)
            }
        }
    )*};
}

tasks! {
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
