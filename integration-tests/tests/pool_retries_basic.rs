//! Retries: what is tried again, how often, and what its outcome says.

use std::sync::mpsc;
use std::time::{Duration, Instant};

use procession::{Pool, TaskError, TaskErrorKind};
use procession_integration_tests::pool_scene::{
    LONG, Scratch, assert_usable, entries, error_of, finish, own_pid, scene, until, warm,
};

procession::init_before_main!();

/// Notes the attempt in a directory, and says which one it is, from 1.
fn attempt(directory: &str) -> usize {
    let directory = std::path::Path::new(directory);
    let number = entries(directory) + 1;
    std::fs::write(directory.join(format!("{number}")), "").unwrap();
    number
}

fn dies_before(directory: String, good: usize) -> usize {
    match attempt(&directory) {
        number if number < good => std::process::abort(),
        number => number,
    }
}

fn panics_before(directory: String, good: usize) -> usize {
    let number = attempt(&directory);
    assert!(number >= good, "attempt {number}");
    number
}

/// CR20
#[test]
fn call_whose_worker_dies_once_has_its_value() {
    scene(|| {
        let pool = warm(1);
        let notes = Scratch::new();
        let value = pool.call(dies_before).retries(2).apply((notes.text(), 2));
        assert_eq!(value.unwrap(), 2);
        assert_eq!(pool.stats().retries, 1);
        finish(pool);
    });
}

/// CR20, FAULTS 26
#[test]
fn call_that_kills_every_worker_ends_with_its_attempts_and_the_pool_lives() {
    scene(|| {
        let pool = warm(2);
        let notes = Scratch::new();
        // More deaths than starts the pool may lose.
        let poison = pool.call(dies_before).retries(9).retry_on_death();
        let handle = poison.apply_async((notes.text(), 1_000));
        let others: Vec<_> = (0..20)
            .map(|n| pool.apply_async(|n: u64| n * 2, (n,)))
            .collect();
        let error = error_of(
            handle.get_timeout(LONG).expect("an outcome"),
            TaskErrorKind::WorkerDied,
        );
        assert_eq!((error.attempts(), notes.count()), (10, 10));
        assert!(error.to_string().contains("after 10 attempts"), "{error}");
        assert!(error.to_string().contains("SIGABRT"), "{error}");
        for (n, handle) in others.into_iter().enumerate() {
            assert_eq!(handle.get().unwrap(), n as u64 * 2);
        }
        assert_usable(&pool);
        finish(pool);
    });
}

/// SEMANTICS D3
#[test]
fn nothing_is_tried_twice_unless_asked() {
    scene(|| {
        let pool = warm(1);
        let notes = Scratch::new();
        let outcome = pool.apply(dies_before, (notes.text(), 2));
        let error = error_of(outcome, TaskErrorKind::WorkerDied);
        assert_eq!((error.attempts(), notes.count()), (1, 1));
        // What the pool's default says, a call takes back.
        finish(pool);
        let pool = Pool::builder().workers(1).retries(1).build().unwrap();
        assert_eq!(pool.apply(dies_before, (notes.text(), 3)).unwrap(), 3);
        let notes = Scratch::new();
        let once = pool.call(dies_before).retries(0);
        let error = error_of(once.apply((notes.text(), 2)), TaskErrorKind::WorkerDied);
        assert_eq!((error.attempts(), notes.count()), (1, 1));
        finish(pool);
    });
}

#[test]
fn panics_are_tried_again_in_the_same_worker() {
    scene(|| {
        let pool = warm(1);
        let before = pool.worker_pids();
        let notes = Scratch::new();
        let call = pool.call(panics_before).retries(2);
        assert_eq!(call.apply((notes.text(), 3)).unwrap(), 3);
        let notes = Scratch::new();
        let error = error_of(call.apply((notes.text(), 9)), TaskErrorKind::Panicked);
        assert_eq!(error.attempts(), 3);
        assert_eq!(error.panic().unwrap().message(), "attempt 3");
        assert_eq!(pool.apply(own_pid, ()).unwrap(), before[0]);
        let stats = pool.stats();
        assert_eq!((stats.failed, stats.retries), (1, 4), "{stats:?}");
        finish(pool);
    });
}

#[test]
fn time_limit_holds_for_each_attempt() {
    scene(|| {
        let pool = warm(1);
        let notes = Scratch::new();
        let hangs_before = |directory: String, good: usize| {
            let number = attempt(&directory);
            if number < good {
                std::thread::sleep(LONG);
            }
            number
        };
        let limit = Duration::from_millis(400);
        let call = pool.call(hangs_before).timeout(limit).retries(1);
        assert_eq!(call.apply((notes.text(), 2)).unwrap(), 2);
        let notes = Scratch::new();
        let error = error_of(call.apply((notes.text(), 9)), TaskErrorKind::TimedOut);
        assert_eq!((error.attempts(), notes.count()), (2, 2));
        assert!(error.ran_for().unwrap() < 4 * limit, "{error}");
        finish(pool);
    });
}

