//! A function without `&mut` state in front is no task with a state.
use procession_task::{Task, with_state};

fn double(x: u32) -> u32 {
    2 * x
}

fn takes<F: Task<(u32,)>>(_: F) {}

fn main() {
    takes(with_state::<String, (u32,), _>(double));
}
