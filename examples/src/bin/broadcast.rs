//! A lookup table that all tasks share: it is sent to each worker once, and the tasks name it.
//!
//! In Python it would be a global that an initializer sets in each worker:
//!
//! ```python
//! def init(table):
//!     global ranges
//!     ranges = table
//!
//! with Pool(2, initializer=init, initargs=(ranges,)) as pool:
//!     print(pool.map(country, addresses))
//! ```
//!
//! cargo run -p procession-examples --bin broadcast

use std::collections::BTreeMap;

use procession::{Pool, Shared, SharedBytes};

/// The first address of each range, and whose it is.
type Ranges = BTreeMap<u32, String>;

fn owner(ranges: Shared<Ranges>, address: u32) -> String {
    let range = ranges.range(..=address).next_back();
    range.map_or_else(|| "nobody".to_string(), |(_, owner)| owner.clone())
}

/// How often each letter from `from` to `to` stands in the text.
fn letters(text: SharedBytes, from: u8, to: u8) -> Vec<(char, usize)> {
    let count = |letter: u8| text.iter().filter(|byte| **byte == letter).count();
    let counted = (from..=to).map(|letter| (char::from(letter), count(letter)));
    counted.filter(|(_, count)| *count > 0).collect()
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    procession::init();
    let pool = Pool::new(2)?;

    // A value: each worker decodes it once, at the first task that names it.
    let ranges: Ranges = (0..100_000)
        .map(|n| (n * 1_000, format!("owner {n}")))
        .collect();
    let ranges = pool.broadcast(ranges)?;
    let addresses = (0..10_000).map(|n| (ranges.clone(), n * 9_999));
    let owners = pool.starmap(owner, addresses)?;
    println!(
        "{} addresses, the last one of {}",
        owners.len(),
        owners[9_999]
    );
    println!("{} workers were sent the table", pool.stats().shares_sent);

    // Bytes: there is one copy in memory, which every process looks at.
    let text = pool.broadcast_bytes("to be or not to be ".repeat(10_000))?;
    let parts = [(b'a', b'm'), (b'n', b'z')].map(|(from, to)| (text.clone(), from, to));
    for (letter, count) in pool.starmap(letters, parts)?.concat() {
        println!("{letter} {count}");
    }

    // Without a handle and without a task that names them, the workers give them back.
    drop((ranges, text));
    pool.close();
    pool.join()?;
    Ok(())
}
