//! What has come of a submission, as bytes and errors. Must not decode a value.

use procession_worker::TaskError;

/// Result bytes; short ones live in place, so that a tiny result costs no allocation.
#[derive(Clone, Debug)]
pub(crate) enum Raw {
    Short(u8, [u8; Raw::SHORT]),
    Long(Box<[u8]>),
}

impl Raw {
    const SHORT: usize = 22;

    pub(crate) fn new(bytes: &[u8]) -> Raw {
        Raw::short(bytes).unwrap_or_else(|| Raw::Long(bytes.into()))
    }

    /// The bytes in place, if they fit.
    pub(crate) fn short(bytes: &[u8]) -> Option<Raw> {
        let mut short = [0; Raw::SHORT];
        short.get_mut(..bytes.len())?.copy_from_slice(bytes);
        Some(Raw::Short(bytes.len() as u8, short))
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        match self {
            Raw::Short(len, bytes) => bytes.get(..usize::from(*len)).unwrap_or_default(),
            Raw::Long(bytes) => bytes,
        }
    }
}

/// What has arrived of a map and was not yet collected.
#[derive(Clone, Debug, Default)]
pub(crate) struct Arrived {
    /// First item and number of items of each run of replies, in the order of `frames`.
    pub(crate) runs: Vec<(u32, u32)>,
    /// The reply frames of all runs, end to end.
    pub(crate) frames: Vec<u8>,
    /// Items that ended without a reply.
    pub(crate) failed: Vec<(u32, TaskError)>,
}

impl Arrived {
    pub(super) fn clear(&mut self) {
        self.runs.clear();
        self.frames.clear();
        self.failed.clear();
    }
}
