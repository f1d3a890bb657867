//! Workers as a pool's owner meets them: how many, how long they stay, and pools within workers.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use procession::{Pool, Process, TaskErrorKind};
use procession_integration_tests::pool_scene::{
    LONG, Scratch, assert_usable, error_of, finish, meet, own_pid, scene, until, warm,
};

procession::init_before_main!();

/// WL11: tasks that need each other run side by side, also when there are more workers than processors.
#[test]
fn tasks_that_wait_for_each_other_run_together() {
    scene(|| {
        for workers in [2, procession::cpu_count() + 3] {
            let pool = warm(workers);
            let place = Scratch::new();
            let all: Vec<_> = (0..workers as u32)
                .map(|me| {
                    pool.apply_async(
                        |place: String, me: u32, all: usize| meet(&place, me, all),
                        (place.text(), me, workers),
                    )
                })
                .collect();
            all.into_iter().for_each(|one| one.get().unwrap());
            finish(pool);
        }
    });
}

/// WL20: workers stay from call to call, whatever they run.
#[test]
fn workers_are_kept_from_call_to_call() {
    scene(|| {
        let pool = warm(2);
        let before = pool.worker_pids();
        for round in 0..20u64 {
            pool.map(|n: u64| n + 1, 0..100).unwrap();
            pool.map(|n: u64| n * 2, 0..100).unwrap();
            pool.try_map(|n: u64| assert_ne!(n, 7), 0..round);
            assert!(before.contains(&pool.apply(own_pid, ()).unwrap()));
        }
        assert_eq!(pool.worker_pids(), before);
        assert_eq!(pool.stats().restarts, 0);
        finish(pool);
    });
}

fn default_size() -> Result<usize, String> {
    let pool = Pool::per_cpu().map_err(|e| e.to_string())?;
    let workers = pool.worker_pids().len();
    finish(pool);
    Ok(workers)
}

fn default_size_on_one_processor() -> Result<usize, String> {
    let allowed = rustix::thread::sched_getaffinity(None).map_err(|e| e.to_string())?;
    let first = (0..rustix::thread::CpuSet::MAX_CPU)
        .find(|cpu| allowed.is_set(*cpu))
        .ok_or("no processor")?;
    let mut one = rustix::thread::CpuSet::new();
    one.set(first);
    rustix::thread::sched_setaffinity(None, &one).map_err(|e| e.to_string())?;
    default_size()
}

/// WL28
#[test]
fn default_size_is_that_of_the_machine_unless_the_variable_says_otherwise() {
    scene(|| {
        let size = |value: Option<&str>| {
            let child = match value {
                Some(value) => Process::builder().env("PROCESSION_WORKERS", value),
                None => Process::builder().env_remove("PROCESSION_WORKERS"),
            };
            child
                .spawn(default_size, ())
                .unwrap()
                .into_result()
                .unwrap()
        };
        let usable = procession_os::hold::usable_cpus().unwrap().len();
        let without = size(None).unwrap();
        assert_eq!(without, procession::cpu_count());
        assert!((1..=usable).contains(&without), "{without} of {usable}");
        assert_eq!(size(Some("3")), Ok(3));
        assert_eq!(size(Some(" 1 ")), Ok(1));
        for wrong in ["many", "-1", "", "1.5"] {
            let error = size(Some(wrong)).unwrap_err();
            assert!(error.contains("PROCESSION_WORKERS"), "{error}");
            assert!(error.contains(&format!("{wrong:?}")), "{error}");
        }
        let one = Process::builder()
            .env_remove("PROCESSION_WORKERS")
            .spawn(default_size_on_one_processor, ());
        assert_eq!(one.unwrap().into_result().unwrap(), Ok(1));
    });
}

/// A processor cgroup of its own, gone with this value.
struct Group(PathBuf);

impl Group {
    /// One of so many thousandths of a processor; `None` where this user may not make one, or the kernel has no such controller.
    fn new(thousandths: u32) -> Option<Group> {
        let one = Path::new("/sys/fs/cgroup/cpu");
        let mount = match one.is_dir() {
            true => one,
            false => Path::new("/sys/fs/cgroup"),
        };
        let group = Group(mount.join(format!("procession-quota-{}", std::process::id())));
        std::fs::create_dir(&group.0).ok()?;
        let quota = thousandths * 100;
        let (file, text) = match one.is_dir() {
            true => ("cpu.cfs_quota_us", quota.to_string()),
            false => ("cpu.max", format!("{quota} 100000")),
        };
        std::fs::write(group.0.join(file), text).ok()?;
        Some(group)
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        until("the group is empty", || {
            std::fs::remove_dir(&self.0).is_ok() || !self.0.exists()
        });
    }
}

fn default_size_within(procs: PathBuf) -> Result<usize, String> {
    std::fs::write(procs, own_pid().to_string()).map_err(|e| e.to_string())?;
    default_size()
}

/// WL28: rounded up, so that a part of a processor is not left unused, and never more than there are.
#[test]
fn default_size_is_no_more_than_the_quota_of_the_cgroup_pays_for() {
    scene(|| {
        let usable = procession_os::hold::usable_cpus().unwrap().len();
        for (thousandths, processors) in [(500, 1), (1_000, 1), (1_500, 2), (1_000_000, 1_000)] {
            let Some(group) = Group::new(thousandths) else {
                println!("skipped: this user may not make a processor cgroup");
                return;
            };
            let child = Process::builder().env_remove("PROCESSION_WORKERS");
            let size = child
                .spawn(default_size_within, (group.0.join("cgroup.procs"),))
                .unwrap()
                .into_result();
            assert_eq!(size.unwrap(), Ok(usable.min(processors)), "{thousandths}");
        }
    });
}

