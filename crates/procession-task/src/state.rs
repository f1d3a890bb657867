//! State that the tasks of one pool share within one worker: made there, kept there, lent to one task at a time. It is never
//! sent, and so it must never be anything of a task's arguments or result.

mod keep;
mod task;

pub(crate) use keep::drop_quietly;
pub use keep::{Maker, Within, end, forget, within};
pub use task::{MakeState, Making, StateTask, WithState, with_state};
