//! The Rust sides of the comparison, one file each. Must hold no logic.

mod ipc;
mod ours;
mod rayon;
mod serve;
mod standard;

pub use ipc::worker as ipc_worker;
pub use serve::{Side, serve};
