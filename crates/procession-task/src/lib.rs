//! procession-task.
