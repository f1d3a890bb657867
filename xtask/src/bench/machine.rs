//! What the figures depend on: processor, kernel, compiler, load. Never the name of the host or of its user.

use std::fs;
use std::process::Command;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::Serialize;

/// The machine and the moment of a run.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Machine {
    /// UTC, `2026-01-31T12:34`.
    pub(crate) date: String,
    pub(crate) cpu: String,
    pub(crate) cpus: usize,
    pub(crate) memory_mib: u64,
    #[serde(skip)]
    pub(crate) available_mib: u64,
    pub(crate) kernel: String,
    pub(crate) rustc: String,
    /// `None`: no python3, its cells are left out.
    pub(crate) python: Option<String>,
    /// One-minute load average before and after the run.
    pub(crate) load: (f64, f64),
}

impl Machine {
    pub(crate) fn read() -> Machine {
        let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let model = info
            .lines()
            .find_map(|line| line.strip_prefix("model name"));
        let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
        Machine {
            date: date(),
            cpu: model
                .map_or("unknown", |text| text.trim_start_matches([' ', '\t', ':']))
                .to_string(),
            cpus: std::thread::available_parallelism().map_or(1, usize::from),
            memory_mib: memory("MemTotal:"),
            available_mib: memory("MemAvailable:"),
            // Only the version: what follows it can be a name someone gave to a build.
            kernel: kernel
                .trim()
                .split('-')
                .next()
                .unwrap_or_default()
                .to_string(),
            rustc: version("rustc").unwrap_or_else(|| "unknown".to_string()),
            python: version("python3"),
            load: (load(), 0.0),
        }
    }

    /// The same machine with the load at the end.
    pub(crate) fn finished(self) -> Machine {
        Machine {
            load: (self.load.0, load()),
            ..self
        }
    }

    /// One line for people.
    pub(crate) fn line(&self) -> String {
        let python = self.python.as_deref().unwrap_or("no python3");
        let (before, after) = self.load;
        format!(
            "{} UTC, {} ({} CPUs), {} MiB, Linux {}, {}, {python}, load {before:.2} before and {after:.2} after",
            self.date, self.cpu, self.cpus, self.memory_mib, self.kernel, self.rustc
        )
    }
}

/// CPU time that everything on this machine has used since it was started, what a host took away included.
pub(crate) fn used_by_all() -> Duration {
    // The fields are user, nice, system, idle, iowait, irq, softirq, steal, in hundredths of a second.
    const IDLE: [usize; 2] = [3, 4];
    let stat = fs::read_to_string("/proc/stat").unwrap_or_default();
    let line = stat.lines().next().unwrap_or_default();
    let ticks = line.split_whitespace().skip(1).take(8).enumerate();
    let busy = ticks
        .filter(|(field, _)| !IDLE.contains(field))
        .filter_map(|(_, ticks)| ticks.parse::<u64>().ok());
    Duration::from_millis(busy.sum::<u64>() * 10)
}

/// A seed that differs from run to run; it is printed and kept with the figures.
pub(crate) fn seed() -> u64 {
    now().wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 40
}

fn now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |time| time.as_secs())
}

fn version(program: &str) -> Option<String> {
    let output = Command::new(program).arg("--version").output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim().to_string())
}

fn memory(name: &str) -> u64 {
    let info = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let line = info
        .lines()
        .find_map(|line| line.strip_prefix(name))
        .unwrap_or_default();
    line.trim()
        .trim_end_matches("kB")
        .trim()
        .parse::<u64>()
        .map_or(0, |kib| kib / 1024)
}

fn load() -> f64 {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ')
        .next()
        .and_then(|first| first.parse().ok())
        .unwrap_or(0.0)
}

fn date() -> String {
    let seconds = now();
    let (year, month, day) = civil(seconds / 86_400);
    format!(
        "{year:04}-{month:02}-{day:02}T{:02}:{:02}",
        seconds / 3_600 % 24,
        seconds / 60 % 60
    )
}

/// Year, month and day of a count of days since 1970-01-01, in the Gregorian calendar (years counted from March).
fn civil(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let era = days / 146_097;
    let day_of_era = days % 146_097;
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let month = if shifted < 10 {
        shifted + 3
    } else {
        shifted - 9
    };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    (year, month, day_of_year - (153 * shifted + 2) / 5 + 1)
}

#[cfg(test)]
mod tests {
    use super::civil;

    #[test]
    fn a_day_count_becomes_the_right_date_around_leap_days() {
        assert_eq!(civil(0), (1970, 1, 1));
        assert_eq!(civil(11_016), (2000, 2, 29));
        assert_eq!(civil(11_017), (2000, 3, 1));
        assert_eq!(civil(20_454), (2026, 1, 1));
    }
}
