//! A claim is tested until it falls: searches stop at the first outcome that decides them and cancel the rest.
//!
//! The claim: n² + n + 41 is prime for every n (Euler found it true for the first forty). `counterexample 0` runs it all in
//! this process, without workers: for a debugger, with the same results.
//!
//! In Python there is no verb for it: `any(pool.imap_unordered(...))` stops reading, and the pool goes on with the rest.

use std::error::Error;
use std::ops::ControlFlow;

use procession::{Pool, Step};

fn euler(n: u64) -> u64 {
    n * n + n + 41
}

fn divisor(number: u64) -> Option<u64> {
    let mut divisors = (2..).take_while(|divisor| divisor * divisor <= number);
    divisors.find(|divisor| number.is_multiple_of(*divisor))
}

fn holds(n: u64) -> bool {
    divisor(euler(n)).is_none()
}

/// What is wrong with the claim at `n`, if anything is.
fn counterexample(n: u64) -> Option<(u64, u64)> {
    Some((n, divisor(euler(n))?))
}

/// The value as long as the claim holds; where it does not, the end of the map.
fn value(n: u64) -> Step<u64, u64> {
    if holds(n) {
        Step::Continue(euler(n))
    } else {
        Step::Break(n)
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    procession::init();
    let workers = std::env::args()
        .nth(1)
        .map(|word| word.parse())
        .transpose()?;
    let pool = match workers {
        Some(workers) => Pool::new(workers)?,
        None => Pool::per_cpu()?,
    };

    println!("for the first forty: {}", pool.all(holds, 0..40)?);
    // The input has no end: it is read only as far as it takes to decide.
    println!("for all: {}", pool.all(holds, 0..)?);

    // The first that is found, which need not be the least.
    let (n, divisor) = pool
        .find_map(counterexample, 0..)?
        .ok_or("the claim holds")?;
    println!(
        "a counterexample is found: {}",
        euler(n).is_multiple_of(divisor)
    );

    // The tasks themselves end this map, with what they end it with.
    match pool.map_until(value, 0..40)? {
        ControlFlow::Continue(values) => println!("{} primes up to {}", values.len(), values[39]),
        ControlFlow::Break(n) => println!("the claim fails at {n}"),
    }
    match pool.map_until(value, 38..41)? {
        ControlFlow::Continue(values) => println!("{} primes", values.len()),
        ControlFlow::Break(n) => println!("the claim fails at {n}"),
    }

    // Only some results are kept, in the order of the items.
    println!("the least: {:?}", pool.filter_map(counterexample, 0..60)?);

    pool.close();
    pool.join()?;
    Ok(())
}
