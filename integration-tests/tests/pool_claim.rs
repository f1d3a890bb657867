//! The tutorial's claim, run for real: 500 tasks as 500 processes, and on a pool of eight. It must never judge a time: which
//! of them is faster depends on the task, but a pool takes less memory always.

use std::collections::BTreeSet;
use std::fs::File;
use std::time::{Duration, Instant};

use procession::{Pool, Process};
use procession_integration_tests::pool_scene::{Scratch, finish, scene, until};

procession::init_before_main!();

const TASKS: u64 = 500;
const WORKERS: usize = 8;

/// Where tasks note that they have begun, and a file that is locked until they are to go on.
struct Gate {
    begun: Scratch,
    beside: Scratch,
    lock: File,
}

/// What the tasks returned and which processes they ran in, the memory of these while they waited, and the time without that.
struct Ran {
    results: Vec<u64>,
    pids: BTreeSet<u32>,
    kib: u64,
    took: Duration,
}

impl Gate {
    fn closed() -> Gate {
        let beside = Scratch::new();
        let lock = File::create(beside.at("gate")).unwrap();
        lock.lock().unwrap();
        let begun = Scratch::new();
        Gate {
            begun,
            beside,
            lock,
        }
    }

    fn args(&self, n: u64) -> (u64, String, String) {
        (n, self.begun.text(), self.beside.at("gate"))
    }

    /// Looks at the processes once so many tasks have begun, then lets all go on.
    fn open(&self, tasks: usize, pids: impl IntoIterator<Item = u32>) -> (u64, Duration) {
        until("they have begun", || self.begun.count() == tasks);
        let looked = Instant::now();
        let kib = pids.into_iter().map(proportional_kib).sum();
        let looked = looked.elapsed();
        self.lock.unlock().unwrap();
        (kib, looked)
    }
}

/// The same for both: a result that only it has, and the process it ran in.
fn task(n: u64, begun: String, gate: String) -> (u64, u32) {
    std::fs::write(format!("{begun}/{n}"), "").unwrap();
    File::open(gate).unwrap().lock_shared().unwrap();
    ((0..=n).map(|k| k * k).sum(), std::process::id())
}

/// A page that n processes share counts as 1/n in each.
fn proportional_kib(pid: u32) -> u64 {
    let rollup = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap();
    let line = rollup.lines().find_map(|line| line.strip_prefix("Pss:"));
    let kib = line.and_then(|line| line.split_whitespace().next());
    kib.expect("a figure").parse().unwrap()
}

fn as_processes() -> Ran {
    let gate = Gate::closed();
    let begun = Instant::now();
    let children: Vec<_> = (0..TASKS)
        .map(|n| Process::spawn(task, gate.args(n)).unwrap())
        .collect();
    let pids: BTreeSet<u32> = children.iter().map(Process::pid).collect();
    let (kib, looked) = gate.open(TASKS as usize, pids.iter().copied());
    let one = |child: Process<(u64, u32)>| {
        let pid = child.pid();
        let (result, ran_in) = child.into_result().unwrap();
        assert_eq!(ran_in, pid);
        result
    };
    let results = children.into_iter().map(one).collect();
    Ran {
        results,
        pids,
        kib,
        took: begun.elapsed() - looked,
    }
}

fn on_a_pool() -> Ran {
    let gate = Gate::closed();
    let begun = Instant::now();
    let pool = Pool::new(WORKERS).unwrap();
    let handles: Vec<_> = (0..TASKS)
        .map(|n| pool.apply_async(task, gate.args(n)))
        .collect();
    let (kib, looked) = gate.open(WORKERS, pool.worker_pids());
    let each: Vec<_> = handles.into_iter().map(|one| one.get().unwrap()).collect();
    assert_eq!(pool.stats().restarts, 0);
    finish(pool);
    let (results, pids): (Vec<u64>, BTreeSet<u32>) = each.into_iter().unzip();
    Ran {
        results,
        pids,
        kib,
        took: begun.elapsed() - looked,
    }
}

/// HY11: the same results from 500 processes and from eight, with a fraction of the memory.
#[test]
fn five_hundred_processes_and_a_pool_of_eight_differ_in_what_they_cost() {
    scene(|| {
        let processes = as_processes();
        let pool = on_a_pool();
        assert_eq!(processes.results, pool.results);
        assert_eq!(pool.results[10], 385);
        assert_eq!(
            (processes.pids.len(), pool.pids.len()),
            (TASKS as usize, WORKERS)
        );
        for (what, ran) in [("processes", &processes), ("pool", &pool)] {
            let (count, mib) = (ran.pids.len(), ran.kib as f64 / 1024.0);
            println!(
                "{what:<10} {count:>4} alive {mib:>7.1} MiB {:>9.1?}",
                ran.took
            );
        }
        assert!(
            processes.kib > 5 * pool.kib && pool.kib > 0,
            "{} KiB of {TASKS} processes, {} KiB of {WORKERS} workers",
            processes.kib,
            pool.kib
        );
    });
}
