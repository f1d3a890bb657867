//! Items that are tried again; each attempt must be preceded by the failure of the one before.

use super::super::{
    After, Asks, Cancelled as Why, Chunk, Fault, JobSpec, Nanos, Retry, Terms, Verdict,
};
use super::fake::Outcome::{Cancelled, Done, Failed, GivenUp, Lost, TimedOut};
use super::scene::{MS, Scene, US, call, map};

const DELAY: Nanos = 10 * MS;

fn retried(spec: JobSpec, times: u32) -> JobSpec {
    with(
        spec,
        Retry {
            times,
            ..Retry::default()
        },
    )
}

fn with(spec: JobSpec, retry: Retry) -> JobSpec {
    let terms = Terms {
        retry,
        ..spec.terms
    };
    JobSpec { terms, ..spec }
}

fn judged(times: u32) -> Retry {
    Retry {
        times,
        asks: Asks::Judge,
        ..Retry::default()
    }
}

fn delayed(times: u32) -> Retry {
    Retry {
        times,
        delay: DELAY,
        ..Retry::default()
    }
}

#[test]
fn item_whose_worker_dies_is_run_again() {
    let mut scene = Scene::ready(1);
    let job = scene.submit(retried(call(), 2));
    scene.begin(0);
    scene.die(0);
    assert!(!scene.fx.is_finished(job));
    scene.run();
    assert_eq!(scene.fx.outcomes(job), [Done]);
    assert_eq!(scene.fx.jobs[&job].begun, [2]);
    scene.end();
}

/// CR20
#[test]
fn item_that_always_dies_ends_with_its_attempts_and_breaks_nothing() {
    let mut scene = Scene::ready(1);
    let job = scene.submit(retried(call(), 20));
    let other = scene.submit(call());
    for attempt in 0..21 {
        assert!(!scene.fx.is_finished(job), "attempt {attempt}");
        scene.boot_all();
        scene.begin(0);
        scene.die(0);
    }
    assert_eq!(scene.fx.outcomes(job), [Lost]);
    assert_eq!(scene.core.state(), super::super::PoolState::Open);
    scene.run();
    assert_eq!(scene.fx.outcomes(other), [Done]);
    scene.end();
}

#[test]
fn death_in_a_booting_worker_is_its_task_s_and_spends_no_start() {
    let mut scene = Scene::new(1);
    let job = scene.submit(retried(call(), 20));
    for _ in 0..20 {
        scene.start_next();
        scene.begin(0);
        scene.die(0);
    }
    assert_eq!(scene.core.stats().start_failures, 0);
    scene.run();
    assert_eq!(scene.fx.outcomes(job), [Done]);
    scene.end();
}

#[test]
fn next_attempt_comes_before_what_waits() {
    let mut scene = Scene::ready(1);
    let job = scene.submit(retried(call(), 1));
    let behind = scene.submit(call());
    scene.begin(0);
    scene.fail(0);
    let next = scene.core.front(super::super::Slot(0)).map(|front| front.0);
    assert_eq!(next, Some(job));
    scene.done(0, 1);
    scene.done(0, 1);
    assert_eq!(
        [scene.fx.outcomes(job), scene.fx.outcomes(behind)],
        [[Done], [Done]]
    );
    scene.end();
}

#[test]
fn failed_items_of_a_map_are_run_again_each_on_its_own() {
    let mut scene = Scene::ready(1);
    let spec = JobSpec {
        chunk: Chunk::Fixed(4),
        ..map(4)
    };
    let job = scene.submit(retried(spec, 1));
    scene.done(0, 1);
    scene.fail(0);
    scene.done(0, 2);
    scene.fail(0);
    assert_eq!(scene.fx.outcomes(job), [Done, Failed, Done, Done]);
    assert_eq!(scene.fx.jobs[&job].begun, [1, 2, 1, 1]);
    scene.end();
}

#[test]
fn only_the_last_failure_stops_a_map() {
    let mut scene = Scene::ready(1);
    let spec = JobSpec {
        stop_on_failure: true,
        ..map(3)
    };
    let job = scene.submit(retried(spec, 1));
    scene.fail(0);
    scene.fail(0);
    let stopped = Cancelled(Why::StoppedByFailure);
    assert_eq!(scene.fx.outcomes(job), [Failed, stopped, stopped]);
    scene.end();
}

