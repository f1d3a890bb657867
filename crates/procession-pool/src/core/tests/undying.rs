//! Workers that were killed and do not end; the others must not wait for them.

use super::super::{JobSpec, LifeConfig, Retry, Slot, Terms};
use super::fake::Outcome::{Done, TimedOut};
use super::scene::{MS, Scene, call};

const LIMIT: u64 = 10 * MS;
const SECOND: u64 = 1_000 * MS;

fn limited() -> JobSpec {
    let spec = call();
    let terms = Terms {
        limit: LIMIT,
        ..spec.terms
    };
    JobSpec { terms, ..spec }
}

/// FAULTS 19: its task is resolved at its limit, what waits goes to a replacement, and the pool ends when it does.
#[test]
fn worker_that_does_not_die_is_replaced() {
    let mut scene = Scene::ready(1);
    let stuck = scene.submit(limited());
    scene.begin(0);
    let next = scene.submit(call());
    scene.advance(LIMIT);
    assert_eq!(scene.fx.outcomes(stuck), [TimedOut]);
    assert_eq!(scene.fx.kills.len(), 1);
    scene.advance(SECOND - 1);
    assert!(scene.fx.starts.is_empty(), "it may still end");
    assert_eq!(scene.core.stats().undying, 0);
    scene.advance(1);
    let another = scene.start_next();
    assert_ne!(another.slot.0, 0, "the place is taken");
    assert_eq!(scene.core.holder(0), Some(another.slot));
    scene.say_ready(another);
    scene.done(another.slot.0, 1);
    assert_eq!(scene.fx.outcomes(next), [Done]);
    let stats = scene.core.stats();
    assert_eq!((stats.undying, stats.restarts, stats.deaths), (1, 1, 0));

    // Closed and with nothing to do, it waits for the one that does not end, and for nothing else.
    scene.close();
    scene.die(another.slot.0);
    scene.advance(60 * SECOND);
    assert!(!scene.core.is_finished());
    scene.die(0);
    assert_eq!(scene.core.stats().undying, 0);
    scene.nothing_left();
}

/// FAULTS 19, SH03: a closing pool has nothing but an item that is held when the end is overdue, and still misses a worker.
#[test]
fn worker_that_does_not_die_is_missed_by_what_is_tried_again_later() {
    let mut scene = Scene::ready(1);
    let terms = Terms {
        limit: LIMIT,
        retry: Retry {
            times: 1,
            delay: 5 * SECOND,
            ..Retry::default()
        },
        ..Terms::default()
    };
    let job = scene.submit(JobSpec { terms, ..call() });
    scene.begin(0);
    scene.close();
    scene.advance(LIMIT);
    scene.advance(SECOND);
    scene.advance(4 * SECOND);
    let another = scene.start_next();
    scene.say_ready(another);
    scene.done(another.slot.0, 1);
    assert_eq!(scene.fx.outcomes(job), [Done]);
    scene.die(another.slot.0);
    scene.die(0);
    scene.advance(SECOND);
    scene.nothing_left();
}

/// FAULTS 19: they do not add up without bound; the last index waits for an end.
#[test]
fn workers_that_do_not_die_are_bounded() {
    let mut scene = Scene::ready(1);
    for _ in 0..10 {
        scene.submit(limited());
    }
    for _ in 0..10 {
        scene.boot_all();
        if let Some(slot) = scene.core.holder(0)
            && scene.fx.links[slot.index()].who.is_some()
            && scene.core.front(slot).is_some()
        {
            scene.begin(slot.0);
        }
        scene.advance(LIMIT);
        scene.advance(SECOND);
    }
    assert_eq!(scene.fx.links.len(), 4, "twice as many and two");
    assert_eq!(scene.core.stats().items_timed_out, 4);
    scene.die(0);
    scene.boot_all();
    scene.terminate();
    scene.nothing_left();
}