/// Pools in workers of pools: how many levels there were, and why there was no next one.
fn levels(below: u32) -> (u32, String) {
    if below == 0 {
        return (0, String::new());
    }
    match Pool::new(1) {
        Err(e) => (0, e.to_string()),
        Ok(pool) => {
            let (levels, end) = pool.apply(levels, (below - 1,)).unwrap();
            finish(pool);
            (levels + 1, end)
        }
    }
}

/// WL29
#[test]
fn pools_nest_ten_levels_deep_and_no_deeper() {
    scene(|| {
        assert_eq!(levels(10), (10, String::new()));
        let (reached, end) = levels(12);
        assert_eq!(reached, 10);
        assert!(end.contains("10"), "{end}");
    });
}

/// WL30
#[test]
fn pools_within_two_workers_work_and_end() {
    scene(|| {
        let pool = warm(2);
        let inner = |n: u64| {
            let pool = Pool::new(2).unwrap();
            let sum: u64 = pool.map(|n: u64| n, 0..n).unwrap().iter().sum();
            finish(pool);
            sum
        };
        let sums: Vec<u64> = [10, 100].map(|n: u64| n * (n - 1) / 2).to_vec();
        for _ in 0..5 {
            assert_eq!(pool.call(inner).chunk_size(1).map([10, 100]).unwrap(), sums);
        }
        pool.close();
        assert!(pool.join_timeout(LONG).unwrap());
    });
}

/// WL31
#[test]
fn impossible_sizes_are_errors_that_name_the_bound() {
    scene(|| {
        let error = Pool::new(procession_pool::MAX_WORKERS + 1).unwrap_err();
        assert!(error.to_string().contains("16384"), "{error}");
        let error = Pool::builder().workers(usize::MAX).build().unwrap_err();
        assert!(error.to_string().contains("16384"), "{error}");
    });
}

/// WL25: options are those of a pool's life: for others the old pool goes, and a new one comes.
#[test]
fn new_options_end_the_old_pool_and_its_task_and_a_new_pool_serves() {
    scene(|| {
        let notes = Scratch::new();
        let option = || std::env::var("OPTION").ok();
        let old = Pool::builder().workers(1).env("OPTION", "old");
        let mut pool = old.build().unwrap();
        assert_eq!(pool.apply(option, ()).unwrap().as_deref(), Some("old"));
        let endless = |note: String| {
            std::fs::write(note, "").unwrap();
            std::thread::sleep(LONG);
        };
        let running = pool.apply_async(endless, (notes.at("runs"),));
        let waiting = pool.apply_async(own_pid, ());
        until("it runs", || notes.count() == 1);
        pool.terminate();
        let new = Pool::builder().workers(2).env("OPTION", "new");
        let old = std::mem::replace(&mut pool, new.build().unwrap());
        error_of(running.get(), TaskErrorKind::Terminated);
        error_of(waiting.get(), TaskErrorKind::Terminated);
        assert_eq!(pool.apply(option, ()).unwrap().as_deref(), Some("new"));
        assert_eq!(pool.worker_pids().len(), 2);
        old.join().unwrap();
        error_of(old.apply(own_pid, ()), TaskErrorKind::Closed);
        drop(old);
        assert_usable(&pool);
        finish(pool);
    });
}

/// HY03: starts do not depend on what the other threads of this process are in the middle of.
#[test]
fn workers_start_while_every_thread_allocates() {
    scene(|| {
        let over = AtomicBool::new(false);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    let mut kept = Vec::new();
                    while !over.load(Ordering::Relaxed) {
                        kept.push(vec![1u8; 10_000]);
                        if kept.len() > 100 {
                            kept.clear();
                        }
                    }
                });
            }
            for _ in 0..125 {
                let pool = Pool::new(4).unwrap();
                let all = pool.apply_async(own_pid, ()).get_timeout(LONG);
                assert!(all.expect("an outcome").is_ok());
                finish(pool);
            }
            over.store(true, Ordering::Relaxed);
        });
    });
}

/// FAULTS 94: whichever comes first stands, and nothing is without an outcome.
#[test]
fn outcome_that_races_with_terminate_is_a_value_or_terminated() {
    scene(|| {
        for round in 0..60u64 {
            let pool = warm(2);
            let handles: Vec<_> = (0..200u64)
                .map(|n| pool.apply_async(|n: u64| n + 1, (n,)))
                .collect();
            std::thread::sleep(Duration::from_micros(round * 10));
            pool.terminate();
            for (n, handle) in handles.into_iter().enumerate() {
                match handle.get_timeout(LONG).expect("an outcome") {
                    Ok(value) => assert_eq!(value, n as u64 + 1),
                    Err(e) => assert_eq!(e.kind(), TaskErrorKind::Terminated, "{e}"),
                }
            }
            assert!(pool.join_timeout(LONG).unwrap());
        }
        let pool = warm(1);
        assert_usable(&pool);
        finish(pool);
    });
}
