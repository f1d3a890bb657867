//! Tutorial 3: ten tasks on a pool of three workers, with `apply_async`, `close` and `join`. No result is fetched here.
//!
//! In Python:
//!
//! ```python
//! pool = Pool(3)
//! for number in range(1, 11):
//!     pool.apply_async(work, (number,))
//! pool.close()
//! pool.join()
//! ```

use std::{error::Error, process, thread, time::Duration};

use procession::Pool;

/// Takes between 20 and 100 ms, so that the tasks do not end in the order in which they began.
fn work(number: u64) {
    println!("task {number} begins in worker {}", process::id());
    thread::sleep(Duration::from_millis(20 * (1 + number * 7 % 5)));
    println!("task {number} ends");
}

fn main() -> Result<(), Box<dyn Error>> {
    procession::init();

    let pool = Pool::new(3)?;
    for number in 1..=10 {
        // Returns at once: the task waits for a free worker. Dropping the handle does not cancel the task; it only gives up
        // the way to see its result and its error. The next two programs keep the handles.
        drop(pool.apply_async(work, (number,)));
    }
    println!("all tasks submitted");

    // `close`: no more tasks. `join`: wait until the accepted ones are done and the workers have ended.
    // `join` without `close` is an error, as in Python; it does not wait for ever.
    pool.close();
    pool.join()?;
    println!("all tasks done");
    Ok(())
}
