//! The error of this layer: what was attempted, on what, and the kernel's reason. It carries no policy and no retry advice.

use std::borrow::Cow;
use std::fmt;
use std::io;

use rustix::io::Errno;

/// `std::result::Result` with this crate's [`Error`].
pub type Result<T> = std::result::Result<T, Error>;

/// A failed operation of this layer, as one full sentence.
///
/// The text names the operation, its subject and the cause, so a caller can print it as it is or wrap it in a larger
/// story. The kernel's error number stays available through [`raw_os_error`](Error::raw_os_error).
///
/// ```
/// use procession_os::{Child, Error};
///
/// let error: Error = Child::adopt(std::process::id()).unwrap_err();
/// assert!(error.to_string().contains("is not a child of this process"));
/// ```
#[derive(Clone)]
pub struct Error {
    what: Cow<'static, str>,
    errno: Option<Errno>,
}

impl Error {
    /// An error with the kernel's reason.
    ///
    /// ```
    /// # use rustix::io::Errno;
    /// let error = procession_os::Error::new("cannot open a pidfd for process 17 (pidfd_open)", Errno::MFILE);
    /// assert_eq!(error.to_string(), "cannot open a pidfd for process 17 (pidfd_open): Too many open files (os error 24)");
    /// assert_eq!(error.raw_os_error(), Some(24));
    /// ```
    pub fn new(what: impl Into<Cow<'static, str>>, errno: Errno) -> Self {
        Error {
            what: what.into(),
            errno: Some(errno),
        }
    }

    /// An error this layer found by itself, with no error number.
    ///
    /// ```
    /// let error = procession_os::Error::message("the segment has 3 bytes, 8 are needed");
    /// assert_eq!(error.to_string(), "the segment has 3 bytes, 8 are needed");
    /// assert_eq!(error.raw_os_error(), None);
    /// ```
    pub fn message(what: impl Into<Cow<'static, str>>) -> Self {
        Error {
            what: what.into(),
            errno: None,
        }
    }

    /// An error of the standard library, with its error number when it has one.
    ///
    /// ```
    /// let missing = std::fs::File::open("/no/such/file").unwrap_err();
    /// let error = procession_os::Error::io("cannot open the file", &missing);
    /// assert_eq!(error.to_string(), "cannot open the file: No such file or directory (os error 2)");
    /// ```
    pub fn io(what: impl Into<Cow<'static, str>>, source: &io::Error) -> Self {
        match source.raw_os_error() {
            Some(number) => Error {
                what: what.into(),
                errno: Some(Errno::from_raw_os_error(number)),
            },
            None => Error {
                what: format!("{}: {source}", what.into()).into(),
                errno: None,
            },
        }
    }

    /// The kernel's error number, if the kernel was the one to refuse.
    ///
    /// ```
    /// # use rustix::io::Errno;
    /// assert_eq!(procession_os::Error::new("x", Errno::AGAIN).raw_os_error(), Some(11));
    /// ```
    pub fn raw_os_error(&self) -> Option<i32> {
        self.errno.map(Errno::raw_os_error)
    }

    /// The standard library's name for the reason; `Other` when there is no error number.
    ///
    /// ```
    /// # use rustix::io::Errno;
    /// # use std::io::ErrorKind;
    /// assert_eq!(procession_os::Error::new("x", Errno::PIPE).io_kind(), ErrorKind::BrokenPipe);
    /// assert_eq!(procession_os::Error::message("x").io_kind(), ErrorKind::Other);
    /// ```
    pub fn io_kind(&self) -> io::ErrorKind {
        self.errno
            .map_or(io::ErrorKind::Other, |errno| errno.kind())
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)?;
        match self.errno {
            Some(errno) => write!(f, ": {}", io::Error::from(errno)),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Error({self})")
    }
}

impl std::error::Error for Error {}

impl From<Error> for io::Error {
    fn from(error: Error) -> Self {
        io::Error::new(error.io_kind(), error)
    }
}

/// Turns a kernel error into an [`Error`] whose text is made only when there is one.
pub(crate) trait Context<T> {
    fn context<S: Into<Cow<'static, str>>>(self, what: impl FnOnce() -> S) -> Result<T>;
}

impl<T> Context<T> for std::result::Result<T, Errno> {
    fn context<S: Into<Cow<'static, str>>>(self, what: impl FnOnce() -> S) -> Result<T> {
        self.map_err(|errno| Error::new(what(), errno))
    }
}
