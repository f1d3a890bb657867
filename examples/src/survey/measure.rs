//! What a worker does: reads files and says what is in them. It runs in another process, so it may use nothing but its arguments.

use std::{
    ffi::{OsStr, OsString},
    fs::OpenOptions,
    io::{self, Read},
    os::unix::fs::OpenOptionsExt,
    time::{Duration, Instant},
};

use rustix::fs::OFlags;
use serde::{Deserialize, Serialize};

use super::text::{Counter, TextFacts};

/// A file with a zero byte among its first 8 KiB is no text, as in `git`.
const SNIFF: usize = 8 * 1024;

/// Bytes read at a time.
const BUFFER: usize = 256 * 1024;

/// What is read of a file whose length is given as 0, at most: files in `/proc` do so and have contents.
const UNMEASURED: u64 = 16 * 1024 * 1024;

/// What is in one file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    /// BLAKE3 of the contents.
    pub hash: [u8; 32],
    /// Bytes read.
    pub bytes: u64,
    /// Lines and words; `None` when it is not text.
    pub text: Option<TextFacts>,
}

/// The answer to one batch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Measured {
    /// For each path, in order: what is in the file, or why it could not be read.
    pub files: Vec<Result<Facts, String>>,
    /// How long the batch took in the worker.
    pub busy: Duration,
}

/// The task: measures each file. A file that cannot be read is a value here, so it costs its neighbours nothing.
pub fn measure(paths: Vec<OsString>) -> Measured {
    let begun = Instant::now();
    let mut buffer = vec![0; BUFFER];
    let files = paths
        .iter()
        .map(|path| measure_one(path, &mut buffer).map_err(|error| error.to_string()))
        .collect();
    Measured {
        files,
        busy: begun.elapsed(),
    }
}

fn measure_one(path: &OsStr, buffer: &mut [u8]) -> io::Result<Facts> {
    // Hazard: between the walk and this open the name may have become a fifo, whose open would wait for a writer, or a
    // terminal, whose open could make it ours. Both flags mean nothing to a regular file.
    let flags = OFlags::NONBLOCK | OFlags::NOCTTY;
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(flags.bits().cast_signed())
        .open(path)?;
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(io::Error::other("is no longer a regular file"));
    }
    // A file that grows while it is read (a log, or our own output) is counted to the length it had: the read must end.
    let limit = if metadata.len() == 0 {
        UNMEASURED
    } else {
        metadata.len()
    };
    facts(file.take(limit), buffer)
}

fn facts(mut source: impl Read, buffer: &mut [u8]) -> io::Result<Facts> {
    let mut hasher = blake3::Hasher::new();
    let mut counter = None;
    let mut bytes = 0;
    loop {
        let length = match source.read(buffer) {
            Ok(0) => break,
            Ok(length) => length,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        let piece = &buffer[..length];
        if bytes == 0 && memchr::memchr(0, &piece[..length.min(SNIFF)]).is_none() {
            counter = Some(Counter::default());
        }
        hasher.update(piece);
        if let Some(counter) = &mut counter {
            counter.feed(piece);
        }
        bytes += length as u64;
    }
    let text = if bytes == 0 {
        Some(TextFacts::default())
    } else {
        counter.map(Counter::finish)
    };
    Ok(Facts {
        hash: *hasher.finalize().as_bytes(),
        bytes,
        text,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_bytes_are_told_apart() {
        let mut buffer = vec![0; BUFFER];
        let mut of = |bytes: &[u8]| facts(bytes, &mut buffer).unwrap();
        assert_eq!(of(b"a\n").text.unwrap().lines, 1);
        assert_eq!(of(b"").text, Some(TextFacts::default()));
        assert_eq!(of(b"a\0").text, None);
        assert_eq!(of(b"abc").hash, *blake3::hash(b"abc").as_bytes());
    }

    #[test]
    fn a_device_is_refused_and_a_missing_file_is_a_reason() {
        let measured = measure(vec!["/dev/zero".into(), "/no/such/file".into()]);
        assert_eq!(
            measured.files[0],
            Err("is no longer a regular file".to_string())
        );
        assert_eq!(
            measured.files[1],
            Err("No such file or directory (os error 2)".to_string())
        );
    }
}
