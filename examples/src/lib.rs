//! What the example programs share: the parts of `survey`. The tutorial's programs share nothing, so that each can be read alone.
//!
//! | Program | Shows |
//! |---|---|
//! | `two_loops` | a parent and a child side by side |
//! | `process_arguments` | arguments, options, name, pid, `is_alive`, `terminate`, `join` |
//! | `pool_apply_async` | ten tasks on a pool of three, `close`, `join` |
//! | `results_one_by_one` | `get` inside the loop, and why nothing overlaps |
//! | `results_collected` | handles in a list, results afterwards |
//! | `globals_not_shared` | each process has its own globals |
//! | `first_primes` | an endless iterator through a pool, read as far as it is needed |
//! | `five_hundred` | 500 processes against a pool of eight |
//! | `crash_proof` | inputs that abort, crash, panic, exit or never end |
//! | `steady_flow` | back-pressure and callbacks |
//! | `survey` | the main job: files and folders surveyed on all CPUs |

pub mod survey;

/// The code in the guide for Python's users and in the README, compiled as documentation tests.
#[cfg(doctest)]
#[doc = include_str!("../../docs/from-python.md")]
pub struct FromPython;

/// The README's code, compiled as a documentation test.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
pub struct Readme;
