//! Why a task has no name, or a name no task; it must name the function it is about.

use std::fmt;

/// The function was compiled into another shared object than this crate, so its place means nothing to another process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ForeignImage {
    pub(super) name: &'static str,
}

impl ForeignImage {
    /// The function's name.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.name
    }
}

impl fmt::Display for ForeignImage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the function {} lies in another shared object than procession itself, so another process cannot find it",
            self.name
        )
    }
}

impl std::error::Error for ForeignImage {}

/// There is no such task in this program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownTask {
    pub(super) offset: i64,
    pub(super) fingerprint: u64,
    pub(super) why: &'static str,
}

impl fmt::Display for UnknownTask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let UnknownTask {
            offset,
            fingerprint,
            why,
        } = self;
        write!(
            f,
            "no task at offset {offset:+#x} with fingerprint {fingerprint:016x}: {why}"
        )
    }
}

impl std::error::Error for UnknownTask {}
