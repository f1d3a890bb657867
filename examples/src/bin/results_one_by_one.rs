//! Tutorial 4: each result is fetched before the next task is submitted, so the tasks do not overlap. `results_collected` does it right.
//!
//! In Python:
//!
//! ```python
//! for number in range(1, 11):
//!     result = pool.apply_async(square, (number,))
//!     print(result.get())          # waits here, ten times
//! ```

use std::{
    error::Error,
    thread,
    time::{Duration, Instant},
};

use procession::Pool;

fn square(number: u64) -> u64 {
    thread::sleep(Duration::from_millis(100));
    number * number
}

fn main() -> Result<(), Box<dyn Error>> {
    procession::init();

    let pool = Pool::new(5)?;
    let begun = Instant::now();
    for number in 1..=10 {
        let result = pool.apply_async(square, (number,));
        // `get` waits for this one task, and the next is submitted only afterwards: there is never more than one task in the
        // pool, and four of the five workers have nothing to do. Ten times 100 ms make a whole second.
        println!("{number} squared is {}", result.get()?);
    }
    println!(
        "ten tasks of 100 ms one by one: {:.2} s",
        begun.elapsed().as_secs_f64()
    );

    pool.close();
    pool.join()?;
    Ok(())
}
