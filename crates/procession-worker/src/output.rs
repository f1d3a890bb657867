//! Where a pool's workers write to: the choices, and the names of the two streams. Reads and writes nothing.

/// Where one of the standard outputs of a pool's workers goes.
///
/// ```
/// use procession_worker::Output;
/// assert_eq!(Output::default(), Output::Inherit);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Output {
    /// To the parent's own, as it comes: lines of several workers may mix.
    #[default]
    Inherit,
    /// Nowhere.
    Null,
    /// Through a pipe to the parent, line by line.
    Captured,
}

/// One of the two standard outputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OutputStream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}
