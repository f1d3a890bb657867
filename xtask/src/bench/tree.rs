//! How many processes a round has alive, and how much memory they take together. Reads /proc only.

use std::fs;

use serde::{Deserialize, Serialize};

/// A round's processes at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Census {
    /// Descendants of the round's own process that have memory; zombies have none.
    pub(crate) children: usize,
    /// Proportional set size of those: a page shared by n processes counts as 1/n in each.
    pub(crate) children_kib: u64,
    /// The same with the round's own process.
    pub(crate) total_kib: u64,
}

impl Census {
    /// Counts the process and all its descendants. What ends meanwhile is not counted.
    pub(crate) fn of(process: u32) -> Census {
        let mut census = Census {
            total_kib: pss_kib(process).unwrap_or(0),
            ..Census::default()
        };
        let mut open = children(process);
        while let Some(child) = open.pop() {
            open.extend(children(child));
            if let Some(kib) = pss_kib(child) {
                census.children += 1;
                census.children_kib += kib;
                census.total_kib += kib;
            }
        }
        census
    }

    /// The larger of each figure.
    pub(crate) fn max(self, other: Census) -> Census {
        Census {
            children: self.children.max(other.children),
            children_kib: self.children_kib.max(other.children_kib),
            total_kib: self.total_kib.max(other.total_kib),
        }
    }
}

/// Children are listed under the thread that started them.
fn children(process: u32) -> Vec<u32> {
    let Ok(threads) = fs::read_dir(format!("/proc/{process}/task")) else {
        return Vec::new();
    };
    let lists = threads
        .flatten()
        .filter_map(|thread| fs::read_to_string(thread.path().join("children")).ok());
    lists
        .flat_map(|list| {
            list.split_whitespace()
                .filter_map(|pid| pid.parse().ok())
                .collect::<Vec<u32>>()
        })
        .collect()
}

fn pss_kib(process: u32) -> Option<u64> {
    let rollup = fs::read_to_string(format!("/proc/{process}/smaps_rollup")).ok()?;
    let line = rollup.lines().find_map(|line| line.strip_prefix("Pss:"))?;
    line.trim().strip_suffix("kB")?.trim().parse().ok()
}
