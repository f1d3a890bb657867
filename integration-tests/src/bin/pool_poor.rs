//! A program with a pool that runs out of something: descriptors, processes, memory, its own file.
//!
//! `pool_poor <scenario>`; it prints the errors it got, and `done` at its end.

use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use procession::{Error, Pool, Process, TaskErrorKind};
use procession_integration_tests::audit::snapshot;
use rustix::process::{Pid, Resource, Rlimit, Signal, getrlimit, kill_process, setrlimit};

fn main() {
    procession::init();
    match std::env::args().nth(1).unwrap_or_default().as_str() {
        "basic" => basic(),
        "few-descriptors" => few_descriptors(),
        "descriptors-run-out" => run_out(Resource::Nofile),
        "no-processes" => no_processes(),
        "processes-run-out" => run_out(Resource::Nproc),
        "no-processes-to-judge" => no_judge(),
        "no-address-space" => no_address_space(),
        "no-file-size" => no_file_size(),
        "not-executable" => not_executable(),
        "deleted" => deleted(),
        "many-processes" => many_processes(),
        "many-tasks" => many_tasks(),
        "large-pool" => large_pool(),
        other => panic!("no scenario {other:?}"),
    }
    println!("done");
}

fn limit(resource: Resource, to: u64) {
    let maximum = getrlimit(resource).maximum;
    setrlimit(
        resource,
        Rlimit {
            current: Some(to),
            maximum,
        },
    )
    .unwrap();
}

fn basic() {
    let pool = Pool::new(2).unwrap();
    assert_eq!(
        pool.map(|x: u64| x * 2, 0..10).unwrap().iter().sum::<u64>(),
        90
    );
    pool.close();
    pool.join().unwrap();
    println!("basic");
}

/// The same error five times, and nothing left of the attempts.
fn refused(workers: usize) -> Error {
    let before = snapshot();
    let errors: Vec<_> = (0..5).map(|_| Pool::new(workers).unwrap_err()).collect();
    before.assert_nothing_left();
    println!("error {}", errors[0]);
    errors[0].clone()
}

