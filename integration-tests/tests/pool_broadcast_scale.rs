//! Shared values in numbers and in bulk: memory that is there once, descriptors that come back, sockets that are full.

use std::time::Duration;

use procession::{Pool, Shared, SharedBytes};
use procession_integration_tests::audit;
use procession_integration_tests::pool_scene::{Scratch, finish, meet, murder, scene, until, warm};

procession::init_before_main!();

/// Memory of process `pid` with what it shares counted by its share, in bytes.
fn proportional(pid: u32) -> usize {
    let text = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
    let line = text
        .lines()
        .find(|line| line.starts_with("Pss:"))
        .unwrap_or_default();
    let kib = line
        .split_whitespace()
        .nth(1)
        .and_then(|kib| kib.parse::<usize>().ok());
    kib.unwrap_or(0) * 1024
}

fn open_files() -> usize {
    let descriptors = audit::snapshot().descriptors;
    let shared = |line: &&String| line.contains("memfd:procession-share");
    descriptors.iter().filter(shared).count()
}

fn mapped(pid: u32) -> usize {
    let maps = std::fs::read_to_string(format!("/proc/{pid}/maps")).unwrap_or_default();
    maps.matches("/memfd:procession-share").count()
}

/// WL19: 100 MB in a parent and eight workers are 100 MB, not nine times as much.
#[test]
fn bytes_are_in_memory_once() {
    const BYTES: usize = 100 << 20;
    fn touch(bytes: SharedBytes, meeting: String, me: u32) -> u64 {
        meet(&meeting, me, 8);
        let pages = (0..bytes.len()).step_by(4096);
        pages.map(|at| u64::from(bytes[at])).sum()
    }
    scene(|| {
        let pool = warm(8);
        let bytes = pool.broadcast_bytes(vec![3; BYTES]).unwrap();
        let scratch = Scratch::new();
        let args = (0..8).map(|me| (bytes.clone(), scratch.text(), me));
        let sums = pool.call(touch).chunk_size(1).starmap(args).unwrap();
        assert_eq!(sums, [3 * (BYTES as u64 / 4096); 8]);
        assert_eq!(pool.stats().shares_sent, 8);
        let own = proportional(std::process::id());
        let all: usize = own
            + pool
                .worker_pids()
                .into_iter()
                .map(proportional)
                .sum::<usize>();
        assert!(all > BYTES, "nothing was measured: {all}");
        assert!(
            all < 3 * BYTES,
            "{} MB in all processes together",
            all >> 20
        );
        finish(pool);
    });
}

/// A thousand values, small and large, one after the other and many at once: each is gone when it is not used any more.
#[test]
fn a_thousand_broadcasts_leave_nothing() {
    scene(|| {
        let pool = warm(2);
        let len = |bytes: SharedBytes| bytes.len();
        for n in 0..500usize {
            let size = if n % 2 == 0 { n } else { 40_000 + n };
            let bytes = pool.broadcast_bytes(vec![1; size]).unwrap();
            assert_eq!(pool.apply(len, (bytes.clone(),)).unwrap(), size);
            let text = pool.broadcast("x".repeat(size)).unwrap();
            assert_eq!(
                pool.apply(|text: Shared<String>| text.len(), (text,))
                    .unwrap(),
                size
            );
        }
        until("all of them are closed", || open_files() == 0);
        let many: Vec<_> = (0..200usize)
            .map(|n| pool.broadcast_bytes(vec![1; 33_000 + n]).unwrap())
            .collect();
        let lens = pool.map(len, many.iter().cloned()).unwrap();
        assert_eq!(lens, (0..200).map(|n| 33_000 + n).collect::<Vec<_>>());
        assert_eq!(open_files(), 200);
        drop(many);
        until("all of them are closed", || open_files() == 0);
        for pid in pool.worker_pids() {
            until("the workers have forgotten them", || mapped(pid) == 0);
        }
        finish(pool);
    });
}

