//! The Rust sides of the comparison, one file each, and each in a program of its own. Must hold no logic.

mod ipc;
mod ours;
mod rayon;
mod serve;
mod standard;

pub use ipc::{Ipc, worker as ipc_worker};
pub use ours::Ours;
pub use rayon::Rayon;
pub use serve::{Side, ended, lane};
pub use standard::Standard;
