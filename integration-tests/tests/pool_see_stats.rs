//! What `stats` say beyond counts: times, distributions, the slowest, and what each worker is at.

use std::time::{Duration, Instant};

use procession::{Pool, TaskErrorKind, WorkerState};
use procession_integration_tests::pool_scene::{
    LONG, Scratch, assert_usable, die_by, error_of, finish, scene, until, warm,
};
use rustix::process::Signal;

procession::init_before_main!();

fn sleep(ms: u64) -> u64 {
    std::thread::sleep(Duration::from_millis(ms));
    ms
}

/// HY05: what the workers' time went into is all of their time.
#[test]
fn parts_of_the_workers_times_are_the_whole() {
    scene(|| {
        let born = Instant::now();
        let pool = Pool::builder()
            .workers(2)
            .initializer(sleep, (200,))
            .build()
            .unwrap();
        pool.call(sleep).chunk_size(1).map([150; 8]).unwrap();
        std::thread::sleep(Duration::from_millis(300));
        pool.close();
        pool.join().unwrap();
        let wall = born.elapsed();
        let times = pool.stats().times();
        let ms = Duration::from_millis;
        assert!(times.initializing >= 2 * ms(200), "{times:?}");
        assert!(times.working >= 8 * ms(150), "{times:?}");
        assert!(times.waiting >= 2 * ms(300), "{times:?}");
        assert!(times.starting > Duration::ZERO && times.ending > Duration::ZERO);
        // The parent's own steps belong to nobody, so it is a little less; a busy machine makes it more of them.
        let share = times.total().as_secs_f64() / (2.0 * wall.as_secs_f64());
        assert!(
            (0.75..=1.01).contains(&share),
            "{share}: {times:?}, {wall:?}"
        );
    });
}

/// HY05: also for workers that were replaced, and one that was ended in the middle of a task.
#[test]
fn times_of_workers_that_are_gone_stay() {
    scene(|| {
        let pool = warm(1);
        pool.apply(sleep, (100,)).unwrap();
        error_of(
            pool.apply(|| die_by(Signal::KILL), ()),
            TaskErrorKind::WorkerDied,
        );
        assert_usable(&pool);
        let stats = pool.stats();
        assert_eq!(stats.workers[0].restarts, 1);
        assert!(stats.times().working >= Duration::from_millis(100));
        let started = stats.workers[0].started.expect("a worker");
        assert!(started.elapsed() < stats.times().total(), "the second one");
        let limited = pool.call(sleep).timeout(Duration::from_millis(200));
        error_of(limited.apply((60_000,)), TaskErrorKind::TimedOut);
        until("another is there", || pool.stats().restarts == 2);
        let times = pool.stats().times();
        assert!(times.working >= Duration::from_millis(300), "{times:?}");
        finish(pool);
    });
}

/// HY05: the slowest are found among many, whichever chunk they are in and whatever became of them or of their worker.
#[test]
fn slowest_items_are_known_by_function_number_and_item() {
    scene(|| {
        let pool = warm(2);
        let items: Vec<u64> = (0..300)
            .map(|n| if n % 100 == 37 { 500 + 5 * n } else { 1 })
            .collect();
        let handle = pool.call(sleep).chunk_size(20).map_async(items);
        let id = handle.id();
        handle.get().unwrap();
        let slowest = pool.stats().slowest;
        assert_eq!(slowest.len(), 10, "{slowest:?}");
        for (slow, item) in slowest.iter().zip([237, 137, 37]) {
            assert_eq!((slow.id, slow.item), (id, item), "{slowest:?}");
            assert!(slow.name.ends_with("::sleep"), "{slow:?}");
            assert!(slow.ran_for >= Duration::from_millis(500 + 5 * item as u64));
        }
        assert!(slowest.is_sorted_by(|a, b| a.ran_for >= b.ran_for));

        let limited = pool.call(sleep).timeout(Duration::from_millis(2500));
        let over = error_of(limited.apply((60_000,)), TaskErrorKind::TimedOut);
        let dead = |ms| {
            sleep(ms);
            die_by(Signal::KILL);
        };
        let dead = error_of(pool.apply(dead, (4000,)), TaskErrorKind::WorkerDied);
        let slowest = pool.stats().slowest;
        assert_eq!(Some(slowest[0].id), dead.task_id(), "{slowest:?}");
        assert_eq!(Some(slowest[1].id), over.task_id(), "{slowest:?}");
        assert_eq!(slowest[2].item, 237);
        finish(pool);
    });
}

