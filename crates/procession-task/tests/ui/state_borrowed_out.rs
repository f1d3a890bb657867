//! What a task with a state returns does not borrow from the state.
use procession_task::{Task, with_state};

fn name(state: &mut String) -> &str {
    state
}

fn takes<F: Task<()>>(_: F) {}

fn main() {
    takes(with_state::<String, (), _>(name));
}
