//! Tutorial 2: a process with arguments, watched, ended after one second and joined. The parent shares no memory with it.
//!
//! In Python:
//!
//! ```python
//! p = Process(target=run_proc, args=("test", 18), kwargs={"m": 20})
//! p.start()
//! time.sleep(1)
//! p.terminate()
//! p.join()
//! ```

use std::{error::Error, process, thread, time::Duration};

use procession::Process;
use serde::{Deserialize, Serialize};

/// What Python would take as `**kwargs`: a struct says which options exist, and `Default` which may be left out.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Options {
    m: i64,
    city: Option<String>,
}

/// Ten rounds of 0.2 seconds: twice as long as the parent lets it live.
fn run_proc(name: String, age: u32, options: Options) {
    for round in 1..=10 {
        println!(
            "child {}: round {round}, name={name}, age={age}, {options:?}",
            process::id()
        );
        thread::sleep(Duration::from_millis(200));
    }
    println!("child {}: came to its end", process::id());
}

fn main() -> Result<(), Box<dyn Error>> {
    procession::init();

    println!("parent {}: before the start", process::id());
    let options = Options {
        m: 20,
        ..Options::default()
    };
    let child = Process::spawn(run_proc, ("test".to_string(), 18, options))?;

    println!(
        "name={}, pid={}, alive={}",
        child.name(),
        child.pid(),
        child.is_alive()
    );
    thread::sleep(Duration::from_secs(1));

    // SIGTERM, as in Python. It is no error when the child has already ended.
    child.terminate()?;

    // `join` also says how the child ended; Python keeps that in `p.exitcode`, here as -15.
    let status = child.join()?;
    println!("ended by {status}, alive={}", child.is_alive());
    assert_eq!(
        child.exit_status(),
        Some(status),
        "the status stays after the join"
    );
    Ok(())
}
