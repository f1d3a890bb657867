//! The moment of a worker's death: idle, booting, while bytes move, after the reply. Only what had begun is lost.

use std::time::Duration;

use procession::{Bytes, Pool, TaskErrorKind};
use procession_integration_tests::audit::assert_all_end;
use procession_integration_tests::pool_scene::{
    LONG, assert_usable, die_by, error_of, finish, murder, own_pid, scene, until, warm,
};
use rustix::process::{Pid, Signal, kill_process};

procession::init_before_main!();

fn stop(pid: u32) {
    kill_process(Pid::from_raw(pid as i32).unwrap(), Signal::STOP).unwrap();
}

fn go_on(pid: u32) {
    kill_process(Pid::from_raw(pid as i32).unwrap(), Signal::CONT).unwrap();
}

/// CR02, FAULTS 20
#[test]
fn the_death_of_an_idle_worker_costs_nothing() {
    scene(|| {
        let pool = warm(2);
        for round in 1..=10 {
            let victim = pool.worker_pids()[round % 2];
            murder(victim);
            for i in 0..20u64 {
                assert_eq!(pool.apply(|i: u64| i, (i,)).unwrap(), i);
            }
            until("it is replaced", || {
                let pids = pool.worker_pids();
                pids.len() == 2 && !pids.contains(&victim)
            });
            let stats = pool.stats();
            assert_eq!((stats.restarts, stats.failed), (round as u64, 0));
            // A replacement that was never used is replaced with a pause; used ones at once.
            assert_usable(&pool);
        }
        finish(pool);
    });
}

/// FAULTS 25
#[test]
fn the_death_of_all_idle_workers_costs_nothing() {
    scene(|| {
        let pool = warm(4);
        pool.worker_pids().into_iter().for_each(murder);
        assert_usable(&pool);
        assert_eq!(pool.stats().failed, 0);
        finish(pool);
    });
}

/// FAULTS 25: while they work.
#[test]
fn the_death_of_all_busy_workers_costs_their_tasks() {
    scene(|| {
        let pool = warm(3);
        let slow: Vec<_> = (0..3)
            .map(|_| pool.apply_async(|| std::thread::sleep(LONG), ()))
            .collect();
        let queued: Vec<_> = (0..30u64)
            .map(|i| pool.apply_async(|i: u64| i, (i,)))
            .collect();
        until("all are busy", || pool.stats().running == 3);
        pool.worker_pids().into_iter().for_each(murder);
        for handle in slow {
            let error = error_of(handle.get(), TaskErrorKind::WorkerDied);
            assert_eq!(error.death().unwrap().exit_status().signal(), Some(9));
        }
        for (i, handle) in queued.into_iter().enumerate() {
            assert_eq!(handle.get().unwrap(), i as u64);
        }
        assert_usable(&pool);
        finish(pool);
    });
}

/// FAULTS 24
#[test]
fn a_worker_killed_while_it_boots_is_replaced() {
    scene(|| {
        for _ in 0..5 {
            let pool = Pool::new(3).unwrap();
            // At once: they are still being executed, or in their prologue.
            pool.worker_pids().into_iter().take(2).for_each(murder);
            assert_usable(&pool);
            until("all are there again", || pool.worker_pids().len() == 3);
            assert_eq!(pool.stats().failed, 0);
            finish(pool);
        }
    });
}

/// FAULTS 21
#[test]
fn a_worker_killed_after_its_reply_has_replied() {
    scene(|| {
        let pool = warm(1);
        for _ in 0..10 {
            let pid = pool.worker_pids();
            let task = || {
                let dies_later = || {
                    std::thread::sleep(Duration::from_millis(30));
                    die_by(Signal::KILL);
                };
                std::thread::spawn(dies_later);
                own_pid()
            };
            let handle = pool.apply_async(task, ());
            // Nobody asks before it is dead.
            assert_all_end(&pid, LONG);
            assert_eq!(handle.get().unwrap(), pid[0]);
            until("it is replaced", || {
                !pool.worker_pids().is_empty() && pool.worker_pids() != pid
            });
        }
        assert_eq!(pool.stats().failed, 0);
        finish(pool);
    });
}

/// A worker's own link, looked at from outside of it.
struct Link {
    memory: std::fs::File,
    start: u64,
}

impl Link {
    fn find() -> Link {
        let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
        let mut lines = maps.lines();
        let link = lines
            .find(|line| line.contains("memfd:procession-link"))
            .expect("a link");
        let start = u64::from_str_radix(link.split('-').next().unwrap(), 16).unwrap();
        Link {
            memory: std::fs::File::open("/proc/self/mem").unwrap(),
            start,
        }
    }

    /// Bytes of replies published so far: the word at byte 512 of the link, as the protocol lays it out.
    fn published(&self) -> u64 {
        use std::os::unix::fs::FileExt;
        let mut word = [0; 8];
        self.memory
            .read_exact_at(&mut word, self.start + 512)
            .unwrap();
        u64::from_le_bytes(word)
    }
}

/// Returns a long result, and dies by a thread's hand once some of it is published.
fn die_while_writing() -> Bytes {
    let (ready, watching) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let link = Link::find();
        let before = link.published();
        ready.send(()).unwrap();
        while link.published() < before + 100_000 {
            std::hint::spin_loop();
        }
        die_by(Signal::KILL);
    });
    watching.recv().unwrap();
    Bytes::from(vec![1; 64 << 20])
}

