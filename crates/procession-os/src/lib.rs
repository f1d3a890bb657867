//! procession-os.
