//! The three tasks, and the gate that keeps processes alive. Knows nothing of who runs a task.

use std::fs::{self, File};
use std::hint::black_box;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{FileType, Mode};
use rustix::time::{ClockId, clock_gettime};

use super::cell::Kind;
use crate::project::Result;

const WORK: Duration = Duration::from_millis(10);

/// Does the work of one task.
pub(crate) fn perform(kind: Kind) {
    match kind {
        Kind::Nothing => {}
        Kind::Compute => compute(WORK),
        Kind::Wait => std::thread::sleep(WORK),
    }
}

/// Computes until the calling thread has used so much CPU time: time it spends preempted does not count.
fn compute(work: Duration) {
    let end = thread_cpu() + work;
    let mut value = 1_u64;
    while thread_cpu() < end {
        for _ in 0..2_000 {
            value = black_box(
                value
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1),
            );
        }
    }
}

fn thread_cpu() -> Duration {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(
        now.tv_sec.unsigned_abs(),
        u32::try_from(now.tv_nsec).unwrap_or(0),
    )
}

/// The parent's side of the gate: a folder with two named pipes.
///
/// A child writes one byte to `arrived`, then opens `release` for reading. Such an open blocks until the pipe has a
/// writer, so a child that comes after the release passes through as well: no wake-up can be missed.
pub(crate) struct Gate {
    folder: PathBuf,
    arrived: File,
    released: Option<File>,
}

impl Gate {
    /// Makes the pipes in a new folder under the system's temporary folder.
    pub(crate) fn new() -> Result<Gate> {
        let folder = std::env::temp_dir().join(format!("procession-bench-{}", std::process::id()));
        fs::create_dir(&folder).map_err(|e| format!("cannot make {}: {e}", folder.display()))?;
        for name in ["arrived", "release"] {
            let path = folder.join(name);
            rustix::fs::mknodat(
                rustix::fs::CWD,
                &path,
                FileType::Fifo,
                Mode::RUSR | Mode::WUSR,
                0,
            )
            .map_err(|e| format!("cannot make the pipe {}: {e}", path.display()))?;
        }
        // Read and write: the open does not wait for a child, and a read never sees the end of the file.
        let arrived = File::options()
            .read(true)
            .write(true)
            .open(folder.join("arrived"))?;
        Ok(Gate {
            folder,
            arrived,
            released: None,
        })
    }

    /// What a child needs to find the gate.
    pub(crate) fn address(&self) -> String {
        self.folder.display().to_string()
    }

    /// Waits until so many children have arrived.
    pub(crate) fn wait_for(&mut self, children: usize) -> Result {
        let mut bytes = vec![0; children];
        Ok(self.arrived.read_exact(&mut bytes)?)
    }

    /// Lets all children go, those that have not arrived too.
    pub(crate) fn release(&mut self) -> Result {
        self.released = Some(
            File::options()
                .read(true)
                .write(true)
                .open(self.folder.join("release"))?,
        );
        Ok(())
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        // Best effort: a leftover folder is under the temporary folder and harms nothing.
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// The child's side: says that it is there, then waits for the release. Panics when the gate is gone, so that the
/// round fails instead of measuring processes that never waited.
pub(crate) fn pass(gate: &str) {
    let gate = Path::new(gate);
    let arrived = File::options().write(true).open(gate.join("arrived"));
    arrived
        .and_then(|mut pipe| pipe.write_all(b"."))
        .expect("the gate's `arrived` pipe takes a byte");
    File::open(gate.join("release")).expect("the gate's `release` pipe can be opened");
}
