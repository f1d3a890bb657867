//! Tutorial 5: all tasks are submitted first, their handles kept in a list, and the results fetched afterwards: the tasks overlap.
//!
//! In Python:
//!
//! ```python
//! results = [pool.apply_async(square, (number,)) for number in range(1, 11)]
//! pool.close()
//! pool.join()
//! for result in results:
//!     print(result.get())
//! ```

use std::{
    error::Error,
    thread,
    time::{Duration, Instant},
};

use procession::{AsyncResult, Pool};

fn square(number: u64) -> u64 {
    thread::sleep(Duration::from_millis(100));
    number * number
}

fn main() -> Result<(), Box<dyn Error>> {
    procession::init();

    let pool = Pool::new(5)?;
    let begun = Instant::now();
    let results: Vec<AsyncResult<u64>> = (1..=10)
        .map(|number| pool.apply_async(square, (number,)))
        .collect();

    // The results stay in their handles: they can be fetched after the workers are gone.
    pool.close();
    pool.join()?;
    for (number, result) in (1..=10).zip(results) {
        println!("{number} squared is {}", result.get()?);
    }
    println!(
        "ten tasks of 100 ms on five workers: {:.2} s",
        begun.elapsed().as_secs_f64()
    );

    // The same in one line, where each task takes one argument: `pool.map(square, 1..=10)?`.
    Ok(())
}
