//! Many tasks, many workers, large values: every outcome once, and counts that add up.

use procession::{Bytes, Pool, TaskErrorKind};
use procession_integration_tests::pool_scene::{
    Scratch, assert_usable, die_by, error_of, finish, meet, scene, until, warm,
};
use rustix::process::Signal;

procession::init_before_main!();

/// PO36
#[test]
fn a_hundred_thousand_handles_each_give_their_own_outcome() {
    scene(|| {
        let pool = warm(2);
        let done = pool.stats().done;
        let handles: Vec<_> = (0..100_000u64)
            .map(|i| pool.apply_async(|i: u64| i + 1, (i,)))
            .collect();
        let mut sum = 0;
        for (i, handle) in handles.into_iter().enumerate() {
            let value = handle.get().unwrap();
            assert_eq!(value, i as u64 + 1);
            sum += value;
        }
        assert_eq!(sum, 100_000 * 100_001 / 2);
        assert_eq!(pool.stats().done - done, 100_000);
        finish(pool);
    });
}

/// PO36: as one map.
#[test]
fn a_map_of_a_hundred_thousand_items_is_whole() {
    scene(|| {
        let pool = warm(2);
        let values = pool.map(|i: u64| i + 1, 0..100_000).unwrap();
        assert!(
            values
                .iter()
                .enumerate()
                .all(|(i, value)| *value == i as u64 + 1)
        );
        assert_eq!(values.len(), 100_000);
        finish(pool);
    });
}

/// PO23
#[test]
fn a_pool_of_two_hundred_workers_runs_and_ends() {
    scene(|| {
        let pool = Pool::new(200).unwrap();
        assert_eq!(pool.worker_pids().len(), 200);
        let place = Scratch::new();
        // All of them at once, so that none is there for show.
        let everyone = (0..200u32).map(|i| (place.text(), i));
        pool.starmap(|place: String, me: u32| meet(&place, me, 200), everyone)
            .unwrap();
        assert_usable(&pool);
        finish(pool);
    });
}

/// FAULTS 37
#[test]
fn values_far_longer_than_a_link_travel_whole() {
    scene(|| {
        let pool = warm(2);
        for bytes in [100_000usize, 131_072, 262_144, 5_000_000, 64 << 20] {
            let sent = Bytes::from(vec![(bytes % 251) as u8; bytes]);
            let back = pool
                .apply(
                    |b: Bytes| {
                        let mut vec = b.into_vec();
                        vec.push(7);
                        Bytes::from(vec)
                    },
                    (sent,),
                )
                .unwrap();
            assert_eq!(back.len(), bytes + 1);
            assert!(back[..bytes].iter().all(|b| *b == (bytes % 251) as u8) && back[bytes] == 7);
        }
        let all = pool
            .map(|n: usize| Bytes::from(vec![n as u8; n * 100_000]), 0..20)
            .unwrap();
        assert!(
            all.iter()
                .enumerate()
                .all(|(n, b)| b.len() == n * 100_000 && b.iter().all(|x| *x == n as u8))
        );
        finish(pool);
    });
}

/// HY06
#[test]
fn stats_are_exact_at_rest() {
    scene(|| {
        let pool = Pool::new(2).unwrap();
        let gauges = |pool: &Pool| {
            let stats = pool.stats();
            (
                stats.queued,
                stats.running,
                stats.done,
                stats.failed,
                stats.restarts,
            )
        };
        assert_eq!(gauges(&pool), (0, 0, 0, 0, 0));
        pool.map(|x: u32| x, 0..100).unwrap();
        assert_eq!(gauges(&pool), (0, 0, 100, 0, 0));
        error_of(
            pool.apply(|| -> () { panic!("no") }, ()),
            TaskErrorKind::Panicked,
        );
        assert_eq!(gauges(&pool), (0, 0, 100, 1, 0));
        error_of(
            pool.apply(|| die_by(Signal::KILL), ()),
            TaskErrorKind::WorkerDied,
        );
        until("the dead worker is replaced", || {
            pool.stats().restarts == 1 && pool.worker_pids().len() == 2
        });
        assert_eq!(gauges(&pool), (0, 0, 100, 2, 1));
        until("both are idle", || pool.stats().idle == 2);
        let stats = pool.stats();
        assert_eq!(stats.workers.len(), 2);
        for (index, worker) in stats.workers.iter().enumerate() {
            assert_eq!((worker.index, worker.busy), (index, false));
            assert_eq!(worker.name, format!("pool/{}", index + 1));
        }
        assert_eq!(
            stats
                .workers
                .iter()
                .filter_map(|w| w.pid)
                .collect::<Vec<_>>(),
            pool.worker_pids()
        );
        finish(pool);
    });
}

/// HY06: while tasks run.
#[test]
fn stats_tell_running_from_queued() {
    scene(|| {
        let pool = warm(2);
        let place = Scratch::new();
        let handles: Vec<_> = (0..5u32)
            .map(|i| {
                pool.apply_async(
                    |place: String, me: u32| {
                        std::fs::write(format!("{place}/{me}"), "").unwrap();
                        until("told to go on", || {
                            std::path::Path::new(&format!("{place}/go")).exists()
                        });
                    },
                    (place.text(), i),
                )
            })
            .collect();
        until("two run", || place.count() == 2);
        let stats = pool.stats();
        assert_eq!(
            (stats.running, stats.queued, stats.idle),
            (2, 3, 0),
            "{stats:?}"
        );
        assert!(stats.workers.iter().all(|worker| worker.busy));
        std::fs::write(place.at("go"), "").unwrap();
        handles.into_iter().for_each(|handle| handle.get().unwrap());
        let stats = pool.stats();
        assert_eq!(
            (stats.running, stats.queued, stats.idle, stats.failed),
            (0, 0, 2, 0),
            "{stats:?}"
        );
        finish(pool);
    });
}
