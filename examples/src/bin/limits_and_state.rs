//! Limits and state: a worker keeps what is dear to make, is held to its memory and its time, and reports when it leaves.
//!
//! cargo run -p procession-examples --bin limits_and_state

use std::collections::HashMap;
use std::time::Duration;

use procession::{Pool, with_state};

/// Prime factors known so far. It stays in its worker: nothing of it is ever sent.
struct Factors {
    known: HashMap<u64, Vec<u64>>,
    asked: usize,
}

/// Runs once in each worker, and once more where a task panicked with the state in its hands.
fn prepare(up_to: u64) -> Factors {
    let mut factors = Factors {
        known: HashMap::new(),
        asked: 0,
    };
    for n in 2..=up_to {
        factors.known.insert(n, factorise(n));
    }
    factors
}

fn factorise(mut n: u64) -> Vec<u64> {
    let mut found = Vec::new();
    let mut divisor = 2;
    while n > 1 {
        if n.is_multiple_of(divisor) {
            n /= divisor;
            found.push(divisor);
        } else {
            divisor += 1;
        }
    }
    found
}

/// A task like any other, with the worker's state in front of its arguments.
fn factors_of(factors: &mut Factors, n: u64) -> Vec<u64> {
    factors.asked += 1;
    let found = factors.known.entry(n).or_insert_with(|| factorise(n));
    found.clone()
}

/// Takes more memory than it is allowed.
fn greedy() -> usize {
    std::hint::black_box(vec![1u8; 1 << 30]).len()
}

/// Takes more processor time than it is allowed.
fn endless() {
    loop {
        std::hint::spin_loop();
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    procession::init();
    let pool = Pool::builder()
        .workers(2)
        .memory_limit(256 << 20)
        .cpu_limit(Duration::from_secs(1))
        .start_timeout(Duration::from_secs(30))
        .state(prepare, (100u64,))
        .exit_hook(with_state(|factors: &mut Factors| factors.asked), ())
        .build()?;

    for error in [pool.apply(greedy, ()).err(), pool.apply(endless, ()).err()] {
        let error = error.ok_or("there was to be a limit")?;
        let limit = error.death().and_then(|death| death.hint());
        println!("{}", limit.ok_or_else(|| error.to_string())?);
    }

    // Both workers were replaced, and each replacement has made its state anew.
    let numbers = [12, 97, 360];
    for (n, factors) in numbers
        .into_iter()
        .zip(pool.map(with_state(factors_of), numbers)?)
    {
        println!("{n}: {factors:?}");
    }

    pool.close();
    pool.join()?;
    let asked = pool
        .exit_results::<usize>()
        .into_iter()
        .sum::<Result<usize, _>>()?;
    println!("{asked} questions answered");
    Ok(())
}
