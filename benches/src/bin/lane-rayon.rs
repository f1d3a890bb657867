//! The lane of rayon. Must link no other side.

use std::process::ExitCode;

use procession_benches::sides::{Rayon, lane};

fn main() -> ExitCode {
    lane("rayon", Rayon::default())
}
