//! A program with a pool in a memory cgroup that is too small for one of its tasks.
//!
//! `pool_boot_oom <cgroup.procs>`: it moves there first, prints the errors it got, and `done` at its end.

use procession::{Pool, TaskErrorKind};
use procession_integration_tests::pool_scene::{die_by, error_of};
use rustix::process::Signal;

fn main() {
    procession::init();
    let group = std::env::args().nth(1).unwrap();
    std::fs::write(group, std::process::id().to_string()).unwrap();
    let pool = Pool::new(1).unwrap();
    let kill = || die_by(Signal::KILL);
    // Nobody's fault but the sender's.
    let error = error_of(pool.apply(kill, ()), TaskErrorKind::WorkerDied);
    println!("killed: {error}");
    let fill = |bytes: usize| std::hint::black_box(vec![1u8; bytes]).len();
    let error = error_of(pool.apply(fill, (1 << 30,)), TaskErrorKind::WorkerDied);
    println!("out of memory: {error}");
    // That kill has been told.
    let error = error_of(pool.apply(kill, ()), TaskErrorKind::WorkerDied);
    println!("killed: {error}");
    assert_eq!(pool.apply(fill, (1 << 20,)).unwrap(), 1 << 20);
    pool.close();
    pool.join().unwrap();
    println!("done");
}
