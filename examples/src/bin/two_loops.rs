//! Tutorial 1: two endless loops side by side, one in this process and one in a child. The child must never outlive this process.
//!
//! ```text
//! cargo run -p procession-examples --bin two_loops            # until Ctrl-C
//! cargo run -p procession-examples --bin two_loops -- 3       # three rounds each
//! ```
//!
//! In Python:
//!
//! ```python
//! p = Process(target=child_loop)
//! p.start()
//! while True:
//!     print("parent", os.getpid()); time.sleep(1)
//! ```

use std::{env, error::Error, process, thread, time::Duration};

use procession::Process;

/// What the child runs. `None` means for ever: the argument travels to the child, as `args=(rounds,)` does in Python.
fn child_loop(rounds: Option<u64>) {
    for round in 1..=rounds.unwrap_or(u64::MAX) {
        println!("child  {} round {round}", process::id());
        thread::sleep(Duration::from_secs(1));
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    // The child is this same program started again: here is where it turns into the child and stays one.
    // It takes the place of `if __name__ == "__main__":`.
    procession::init();

    let rounds: Option<u64> = env::args().nth(1).map(|text| text.parse()).transpose()?;

    // `Process(target=…, args=…)` and `.start()` in one step: the child runs when this returns.
    let child = Process::spawn(child_loop, (rounds,))?;

    for round in 1..=rounds.unwrap_or(u64::MAX) {
        println!("parent {} round {round}", process::id());
        thread::sleep(Duration::from_secs(1));
    }

    // With endless loops this is never reached. Ctrl-C ends the parent, and the kernel ends the child with it.
    let status = child.join()?;
    println!("both have ended, the child with {status}");
    Ok(())
}
