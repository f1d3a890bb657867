//! What a pool worker is held to, on both sides: set by the worker before any code of the user, told by the parent at a death.
//! It must never guess: a death is charged to a limit only when something shows it.

use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;

use procession_os::child::Signal;
use procession_os::oom::OomKills;
use procession_os::{hold as os, status::ExitStatus};
use procession_task::failure::{Failure, Stage};
use procession_task::message::WorkerLimits;

use crate::link::{self, Layout};

/// A memory limit has to leave a worker this much for its first call.
const ROOM_TO_WORK: u64 = 1 << 20;

/// Holds this process to its limits, the memory last: what comes before may need some.
pub(crate) fn hold(limits: &WorkerLimits, layout: &Layout) -> Result<(), Failure> {
    let failed = |e: procession_os::Error| Failure::new(Stage::Start, e.to_string());
    if limits.nice != 0 {
        os::be_nice(limits.nice).map_err(failed)?;
    }
    if !limits.cpus.is_empty() {
        os::pin_to(&limits.cpus).map_err(failed)?;
    }
    if let Some(seconds) = limits.cpu_seconds {
        os::limit_cpu(seconds).map_err(failed)?;
    }
    match limits.memory {
        Some(bytes) => hold_memory(bytes, layout).map_err(failed),
        None => Ok(()),
    }
}

fn hold_memory(bytes: u64, layout: &Layout) -> procession_os::Result<()> {
    let has = os::counted_memory().unwrap_or_default();
    if has.saturating_add(ROOM_TO_WORK) > bytes {
        return Err(procession_os::Error::message(format!(
            "its memory limit of {} is too small: it has {} before its first task",
            Size(bytes),
            Size(has),
        )));
    }
    os::install_out_of_memory_note(layout.header.sub(link::OUT_OF_MEMORY, 1));
    os::limit_memory(bytes)
}

/// Which limit ended a worker, as a clause for the error: `exceeded its memory limit of 256 MiB`. `spent` is its processor time.
pub(crate) fn exceeded(
    limits: &WorkerLimits,
    layout: &Layout,
    status: ExitStatus,
    spent: Option<Duration>,
) -> Option<String> {
    let signal = status.signal()?;
    if signal == Signal::ABORT.as_raw() {
        let limit = limits.memory?;
        let out = os::ran_out_of_memory(&layout.header.sub(link::OUT_OF_MEMORY, 1));
        return out.then(|| format!("exceeded its memory limit of {}", Size(limit)));
    }
    let seconds = limits.cpu_seconds?;
    let overran = spent.is_some_and(|spent| spent >= Duration::from_secs(seconds));
    if signal == Signal::XCPU.as_raw() {
        Some(format!("exceeded its CPU limit of {seconds} s (SIGXCPU)"))
    } else if signal == Signal::KILL.as_raw() && overran {
        let how = "SIGKILL, a second after a SIGXCPU that did not end it";
        Some(format!("exceeded its CPU limit of {seconds} s ({how})"))
    } else {
        None
    }
}

/// The memory killer's count, and how much of it has been told.
static TOLD: Mutex<Option<(OomKills, u64)>> = Mutex::new(None);

/// Notes what the memory killer had done before the first worker of this program.
pub(crate) fn watch_memory_killer() {
    let mut told = TOLD.lock().unwrap_or_else(PoisonError::into_inner);
    if told.is_none() {
        *told = OomKills::here().and_then(|kills| {
            let so_far = kills.count()?;
            Some((kills, so_far))
        });
    }
}

/// What the memory killer has done that no death was charged with, for one that SIGKILL brought; charges this one.
pub(crate) fn memory_killer() -> Option<String> {
    let mut told = TOLD.lock().unwrap_or_else(PoisonError::into_inner);
    let (kills, charged) = told.as_mut()?;
    let more = kills.count()?.saturating_sub(*charged);
    if more == 0 {
        return None;
    }
    *charged += 1;
    let kills = if more == 1 { "kill" } else { "kills" };
    Some(format!("the memory cgroup reports {more} OOM {kills}"))
}

/// A number of bytes as its setter wrote it: `256 MiB`, `1.5 GiB`, `100000 bytes`.
struct Size(u64);

impl std::fmt::Display for Size {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (shift, unit) in [(30, "GiB"), (20, "MiB"), (10, "KiB")] {
            let tenths = (u128::from(self.0) * 10) >> shift;
            let exact = (tenths << shift) == u128::from(self.0) * 10;
            if tenths >= 10 && exact {
                return match (tenths / 10, tenths % 10) {
                    (whole, 0) => write!(f, "{whole} {unit}"),
                    (whole, tenth) => write!(f, "{whole}.{tenth} {unit}"),
                };
            }
        }
        write!(f, "{} bytes", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::Size;

    #[test]
    fn sizes_read_as_they_were_set() {
        let texts =
            [0, 1000, 1 << 10, 256 << 20, 3 << 29, (1 << 30) + 1].map(|n| Size(n).to_string());
        let expected = [
            "0 bytes",
            "1000 bytes",
            "1 KiB",
            "256 MiB",
            "1.5 GiB",
            "1073741825 bytes",
        ];
        assert_eq!(texts, expected);
    }
}