/// Values for a worker that reads nothing, because it is busy: its control socket is full, nothing is lost, nobody blocks.
#[test]
fn a_full_control_socket_delays_and_loses_nothing() {
    // One function, so that short calls are sent ahead behind a long one.
    fn len(bytes: SharedBytes, file: Option<String>) -> usize {
        if let Some(file) = file {
            until("the file is there", || std::path::Path::new(&file).exists());
        }
        bytes.len()
    }
    scene(|| {
        let pool = warm(1);
        let pid = pool.worker_pids()[0];
        let scratch = Scratch::new();
        let first = pool.broadcast_bytes([1, 2, 3]).unwrap();
        for _ in 0..100 {
            pool.apply(len, (first.clone(), None)).unwrap();
        }
        let waits = pool.apply_async(len, (first.clone(), Some(scratch.at("go"))));
        // 400 packets with a file each, more than the socket takes; then some that fill it by their bytes.
        let sizes: Vec<usize> = (0..400)
            .map(|n| 40_000 + n)
            .chain((0..50).map(|n| 30_000 + n))
            .collect();
        let values: Vec<_> = sizes
            .iter()
            .map(|size| pool.broadcast_bytes(vec![1; *size]).unwrap())
            .collect();
        let handles: Vec<_> = values
            .iter()
            .map(|value| pool.apply_async(len, (value.clone(), None)))
            .collect();
        // Unless a busy machine made short calls look long: those are not sent ahead, and the socket stays empty.
        for _ in 0..500 {
            if pool.stats().shares_sent > 10 {
                break;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        let sent = pool.stats().shares_sent;
        assert!(
            sent < 451,
            "{sent} were sent to a worker that does not read"
        );
        // Half of them are given up: what was sent of them is to be forgotten, which does not fit either.
        let (kept, given_up): (Vec<_>, Vec<_>) = handles
            .into_iter()
            .zip(values)
            .enumerate()
            .partition(|(n, _)| n % 2 == 0);
        for (_, (handle, _)) in &given_up {
            handle.cancel();
        }
        drop(given_up);
        std::fs::write(scratch.at("go"), "").unwrap();
        assert_eq!(waits.get().unwrap(), 3);
        for (n, (handle, value)) in kept {
            assert_eq!((handle.get().unwrap(), value.len()), (sizes[n], sizes[n]));
        }
        until("everything is forgotten", || {
            open_files() == 0 && mapped(pid) == 0
        });
        assert_eq!(pool.worker_pids(), [pid]);
        finish(pool);
    });
}

/// Values made, used, cloned and dropped by many threads while workers are killed.
#[test]
fn threads_and_deaths_do_not_mix_values_up() {
    fn check(value: Shared<Vec<u32>>, bytes: SharedBytes, n: u32) -> bool {
        value.iter().all(|v| *v == n) && bytes.iter().all(|b| *b == n as u8)
    }
    scene(|| {
        let pool = warm(3);
        std::thread::scope(|threads| {
            for thread in 0..4u32 {
                let pool = &pool;
                threads.spawn(move || {
                    for round in 0..40 {
                        let n = thread * 40 + round;
                        let value = pool.broadcast(vec![n; 20_000]).unwrap();
                        let bytes = pool
                            .broadcast_bytes(vec![n as u8; 10 + n as usize * 500])
                            .unwrap();
                        let args = (0..20).map(|_| (value.clone(), bytes.clone(), n));
                        for outcome in pool
                            .call(|(v, b, n): (Shared<Vec<u32>>, SharedBytes, u32)| check(v, b, n))
                            .try_map(args)
                        {
                            // A death costs a task; no task ever sees another value.
                            assert!(outcome.unwrap_or(true));
                        }
                    }
                });
            }
            for _ in 0..10 {
                std::thread::sleep(Duration::from_millis(20));
                if let Some(pid) = pool.worker_pids().first() {
                    murder(*pid);
                }
            }
        });
        until("all of them are closed", || open_files() == 0);
        finish(pool);
    });
}

/// Where descriptors run out, it is an error, and nothing is half made.
#[test]
fn without_descriptors_it_is_an_error() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    scene(|| {
        let pool = warm(1);
        let before = getrlimit(Resource::Nofile);
        let lowest = Rlimit {
            current: Some(3),
            ..before
        };
        setrlimit(Resource::Nofile, lowest).unwrap();
        let large = pool.broadcast_bytes(vec![1; 100_000]);
        let small = pool.broadcast(5u32);
        setrlimit(Resource::Nofile, before).unwrap();
        let error = large.unwrap_err();
        assert!(
            error.to_string().contains("cannot share a value"),
            "{error}"
        );
        assert_eq!(
            pool.apply(|n: Shared<u32>| *n, (small.unwrap(),)).unwrap(),
            5
        );
        finish(pool);
    });
}

/// A pool that boots takes values for its first calls.
#[test]
fn a_worker_that_boots_gets_them_first() {
    scene(|| {
        for _ in 0..10 {
            let pool = Pool::new(2).unwrap();
            let bytes = pool.broadcast_bytes(vec![9; 50_000]).unwrap();
            let last = |bytes: SharedBytes| bytes[bytes.len() - 1];
            let handles: Vec<_> = (0..20)
                .map(|_| pool.apply_async(last, (bytes.clone(),)))
                .collect();
            assert!(handles.into_iter().all(|handle| handle.get().unwrap() == 9));
            finish(pool);
        }
    });
}
