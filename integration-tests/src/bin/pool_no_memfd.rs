//! A program with a pool, to be run where the kernel makes no memfd. Prints `done` when everything went as elsewhere.

use procession::{Bytes, Pool, TaskErrorKind, Transport};
use procession_integration_tests::pool_scene::{die_by, error_of};
use rustix::process::Signal;

fn main() {
    procession::init();
    let pool = Pool::new(2).unwrap();
    let squares = pool.map(|n: u64| n * n, 0..1_000).unwrap();
    assert_eq!(squares[999], 999 * 999);
    // Longer than the ring, in both directions.
    let long = Bytes::from(vec![7; 1 << 20]);
    assert_eq!(
        pool.apply(|bytes: Bytes| bytes, (long.clone(),)).unwrap(),
        long
    );
    error_of(
        pool.apply(|| die_by(Signal::KILL), ()),
        TaskErrorKind::WorkerDied,
    );
    assert_eq!(
        pool.apply(|n: u64| n + 1, (1,)).unwrap(),
        2,
        "its successor serves"
    );
    let stats = pool.stats();
    // Its successor may be on its way.
    let mut transports = stats.workers.iter().filter_map(|worker| worker.transport);
    assert!(transports.all(|transport| transport == Transport::SystemV));
    pool.close();
    pool.join().unwrap();
    println!("done");
}
