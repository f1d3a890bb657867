//! What a pool says about retries, for calls that say nothing, and what a call says in its place.

use std::sync::Arc;
use std::time::{Duration, Instant};

use procession::{Pool, TaskError};
use procession_integration_tests::pool_scene::{LONG, Scratch, finish, scene, until};

procession::init_before_main!();

/// Fails each time.
fn fails(how: String) -> u64 {
    match how.as_str() {
        "dies" => std::process::abort(),
        what => panic!("{what}"),
    }
}

fn attempts(outcome: Result<u64, TaskError>) -> u32 {
    outcome.unwrap_err().attempts()
}

fn notes_and_fails(note: String) {
    std::fs::write(note, "").expect("a note");
    panic!("always");
}

/// How often each verb has tried what fails in this way.
fn attempts_by_verb(pool: &Pool, how: &str) -> [u32; 5] {
    let items = || [how.to_string()];
    let mut lazy = pool.imap(fails, items());
    let mut each = pool.try_map(fails, items());
    [
        attempts(pool.apply(fails, (how.to_string(),))),
        attempts(pool.map(fails, items()).map(|all| all[0])),
        attempts(each.remove(0)),
        attempts(lazy.next().unwrap()),
        attempts(
            pool.apply_async(fails, (how.to_string(),))
                .get_timeout(LONG)
                .unwrap(),
        ),
    ]
}

/// A pool's delay, predicate and "deaths only" hold for calls that say nothing, whatever the verb.
#[test]
fn what_a_pool_says_of_retries_holds_for_every_verb() {
    scene(|| {
        let builder = Pool::builder().workers(1).retries(2);
        let pool = builder.clone().retry_on_death().build().unwrap();
        assert_eq!(attempts_by_verb(&pool, "dies"), [3; 5]);
        assert_eq!(attempts_by_verb(&pool, "busy"), [1; 5]);
        finish(pool);
        let busy = |e: &TaskError| e.panic().is_some_and(|panic| panic.message() == "busy");
        let pool = builder.clone().retry_if(busy).build().unwrap();
        assert_eq!(attempts_by_verb(&pool, "busy"), [3; 5]);
        assert_eq!(attempts_by_verb(&pool, "gone"), [1; 5]);
        assert_eq!(attempts_by_verb(&pool, "dies"), [1; 5]);
        finish(pool);
        // Both: deaths, of which the predicate is asked.
        let both = builder
            .clone()
            .retry_on_death()
            .retry_if(|e| e.attempts() < 2);
        let pool = both.build().unwrap();
        assert_eq!(attempts_by_verb(&pool, "dies"), [2; 5]);
        assert_eq!(attempts_by_verb(&pool, "busy"), [1; 5]);
        finish(pool);
        let delay = Duration::from_millis(20);
        let pool = builder.clone().retry_delay(delay).build().unwrap();
        let begun = Instant::now();
        assert_eq!(attempts_by_verb(&pool, "busy"), [3; 5]);
        assert!(begun.elapsed() >= 5 * 2 * delay);
        finish(pool);
    });
}

/// Each of a call's own options comes in place of the pool's; which failures are tried again is one option of two verbs.
#[test]
fn what_a_call_says_of_retries_comes_before_what_its_pool_says() {
    scene(|| {
        let dies = || ("dies".to_string(),);
        let busy = || ("busy".to_string(),);
        let pool = Pool::builder()
            .workers(1)
            .retry_delay(LONG * 60)
            .retry_on_death()
            .retry_if(|_| false)
            .build()
            .unwrap();
        assert_eq!(attempts(pool.apply(fails, dies())), 1);
        let call = || pool.call(fails).retries(2).retry_delay(Duration::ZERO);
        assert_eq!(attempts(call().apply(dies())), 1, "the pool's predicate");
        assert_eq!(attempts(call().retry_on_death().apply(dies())), 3);
        assert_eq!(attempts(call().retry_on_death().apply(busy())), 1);
        assert_eq!(attempts(call().retry_if(|_| true).apply(dies())), 3);
        assert_eq!(attempts(call().retry_if(|_| true).apply(busy())), 3);
        let second = |e: &TaskError| e.attempts() < 2;
        let both = || call().retry_on_death().retry_if(second);
        assert_eq!(attempts(both().apply(dies())), 2);
        assert_eq!(attempts(both().apply(busy())), 1);
        // The pool's delay holds where the call does not give one.
        let notes = Scratch::new();
        let waits = pool.call(notes_and_fails).retries(1).retry_if(|_| true);
        let handle = waits.apply_async((notes.at("one"),));
        until("it waits for its next attempt", || {
            notes.count() == 1 && pool.stats().queued == 1
        });
        assert!(handle.cancel());
        finish(pool);
    });
}

/// A pool's predicate belongs to its builder, its pools, and calls that are open.
#[test]
fn a_pool_s_predicate_goes_with_the_pool() {
    scene(|| {
        let asked = Arc::new(());
        let held = Arc::clone(&asked);
        let builder = Pool::builder()
            .workers(1)
            .retries(1)
            .retry_if(move |_| Arc::strong_count(&held) > 0);
        assert!(format!("{builder:?}").contains("Predicate"));
        let pools = [builder.clone().build().unwrap(), builder.build().unwrap()];
        for pool in pools {
            assert_eq!(Arc::strong_count(&asked), 2);
            assert_eq!(attempts(pool.apply(fails, ("busy".to_string(),))), 2);
            assert!(format!("{pool:?}").contains("Pool"));
            finish(pool);
        }
        assert_eq!(Arc::strong_count(&asked), 1);
    });
}

#[test]
fn inline_pool_s_own_options_hold_in_the_caller() {
    let delay = Duration::from_millis(20);
    let builder = Pool::builder().workers(0).retries(2);
    let pool = builder.clone().retry_delay(delay).build().unwrap();
    let begun = Instant::now();
    assert_eq!(attempts_by_verb(&pool, "busy"), [3; 5]);
    assert!(begun.elapsed() >= 5 * 2 * delay);
    let judged = builder.clone().retry_if(|e| e.attempts() < 2);
    let pool = judged.build().unwrap();
    assert_eq!(attempts_by_verb(&pool, "busy"), [2; 5]);
    let deaths = builder.retry_on_death().build().unwrap();
    assert_eq!(attempts_by_verb(&deaths, "busy"), [1; 5]);
    let any = deaths.call(fails).retry_if(|_| true);
    assert_eq!(attempts(any.apply(("busy".to_string(),))), 3);
}
