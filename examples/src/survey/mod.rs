//! The parts of the `survey` program, in the order in which a file passes through them.

pub mod options;

pub mod walk;

pub mod batch;

pub mod text;

pub mod measure;

pub mod window;

pub mod tally;

pub mod names;

pub mod progress;

pub mod report;

pub mod json;
