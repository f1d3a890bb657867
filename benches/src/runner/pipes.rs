//! Two named pipes that keep a crowd of processes alive together until it has been counted. Must not wait for a process that never came.

use std::fs::{File, OpenOptions};
use std::io::Read;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, FileType, Mode, mknodat};

use crate::machine;

/// The parent's ends. A child runs [`crate::tasks::hold`].
///
/// Why nobody leaves early and nobody stays for ever:
/// 1. a child writes to `arrived`, then opens `release` for reading, which blocks while there is no writer;
/// 2. the parent opens `release` for writing and keeps it open until it has reaped every child, so that a child which
///    was late with its open returns at once.
#[derive(Debug)]
pub struct Pipes {
    directory: PathBuf,
    arrived: File,
}

impl Pipes {
    /// Makes both pipes in an existing folder.
    pub fn create(directory: &Path) -> Result<(), String> {
        for name in ["arrived", "release"] {
            mknodat(
                CWD,
                directory.join(name),
                FileType::Fifo,
                Mode::RUSR | Mode::WUSR,
                0,
            )
            .map_err(|errno| format!("cannot make the pipe {name}: {errno}"))?;
        }
        Ok(())
    }

    /// Opens the pipe on which children report; to be done before the first child starts.
    pub fn open(directory: &str) -> Result<Pipes, String> {
        let directory = PathBuf::from(directory);
        // For reading and writing: an open for reading alone would wait for the first child.
        let arrived = OpenOptions::new()
            .read(true)
            .write(true)
            .open(directory.join("arrived"));
        Ok(Pipes {
            arrived: arrived.map_err(|error| format!("cannot open a pipe: {error}"))?,
            directory,
        })
    }

    /// Waits until every child has reported, then adds up their proportional memory in KiB.
    pub fn total_pss(&mut self, pids: impl ExactSizeIterator<Item = u32>) -> Result<f64, String> {
        let mut missing = pids.len();
        let mut buffer = [0; 4096];
        while missing > 0 {
            let seen = self
                .arrived
                .read(&mut buffer)
                .map_err(|error| format!("cannot read a pipe: {error}"))?;
            missing = missing.saturating_sub(seen);
        }
        Ok(pids.map(machine::pss_kib).sum::<u64>() as f64)
    }

    /// Lets the children go; what is returned must live until all are reaped.
    pub fn release(&self) -> Result<File, String> {
        let release = OpenOptions::new()
            .write(true)
            .open(self.directory.join("release"));
        release.map_err(|error| format!("cannot open a pipe: {error}"))
    }
}
