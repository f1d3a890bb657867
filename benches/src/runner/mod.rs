//! Running the comparison: lanes, rounds, results. Must hold no logic.

mod lane;
pub mod pipes;
mod results;
mod rounds;

pub use lane::{Images, Lane};
pub use results::{Results, SideResult, WorkResult};
pub use rounds::{Options, run};
