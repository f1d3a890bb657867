//! Queue deadlines of what waits to be let in, or is read slowly: each item has all of its time, and no more than that.

use std::sync::mpsc;
use std::time::{Duration, Instant};

use procession::{AsyncResult, NotYet, Pool, TaskError, TaskErrorKind};
use procession_integration_tests::pool_scene::{
    LONG, Scratch, assert_usable, error_of, finish, scene, until,
};

procession::init_before_main!();

const WAIT: Duration = Duration::from_millis(100);

/// In a task: returns once the file is there.
fn wait_for(file: String) {
    until("the file is there", || std::path::Path::new(&file).exists());
}

/// In a task: leaves a trace.
fn note(file: String) {
    std::fs::write(file, "").unwrap();
}

/// A pool of one worker, whose only place to wait is taken: nothing is let in before the file is there.
fn full(gate: &str) -> (Pool, Vec<AsyncResult<()>>) {
    let pool = Pool::builder().workers(1).max_queued(1).build().unwrap();
    assert_usable(&pool);
    until("its worker idles", || pool.stats().idle == 1);
    let gate = || (gate.to_string(),);
    let runs = pool.apply_async(wait_for, gate());
    until("it runs", || pool.stats().running == 1);
    let waits = pool.try_apply_async(wait_for, gate()).expect("room");
    assert!(!pool.wait_for_room(Duration::ZERO));
    (pool, vec![runs, waits])
}

/// Opens the gate; what was let in runs, and nothing else has.
fn open(gate: &str, pool: Pool, taken: Vec<AsyncResult<()>>, trace: &str) {
    std::fs::write(gate, "").unwrap();
    taken.into_iter().for_each(|handle| handle.get().unwrap());
    assert_usable(&pool);
    assert!(!std::path::Path::new(trace).exists(), "it has begun");
    finish(pool);
}

/// CT09: one call, waited for or not.
#[test]
fn call_that_is_not_let_in_in_time_expires() {
    scene(|| {
        let scratch = Scratch::new();
        let (gate, trace) = (scratch.at("gate"), scratch.at("trace"));
        let (pool, taken) = full(&gate);
        let call = pool.call(note).queue_deadline(WAIT);
        let asked = Instant::now();
        let error = error_of(call.apply((trace.clone(),)), TaskErrorKind::Expired);
        assert!(asked.elapsed() >= WAIT);
        let before = error.task_id().expect("it has a number");

        let asked = Instant::now();
        let handle = call.apply_async((trace.clone(),));
        assert!(asked.elapsed() >= WAIT && handle.ready(), "it was waited");
        assert!(handle.id() > before);
        error_of(handle.get(), TaskErrorKind::Expired);

        let (tell, told) = mpsc::channel();
        let call = call.on_complete(move |outcome: &Result<(), TaskError>| {
            tell.send(outcome.as_ref().unwrap_err().kind()).unwrap();
        });
        drop(call.apply_async((trace.clone(),)));
        assert_eq!(told.recv_timeout(LONG), Ok(TaskErrorKind::Expired));
        assert_eq!(pool.stats().failed, 3);
        open(&gate, pool, taken, &trace);
    });
}

/// CT09: each item of a map that is handed in, and a map that is one failure.
#[test]
fn map_that_is_not_let_in_in_time_expires() {
    scene(|| {
        let scratch = Scratch::new();
        let (gate, trace) = (scratch.at("gate"), scratch.at("trace"));
        let (pool, taken) = full(&gate);
        let call = pool.call(note).queue_deadline(WAIT);
        let items = || vec![trace.clone(); 3];
        error_of(call.map(items()), TaskErrorKind::Expired);
        error_of(call.map_async(items()).get(), TaskErrorKind::Expired);
        let each = call.try_map(items());
        assert_eq!(each.len(), 3);
        for (at, outcome) in each.into_iter().enumerate() {
            let error = error_of(outcome, TaskErrorKind::Expired);
            assert_eq!(error.item(), Some(at));
        }
        open(&gate, pool, taken, &trace);
    });
}

/// CT09: each item of a lazy map, whose time does not begin again when its consumer looks again.
#[test]
fn lazy_item_that_is_not_let_in_in_time_expires() {
    scene(|| {
        let scratch = Scratch::new();
        let (gate, trace) = (scratch.at("gate"), scratch.at("trace"));
        let (pool, taken) = full(&gate);
        let call = pool.call(note).queue_deadline(WAIT);
        for outcome in call.imap(vec![trace.clone(); 3]) {
            error_of(outcome, TaskErrorKind::Expired);
        }

        let mut lazy = call.imap_unordered([trace.clone()]);
        let asked = Instant::now();
        let outcome = loop {
            match lazy.next_timeout(WAIT / 20) {
                Err(NotYet) => {}
                Ok(outcome) => break outcome.expect("an item"),
            }
        };
        assert!(asked.elapsed() >= WAIT);
        error_of(outcome, TaskErrorKind::Expired);
        assert!(lazy.next().is_none());
        drop(lazy);

        // Its time has passed when there is room.
        let mut lazy = call.imap([trace.clone()]);
        assert!(matches!(lazy.next_timeout(Duration::ZERO), Err(NotYet)));
        std::thread::sleep(2 * WAIT);
        std::fs::write(&gate, "").unwrap();
        assert!(pool.wait_for_room(LONG));
        let outcome = lazy.next().expect("an item");
        error_of(outcome, TaskErrorKind::Expired);
        drop(lazy);
        open(&gate, pool, taken, &trace);
    });
}

/// What is let in has what is left of its time.
#[test]
fn call_that_is_let_in_in_time_runs() {
    scene(|| {
        let scratch = Scratch::new();
        let (gate, trace) = (scratch.at("gate"), scratch.at("trace"));
        let (pool, taken) = full(&gate);
        let opened = std::thread::scope(|threads| {
            let calls = [
                threads.spawn(|| pool.call(note).queue_deadline(LONG).apply((trace.clone(),))),
                threads.spawn(|| {
                    let call = pool.call(note).queue_deadline(LONG);
                    call.map([trace.clone()]).map(drop)
                }),
            ];
            std::thread::sleep(WAIT);
            std::fs::write(&gate, "").unwrap();
            calls.map(|call| call.join().unwrap())
        });
        assert!(opened.iter().all(Result::is_ok), "{opened:?}");
        taken.into_iter().for_each(|handle| handle.get().unwrap());
        finish(pool);
    });
}

/// CT09: the time of an item is its own, however slowly the input of its map comes.
#[test]
fn slow_input_loses_no_item_to_the_deadline_of_its_map() {
    scene(|| {
        let pool = Pool::new(2).unwrap();
        assert_usable(&pool);
        let items = || {
            let pause = |n: &u64| std::thread::sleep(2 * WAIT * u32::from(n.is_multiple_of(25)));
            (0..200u64).inspect(pause)
        };
        let call = pool.call(|n: u64| n).queue_deadline(WAIT * 10);
        let expected: Vec<u64> = (0..200).collect();
        assert_eq!(call.map(items()).unwrap(), expected);
        assert_eq!(call.map_async(items()).get().unwrap(), expected);
        let each: Result<Vec<u64>, _> = call.try_map(items()).into_iter().collect();
        assert_eq!(each.unwrap(), expected);
        finish(pool);
    });
}