#[test]
fn value_that_counts_as_a_failure_is_a_value_in_the_end() {
    let mut scene = Scene::ready(1);
    let spec = JobSpec {
        stop_on_failure: true,
        chunk: Chunk::Fixed(1),
        ..map(2)
    };
    let job = scene.submit(retried(spec, 1));
    scene.fail_by(0, Fault::Value);
    scene.fail_by(0, Fault::Value);
    assert!(!scene.fx.is_finished(job));
    scene.done(0, 1);
    assert_eq!(scene.fx.outcomes(job), [Failed, Done]);
    assert_eq!(scene.core.stats().items_done, 2);
    scene.end();
}

#[test]
fn item_that_waits_for_its_next_attempt_is_stopped_with_its_map() {
    let mut scene = Scene::ready(2);
    let spec = JobSpec {
        stop_on_failure: true,
        chunk: Chunk::Fixed(1),
        ..map(2)
    };
    let retry = Retry {
        after: After::Death,
        ..delayed(1)
    };
    let job = scene.submit(with(spec, retry));
    scene.begin(0);
    scene.begin(1);
    let of_first = scene.fx.links[0].frames[0].first;
    scene.die(0);
    scene.fail(1);
    let mut outcomes = [Failed; 2];
    outcomes[of_first as usize] = Cancelled(Why::StoppedByFailure);
    assert_eq!(scene.fx.outcomes(job), outcomes);
    scene.advance(DELAY);
    scene.end();
}

#[test]
fn next_attempt_waits_for_its_delay() {
    let mut scene = Scene::ready(1);
    let job = scene.submit(with(call(), delayed(1)));
    scene.fail(0);
    assert_eq!(scene.core.stats().held_items, 1);
    scene.advance(DELAY - 1);
    assert!(scene.core.front(super::super::Slot(0)).is_none());
    scene.advance(1);
    scene.done(0, 1);
    assert_eq!(scene.fx.outcomes(job), [Done]);
    scene.end();
}

#[test]
fn only_deaths_count_when_that_is_said() {
    let mut scene = Scene::ready(1);
    let retry = Retry {
        times: 3,
        after: After::Death,
        ..Retry::default()
    };
    let fails = scene.submit(with(call(), retry));
    scene.fail(0);
    assert_eq!(scene.fx.outcomes(fails), [Failed]);
    let dies = scene.submit(with(call(), retry));
    scene.begin(0);
    scene.die(0);
    scene.run();
    assert_eq!(scene.fx.outcomes(dies), [Done]);
    scene.end();
}

#[test]
fn overrun_is_tried_again_and_the_limit_holds_for_each_attempt() {
    let mut scene = Scene::ready(1);
    let mut spec = retried(call(), 1);
    spec.terms.limit = 5 * MS;
    let job = scene.submit(spec);
    for _ in 0..2 {
        assert!(!scene.fx.is_finished(job));
        scene.begin(0);
        scene.advance(5 * MS);
        scene.die(0);
        scene.boot_all();
    }
    assert_eq!(scene.fx.outcomes(job), [TimedOut]);
    assert_eq!(scene.core.stats().items_timed_out, 1);
    scene.end();
}

#[test]
fn attempt_that_has_begun_in_time_is_followed_by_others_however_late() {
    let mut scene = Scene::ready(1);
    let by = scene.now + 5 * MS;
    let spec = JobSpec {
        chunk: Chunk::Fixed(1),
        ..map(3)
    };
    let mut spec = retried(spec, 2);
    spec.terms.start_by = by;
    let job = scene.submit(spec);
    scene.known(100 * US);
    // Once back in the queue when the time is over, once running.
    scene.fail(0);
    scene.begin(0);
    scene.advance(5 * MS);
    scene.fail(0);
    scene.done(0, 1);
    let expired = Cancelled(Why::Expired);
    assert_eq!(scene.fx.outcomes(job), [Done, expired, expired]);
    scene.end();
}

#[test]
fn what_is_held_when_its_deadline_passes_is_tried_again() {
    let mut scene = Scene::ready(1);
    let mut spec = with(call(), delayed(1));
    spec.terms.start_by = scene.now + 5 * MS;
    let job = scene.submit(spec);
    scene.fail(0);
    scene.advance(5 * MS);
    assert!(!scene.fx.is_finished(job));
    scene.advance(DELAY);
    scene.done(0, 1);
    assert_eq!(scene.fx.outcomes(job), [Done]);
    scene.end();
}

