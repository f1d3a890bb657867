//! A function as one number that another process of the same program understands; it must not call what it has not verified.

mod error;
mod run;

pub use error::{ForeignImage, UnknownTask};

use std::fmt;
use std::marker::PhantomData;

use crate::codec::Limits;
use crate::describe;
use crate::failure::Failure;
use crate::image::{self, ANCHOR, Anchor, DESCRIPTOR_MAGIC};
use crate::task::{Arguments, Task};

pub use crate::image::build_id;

/// All there is to know about one task in this program: a `static` the compiler makes for each function used as a task.
#[repr(C, align(16))]
pub struct Descriptor {
    /// With `anchor`, what tells a descriptor from anything else in the image. `image` reads these two before it believes the rest.
    pub(crate) magic: [u64; 2],
    pub(crate) anchor: &'static Anchor,
    identity: fn() -> Identity,
    run: Run,
    /// The content of an encoded `Err` as text.
    describe: fn(&[u8]) -> String,
}

/// Decodes the arguments, calls the function, appends the encoded result.
type Run = fn(&[u8], &mut Vec<u8>, &Limits) -> run::Outcome;

/// What `const` evaluation cannot know.
struct Identity {
    name: &'static str,
    output: &'static str,
    fingerprint: u64,
}

/// A task's name across processes of one program: the distance of its [`Descriptor`] from a fixed point, and a fingerprint of its types.
///
/// ```
/// use procession_task::{Limits, TaskRef, decode, encode, resolve};
///
/// fn add(a: u32, b: u32) -> u32 {
///     a + b
/// }
///
/// // In one process:
/// let task = TaskRef::of::<_, (u32, u32)>(add)?;
/// let mut args = Vec::new();
/// encode(&(2u32, 3u32), &mut args, &Limits::default())?;
///
/// // In another, of the same program:
/// let descriptor = resolve(task.offset(), task.fingerprint())?;
/// let mut output = Vec::new();
/// descriptor.call(&args, &mut output, &Limits::default())?;
/// assert_eq!(decode::<u32>(&output, &Limits::default())?, 5);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy)]
pub struct TaskRef {
    descriptor: &'static Descriptor,
    offset: i64,
    fingerprint: u64,
}

/// One descriptor for each function and argument tuple.
struct Entry<F, Args>(PhantomData<(F, Args)>);

impl<F: Task<Args>, Args: Arguments> Entry<F, Args> {
    const DESCRIPTOR: &'static Descriptor = &Descriptor {
        magic: DESCRIPTOR_MAGIC,
        anchor: &ANCHOR,
        identity: identity::<F, Args>,
        run: run::run::<F, Args>,
        describe: describe::error_in::<F::Output>,
    };
}

impl TaskRef {
    /// The name of `task`. A function that captures, or a `fn` pointer, does not compile.
    ///
    /// # Errors
    /// [`ForeignImage`] when the function was compiled into another shared object than this crate.
    #[inline]
    pub fn of<F: Task<Args>, Args: Arguments>(task: F) -> Result<TaskRef, ForeignImage> {
        const {
            assert!(
                size_of::<F>() == 0,
                "a task must capture nothing: pass captured values as arguments, and pass the function itself, not a `fn` pointer"
            );
        }
        let _ = task;
        let descriptor = Entry::<F, Args>::DESCRIPTOR;
        match image::offset_of(descriptor) {
            Some(offset) => {
                let fingerprint = image::fingerprint::<(F, Args, F::Output)>();
                Ok(TaskRef {
                    descriptor,
                    offset,
                    fingerprint,
                })
            }
            None => Err(ForeignImage {
                name: std::any::type_name::<F>(),
            }),
        }
    }

    /// The distance of the descriptor from the fixed point, in bytes.
    #[inline]
    #[must_use]
    pub fn offset(&self) -> i64 {
        self.offset
    }

    /// A hash of the types of function, arguments and result.
    #[inline]
    #[must_use]
    pub fn fingerprint(&self) -> u64 {
        self.fingerprint
    }

    /// The function's name, as the compiler prints it: `my_crate::parse`, `my_crate::main::{{closure}}`.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.descriptor.name()
    }

    /// The descriptor itself, to call the task in this process.
    #[inline]
    #[must_use]
    pub fn descriptor(&self) -> &'static Descriptor {
        self.descriptor
    }
}

impl fmt::Debug for TaskRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TaskRef({} at {:+#x})", self.name(), self.offset)
    }
}

/// A hash of a type: the same in every process of this program, and in no other build of it.
///
/// ```
/// use procession_task::descriptor::type_fingerprint;
///
/// assert_eq!(type_fingerprint::<Vec<u8>>(), type_fingerprint::<Vec<u8>>());
/// assert_ne!(type_fingerprint::<Vec<u8>>(), type_fingerprint::<Vec<i8>>());
/// ```
#[inline]
#[must_use]
pub fn type_fingerprint<T: ?Sized>() -> u64 {
    image::fingerprint::<T>()
}

