//! Law: as in `prologue`: a fresh child does this to itself, before any code of the user. One function per limit; none of them
//! decides how much is enough.

use std::fs::File;
use std::io::Read;
use std::time::Duration;

use rustix::process::{
    Resource, Rlimit, getpriority_process, getrlimit, setpriority_process, setrlimit,
};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

use crate::error::Context;
use crate::words::Words;
use crate::{Error, Result};

pub use crate::abort::install_out_of_memory_note;

/// Bounds this process's private memory by `RLIMIT_DATA`, soft and hard: the heap, private mappings that can be written, and
/// the stacks of threads, by what is mapped and not by what is touched.
///
/// Shared memory, mapped files that are only read, reserved address space and the main thread's stack do not count. Beyond
/// it, the kernel refuses memory: an allocation fails, and a Rust program aborts. What is over the limit already stays.
///
/// An error when the kernel refuses. Never raises a limit that was there before.
///
/// ```no_run
/// procession_os::hold::limit_memory(256 << 20)?;
/// # Ok::<(), procession_os::Error>(())
/// ```
pub fn limit_memory(bytes: u64) -> Result<()> {
    lower(Resource::Data, bytes, bytes).context(|| "cannot limit memory (setrlimit RLIMIT_DATA)")
}

/// Bytes that [`limit_memory`] counts at this moment; `None` without `/proc`.
///
/// ```
/// let before = procession_os::hold::counted_memory().unwrap();
/// let block = std::hint::black_box(vec![1u8; 64 << 20]);
/// assert!(procession_os::hold::counted_memory().unwrap() >= before + (32 << 20));
/// # drop(block);
/// ```
pub fn counted_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmData:"))?;
    let kib: u64 = line.trim().trim_end_matches("kB").trim().parse().ok()?;
    Some(kib.saturating_mul(1024))
}

/// Bytes of this process that are in memory at this moment, shared pages included; `None` without `/proc`.
///
/// ```
/// let before = procession_os::hold::resident_memory().unwrap();
/// let block = std::hint::black_box(vec![1u8; 64 << 20]);
/// assert!(procession_os::hold::resident_memory().unwrap() >= before + (32 << 20));
/// # drop(block);
/// ```
pub fn resident_memory() -> Option<u64> {
    let mut text = [0; 128];
    let mut file = File::open("/proc/self/statm").ok()?;
    let length = file.read(&mut text).ok()?;
    let text = std::str::from_utf8(text.get(..length)?).ok()?;
    let pages: u64 = text.split(' ').nth(1)?.parse().ok()?;
    Some(pages.saturating_mul(rustix::param::page_size() as u64))
}

/// Bounds this process's processor time, over its whole life, by `RLIMIT_CPU`: SIGXCPU after `seconds`, SIGKILL one second
/// later.
///
/// An error when the kernel refuses. Never raises a limit that was there before.
///
/// ```no_run
/// procession_os::hold::limit_cpu(10)?;
/// # Ok::<(), procession_os::Error>(())
/// ```
pub fn limit_cpu(seconds: u64) -> Result<()> {
    lower(Resource::Cpu, seconds, seconds.saturating_add(1))
        .context(|| "cannot limit processor time (setrlimit RLIMIT_CPU)")
}

fn lower(resource: Resource, soft: u64, hard: u64) -> rustix::io::Result<()> {
    let hard = getrlimit(resource)
        .maximum
        .map_or(hard, |now| now.min(hard));
    let limit = Rlimit {
        current: Some(soft.min(hard)),
        maximum: Some(hard),
    };
    setrlimit(resource, limit)
}

/// Adds `by` to this process's nice value, within -20 and 19: above 0 it gives way to others.
///
/// An error for a number below 0 without the privilege.
///
/// ```no_run
/// procession_os::hold::be_nice(5)?;
/// # Ok::<(), procession_os::Error>(())
/// ```
pub fn be_nice(by: i32) -> Result<()> {
    let failed = || format!("cannot change the nice value by {by} (setpriority)");
    let now = getpriority_process(None).context(failed)?;
    setpriority_process(None, now.saturating_add(by).clamp(-20, 19)).context(failed)
}

/// Lets this process run on these processors only.
///
/// An error when the list is empty, when a number is beyond what the kernel's mask holds, or when none of them may be used.
///
/// ```no_run
/// procession_os::hold::pin_to(&[0])?;
/// # Ok::<(), procession_os::Error>(())
/// ```
pub fn pin_to(cpus: &[u32]) -> Result<()> {
    let mut mask = CpuSet::new();
    for &cpu in cpus {
        let cpu = cpu as usize;
        if cpu >= CpuSet::MAX_CPU {
            return Err(Error::message(format!("there is no CPU {cpu}")));
        }
        mask.set(cpu);
    }
    sched_setaffinity(None, &mask)
        .context(|| format!("cannot run on CPUs {cpus:?} only (sched_setaffinity)"))
}

/// The processors this thread may run on, in order.
///
/// ```
/// let cpus = procession_os::hold::usable_cpus()?;
/// assert!(!cpus.is_empty());
/// # Ok::<(), procession_os::Error>(())
/// ```
pub fn usable_cpus() -> Result<Vec<u32>> {
    let mask = sched_getaffinity(None).context(|| "cannot list CPUs (sched_getaffinity)")?;
    let cpus = (0..CpuSet::MAX_CPU).filter(|&cpu| mask.is_set(cpu));
    Ok(cpus.filter_map(|cpu| u32::try_from(cpu).ok()).collect())
}

/// The processor time that another process has used so far, or had when it ended, until it is collected. `None` without `/proc`.
///
/// ```
/// assert!(procession_os::hold::processor_time(std::process::id()).is_some());
/// ```
pub fn processor_time(pid: u32) -> Option<Duration> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name may hold anything, a parenthesis too; behind the last one come numbers.
    let (_, after_name) = stat.rsplit_once(')')?;
    let mut fields = after_name.split_whitespace().skip(11);
    let mut ticks = || fields.next()?.parse::<u64>().ok();
    let spent = ticks()?.saturating_add(ticks()?);
    let millis = spent.saturating_mul(1000) / rustix::param::clock_ticks_per_second().max(1);
    Some(Duration::from_millis(millis))
}

/// Whether the words of [`install_out_of_memory_note`] say that the process aborted for want of memory.
///
/// ```
/// use procession_os::{hold, words::Words};
/// assert!(!hold::ran_out_of_memory(&Words::heap(1)));
/// ```
pub fn ran_out_of_memory(words: &Words) -> bool {
    crate::abort::is_noted(words)
}