/// FAULTS 65, at construction: the numbers are in the text.
fn few_descriptors() {
    basic();
    limit(Resource::Nofile, 64);
    let text = refused(500).to_string();
    for part in ["500 workers", "1012", "64"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    // What is captured counts.
    let captured = Pool::builder().workers(20).on_output(|_| ()).build();
    let text = captured.unwrap_err().to_string();
    for part in ["20 workers", "92", "64"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    // So do the successors of workers that are replaced, and of those that come later.
    let recycling = Pool::builder().workers(20).max_tasks_per_worker(9).build();
    let text = recycling.unwrap_err().to_string();
    for part in ["20 workers", "20 successors", "92", "64"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let lasting = Pool::builder().workers(20).build().unwrap();
    drop(lasting);
    let ageing = Pool::builder()
        .workers(2)
        .max_lifetime(Duration::from_secs(3600))
        .build()
        .unwrap();
    let text = ageing.resize(16).unwrap_err().to_string();
    for part in ["14 workers", "14 successors", "64"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    ageing.resize(8).unwrap();
    drop(ageing);
    basic();
}

fn kill(pid: u32) {
    kill_process(Pid::from_raw(pid.cast_signed()).unwrap(), Signal::KILL).unwrap();
}

/// FAULTS 65, 66 and 111, at run time: a worker that cannot be replaced is missed, until it can be.
fn run_out(resource: Resource) {
    basic();
    let before = snapshot();
    let pool = Pool::new(2).unwrap();
    assert_eq!(pool.map(|x: u64| x, 0..100).unwrap().len(), 100);
    let maximum = getrlimit(resource);
    let held: Vec<OwnedFd> = if resource == Resource::Nofile {
        limit(resource, 64);
        std::iter::from_fn(|| rustix::io::fcntl_dupfd_cloexec(std::io::stdout(), 3).ok()).collect()
    } else {
        limit(resource, 0);
        Vec::new()
    };
    kill(pool.worker_pids()[0]);
    for round in 0..100u64 {
        assert_eq!(pool.apply(|x: u64| x + 1, (round,)).unwrap(), round + 1);
        std::thread::sleep(Duration::from_millis(3));
    }
    assert_eq!(pool.worker_pids().len(), 1, "it works on with one");
    drop(held);
    setrlimit(resource, maximum).unwrap();
    while pool.worker_pids().len() < 2 {
        std::thread::sleep(Duration::from_millis(5));
    }
    assert_eq!(pool.map(|x: u64| x, 0..100).unwrap().len(), 100);
    pool.close();
    pool.join().unwrap();
    drop(pool);
    before.assert_nothing_left();
}

/// FAULTS 66: none at all is an error; the last one's end breaks the pool, and every handle says why.
fn no_processes() {
    basic();
    let pool = Pool::new(1).unwrap();
    // Its own thread has heard the worker, so it is there and has its name.
    while pool.stats().idle < 1 {
        std::thread::sleep(Duration::from_millis(1));
    }
    let maximum = getrlimit(Resource::Nproc);
    limit(Resource::Nproc, 0);
    assert_eq!(refused(2).raw_os_error(), Some(11));
    kill(pool.worker_pids()[0]);
    let error = pool
        .apply(|| std::thread::sleep(Duration::from_secs(600)), ())
        .unwrap_err();
    let error = match error.kind() {
        // It had begun when the signal came.
        TaskErrorKind::WorkerDied => pool.apply(|| (), ()).unwrap_err(),
        _ => error,
    };
    println!("error {error}");
    assert_eq!(error.kind(), TaskErrorKind::Broken);
    assert!(error.to_string().contains("os error 11"), "{error}");
    pool.close();
    pool.join().unwrap();
    setrlimit(Resource::Nproc, maximum).unwrap();
    basic();
}

/// FAULTS 66: there is no thread for callbacks and judges, for a while or for good.
fn no_judge() {
    let fails = || -> u64 { panic!("no") };
    let maximum = getrlimit(Resource::Nproc);
    for lasts in [false, true] {
        let pool = Pool::new(1).unwrap();
        while pool.stats().idle < 1 {
            std::thread::sleep(Duration::from_millis(1));
        }
        limit(Resource::Nproc, 0);
        let asked = Arc::new(AtomicU32::new(0));
        let counts = Arc::clone(&asked);
        let judge = move |_: &_| counts.fetch_add(1, Ordering::Relaxed) < 9;
        let call = pool.call(fails).retries(3).retry_if(judge);
        let handle = call.apply_async(());
        assert!(!handle.wait_timeout(Duration::from_millis(300)));
        assert_eq!(asked.load(Ordering::Relaxed), 0);
        if !lasts {
            setrlimit(Resource::Nproc, maximum).unwrap();
        }
        let error = handle.get().unwrap_err();
        assert_eq!(error.kind(), TaskErrorKind::Panicked);
        let attempts = if lasts { 1 } else { 4 };
        assert_eq!(
            (error.attempts(), asked.load(Ordering::Relaxed)),
            (attempts, attempts - 1)
        );
        // Nor does joining wait for a judge.
        let each = pool
            .call(|_: u32| -> u64 { panic!("no") })
            .retries(3)
            .retry_if(|_| true)
            .map_async([1, 2, 3]);
        pool.close();
        assert!(pool.join_timeout(Duration::from_secs(60)).unwrap());
        assert!(each.get().is_err());
        drop(pool);
        setrlimit(Resource::Nproc, maximum).unwrap();
    }
    basic();
}

/// FAULTS 67, 68, 70: the kernel has no memory for a link, a stack or a process.
fn no_address_space() {
    basic();
    let status = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages: u64 = status.split(' ').next().unwrap().parse().unwrap();
    limit(Resource::As, pages * 4096 + 600 * 1024);
    let before = snapshot();
    let error = Pool::new(50).unwrap_err();
    println!("error {error}");
    before.assert_nothing_left();
    setrlimit(
        Resource::As,
        Rlimit {
            current: None,
            maximum: None,
        },
    )
    .unwrap();
    basic();
}

/// FAULTS 68: a link's memory file cannot be made, so the link is none.
fn no_file_size() {
    basic();
    limit(Resource::Fsize, 4096);
    let before = snapshot();
    basic();
    before.assert_nothing_left();
}

/// FAULTS 71: our file may no longer be executed.
fn not_executable() {
    basic();
    let own = std::env::current_exe().unwrap();
    std::fs::set_permissions(&own, std::fs::Permissions::from_mode(0o644)).unwrap();
    assert_eq!(refused(2).raw_os_error(), Some(13));
}

/// FAULTS 72: our file is deleted, then another one stands in its place; replacements are still ours.
fn deleted() {
    let pool = Pool::new(2).unwrap();
    let own = std::env::current_exe().unwrap();
    std::fs::remove_file(&own).unwrap();
    basic();
    std::fs::write(&own, "#!/bin/sh\nexit 3\n").unwrap();
    basic();
    for _ in 0..4 {
        let died = pool
            .apply(|| std::process::exit(9), ())
            .map(|(): ()| ())
            .unwrap_err();
        assert_eq!(died.death().unwrap().exit_status().code(), Some(9));
    }
    assert_eq!(pool.map(|x: u64| x, 0..100).unwrap().len(), 100);
}

/// Five hundred at once, with a soft limit of 1,024 descriptors.
fn many_processes() {
    limit(Resource::Nofile, 1024);
    let before = snapshot();
    let processes: Vec<Process<u64>> = (0..500)
        .map(|i| {
            let wait = |i: u64| {
                std::thread::sleep(Duration::from_millis(100));
                i
            };
            Process::spawn(wait, (i,)).unwrap_or_else(|error| panic!("process {i}: {error}"))
        })
        .collect();
    for (i, process) in processes.into_iter().enumerate() {
        assert_eq!(process.into_result().unwrap(), i as u64);
    }
    drop(before);
    assert!(procession::active_children().is_empty());
}

fn many_tasks() {
    limit(Resource::Nofile, 1024);
    let pool = Pool::new(8).unwrap();
    let handles: Vec<_> = (0..500u64)
        .map(|i| pool.apply_async(|i: u64| i * i, (i,)))
        .collect();
    for (i, handle) in handles.into_iter().enumerate() {
        assert_eq!(handle.get().unwrap(), (i * i) as u64);
    }
    pool.close();
    pool.join().unwrap();
}

/// As many workers as tasks: two descriptors each.
fn large_pool() {
    limit(Resource::Nofile, 1024);
    let pool = Pool::new(300).unwrap();
    assert_eq!(pool.map(|x: u64| x, 0..3000).unwrap().len(), 3000);
    let handles: Vec<_> = (0..500u64)
        .map(|i| pool.apply_async(|i: u64| i, (i,)))
        .collect();
    for (i, handle) in handles.into_iter().enumerate() {
        assert_eq!(handle.get().unwrap(), i as u64);
    }
    pool.close();
    pool.join().unwrap();
}