#[test]
fn what_can_never_work_is_tried_once() {
    scene(|| {
        let pool = warm(1);
        #[derive(serde::Deserialize)]
        struct Secret;
        impl serde::Serialize for Secret {
            fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
                Err(serde::ser::Error::custom("not to be sent"))
            }
        }
        let outcome = pool.call(|_: Secret| ()).retries(5).apply((Secret,));
        let error = error_of(outcome, TaskErrorKind::EncodeArgs);
        assert_eq!(error.attempts(), 1);
        // Encodes as something it does not read again.
        #[derive(serde::Serialize)]
        struct Odd;
        impl<'de> serde::Deserialize<'de> for Odd {
            fn deserialize<D: serde::Deserializer<'de>>(_: D) -> Result<Odd, D::Error> {
                Err(serde::de::Error::custom("not to be read"))
            }
        }
        let outcome = pool.call(|_: Odd| ()).retries(5).apply((Odd,));
        let error = error_of(outcome, TaskErrorKind::DecodeArgs);
        assert_eq!(error.attempts(), 1);
        // The result is another matter.
        let outcome = pool.call(|| Secret).retries(2).apply(());
        let error = outcome.err().expect("an error");
        assert_eq!(
            (error.kind(), error.attempts()),
            (TaskErrorKind::EncodeResult, 3)
        );
        finish(pool);
    });
}

#[test]
fn items_of_maps_and_streams_are_tried_again_each_on_its_own() {
    scene(|| {
        let pool = warm(2);
        let every = 0..40usize;
        let shaky = |directory: String, n: usize| {
            let number = attempt(&directory);
            match (n % 10, number) {
                (3, 1) => std::process::exit(9),
                (7, 1) => panic!("seven"),
                _ => n * 2,
            }
        };
        let all: Vec<usize> = every.clone().map(|n| n * 2).collect();
        for round in 0..3 {
            let notes = Scratch::new();
            let of = |n: usize| {
                let own = notes.at(&n.to_string());
                std::fs::create_dir(&own).unwrap();
                (own, n)
            };
            let items = every.clone().map(of);
            let call = pool.call(shaky).retries(1);
            let outcome = match round {
                0 => call.starmap(items),
                1 => call.chunk_size(8).starmap_async(items).get(),
                _ => {
                    let pair = move |(own, n): (String, usize)| shaky(own, n);
                    let call = pool.call(pair).retries(1).chunk_size(4);
                    call.imap(items).collect()
                }
            };
            assert_eq!(outcome.unwrap(), all, "round {round}");
        }
        finish(pool);
    });
}

#[test]
fn map_stops_at_the_last_failure_of_an_item_and_names_it() {
    scene(|| {
        let pool = warm(2);
        let odd = |n: u32| assert_ne!(n, 5, "five");
        let error = error_of(
            pool.call(odd).retries(2).map(0..100),
            TaskErrorKind::Panicked,
        );
        assert_eq!((error.item(), error.attempts()), (Some(5), 3));
        let each = pool.call(odd).retries(2).try_map(0..8);
        let failed: Vec<_> = each.iter().map(Result::is_err).collect();
        assert_eq!(failed.iter().filter(|failed| **failed).count(), 1);
        assert_eq!(each[5].as_ref().unwrap_err().attempts(), 3);
        finish(pool);
    });
}

#[test]
fn returned_errors_are_values_unless_they_are_said_to_be_failures() {
    scene(|| {
        let pool = warm(1);
        let fetch = |directory: String, good: usize| match attempt(&directory) {
            number if number < good => Err(format!("attempt {number}")),
            number => Ok(number),
        };
        let notes = Scratch::new();
        let value = pool.call(fetch).retries(3).apply((notes.text(), 9));
        assert_eq!(value.unwrap(), Err("attempt 1".to_string()));
        let call = pool.call(fetch).retries(3).retry_errors();
        assert_eq!(call.apply((notes.text(), 3)).unwrap(), Ok(3));
        let notes = Scratch::new();
        let last = call.apply((notes.text(), 99)).unwrap();
        assert_eq!(last, Err("attempt 4".to_string()));
        let (notes, others) = (Scratch::new(), Scratch::new());
        let mapped = pool
            .call(fetch)
            .retries(1)
            .retry_errors()
            .starmap([(notes.text(), 2), (others.text(), 99)]);
        let mapped = mapped.unwrap();
        assert_eq!(mapped[0], Ok(2));
        assert_eq!(mapped[1], Err("attempt 2".to_string()));
        finish(pool);
    });
}