/// HY05: with their arguments where those are described, of each verb, whatever became of the item, its worker and its handle.
#[test]
fn slowest_items_have_their_arguments_where_they_are_described() {
    scene(|| {
        let pool = warm(2);
        let told = |pool: &Pool, ms: u64| {
            let slowest = pool.stats().slowest;
            let ran = Duration::from_millis(ms);
            let mut of_time = slowest.iter().filter(|slow| slow.ran_for >= ran);
            let slow = of_time.next_back().expect("such a slow one");
            slow.args().map(String::from)
        };
        let call = pool.call(sleep).describe_args();
        drop(call.apply_async((3000,)));
        let map = call.chunk_size(4).map_async([0, 1, 2750, 0, 1]);
        until("both are run", || {
            let at = pool.stats().workers;
            let mut at = at.iter().filter_map(|worker| worker.current.as_ref());
            at.all(|task| matches!(task.args(), Some("(2750)" | "(3000)")))
                && pool.stats().running == 2
        });
        map.get().unwrap();
        until("both are done", || pool.stats().running == 0);
        assert_eq!(told(&pool, 3000).as_deref(), Some("(3000)"));
        assert_eq!(told(&pool, 2750).as_deref(), Some("(2750)"));

        // What cannot be encoded is no item of the job.
        let odd = |odd: Odd| sleep(odd.0);
        let each = pool
            .call(odd)
            .describe_args()
            .try_map([1, 0, 0, 2500, 2].map(Odd));
        assert_eq!(each.iter().filter(|each| each.is_ok()).count(), 3);
        assert_eq!(told(&pool, 2500).as_deref(), Some("(Odd(2500))"));

        let input = (0..300u64).map(|n| if n == 271 { 2250 } else { 1 });
        for outcome in pool.call(sleep).describe_args().imap(input) {
            outcome.unwrap();
        }
        assert_eq!(told(&pool, 2250).as_deref(), Some("(2250)"));

        // Ended with their workers, and after those of their workers that are gone.
        let limited = pool.call(sleep).describe_args();
        let limited = limited.timeout(Duration::from_millis(2000));
        error_of(limited.apply((60_000,)), TaskErrorKind::TimedOut);
        assert_eq!(told(&pool, 2000).as_deref(), Some("(60000)"));
        let dies = |ms: u64| {
            sleep(ms);
            die_by(Signal::KILL);
        };
        let dead = pool.call(dies).describe_args().apply((1750,));
        error_of(dead, TaskErrorKind::WorkerDied);
        assert_eq!(told(&pool, 1750).as_deref(), Some("(1750)"));
        pool.apply(sleep, (1600,)).unwrap();
        assert_eq!(told(&pool, 1600), None, "it is not described");
        pool.resize(1).unwrap();
        until("one has gone", || pool.worker_pids().len() == 1);
        for ms in [3000, 2750, 2500, 2250, 2000, 1750] {
            assert!(told(&pool, ms).is_some(), "{ms}");
        }
        finish(pool);
    });
}

/// A number of milliseconds; 0 cannot be encoded.
#[derive(serde::Deserialize)]
struct Odd(u64);

impl serde::Serialize for Odd {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            0 => Err(serde::ser::Error::custom("not to be encoded")),
            ms => to.serialize_newtype_struct("Odd", &ms),
        }
    }
}

/// HY05: of a lazy map, whose portions are jobs of their own, the place in the input.
#[test]
fn slowest_item_of_a_stream_is_named_by_its_place_in_the_input() {
    scene(|| {
        let pool = warm(2);
        let input = (0..500u64).map(|n| if n == 421 { 2000 } else { 1 });
        let all: Result<Vec<u64>, _> = pool.imap(sleep, input).collect();
        assert_eq!(all.unwrap().len(), 500);
        assert_eq!(pool.stats().slowest[0].item, 421);
        // Among items too short to be timed alone it is one of sixteen.
        let input = (0..5000u64).map(|n| if n == 4321 { 4000 } else { 0 });
        let all: Result<Vec<u64>, _> = pool.imap(sleep, input).collect();
        assert_eq!(all.unwrap().len(), 5000);
        let slowest = &pool.stats().slowest[0];
        assert!((4321..4321 + 16).contains(&slowest.item), "{slowest:?}");
        assert!(slowest.ran_for >= Duration::from_millis(3990));
        finish(pool);
    });
}

/// HY06: every distribution counts every item once, whatever verb it came by.
#[test]
fn distributions_are_exact_at_rest() {
    scene(|| {
        let pool = Pool::new(2).unwrap();
        let counts = |pool: &Pool| {
            let stats = pool.stats();
            (stats.waits.count(), stats.runs.count())
        };
        assert_eq!(counts(&pool), (0, 0));
        for round in 1..=20 {
            pool.map(|x: u32| x, 0..1000).unwrap();
            assert_eq!(counts(&pool), (1100 * round - 100, 1100 * round - 100));
            (0..100).for_each(|n| assert_eq!(pool.apply(sleep, (n % 2,)).unwrap(), n % 2));
            assert_eq!(counts(&pool), (1100 * round, 1100 * round));
        }
        let stats = pool.stats();
        assert_eq!(stats.done, 22_000);
        let of_workers: u64 = stats.workers.iter().map(|worker| worker.done).sum();
        assert_eq!(of_workers, 22_000);
        assert_eq!(stats.runs.total(), stats.times().working);
        assert_eq!(
            stats.runs.buckets().map(|(_, count)| count).sum::<u64>(),
            22_000
        );
        // A panic runs to its end; a death does not.
        error_of(
            pool.apply(|| -> () { panic!("no") }, ()),
            TaskErrorKind::Panicked,
        );
        error_of(
            pool.apply(|| die_by(Signal::KILL), ()),
            TaskErrorKind::WorkerDied,
        );
        assert_eq!(counts(&pool), (22_001, 22_001));
        finish(pool);
    });
}

