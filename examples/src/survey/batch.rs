//! Puts small files together, so that a task is worth sending, and sends large ones alone. Pure: it has no clock and reads no file.

use std::time::Duration;

use super::walk::File;

/// What opening a file costs, counted as so many bytes read.
const OPENING: u64 = 16 * 1024;

/// A file of this length or more is a batch of its own: it must not hold small ones behind it.
const LARGE: u64 = 4 * 1024 * 1024;

/// What a batch should take: long against a message (microseconds), short against the patience of a progress bar.
const AIM: Duration = Duration::from_millis(10);

/// The bounds of a batch's weight: about four files that are empty, and about a second on a slow disk.
const WEIGHTS: std::ops::RangeInclusive<u64> = 64 * 1024..=64 * 1024 * 1024;

/// Collects files into batches whose size follows the speed of the workers.
#[derive(Debug)]
pub struct Batcher {
    pending: Vec<File>,
    weight: u64,
    aim: u64,
}

impl Default for Batcher {
    fn default() -> Self {
        // A first batch that is small: every worker has something to do at once, and the speed is known soon.
        Batcher {
            pending: Vec::new(),
            weight: 0,
            aim: *WEIGHTS.start(),
        }
    }
}

impl Batcher {
    /// Takes a file; returns a batch when one is complete. A large file comes back at once, alone, and leaves what is
    /// collected as it is.
    ///
    /// ```
    /// use procession_examples::survey::{batch::Batcher, walk::File};
    ///
    /// let file = |bytes| File { path: "a".into(), bytes };
    /// let mut batcher = Batcher::default();
    /// assert_eq!(batcher.push(file(10)), None);
    /// assert_eq!(batcher.push(file(1 << 30)), Some(vec![file(1 << 30)]));
    /// assert_eq!(batcher.rest(), Some(vec![file(10)]));
    /// assert_eq!(batcher.rest(), None);
    /// ```
    pub fn push(&mut self, file: File) -> Option<Vec<File>> {
        if file.bytes >= LARGE {
            return Some(vec![file]);
        }
        self.weight += weight(&file);
        self.pending.push(file);
        if self.weight >= self.aim {
            self.rest()
        } else {
            None
        }
    }

    /// What is collected, complete or not; `None` when that is nothing.
    pub fn rest(&mut self) -> Option<Vec<File>> {
        self.weight = 0;
        (!self.pending.is_empty()).then(|| std::mem::take(&mut self.pending))
    }

    /// Learns from a batch that took `busy`: the next ones are made to take 10 ms, at most twice and at least half as heavy
    /// as the ones before. Large files and half-empty last batches teach nothing.
    pub fn learn(&mut self, files: &[File], busy: Duration) {
        let weight: u64 = files.iter().map(weight).sum();
        if is_large(files) || weight < self.aim / 2 {
            return;
        }
        let ratio = AIM.as_secs_f64() / busy.as_secs_f64().max(1e-6);
        let aim = self.aim as f64 * ratio.clamp(0.5, 2.0);
        self.aim = (aim as u64).clamp(*WEIGHTS.start(), *WEIGHTS.end());
    }
}

/// Whether a batch is one large file.
pub fn is_large(files: &[File]) -> bool {
    matches!(files, [file] if file.bytes >= LARGE)
}

fn weight(file: &File) -> u64 {
    file.bytes + OPENING
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(bytes: u64) -> File {
        File {
            path: "a".into(),
            bytes,
        }
    }

    #[test]
    fn no_file_is_lost_or_doubled() {
        let mut batcher = Batcher::default();
        let lengths: Vec<u64> = (0..1000).map(|n| n * n * 13 % (2 * LARGE)).collect();
        let mut out: Vec<u64> = Vec::new();
        for &bytes in &lengths {
            out.extend(
                batcher
                    .push(file(bytes))
                    .into_iter()
                    .flatten()
                    .map(|file| file.bytes),
            );
        }
        out.extend(batcher.rest().into_iter().flatten().map(|file| file.bytes));
        let (mut given, mut got) = (lengths, out);
        given.sort_unstable();
        got.sort_unstable();
        assert_eq!(given, got);
    }

    #[test]
    fn fast_workers_get_larger_batches_and_slow_ones_smaller_within_bounds() {
        let mut batcher = Batcher::default();
        for _ in 0..100 {
            let batch = vec![file(batcher.aim)];
            batcher.learn(&batch, Duration::from_nanos(1));
        }
        assert_eq!(
            batcher.aim,
            LARGE.min(*WEIGHTS.end()),
            "a batch as heavy as a large file teaches nothing more"
        );
        for _ in 0..100 {
            let batch: Vec<File> = (0..batcher.aim / OPENING).map(|_| file(0)).collect();
            batcher.learn(&batch, Duration::from_secs(1));
        }
        assert_eq!(batcher.aim, *WEIGHTS.start());
    }

    #[test]
    fn a_half_empty_batch_teaches_nothing() {
        let mut batcher = Batcher {
            aim: 1024 * 1024,
            ..Batcher::default()
        };
        batcher.learn(&[file(10)], Duration::from_nanos(1));
        assert_eq!(batcher.aim, 1024 * 1024);
    }
}