/// Finds the descriptor another process of this program named.
///
/// # Errors
/// [`UnknownTask`] when there is no descriptor at that place or it is another function's. Nothing is called or jumped to then.
///
/// ```
/// use procession_task::{TaskRef, resolve};
///
/// let task = TaskRef::of::<_, (u32,)>(|x: u32| x + 1)?;
/// assert_eq!(resolve(task.offset(), task.fingerprint())?.name(), task.name());
/// assert!(resolve(task.offset() + 16, task.fingerprint()).is_err());
/// assert!(resolve(task.offset(), task.fingerprint() + 1).is_err());
/// assert!(resolve(i64::MAX, 0).is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[inline]
pub fn resolve(offset: i64, fingerprint: u64) -> Result<&'static Descriptor, UnknownTask> {
    let unknown = |why| UnknownTask {
        offset,
        fingerprint,
        why,
    };
    let descriptor = image::descriptor_at(offset).map_err(unknown)?;
    if descriptor.fingerprint() != fingerprint {
        return Err(unknown("another function's descriptor"));
    }
    Ok(descriptor)
}

impl Descriptor {
    /// The function's name, as the compiler prints it.
    #[must_use]
    pub fn name(&self) -> &'static str {
        (self.identity)().name
    }

    /// A hash of the types of function, arguments and result: the same in every process of this program.
    #[inline]
    #[must_use]
    pub fn fingerprint(&self) -> u64 {
        (self.identity)().fingerprint
    }

    /// The function returns a `Result`: an encoded result then starts with 0 for `Ok` and 1 for `Err`.
    #[must_use]
    pub fn returns_result(&self) -> bool {
        (self.identity)()
            .output
            .starts_with("core::result::Result<")
    }

    /// What the `Err` says that `output`, an encoded result of this function, is; `None` when it is none.
    ///
    /// The text reads as `{:?}` would print the error, by what its `Serialize` tells: at most a kilobyte, in one line
    /// without control characters. A part that cannot be told, or does not fit, is `…`.
    ///
    /// ```
    /// use procession_task::{Limits, TaskRef};
    ///
    /// fn half(x: u8) -> Result<u8, String> {
    ///     if x % 2 == 0 { Ok(x / 2) } else { Err(format!("{x} is odd")) }
    /// }
    /// let half = TaskRef::of::<_, (u8,)>(half)?.descriptor();
    /// let mut output = Vec::new();
    /// half.call(&[7], &mut output, &Limits::default())?;
    /// assert_eq!(half.returned_error(&output).as_deref(), Some("\"7 is odd\""));
    /// output.clear();
    /// half.call(&[8], &mut output, &Limits::default())?;
    /// assert_eq!(half.returned_error(&output), None);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn returned_error(&self, output: &[u8]) -> Option<String> {
        // Postcard writes the variant first: 0 is `Ok`, 1 is `Err`.
        (self.returns_result() && output.first() == Some(&1)).then(|| (self.describe)(output))
    }

    /// Decodes the arguments from `input`, calls the function, appends the encoded result to `output`.
    ///
    /// Nothing unwinds out of it. When the result has been encoded and then panics in its `Drop`, the call has succeeded.
    ///
    /// # Errors
    /// A [`Failure`] whose stage says how far the call came; `output` is then as it was.
    ///
    /// ```
    /// use procession_task::{Limits, Stage, TaskRef};
    ///
    /// fn half(x: u8) -> u8 {
    ///     assert!(x % 2 == 0, "{x} is odd");
    ///     x / 2
    /// }
    /// let half = TaskRef::of::<_, (u8,)>(half)?.descriptor();
    /// let mut output = Vec::new();
    /// half.call(&[8], &mut output, &Limits::default())?;
    /// assert_eq!(output, [4]);
    ///
    /// let failure = half.call(&[7], &mut output, &Limits::default()).unwrap_err();
    /// assert_eq!((failure.stage, failure.message.as_str()), (Stage::Run, "7 is odd"));
    /// let failure = half.call(&[], &mut output, &Limits::default()).unwrap_err();
    /// assert_eq!(failure.to_string(), "cannot decode the arguments: the value ended early");
    /// assert_eq!(output, [4]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline]
    pub fn call(&self, input: &[u8], output: &mut Vec<u8>, limits: &Limits) -> Result<(), Failure> {
        (self.run)(input, output, limits).map_err(|failure| *failure)
    }
}

impl fmt::Debug for Descriptor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Descriptor({})", self.name())
    }
}

fn identity<F: Task<Args>, Args: Arguments>() -> Identity {
    Identity {
        name: F::name(),
        output: std::any::type_name::<F::Output>(),
        fingerprint: image::fingerprint::<(F, Args, F::Output)>(),
    }
}
