//! The functions that every Rust side runs in its workers. Must depend on no side.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::process::{Signal, getpid, kill_process};

/// The smallest task: what is measured is everything around it.
pub fn tiny(x: u64) -> u64 {
    x.wrapping_add(1)
}

/// A task without argument or result.
pub fn nothing() {}

/// A fixed amount of work, so that a worker that is kept off its CPU takes longer (a loop until a deadline would hide it).
pub fn spin(turns: u64) -> u64 {
    (0..turns).fold(1, |state, turn| {
        std::hint::black_box(state ^ turn).wrapping_mul(0x9E37_79B9_7F4A_7C15)
    })
}

/// How many turns of [`spin`] take `target` here: the best of several tries, so that other load does not lengthen the tasks.
pub fn turns_for(target: Duration) -> u64 {
    const TRY: u64 = 100_000;
    let best = (0..20)
        .map(|_| {
            let start = Instant::now();
            std::hint::black_box(spin(std::hint::black_box(TRY)));
            start.elapsed()
        })
        .min()
        .unwrap_or(target);
    (TRY as f64 * target.as_secs_f64() / best.as_secs_f64().max(1e-9)) as u64
}

/// Nanoseconds of the clock that all processes of a machine share.
pub fn monotonic_ns() -> u64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    u64::try_from(now.tv_sec).unwrap_or(0) * 1_000_000_000 + u64::try_from(now.tv_nsec).unwrap_or(0)
}

/// Writes the instant of its death to `path`, then dies of SIGKILL. The write is inside of the measured time (about 10 µs).
pub fn die(path: String) {
    if let Ok(mut file) = File::create(Path::new(&path)) {
        let _ = file.write_all(monotonic_ns().to_string().as_bytes());
    }
    let _ = kill_process(getpid(), Signal::KILL);
}

/// Seconds since the instant that [`die`] wrote to `path`.
pub fn since_death(path: &str) -> Result<f64, String> {
    let seen = monotonic_ns();
    let text = std::fs::read_to_string(path)
        .map_err(|error| format!("cannot read the instant of death: {error}"))?;
    let died: u64 = text
        .parse()
        .map_err(|_| "the instant of death is not a number".to_string())?;
    Ok(seen.saturating_sub(died) as f64 / 1e9)
}

/// Says in the pipe `arrived` of `directory` that it runs, then stays until somebody opens the pipe `release` for writing.
pub fn hold(directory: String) {
    let directory = Path::new(&directory);
    if let Ok(mut arrived) = OpenOptions::new()
        .write(true)
        .open(directory.join("arrived"))
    {
        let _ = arrived.write_all(b"1");
    }
    let _ = File::open(directory.join("release"));
}
