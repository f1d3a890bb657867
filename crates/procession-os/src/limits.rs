//! How many processors and descriptors there are to use. It only asks; it never raises or lowers a limit.

use rustix::io::Errno;
use rustix::process::{Resource, getrlimit};

use crate::hold::usable_cpus;
use crate::{Error, Result, quota};

/// The processors this process may use, at least 1: those of its affinity mask, and no more than its cgroup's quota pays for.
/// A quota of one and a half is two processors: rounded down, a third of it would never be used.
///
/// ```
/// assert!(procession_os::cpu_count() >= 1);
/// ```
pub fn cpu_count() -> usize {
    // More processors than a mask here has room for are left to std, which rounds down.
    let usable = match usable_cpus() {
        Ok(cpus) => cpus.len(),
        Err(_) => std::thread::available_parallelism().map_or(1, usize::from),
    };
    usable.min(quota::processors().unwrap_or(usize::MAX)).max(1)
}

/// Succeeds when `needed` more descriptors fit under the soft limit at this moment. Reserves nothing.
///
/// The error names what the descriptors are for, what is open, and both limits; its error number is `EMFILE`.
///
/// ```
/// use procession_os::check_descriptors;
///
/// assert!(check_descriptors(1, "one worker").is_ok());
/// let error = check_descriptors(usize::MAX, "too many workers").unwrap_err();
/// assert!(error.to_string().starts_with("too many workers need 18446744073709551615 descriptors"));
/// assert_eq!(error.raw_os_error(), Some(24));
/// ```
pub fn check_descriptors(needed: usize, why: &str) -> Result<()> {
    let limit = getrlimit(Resource::Nofile);
    let Some(soft) = limit.current else {
        return Ok(());
    };
    let open = open_descriptors(soft);
    let wanted = u64::try_from(needed).unwrap_or(u64::MAX);
    if open.saturating_add(wanted) <= soft {
        return Ok(());
    }
    let hard = limit
        .maximum
        .map_or_else(|| "unlimited".to_owned(), |hard| hard.to_string());
    Err(Error::new(
        format!(
            "{why} need {needed} descriptors; {open} are open, soft limit {soft}, hard limit {hard}"
        ),
        Errno::MFILE,
    ))
}

/// Descriptors in use below the limit, which is one for their numbers; not counting the one the count itself takes. Without
/// `/proc` nothing is known and 3 are assumed: the check is then too kind, and the later `EMFILE` tells.
fn open_descriptors(soft: u64) -> u64 {
    let Ok(entries) = std::fs::read_dir("/proc/self/fd") else {
        return 3;
    };
    let numbers = entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse::<u64>().ok());
    (numbers.filter(|&number| number < soft).count() as u64).saturating_sub(1)
}
