//! procession-worker.
