//! What most programs use, for `use procession::prelude::*;`. It must stay small: no free function with a common name.

pub use crate::{AsyncResult, Error, Pool, Process, Task, TaskError, TaskErrorKind};
