//! A task with a state captures nothing, as any other.
use procession_task::{TaskRef, with_state};

fn main() {
    let offset = 5u32;
    let task = with_state(move |total: &mut u32, x: u32| *total + x + offset);
    let _ = TaskRef::of::<_, (u32,)>(task);
}
