//! The two ends of a pool as its results see them: a scope that ends, a pool that is dropped, one that never came to be.

use std::process::{Command, Stdio};
use std::time::Duration;

use procession::{Pool, TaskErrorKind};
use procession_integration_tests::audit::{assert_all_end, snapshot, watchdog};
use procession_integration_tests::pool_scene::{LONG, error_of, finish, scene, until, warm};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

procession::init_before_main!();

fn slow_square(x: u64) -> u64 {
    std::thread::sleep(Duration::from_millis(2));
    x * x
}

/// PO17
#[test]
fn after_close_and_join_every_result_is_there_and_nothing_more_is_taken() {
    scene(|| {
        let pool = Pool::new(2).unwrap();
        let handles: Vec<_> = (0..50)
            .map(|x| pool.apply_async(slow_square, (x,)))
            .collect();
        let map = pool.map_async(slow_square, 0..50);
        pool.close();
        error_of(pool.apply(slow_square, (1,)), TaskErrorKind::Closed);
        let refused = pool.apply_async(slow_square, (1,));
        assert!(refused.ready());
        error_of(refused.get(), TaskErrorKind::Closed);
        error_of(pool.map(slow_square, 0..3), TaskErrorKind::Closed);
        error_of(
            pool.map_async(slow_square, 0..3).get(),
            TaskErrorKind::Closed,
        );
        error_of(
            pool.starmap(|a: u8, b: u8| a + b, [(1, 2)]),
            TaskErrorKind::Closed,
        );
        let each = pool.try_map(slow_square, 0..3);
        assert_eq!(each.len(), 3);
        for outcome in each {
            error_of(outcome, TaskErrorKind::Closed);
        }
        pool.join().unwrap();
        assert!(handles.iter().all(|handle| handle.ready()) && map.ready());
        drop(pool);
        for (x, handle) in handles.into_iter().enumerate() {
            assert_eq!(handle.get().unwrap(), (x * x) as u64);
        }
        assert_eq!(
            map.get().unwrap(),
            (0..50).map(|x| x * x).collect::<Vec<u64>>()
        );
    });
}

/// PO22
#[test]
fn dropping_a_running_pool_resolves_every_handle() {
    scene(|| {
        let pool = warm(2);
        let done = pool.apply_async(slow_square, (3,));
        done.wait();
        let running: Vec<_> = (0..2)
            .map(|_| pool.apply_async(|| std::thread::sleep(LONG), ()))
            .collect();
        until("both run", || pool.stats().running == 2);
        let queued: Vec<_> = (0..10)
            .map(|x| pool.apply_async(slow_square, (x,)))
            .collect();
        let map = pool.map_async(slow_square, 0..10);
        let pids = pool.worker_pids();
        drop(pool);
        assert_all_end(&pids, Duration::from_secs(20));
        assert_eq!(done.get().unwrap(), 9);
        for handle in running {
            error_of(handle.get(), TaskErrorKind::Terminated);
        }
        for handle in queued {
            error_of(handle.get(), TaskErrorKind::Terminated);
        }
        error_of(map.get(), TaskErrorKind::Terminated);
    });
}

/// PO22: while other threads wait.
#[test]
fn dropping_a_running_pool_wakes_those_who_wait() {
    scene(|| {
        let pool = warm(2);
        let handles: Vec<_> = (0..4)
            .map(|_| pool.apply_async(|| std::thread::sleep(LONG), ()))
            .collect();
        let waiting: Vec<_> = handles
            .into_iter()
            .map(|handle| std::thread::spawn(|| handle.get()))
            .collect();
        until("both run", || pool.stats().running == 2);
        drop(pool);
        for thread in waiting {
            error_of(thread.join().unwrap(), TaskErrorKind::Terminated);
        }
    });
}

const SCANT: &str = "PROCESSION_TEST_SCANT";
const PASSED: &str = "the start failed and left nothing";

/// PO26: the part that is short of memory; does nothing unless the test below runs it.
#[test]
fn scant() {
    let Some(what) = std::env::var_os(SCANT) else {
        return;
    };
    let _watchdog = watchdog(120);
    drop(warm(1));
    let before = snapshot();
    let (resource, limit) = if what == "memory" {
        let pages = std::fs::read_to_string("/proc/self/statm").unwrap();
        let pages: u64 = pages.split(' ').next().unwrap().parse().unwrap();
        // Room for some links, not for all of them.
        (Resource::As, pages * 4096 + (12 << 20))
    } else {
        (Resource::Nofile, 64)
    };
    let former = getrlimit(resource);
    setrlimit(
        resource,
        Rlimit {
            current: Some(limit),
            ..former
        },
    )
    .unwrap();
    let error = Pool::new(200).unwrap_err().to_string();
    setrlimit(resource, former).unwrap();
    before.assert_nothing_left();
    finish(warm(2));
    println!("{error}: {PASSED}");
}

fn run_scant(what: &str) -> String {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "scant", "--nocapture"])
        .env(SCANT, what)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.success() && said.contains(PASSED),
        "{said}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    said
}

/// PO26: one of many workers finds no memory for its link.
#[test]
fn a_worker_that_cannot_be_started_takes_the_started_ones_with_it() {
    let _watchdog = watchdog(150);
    let said = run_scant("memory");
    assert!(said.contains("memory"), "{said}");
}

/// PO23, PO26: too few descriptors are an error that says how many are needed.
#[test]
fn too_few_descriptors_are_told_before_anything_starts() {
    let _watchdog = watchdog(150);
    let said = run_scant("descriptors");
    assert!(said.contains("descriptor") && said.contains("64"), "{said}");
}
