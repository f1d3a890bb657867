//! Samples and ratios in words. Must round for reading only: files keep the samples themselves.

use crate::works::Unit;

/// A sample in the words of its unit.
pub fn shown(unit: Unit, sample: f64) -> String {
    match unit {
        _ if sample.is_nan() => "no figure".to_string(),
        Unit::Rate => rate(1.0 / sample),
        Unit::Time => time(sample),
        Unit::Bandwidth => format!("{:.2} GB/s", (16 << 20) as f64 / sample / 1e9),
        Unit::Memory => format!("{:.1} MiB", sample / 1024.0),
        Unit::Count => format!("{sample:.2}"),
    }
}

fn rate(per_second: f64) -> String {
    match per_second {
        value if value >= 1e6 => format!("{:.2} M/s", value / 1e6),
        value if value >= 1e3 => format!("{:.1} k/s", value / 1e3),
        value => format!("{value:.1} /s"),
    }
}

pub(super) fn time(seconds: f64) -> String {
    match seconds {
        value if value < 1e-6 => format!("{:.0} ns", value * 1e9),
        value if value < 1e-3 => format!("{:.1} µs", value * 1e6),
        value if value < 1.0 => format!("{:.2} ms", value * 1e3),
        value => format!("{value:.2} s"),
    }
}

pub(super) fn times(ratio: f64) -> String {
    match ratio {
        value if value >= 100.0 => format!("{value:.0}x"),
        value if value >= 10.0 => format!("{value:.1}x"),
        value => format!("{value:.2}x"),
    }
}
