//! The lane of procession. Must link no other side: its image is what the works about starting start.

use std::process::ExitCode;

use procession_benches::sides::{Ours, lane};

fn main() -> ExitCode {
    procession::init();
    lane("ours", Ours::default())
}
