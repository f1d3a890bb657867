//! The table of what is measured, on which sides, and how often. Must hold no measuring code.
//!
//! Counts are per side, because a rival at 5,000 tasks a second would otherwise fill the run; every figure is per item or
//! per call, so counts need not be equal.

/// A side: the name used in tables and where its lane comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SideInfo {
    /// Short name, used on the command line and in saved runs.
    pub id: &'static str,
    /// What tables show.
    pub title: &'static str,
    /// The Python script of the lane; none for the sides inside of the `peers` binary.
    pub script: Option<&'static str>,
}

/// The side that is this project as another build of it was: it takes part when that build is named, in all that ours does.
pub const BEFORE: &str = "before";

/// Every side, ours first.
pub const SIDES: &[SideInfo] = &[
    SideInfo {
        id: "ours",
        title: "procession",
        script: None,
    },
    SideInfo {
        id: BEFORE,
        title: "procession (before)",
        script: None,
    },
    SideInfo {
        id: "rayon",
        title: "rayon (threads)",
        script: None,
    },
    SideInfo {
        id: "ipc",
        title: "ipc-channel loop",
        script: None,
    },
    SideInfo {
        id: "std",
        title: "std (memcpy, Command)",
        script: None,
    },
    SideInfo {
        id: "pool",
        title: "Python Pool (fork)",
        script: Some("pool.py"),
    },
    SideInfo {
        id: "futures",
        title: "concurrent.futures",
        script: Some("futures.py"),
    },
    SideInfo {
        id: "loky",
        title: "loky",
        script: Some("loky_executor.py"),
    },
    SideInfo {
        id: "joblib",
        title: "joblib",
        script: Some("joblib_parallel.py"),
    },
    SideInfo {
        id: "pebble",
        title: "pebble",
        script: Some("pebble_pool.py"),
    },
];

/// The side with this id.
pub fn side(id: &str) -> Option<SideInfo> {
    SIDES.iter().copied().find(|side| side.id == id)
}

/// How a work's samples are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Seconds per item, shown as items per second.
    Rate,
    /// Seconds, shown as a time.
    Time,
    /// Seconds per 16 MiB, shown as GB/s.
    Bandwidth,
    /// KiB, shown as MiB.
    Memory,
    /// A count.
    Count,
}

/// In which parent a work is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parent {
    /// In the side's lane, with pools that are warm from earlier rounds.
    Kept,
    /// In a lane started for this measurement: what a start costs depends on the parent's memory and children, most of
    /// all with fork, and it is to be that of a small program.
    Fresh,
}

/// How often one side does a work in one measurement.
#[derive(Clone, Copy, Debug)]
pub struct Share {
    /// The side's id.
    pub side: &'static str,
    /// The count in a full run.
    pub full: usize,
    /// The count with `--quick`; 0 leaves the side out.
    pub quick: usize,
}

/// Something to measure.
#[derive(Clone, Copy, Debug)]
pub struct Work {
    /// Name in saved runs and on the command line.
    pub id: &'static str,
    /// The function of the sides that measures it.
    pub function: &'static str,
    /// What tables show.
    pub title: &'static str,
    /// Workers of the pool.
    pub workers: usize,
    /// How samples are shown.
    pub unit: Unit,
    /// In which parent it is measured.
    pub parent: Parent,
    /// Who does it.
    pub shares: &'static [Share],
}

const fn share(side: &'static str, full: usize, quick: usize) -> Share {
    Share { side, full, quick }
}

