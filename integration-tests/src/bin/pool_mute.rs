//! A program whose outputs may be closed or broken: its pool works, and it writes nothing itself. Exits with 0 if all is well.
//!
//! `pool_mute plain | captured`

use procession::{Output, Pool, TaskErrorKind};

fn speaks(n: u32) -> u32 {
    use std::io::Write;
    // Not `println`: that panics when nobody can read it.
    let _ = writeln!(std::io::stdout(), "said on stdout");
    let _ = writeln!(std::io::stderr(), "said on stderr");
    n + 1
}

fn dies() {
    std::process::abort();
}

fn main() {
    procession::init();
    let captured = std::env::args().nth(1).as_deref() == Some("captured");
    let output = match captured {
        true => Output::Captured,
        false => Output::Null,
    };
    let pool = Pool::builder()
        .workers(2)
        .stdout(output)
        .stderr(output)
        .build()
        .unwrap();
    assert_eq!(
        pool.map(speaks, 0..50).unwrap(),
        (1..51).collect::<Vec<u32>>()
    );
    let kind = |outcome: Result<(), procession::TaskError>| outcome.unwrap_err().kind();
    // Everything that goes wrong is told by values alone.
    assert_eq!(
        kind(pool.apply(|| panic!("a panic"), ())),
        TaskErrorKind::Panicked
    );
    assert_eq!(kind(pool.apply(dies, ())), TaskErrorKind::WorkerDied);
    assert_eq!(pool.map(speaks, 0..50).unwrap().len(), 50);
    drop(pool.apply_async(std::thread::sleep, (std::time::Duration::from_secs(1000),)));
    pool.terminate();
    pool.join().unwrap();
}
