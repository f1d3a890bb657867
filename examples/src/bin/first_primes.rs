//! The first primes above a number: an endless iterator goes through the pool, and it is read only as far as it is needed.
//!
//! In Python, whose `imap` reads its whole input at once, and so must not be given an endless one:
//!
//! ```python
//! for number, prime in pool.imap(is_prime, range(start, end), chunksize=64):
//!     if prime:
//!         print(number)
//! ```

use std::error::Error;
use std::sync::atomic::{AtomicU64, Ordering};

use procession::Pool;

/// By trial division, as one does for want of a better way: what a pool is for.
fn is_prime(number: u64) -> (u64, bool) {
    let mut divisors = (2..).take_while(|divisor| divisor * divisor <= number);
    (
        number,
        number > 1 && divisors.all(|divisor| !number.is_multiple_of(divisor)),
    )
}

fn main() -> Result<(), Box<dyn Error>> {
    procession::init();

    let mut numbers = std::env::args().skip(1).map(|word| word.parse::<u64>());
    let start = numbers.next().transpose()?.unwrap_or(1_000_000_000_000);
    let count = numbers.next().transpose()?.unwrap_or(20);

    let pool = Pool::per_cpu()?;
    let read = AtomicU64::new(0);
    let count_read = |_: &u64| _ = read.fetch_add(1, Ordering::Relaxed);
    let candidates = (start + 1..).inspect(count_read);

    let mut found = 0;
    let mut tested = 0;
    for outcome in pool.imap(is_prime, candidates) {
        let (number, prime) = outcome?;
        tested += 1;
        if prime {
            println!("{number}");
            found += 1;
        }
        if found == count {
            break;
        }
    }
    // The iterator is gone, and what it had read ahead is cancelled.
    println!("{tested} numbers tested, {} read", read.into_inner());

    pool.close();
    pool.join()?;
    Ok(())
}
