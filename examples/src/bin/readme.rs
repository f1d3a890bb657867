//! The README's example, word for word: a test compares the two. It must stay as short as it is there.

use procession::Pool;

fn square(number: u64) -> u64 {
    number * number
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    procession::init();
    let pool = Pool::per_cpu()?;
    println!("{:?}", pool.map(square, 1..=10)?);
    pool.close();
    pool.join()?;
    Ok(())
}