#[test]
fn judge_decides_while_the_item_waits() {
    let mut scene = Scene::ready(1);
    let job = scene.submit(with(call(), judged(2)));
    let other = scene.submit(call());
    scene.fail(0);
    scene.done(0, 1);
    assert_eq!(scene.fx.outcomes(other), [Done]);
    assert!(!scene.fx.is_finished(job));
    scene.judge(job, Verdict::Again);
    scene.fail(0);
    scene.judge(job, Verdict::GiveUp);
    assert_eq!(scene.fx.outcomes(job), [GivenUp]);
    scene.end();
}

#[test]
fn judge_is_not_asked_after_the_last_attempt() {
    let mut scene = Scene::ready(1);
    let job = scene.submit(with(call(), judged(1)));
    scene.fail(0);
    scene.judge(job, Verdict::Again);
    scene.fail(0);
    assert_eq!(scene.fx.outcomes(job), [Failed]);
    scene.end();
}

#[test]
fn judge_that_refuses_stops_a_map() {
    let mut scene = Scene::ready(1);
    let spec = JobSpec {
        stop_on_failure: true,
        chunk: Chunk::Fixed(1),
        ..map(20)
    };
    let job = scene.submit(with(spec, judged(1)));
    scene.fail(0);
    scene.judge(job, Verdict::GiveUp);
    scene.run();
    let outcomes = scene.fx.outcomes(job);
    assert_eq!(outcomes[0], GivenUp);
    assert!(outcomes.contains(&Cancelled(Why::StoppedByFailure)));
    scene.end();
}

#[test]
fn verdict_about_what_was_cancelled_is_ignored() {
    let mut scene = Scene::ready(1);
    let job = scene.submit(with(call(), judged(1)));
    scene.fail(0);
    assert!(scene.revoke(job));
    assert_eq!(scene.fx.outcomes(job), [Cancelled(Why::ByOwner)]);
    let (now, fx) = (scene.now, &mut scene.fx);
    scene.core.judged(job, 0, Verdict::Again, now, fx);
    scene.core.judged(job, 0, Verdict::GiveUp, now, fx);
    scene.fx.jobs.get_mut(&job).unwrap().judged.clear();
    scene.end();
}

#[test]
fn cancelled_items_are_not_tried_again() {
    let mut scene = Scene::ready(1);
    let waits = scene.submit(with(call(), delayed(5)));
    scene.fail(0);
    let runs = scene.submit(retried(call(), 5));
    scene.begin(0);
    assert!(scene.revoke(waits) && scene.revoke(runs));
    scene.die(0);
    scene.advance(DELAY);
    scene.run();
    let cancelled = [Cancelled(Why::ByOwner)];
    assert_eq!(scene.fx.outcomes(waits), cancelled);
    assert_eq!(scene.fx.outcomes(runs), cancelled);
    scene.end();
}

#[test]
fn pool_that_closes_tries_again_and_starts_workers_for_that() {
    let mut scene = Scene::ready(1);
    let job = scene.submit(with(call(), delayed(2)));
    scene.close();
    for _ in 0..2 {
        scene.begin(0);
        scene.die(0);
        scene.advance(DELAY);
        scene.boot_all();
    }
    scene.done(0, 1);
    assert_eq!(scene.fx.outcomes(job), [Done]);
    scene.end();
}

#[test]
fn pool_that_closes_waits_for_the_judge() {
    let mut scene = Scene::ready(1);
    let job = scene.submit(with(call(), judged(2)));
    scene.begin(0);
    scene.close();
    scene.die(0);
    assert!(!scene.core.is_finished());
    scene.judge(job, Verdict::Again);
    scene.boot_all();
    scene.done(0, 1);
    assert_eq!(scene.fx.outcomes(job), [Done]);
    scene.end();
}

#[test]
fn terminate_resolves_what_waits_to_be_tried_again() {
    for retry in [delayed(3), judged(3)] {
        let mut scene = Scene::ready(1);
        let job = scene.submit(with(call(), retry));
        scene.fail(0);
        scene.terminate();
        assert_eq!(scene.fx.outcomes(job), [Cancelled(Why::Terminated)]);
        scene.nothing_left();
    }
}

#[test]
fn delays_of_items_that_are_resolved_do_not_pile_up() {
    let mut scene = Scene::ready(1);
    let retry = Retry {
        delay: 3_600_000 * MS,
        ..delayed(1)
    };
    for _ in 0..1_000 {
        let job = scene.submit(with(call(), retry));
        scene.fail(0);
        scene.revoke(job);
    }
    assert!(scene.core.delayed.len() < 200);
    scene.terminate();
    scene.nothing_left();
}
