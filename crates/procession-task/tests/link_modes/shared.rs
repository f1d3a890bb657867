//! The library as a shared object.

pub use procession_task;
