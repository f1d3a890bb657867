//! What is promised about each work, and what is hoped for. Must name works and rivals by their ids in [`crate::works`] only.

/// What a target compares.
#[derive(Clone, Copy, Debug)]
pub enum Goal {
    /// Ours is this many times better than a rival.
    Ratio {
        /// The rival's id.
        rival: &'static str,
        /// What is promised; 0 for nothing.
        at_least: f64,
        /// What is hoped for.
        moonshot: Option<f64>,
    },
    /// A percentile of our samples stays below a bound.
    Percentile {
        /// Which percentile.
        percent: f64,
        /// The bound, in the unit of the work.
        at_most: f64,
        /// Whether it is promised or hoped for.
        weight: Weight,
    },
}

/// How much a bound is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weight {
    /// Missing it is a fault.
    Promise,
    /// Missing it is normal.
    Moonshot,
}

/// A promise about one work.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// The work's id.
    pub work: &'static str,
    /// What is promised.
    pub goal: Goal,
}

const fn ratio(
    work: &'static str,
    rival: &'static str,
    at_least: f64,
    moonshot: Option<f64>,
) -> Target {
    Target {
        work,
        goal: Goal::Ratio {
            rival,
            at_least,
            moonshot,
        },
    }
}

const fn percentile(work: &'static str, percent: f64, at_most: f64, weight: Weight) -> Target {
    Target {
        work,
        goal: Goal::Percentile {
            percent,
            at_most,
            weight,
        },
    }
}

/// Every promise, in the order of the table.
pub const TARGETS: &[Target] = &[
    ratio("map_default", "pool", 5.0, Some(10.0)),
    ratio("map_single", "pool", 100.0, Some(500.0)),
    ratio("submit_get", "pool", 50.0, Some(200.0)),
    ratio("submit_get", "rayon", 1.0, Some(2.0)),
    ratio("call_2", "pool", 10.0, Some(20.0)),
    ratio("call_2", "ipc", 1.0, Some(2.0)),
    ratio("call_2", "rayon", 0.0, Some(1.0)),
    ratio("call_8", "pool", 10.0, Some(20.0)),
    ratio("call_8", "ipc", 1.0, Some(2.0)),
    ratio("call_8", "rayon", 0.0, Some(1.0)),
    ratio("argument_16m", "std", 0.2, Some(0.33)),
    ratio("argument_16m", "pool", 10.0, Some(20.0)),
    ratio("tasks_100us", "rayon", 0.95, Some(0.99)),
    ratio("pool_start", "ipc", 0.7, Some(1.0)),
    ratio("pool_start", "pool", 2.0, Some(4.0)),
    percentile("death", 99.0, 0.010, Weight::Promise),
    percentile("death", 50.0, 0.001, Weight::Moonshot),
    ratio("processes", "pool", 1.5, Some(5.0)),
    ratio("processes_memory", "pool", 10.0, None),
    percentile("parent_threads", 50.0, 0.0, Weight::Promise),
    percentile("parent_descriptors", 50.0, 2.0, Weight::Promise),
];
