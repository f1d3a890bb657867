//! What a saved run says about the machine. Must name neither host nor user.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, SystemTime};

use serde::Serialize;

/// The facts that a figure depends on.
#[derive(Clone, Debug, Serialize)]
pub struct Machine {
    /// The processor's name for itself.
    pub cpu: String,
    /// Logical processors this process may use.
    pub cpus: usize,
    /// Memory in MiB.
    pub memory_mib: u64,
    /// Kernel release.
    pub kernel: String,
    /// `rustc --version`, of the compiler found at run time.
    pub rustc: String,
    /// The commit of the checkout, with `+` when it differs.
    pub commit: String,
    /// Load averages of 1, 5 and 15 minutes at the start of the run.
    pub load_at_start: String,
    /// The same at the end.
    pub load_at_end: String,
}

impl Machine {
    /// Reads what is known now; missing facts are "unknown".
    pub fn read() -> Machine {
        Machine {
            cpu: field("/proc/cpuinfo", "model name").unwrap_or_else(unknown),
            cpus: std::thread::available_parallelism().map_or(1, usize::from),
            memory_mib: field("/proc/meminfo", "MemTotal")
                .and_then(|text| text.split_whitespace().next()?.parse::<u64>().ok())
                .map_or(0, |kib| kib / 1024),
            kernel: rustix::system::uname()
                .release()
                .to_string_lossy()
                .into_owned(),
            rustc: output("rustc", &["--version"]).unwrap_or_else(unknown),
            commit: commit().unwrap_or_else(unknown),
            load_at_start: load(),
            load_at_end: String::new(),
        }
    }
}

/// The three load averages.
pub fn load() -> String {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split_whitespace()
        .take(3)
        .collect::<Vec<_>>()
        .join(" ")
}

/// The share of time that the processors were busy while the caller slept for `window`.
pub fn busy_share(window: Duration) -> f64 {
    let before = processor_times();
    std::thread::sleep(window);
    let after = processor_times();
    let (busy, all) = (
        after.0.saturating_sub(before.0),
        after.1.saturating_sub(before.1),
    );
    if all == 0 {
        0.0
    } else {
        busy as f64 / all as f64
    }
}

/// Ticks busy and ticks in all since boot, from the first line of `/proc/stat`; idle and waiting for disks count as idle.
fn processor_times() -> (u64, u64) {
    let text = std::fs::read_to_string("/proc/stat").unwrap_or_default();
    let line = text.lines().next().unwrap_or_default();
    let ticks: Vec<u64> = line
        .split_whitespace()
        .skip(1)
        .take(8)
        .filter_map(|tick| tick.parse().ok())
        .collect();
    let idle: u64 = ticks.iter().skip(3).take(2).sum();
    let all: u64 = ticks.iter().sum();
    (all - idle, all)
}

/// Proportional memory of a process in KiB: shared pages are divided by their number of users. 0 when it has ended.
pub fn pss_kib(pid: u32) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
    text.lines()
        .find_map(|line| line.strip_prefix("Pss:"))
        .and_then(|rest| rest.split_whitespace().next()?.parse().ok())
        .unwrap_or(0)
}

/// How many entries a folder of `/proc/self` has: `task` for threads, `fd` for descriptors.
pub fn entries(folder: &str) -> usize {
    std::fs::read_dir(Path::new("/proc/self").join(folder)).map_or(0, Iterator::count)
}

/// Today's date (UTC) as `2026-01-31`, and the time as `14:05`.
pub fn date_and_time() -> (String, String) {
    let seconds = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .map_or(0, |passed| passed.as_secs());
    let (year, month, day) = civil(seconds / 86_400);
    let of_day = seconds % 86_400;
    (
        format!("{year:04}-{month:02}-{day:02}"),
        format!("{:02}:{:02}", of_day / 3_600, of_day / 60 % 60),
    )
}

/// Days since 1970-01-01 as a date of the Gregorian calendar (Howard Hinnant's `civil_from_days`).
fn civil(days: u64) -> (u64, u64, u64) {
    let shifted = days + 719_468;
    let era = shifted / 146_097;
    let of_era = shifted % 146_097;
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 {
        shifted_month + 3
    } else {
        shifted_month - 9
    };
    (year_of_era + era * 400 + u64::from(month <= 2), month, day)
}

fn commit() -> Option<String> {
    let id = output(
        "git",
        &[
            "-C",
            env!("CARGO_MANIFEST_DIR"),
            "rev-parse",
            "--short=10",
            "HEAD",
        ],
    )?;
    let changed = output(
        "git",
        &[
            "-C",
            env!("CARGO_MANIFEST_DIR"),
            "status",
            "--porcelain",
            "--",
            "../crates",
        ],
    )?;
    Some(if changed.is_empty() {
        id
    } else {
        format!("{id}+")
    })
}

fn output(program: &str, args: &[&str]) -> Option<String> {
    let output = Command::new(program)
        .args(args)
        .output()
        .ok()
        .filter(|output| output.status.success())?;
    Some(String::from_utf8_lossy(&output.stdout).trim().to_string())
}

fn field(file: &str, name: &str) -> Option<String> {
    let text = std::fs::read_to_string(file).ok()?;
    let line = text.lines().find(|line| line.starts_with(name))?;
    Some(line.split_once(':')?.1.trim().to_string())
}

fn unknown() -> String {
    "unknown".to_string()
}

#[cfg(test)]
mod tests {
    use super::civil;

    #[test]
    fn dates_follow_the_calendar() {
        assert_eq!(civil(0), (1970, 1, 1));
        assert_eq!(civil(11_016), (2000, 2, 29));
        assert_eq!(civil(20_454), (2026, 1, 1));
    }
}