/// CR14, FAULTS 22
#[test]
fn a_worker_killed_while_it_writes_a_result_loses_it_whole() {
    scene(|| {
        let pool = warm(2);
        let mut died = 0;
        for round in 0..4u64 {
            let handle = pool.apply_async(die_while_writing, ());
            let task = |i: u64| vec![i; 2_000];
            let others: Vec<_> = (0..50)
                .map(|i| pool.apply_async(task, (i + round,)))
                .collect();
            match handle.get() {
                // The machine was too busy to let the thread strike in time.
                Ok(all) => assert!(all.len() == 64 << 20 && all.iter().all(|b| *b == 1)),
                Err(error) => {
                    assert_eq!(error.kind(), TaskErrorKind::WorkerDied, "{error}");
                    assert_eq!(
                        error.death().unwrap().exit_status().signal(),
                        Some(9),
                        "{error}"
                    );
                    died += 1;
                }
            }
            for (i, other) in others.into_iter().enumerate() {
                match other.get() {
                    Ok(values) => assert_eq!(values, vec![i as u64 + round; 2_000]),
                    // It had begun in the worker that was struck too late.
                    Err(error) => assert_eq!(error.kind(), TaskErrorKind::WorkerDied, "{error}"),
                }
            }
        }
        assert!(died > 0, "no worker died while it wrote");
        assert_usable(&pool);
        finish(pool);
    });
}

/// CR15: it had not begun to receive.
#[test]
fn a_task_on_its_way_to_a_dead_worker_goes_to_another() {
    scene(|| {
        let pool = warm(1);
        for _ in 0..3 {
            let pid = pool.worker_pids()[0];
            stop(pid);
            let large = pool.apply_async(|b: Bytes| b.len(), (Bytes::from(vec![1; 8 << 20]),));
            let small = pool.apply_async(|x: u32| x, (5,));
            assert!(!large.wait_timeout(Duration::from_millis(30)));
            murder(pid);
            assert_eq!(large.get().unwrap(), 8 << 20);
            assert_eq!(small.get().unwrap(), 5);
        }
        finish(pool);
    });
}

/// CR15: at any moment while it receives: the value, or its worker's death (it has begun), and nothing worse.
#[test]
fn a_worker_killed_while_it_receives_costs_at_most_that_task() {
    scene(|| {
        let pool = warm(1);
        let payload = Bytes::from(vec![3; 8 << 20]);
        for round in 0..8u32 {
            let pid = pool.apply(own_pid, ()).unwrap();
            let large = pool.apply_async(|b: Bytes| b.len(), (payload.clone(),));
            let small = pool.apply_async(|x: u32| x, (round,));
            let killer = std::thread::spawn(move || {
                std::thread::sleep(Duration::from_millis(u64::from(round) * 3));
                murder(pid);
            });
            match large.get() {
                Ok(len) => assert_eq!(len, 8 << 20),
                Err(error) => assert_eq!(error.kind(), TaskErrorKind::WorkerDied, "{error}"),
            }
            let small = small.get();
            assert!(small.is_ok() || small.unwrap_err().kind() == TaskErrorKind::WorkerDied);
            killer.join().unwrap();
        }
        assert_usable(&pool);
        finish(pool);
    });
}

/// CR12: both workers stand still somewhere in a frame when one of them dies.
#[test]
fn a_crash_beside_a_large_frame_that_does_not_move_blocks_nobody() {
    scene(|| {
        let large = |n: u8| Bytes::from(vec![n; 100 << 20]);
        for pause in [0, 8, 25] {
            let pool = warm(2);
            let pids = pool.worker_pids();
            let calls = [1, 2].map(|n| pool.apply_async(|bytes: Bytes| bytes, (large(n),)));
            std::thread::sleep(Duration::from_millis(pause));
            pids.iter().copied().for_each(stop);
            murder(pids[1]);
            until("it was replaced", || {
                pool.worker_pids().get(1).is_some_and(|pid| *pid != pids[1])
            });
            // Its replacement serves everybody while the other one is in the middle of its frame.
            for n in 0..20u64 {
                let call = pool.apply_async(|n: u64| n + 1, (n,));
                let outcome = call.get_timeout(LONG).expect("an outcome");
                assert_eq!(outcome.unwrap(), n + 1);
            }
            go_on(pids[0]);
            let mut died = 0;
            for (call, n) in calls.into_iter().zip(1..) {
                match call.get_timeout(LONG).expect("an outcome") {
                    Ok(back) => assert!(back == large(n)),
                    Err(error) => {
                        assert_eq!(error.kind(), TaskErrorKind::WorkerDied, "{error}");
                        assert_eq!(error.death().unwrap().pid(), pids[1]);
                        died += 1;
                    }
                }
            }
            assert!(died <= 1, "one for one death");
            assert_eq!(pool.worker_pids()[0], pids[0]);
            assert_usable(&pool);
            finish(pool);
        }
    });
}

/// CR12
#[test]
fn a_crash_while_large_frames_are_under_way_blocks_nobody() {
    scene(|| {
        let pool = warm(2);
        let large: Vec<_> = (0..4u8)
            .map(|i| pool.apply_async(|b: Bytes| b, (Bytes::from(vec![i; 100 << 20]),)))
            .collect();
        let crashing: Vec<_> = (0..4)
            .map(|_| pool.apply_async(|| -> () { std::process::abort() }, ()))
            .collect();
        for handle in crashing {
            error_of::<()>(handle.get(), TaskErrorKind::WorkerDied);
        }
        for (i, handle) in large.into_iter().enumerate() {
            let back = handle.get().unwrap();
            assert_eq!(
                (back.len(), back[0], back[back.len() - 1]),
                (100 << 20, i as u8, i as u8)
            );
        }
        finish(pool);
    });
}
