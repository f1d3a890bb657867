//! Benchmarks of procession: what the criterion benches and the `peers` binary share. Must hold no scheduling of its own.
//!
//! - `cargo bench -p procession-benches`: one criterion file per family, rayon as the bound that threads set.
//! - `cargo build --release -p procession-benches --bins && target/release/peers --quick`: the same work on other systems, side by side.
//!
//! A *work* is something to measure, a *side* is a system that does it. Every side lives in a process of its own, a
//! *lane*, and answers requests one at a time, so that no side's threads or heap disturb another's and a side that
//! crashes or hangs costs its own figures only.

pub mod machine;
pub mod protocol;
pub mod runner;
pub mod sides;
pub mod stats;
pub mod table;
pub mod targets;
pub mod tasks;
pub mod works;
