//! Time limits and queue deadlines; an item must get all of its time, and only its own.

use super::super::{Cancelled as Why, Chunk, JobSpec, Nanos, Terms};
use super::fake::Outcome::{Cancelled, Done, TimedOut};
use super::scene::{MS, Scene, US, call, map};

pub(super) const LIMIT: Nanos = 10 * MS;

pub(super) fn limited(spec: JobSpec) -> JobSpec {
    let terms = Terms {
        limit: LIMIT,
        ..spec.terms
    };
    JobSpec { terms, ..spec }
}

fn within(spec: JobSpec, start_by: Nanos) -> JobSpec {
    let terms = Terms {
        start_by,
        ..spec.terms
    };
    JobSpec { terms, ..spec }
}

#[test]
fn item_that_overruns_is_resolved_and_its_worker_ended() {
    let mut scene = Scene::ready(1);
    let job = scene.submit(limited(call()));
    scene.begin(0);
    let next = scene.submit(call());
    scene.advance(LIMIT - 1);
    assert!(!scene.fx.is_finished(job));
    scene.advance(1);
    assert_eq!(scene.fx.outcomes(job), [TimedOut]);
    assert_eq!(scene.fx.kills.len(), 1);
    scene.die(0);
    scene.run();
    assert_eq!(scene.fx.outcomes(next), [Done]);
    assert_eq!(scene.core.stats().deaths, 0);
    scene.end();
}

#[test]
fn time_counts_from_the_start_in_the_worker() {
    let mut scene = Scene::ready(1);
    scene.known(10 * US);
    let jobs: Vec<_> = (0..5).map(|_| scene.submit(limited(call()))).collect();
    for job in jobs {
        scene.begin(0);
        scene.advance(LIMIT * 7 / 10);
        scene.done(0, 1);
        assert_eq!(scene.fx.outcomes(job), [Done]);
    }
    scene.end();
}

#[test]
fn item_that_begins_late_has_its_whole_time() {
    let mut scene = Scene::ready(1);
    let job = scene.submit(limited(call()));
    scene.advance(LIMIT * 3 / 2);
    scene.begin(0);
    scene.advance(LIMIT / 2);
    scene.advance(LIMIT / 2 - 1);
    assert!(!scene.fx.is_finished(job), "it has one nanosecond");
    let due = scene.core.next_timer().expect("a look at its end");
    scene.advance(due - scene.now);
    assert_eq!(scene.fx.outcomes(job), [TimedOut]);
    scene.end();
}

#[test]
fn item_that_returns_in_time_leaves_no_alarm_for_the_next() {
    let mut scene = Scene::ready(1);
    let first = scene.submit(limited(call()));
    scene.begin(0);
    scene.advance(LIMIT - 1);
    scene.done(0, 1);
    let second = scene.submit(call());
    scene.begin(0);
    scene.advance(10 * LIMIT);
    assert!(scene.fx.kills.is_empty());
    scene.done(0, 1);
    assert_eq!(
        [scene.fx.outcomes(first), scene.fx.outcomes(second)],
        [[Done], [Done]]
    );
    assert_eq!(scene.core.next_timer(), None);
    scene.end();
}

#[test]
fn items_of_a_map_have_each_their_own_time() {
    let mut scene = Scene::ready(1);
    scene.known(10 * US);
    let spec = JobSpec {
        chunk: Chunk::Fixed(4),
        ..map(4)
    };
    let job = scene.submit(limited(spec));
    scene.advance(LIMIT / 2);
    scene.done(0, 1);
    scene.begin(0);
    scene.advance(LIMIT);
    assert_eq!(scene.fx.kills.len(), 1);
    scene.die(0);
    scene.run();
    assert_eq!(scene.fx.outcomes(job), [Done, TimedOut, Done, Done]);
    scene.end();
}

#[test]
fn overrun_is_a_failure_for_a_map_that_stops_on_failure() {
    let mut scene = Scene::ready(1);
    let spec = JobSpec {
        stop_on_failure: true,
        ..map(3)
    };
    let job = scene.submit(limited(spec));
    scene.begin(0);
    scene.advance(LIMIT);
    let stopped = Cancelled(Why::StoppedByFailure);
    assert_eq!(scene.fx.outcomes(job), [TimedOut, stopped, stopped]);
    scene.end();
}

#[test]
fn reply_on_its_way_at_the_end_of_the_time_leaves_the_next_item_alone() {
    let mut scene = Scene::ready(1);
    scene.known(10 * US);
    let jobs = [scene.submit(limited(call())), scene.submit(call())];
    scene.begin(0);
    scene.now += LIMIT - 1;
    scene.fx.now = scene.now;
    scene.core.timer(scene.now, &mut scene.fx);
    scene.fx.ran_item(super::super::Slot(0), None);
    scene.begin(0);
    scene.now += 1;
    scene.fx.now = scene.now;
    scene.core.timer(scene.now, &mut scene.fx);
    assert!(scene.fx.kills.is_empty(), "it is at the second one");
    scene.fx.resolve(jobs[0], 0, Done);
    scene.fx.counted(super::super::Slot(0), 1);
    scene
        .core
        .replied(scene.who(0), 1, None, scene.now, &mut scene.fx);
    scene.advance(10 * LIMIT);
    assert!(scene.fx.kills.is_empty());
    scene.done(0, 1);
    assert_eq!(scene.fx.outcomes(jobs[1]), [Done]);
    scene.end();
}

#[test]
fn death_before_the_limit_is_a_death() {
    let mut scene = Scene::ready(1);
    let job = scene.submit(limited(call()));
    scene.begin(0);
    scene.die(0);
    assert_eq!(scene.fx.outcomes(job), [super::fake::Outcome::Lost]);
    scene.advance(LIMIT);
    scene.end();
}

#[test]
fn item_that_does_not_begin_in_time_expires_and_its_worker_is_left_alone() {
    let mut scene = Scene::ready(1);
    scene.known(10 * US);
    let busy = scene.submit(call());
    scene.begin(0);
    let by = scene.now + LIMIT;
    let waits = scene.submit(within(call(), by));
    let other = scene.submit(call());
    scene.advance(LIMIT - 1);
    assert!(!scene.fx.is_finished(waits));
    scene.advance(1);
    assert_eq!(scene.fx.outcomes(waits), [Cancelled(Why::Expired)]);
    assert!(scene.fx.kills.is_empty());
    scene.run();
    assert_eq!(
        [scene.fx.outcomes(busy), scene.fx.outcomes(other)],
        [[Done], [Done]]
    );
    scene.end();
}

#[test]
fn item_that_began_in_time_runs_to_its_end() {
    let mut scene = Scene::ready(1);
    let by = scene.now + LIMIT;
    let spec = JobSpec {
        chunk: Chunk::Fixed(2),
        ..map(4)
    };
    let job = scene.submit(within(spec, by));
    scene.begin(0);
    scene.advance(LIMIT);
    scene.done(0, 2);
    let expired = Cancelled(Why::Expired);
    assert_eq!(scene.fx.outcomes(job), [Done, Done, expired, expired]);
    scene.end();
}

#[test]
fn deadlines_of_calls_that_are_over_do_not_pile_up() {
    let mut scene = Scene::ready(1);
    for _ in 0..1_000 {
        let by = scene.now + 3_600_000 * MS;
        scene.submit(within(call(), by));
        scene.done(0, 1);
    }
    assert!(scene.core.expiries.len() < 100);
    scene.terminate();
    scene.nothing_left();
}