/// Every work.
pub const WORKS: &[Work] = &[
    Work {
        id: "map_default",
        function: "map_default",
        title: "map, tiny function, 100,000 items, default chunks",
        workers: 2,
        unit: Unit::Rate,
        parent: Parent::Kept,
        shares: &[
            share("ours", 100_000, 100_000),
            share("rayon", 100_000, 100_000),
            share("pool", 100_000, 100_000),
            share("futures", 100_000, 100_000),
            share("loky", 100_000, 100_000),
            share("joblib", 100_000, 20_000),
            share("pebble", 100_000, 20_000),
        ],
    },
    Work {
        id: "map_single",
        function: "map_single",
        title: "map, one item a message",
        workers: 2,
        unit: Unit::Rate,
        parent: Parent::Kept,
        shares: &[
            share("ours", 100_000, 100_000),
            share("rayon", 100_000, 100_000),
            share("ipc", 100_000, 50_000),
            share("pool", 100_000, 10_000),
            share("futures", 20_000, 2_000),
            share("loky", 20_000, 2_000),
            share("joblib", 10_000, 1_000),
            share("pebble", 20_000, 2_000),
        ],
    },
    Work {
        id: "submit_get",
        function: "submit_get",
        title: "apply_async + get, all submitted first",
        workers: 2,
        unit: Unit::Rate,
        parent: Parent::Kept,
        shares: &[
            share("ours", 100_000, 100_000),
            share("rayon", 100_000, 100_000),
            share("pool", 100_000, 10_000),
            share("futures", 20_000, 2_000),
            share("loky", 20_000, 2_000),
            share("pebble", 20_000, 2_000),
        ],
    },
    Work {
        id: "call_2",
        function: "call",
        title: "one call after another, 2 workers",
        workers: 2,
        unit: Unit::Time,
        parent: Parent::Kept,
        shares: CALLS,
    },
    Work {
        id: "call_8",
        function: "call",
        title: "one call after another, 8 workers",
        workers: 8,
        unit: Unit::Time,
        parent: Parent::Kept,
        shares: CALLS,
    },
    Work {
        id: "argument_16m",
        function: "argument_16m",
        title: "argument of 16 MiB",
        workers: 2,
        unit: Unit::Bandwidth,
        parent: Parent::Kept,
        shares: &[
            share("ours", 16, 8),
            share("ipc", 16, 8),
            share("std", 16, 8),
            share("pool", 16, 4),
            share("futures", 16, 4),
            share("loky", 16, 4),
            share("joblib", 8, 4),
            share("pebble", 16, 4),
        ],
    },
    Work {
        id: "tasks_100us",
        function: "tasks_100us",
        title: "tasks of 100 µs of CPU",
        workers: 2,
        unit: Unit::Rate,
        parent: Parent::Kept,
        shares: &[
            share("ours", 10_000, 2_000),
            share("rayon", 10_000, 2_000),
            share("pool", 10_000, 2_000),
            share("futures", 10_000, 0),
            share("loky", 10_000, 0),
            share("joblib", 10_000, 0),
            share("pebble", 10_000, 0),
        ],
    },
    Work {
        id: "pool_start",
        function: "pool_start",
        title: "pool of 8: start, one task each, stop",
        workers: 8,
        unit: Unit::Time,
        parent: Parent::Fresh,
        shares: &[
            share("ours", 1, 1),
            share("ipc", 1, 1),
            share("pool", 1, 1),
            share("futures", 1, 1),
            share("loky", 1, 1),
            share("joblib", 1, 0),
            share("pebble", 1, 1),
        ],
    },
    Work {
        id: "death",
        function: "death",
        title: "a worker's SIGKILL to the caller's error",
        workers: 2,
        unit: Unit::Time,
        parent: Parent::Kept,
        shares: &[
            share("ours", 40, 20),
            share("ipc", 10, 5),
            share("pool", 1, 0),
            share("futures", 10, 5),
            share("loky", 4, 0),
            share("pebble", 10, 5),
        ],
    },
    Work {
        id: "processes",
        function: "processes",
        title: "500 processes: start, run, join",
        workers: 0,
        unit: Unit::Time,
        parent: Parent::Fresh,
        shares: &[
            share("ours", 500, 500),
            share("std", 500, 500),
            share("pool", 500, 500),
        ],
    },
    Work {
        id: "processes_memory",
        function: "processes_memory",
        title: "500 processes alive: memory (PSS of all)",
        workers: 0,
        unit: Unit::Memory,
        parent: Parent::Fresh,
        shares: &[
            share("ours", 500, 500),
            share("std", 500, 500),
            share("pool", 500, 500),
        ],
    },
    Work {
        id: "parent_threads",
        function: "parent_threads",
        title: "threads of the parent per worker",
        workers: 2,
        unit: Unit::Count,
        parent: Parent::Fresh,
        shares: PARENT,
    },
    Work {
        id: "parent_descriptors",
        function: "parent_descriptors",
        title: "descriptors of the parent per worker",
        workers: 2,
        unit: Unit::Count,
        parent: Parent::Fresh,
        shares: PARENT,
    },
];

const CALLS: &[Share] = &[
    share("ours", 5_000, 2_000),
    share("rayon", 5_000, 2_000),
    share("ipc", 5_000, 2_000),
    share("pool", 2_000, 500),
    share("futures", 2_000, 500),
    share("loky", 1_000, 300),
    share("joblib", 50, 20),
    share("pebble", 2_000, 500),
];

const PARENT: &[Share] = &[
    share("ours", 1, 1),
    share("ipc", 1, 1),
    share("pool", 1, 1),
    share("futures", 1, 0),
    share("loky", 1, 0),
    share("pebble", 1, 0),
];