/// HY06: results too long for the ring are counted before they can be seen as well.
#[test]
fn long_results_are_counted_when_they_are_there() {
    scene(|| {
        let pool = warm(1);
        let before = pool.stats().runs.count();
        for round in 1..=20 {
            let bytes = pool.apply(|n: usize| procession::Bytes::from(vec![7; n]), (3 << 20,));
            assert_eq!(bytes.unwrap().len(), 3 << 20);
            assert_eq!(pool.stats().runs.count(), before + round);
        }
        let each = pool
            .call(|n: usize| procession::Bytes::from(vec![7; n]))
            .chunk_size(4)
            .map([1 << 20; 8]);
        assert_eq!(each.unwrap().len(), 8);
        assert_eq!(pool.stats().runs.count(), before + 28);
        finish(pool);
    });
}

/// Waiting is told from running.
#[test]
fn waits_and_runs_are_told_apart() {
    scene(|| {
        let pool = warm(1);
        let (waits, runs) = (pool.stats().waits, pool.stats().runs);
        let handles: Vec<_> = (0..4).map(|_| pool.apply_async(sleep, (100,))).collect();
        handles.into_iter().for_each(|handle| {
            handle.get().unwrap();
        });
        let stats = pool.stats();
        let ran = stats.runs.total() - runs.total();
        assert!(ran >= Duration::from_millis(400), "{ran:?}");
        // They waited for 0, 1, 2 and 3 others.
        let waited = stats.waits.total() - waits.total();
        assert!(waited >= Duration::from_millis(590), "{waited:?}");
        finish(pool);
    });
}

/// Each place says what it does, and for how long it has been at what.
#[test]
fn places_say_what_they_do() {
    scene(|| {
        let place = Scratch::new();
        let pool = Pool::builder()
            .workers(2)
            .name("seen")
            .initializer(|go: String| wait_for(&go), (place.at("boot"),))
            .build()
            .unwrap();
        let states = |pool: &Pool| {
            let states = pool.stats().workers.into_iter().map(|worker| worker.state);
            states.collect::<Vec<_>>()
        };
        assert_eq!(states(&pool), [WorkerState::Starting; 2]);
        std::fs::write(place.at("boot"), "").unwrap();
        until("both idle", || states(&pool) == [WorkerState::Idle; 2]);

        let handle = pool.map_async(
            |go: String| wait_for(&go),
            [place.at("none"), place.at("go")],
        );
        std::fs::write(place.at("none"), "").unwrap();
        until("the second item runs alone", || {
            let stats = pool.stats();
            let at = stats
                .workers
                .iter()
                .filter_map(|worker| worker.current.as_ref());
            at.map(|task| (task.id, task.item)).eq([(handle.id(), 1)])
        });
        let at_first = running_for(&pool);
        until("time passes", || running_for(&pool) > at_first);
        std::fs::write(place.at("go"), "").unwrap();
        handle.get().unwrap();
        assert_eq!(states(&pool), [WorkerState::Idle; 2]);
        assert!(
            pool.stats()
                .workers
                .iter()
                .all(|worker| worker.current.is_none())
        );

        let stubborn = pool.apply_async(sleep, (60_000,));
        until("it runs", || pool.stats().running == 1);
        pool.terminate();
        assert!(
            states(&pool)
                .iter()
                .all(|state| matches!(state, WorkerState::Ending | WorkerState::Absent))
        );
        error_of(
            stubborn.get_timeout(LONG).expect("an outcome"),
            TaskErrorKind::Terminated,
        );
        pool.join().unwrap();
        assert_eq!(states(&pool), [WorkerState::Absent; 2]);
    });
}

fn running_for(pool: &Pool) -> Duration {
    let stats = pool.stats();
    let mut at = stats
        .workers
        .into_iter()
        .filter_map(|worker| worker.current);
    at.next().expect("a running task").running_for
}

fn wait_for(path: &str) {
    until("told to go on", || std::path::Path::new(path).exists());
}

/// What ran is counted also where there are no workers, and nothing is said of workers.
#[test]
fn inline_pool_has_stats_of_what_ran_alone() {
    scene(|| {
        let pool = Pool::new(0).unwrap();
        assert_eq!(pool.apply(sleep, (0,)).unwrap(), 0);
        let stats = pool.stats();
        assert_eq!((stats.runs.count(), stats.done, stats.failed), (1, 1, 0));
        assert!(stats.slowest.is_empty() && stats.workers.is_empty());
    });
}