/// Four places, and none of their processes ends.
fn stuck() -> Scene {
    let mut scene = Scene::ready(1);
    for _ in 0..4 {
        let job = scene.submit(limited());
        scene.boot_all();
        let slot = scene.core.holder(0).expect("somebody's");
        scene.begin(slot.0);
        scene.advance(LIMIT);
        assert_eq!(scene.fx.outcomes(job), [TimedOut]);
        scene.advance(SECOND);
    }
    assert!(scene.fx.starts.is_empty(), "no place is left");
    scene
}

/// FAULTS 19: the place of any of them is as good as that of the last, which may never end.
#[test]
fn worker_that_does_not_die_is_replaced_when_another_one_does() {
    let mut scene = stuck();
    let waits = scene.submit(call());
    let last = scene.core.holder(0).expect("somebody's");
    let other = if last.0 == 0 { 1 } else { 0 };
    scene.die(other);
    let another = scene.start_next();
    assert_eq!(scene.core.holder(0), Some(another.slot));
    assert_eq!(scene.core.stats().undying, 3);
    scene.say_ready(another);
    scene.done(another.slot.0, 1);
    assert_eq!(scene.fx.outcomes(waits), [Done]);
    scene.end();
}

/// FAULTS 19: a larger pool has more places, also for the index it had.
#[test]
fn worker_that_does_not_die_is_replaced_in_a_larger_pool() {
    let mut scene = stuck();
    scene.resize(2);
    let started: Vec<u32> = scene
        .fx
        .starts
        .iter()
        .map(|slot| scene.fx.links[slot.index()].index)
        .collect();
    assert_eq!(started, [1, 0]);
    scene.end();
}

/// So it is with one that was only asked to stop: no place was spare when it had served long enough.
#[test]
fn worker_that_does_not_stop_is_replaced_once_there_is_room() {
    let life = LifeConfig {
        quota: 1,
        ..LifeConfig::default()
    };
    let mut scene = Scene::living(1, life);
    for _ in 0..4 {
        scene.submit(call());
        scene.boot_all();
        let slot = scene.core.holder(0).expect("somebody's");
        scene.done(slot.0, 1);
    }
    let waits = scene.submit(call());
    assert!(scene.fx.starts.is_empty(), "no place is left");
    scene.die(0);
    scene.boot_all();
    let slot = scene.core.holder(0).expect("somebody's");
    scene.done(slot.0, 1);
    assert_eq!(scene.fx.outcomes(waits), [Done]);
    scene.end();
}

/// FAULTS 19, 111: the end comes between the order and the replacement, and after it; each time there is one worker.
#[test]
fn worker_that_dies_late_leaves_one_worker() {
    for late in [0, SECOND / 2, 2 * SECOND] {
        let mut scene = Scene::ready(1);
        let stuck = scene.submit(limited());
        scene.begin(0);
        scene.advance(LIMIT);
        if late > 0 {
            scene.advance(late);
        }
        scene.die(0);
        scene.advance(2 * SECOND);
        assert_eq!(scene.fx.outcomes(stuck), [TimedOut]);
        assert_eq!(scene.fx.starts.len(), 1, "after {late}");
        scene.end();
    }
}

/// FAULTS 111: no replacement can be started while a death is handled, then its worker is killed at once.
#[test]
fn start_that_fails_after_a_death_and_a_death_after_that_lose_nothing_else() {
    let mut scene = Scene::ready(2);
    let first = scene.submit(call());
    let busy = (0..2).find(|slot| scene.core.front(Slot(*slot)).is_some());
    let busy = busy.expect("a worker at it");
    scene.begin(busy);
    scene.die(busy);
    scene.fail_start();
    let second = scene.submit(call());
    // The one that lives dies before it comes to it, and its replacement while it boots.
    scene.die(1 - busy);
    let another = scene.start_next();
    scene.die(another.slot.0);
    scene.run();
    let stats = scene.core.stats();
    assert_eq!((stats.items_lost, stats.items_done), (1, 1));
    assert!(scene.fx.is_finished(first) && scene.fx.is_finished(second));
    scene.end();
}
