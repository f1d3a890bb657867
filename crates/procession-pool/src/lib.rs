//! procession-pool.