#[test]
fn delay_separates_attempts_and_lets_others_run() {
    scene(|| {
        let pool = warm(1);
        let notes = Scratch::new();
        let delay = Duration::from_millis(300);
        let begun = Instant::now();
        let handle = pool
            .call(panics_before)
            .retries(2)
            .retry_delay(delay)
            .apply_async((notes.text(), 3));
        until("the first attempt is over", || {
            notes.count() == 1 && pool.stats().queued == 1
        });
        assert_eq!(pool.apply(|x: u32| x, (1,)).unwrap(), 1);
        assert_eq!(handle.get().unwrap(), 3);
        assert!(begun.elapsed() >= 2 * delay);
        finish(pool);
    });
}

#[test]
fn cancel_ends_what_waits_for_its_next_attempt() {
    scene(|| {
        let pool = warm(1);
        let notes = Scratch::new();
        let handle = pool
            .call(panics_before)
            .retries(1)
            .retry_delay(LONG * 60)
            .apply_async((notes.text(), 2));
        until("the first attempt is over", || {
            notes.count() == 1 && pool.stats().queued == 1
        });
        assert!(handle.cancel());
        let error = error_of(handle.get(), TaskErrorKind::Cancelled);
        assert!(error.to_string().contains("at attempt 2"), "{error}");
        finish(pool);
        assert_eq!(notes.count(), 1);
    });
}

#[test]
fn terminate_ends_what_waits_for_its_next_attempt() {
    scene(|| {
        let pool = warm(1);
        let notes = Scratch::new();
        let handle = pool
            .call(panics_before)
            .retries(1)
            .retry_delay(LONG * 60)
            .apply_async((notes.text(), 2));
        until("the first attempt is over", || notes.count() == 1);
        pool.terminate();
        let outcome = handle.get_timeout(LONG).expect("an outcome");
        error_of(outcome, TaskErrorKind::Terminated);
        pool.join().unwrap();
    });
}

#[test]
fn pool_that_closes_goes_on_trying() {
    scene(|| {
        let pool = warm(1);
        let notes = Scratch::new();
        let handle = pool
            .call(dies_before)
            .retries(3)
            .retry_delay(Duration::from_millis(50))
            .apply_async((notes.text(), 4));
        finish(pool);
        assert_eq!(handle.get().unwrap(), 4);
    });
}

/// The deadline is one for the first start.
#[test]
fn queue_deadline_spares_what_has_begun() {
    scene(|| {
        let pool = warm(1);
        let notes = Scratch::new();
        let deadline = Duration::from_millis(300);
        let handle = pool
            .call(panics_before)
            .queue_deadline(deadline)
            .retries(1)
            .retry_delay(3 * deadline)
            .apply_async((notes.text(), 2));
        assert_eq!(handle.get().unwrap(), 2);
        finish(pool);
    });
}

#[test]
fn predicate_sees_each_failure_and_has_the_last_word() {
    scene(|| {
        let pool = warm(2);
        let notes = Scratch::new();
        let (told, tells) = mpsc::channel();
        let second = move |e: &TaskError| {
            told.send((e.kind(), e.attempts(), e.task_id())).unwrap();
            e.attempts() < 2
        };
        let call = pool.call(panics_before).retries(9).retry_if(second);
        let handle = call.apply_async((notes.text(), 99));
        let id = Some(handle.id());
        let error = error_of(handle.get(), TaskErrorKind::Panicked);
        assert_eq!(error.attempts(), 2);
        drop(call);
        let seen: Vec<_> = tells.iter().collect();
        let panicked = TaskErrorKind::Panicked;
        assert_eq!(seen, [(panicked, 1, id), (panicked, 2, id)]);
        finish(pool);
    });
}

#[test]
fn inline_pool_tries_again_in_the_caller() {
    let pool = Pool::new(0).unwrap();
    let notes = Scratch::new();
    let call = pool.call(panics_before).retries(2);
    assert_eq!(call.apply((notes.text(), 3)).unwrap(), 3);
    let notes = Scratch::new();
    let error = error_of(call.apply((notes.text(), 9)), TaskErrorKind::Panicked);
    assert_eq!((error.attempts(), notes.count()), (3, 3));
    let refused = call.retry_if(|e| e.attempts() < 2);
    let error = error_of(refused.apply((notes.text(), 99)), TaskErrorKind::Panicked);
    assert_eq!(error.attempts(), 2);
    let pair = |(directory, good): (String, usize)| panics_before(directory, good);
    let notes = Scratch::new();
    let values: Result<Vec<_>, _> = pool
        .call(pair)
        .retries(1)
        .imap([(notes.text(), 2), (notes.text(), 3)])
        .collect();
    assert_eq!(values.unwrap(), [2, 3]);
}
