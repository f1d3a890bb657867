//! Tutorial 6: a global is not shared between processes. Each child has its own list; the parent's list never changes.
//!
//! In Python:
//!
//! ```python
//! numbers = [11, 22]
//!
//! def work1():
//!     for i in range(3):
//!         numbers.append(i)       # appends to this process's own list
//!
//! def work2():
//!     print(numbers)              # [11, 22]
//! ```

use std::{
    error::Error,
    sync::{LazyLock, Mutex, PoisonError},
};

use procession::Process;

static NUMBERS: LazyLock<Mutex<Vec<i64>>> = LazyLock::new(|| Mutex::new(vec![11, 22]));

fn append(number: i64) {
    NUMBERS
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .push(number);
}

fn numbers() -> Vec<i64> {
    NUMBERS
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .clone()
}

/// The first child changes its list, and sends it back as its result: that is how values leave a process.
fn work1() -> Vec<i64> {
    println!("first child begins with {:?}", numbers());
    for number in 0..3 {
        append(number);
        println!("first child has       {:?}", numbers());
    }
    numbers()
}

/// The second child sees neither the first child's list nor the parent's.
fn work2() {
    println!("second child has      {:?}", numbers());
}

fn main() -> Result<(), Box<dyn Error>> {
    procession::init();

    // A child is a fresh start of this program, so it has the list as the program begins with it. Under Python's `fork` it
    // would be a copy of the parent's list at this moment, 33 included. Neither way is anything shared.
    append(33);

    let returned = Process::spawn(work1, ())?.into_result()?;
    let second = Process::spawn(work2, ())?;
    second.join()?;

    println!("first child returned  {returned:?}");
    println!("parent has            {:?}", numbers());
    Ok(())
}
