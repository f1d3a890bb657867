//! Jobs that are empty, open, stopped or cancelled; every item must be resolved exactly once.

use super::super::{Cancelled, Chunk, Extended, JobSpec, NEVER};
use super::fake::Outcome::{self, Done, Failed};
use super::scene::{Scene, US, call, map};

const STOPPED: Outcome = Outcome::Cancelled(Cancelled::StoppedByFailure);
const BY_OWNER: Outcome = Outcome::Cancelled(Cancelled::ByOwner);

#[test]
fn job_without_items_is_finished_by_submit() {
    let mut scene = Scene::new(1);
    let job = scene.submit(map(0));
    assert!(scene.fx.is_finished(job));
    scene.end();
}

#[test]
fn ids_of_finished_jobs_are_not_given_again() {
    let mut scene = Scene::ready(1);
    let first = scene.submit(map(0));
    let second = scene.submit(map(0));
    assert_eq!(first.slot(), second.slot());
    assert_ne!(first, second);
    let (now, fx) = (scene.now, &mut scene.fx);
    let over = scene.core.extend(first, 1, true, NEVER, now, fx);
    assert_eq!(over, Extended::Over);
    scene.end();
}

#[test]
fn open_job_lives_without_items_and_ends_when_told() {
    let mut scene = Scene::ready(2);
    let job = scene.submit(JobSpec {
        open: true,
        ..map(0)
    });
    assert!(!scene.fx.is_finished(job));
    scene.extend(job, 3, false);
    scene.run();
    assert!(!scene.fx.is_finished(job));
    scene.extend(job, 0, true);
    assert!(scene.fx.is_finished(job));
    assert_eq!(scene.fx.outcomes(job), [Done; 3]);
    scene.end();
}

#[test]
fn wait_ends_when_what_was_before_it_has_replied() {
    let mut scene = Scene::ready(1);
    scene.known(100 * US);
    let before = scene.core.waits().count();
    scene.submit_calls(2);
    scene.begin(0);
    scene.advance(100 * US);
    scene.done(0, 1);
    scene.begin(0);
    scene.advance(100 * US);
    scene.done(0, 1);
    let waits = scene.core.waits();
    assert_eq!(waits.count() - before, 2);
    // The first one began at once, the second one after it.
    assert_eq!(waits.total().as_nanos() as u64, 100 * US);
    scene.end();
}

#[test]
fn open_job_that_ends_with_items_in_flight_finishes_with_them() {
    let mut scene = Scene::ready(1);
    let job = scene.submit(JobSpec {
        open: true,
        ..map(1)
    });
    scene.extend(job, 1, true);
    let (now, fx) = (scene.now, &mut scene.fx);
    let over = scene.core.extend(job, 1, true, NEVER, now, fx);
    assert_eq!(over, Extended::Over, "it is not open any more");
    scene.run();
    assert_eq!(scene.fx.outcomes(job), [Done; 2]);
    scene.end();
}

#[test]
fn more_items_than_indexes_end_their_job() {
    for stop_on_failure in [false, true] {
        let mut scene = Scene::ready(1);
        let id = scene.submit(JobSpec {
            open: true,
            stop_on_failure,
            chunk: Chunk::Fixed(1),
            ..map(3)
        });
        scene.begin(0);
        let last = scene.submit(call());
        scene.core.leave_room_for(7);
        scene.fx.close_job(id);
        let (now, fx) = (scene.now, &mut scene.fx);
        let too_many = scene.core.extend(id, 8, false, NEVER, now, fx);
        assert_eq!(too_many, Extended::TooMany);
        scene.check();
        let (now, fx) = (scene.now, &mut scene.fx);
        let over = scene.core.extend(id, 1, false, NEVER, now, fx);
        assert_eq!(over, Extended::Over);
        scene.run();
        let rest = if stop_on_failure { STOPPED } else { Done };
        assert_eq!(scene.fx.outcomes(id), [Done, rest, rest]);
        assert_eq!(scene.fx.outcomes(last), [Done]);
        scene.end();
    }
}

#[test]
fn first_failure_cancels_what_has_not_begun() {
    let mut scene = Scene::ready(2);
    scene.known(30 * US);
    let job = scene.submit(JobSpec {
        chunk: Chunk::Fixed(2),
        stop_on_failure: true,
        ..map(20)
    });
    let other = scene.submit(call());
    scene.begin(1);
    let began = scene.fx.links[1].frames[0].first;
    scene.reply(0, 1, Failed);
    assert!(!scene.fx.is_finished(job), "begun frames run to their end");
    scene.run();
    let outcomes = scene.fx.outcomes(job);
    let count = |wanted| outcomes.iter().filter(|o| **o == wanted).count();
    assert_eq!((count(Failed), count(Done), count(STOPPED)), (1, 3, 16));
    assert_eq!(outcomes[began as usize..began as usize + 2], [Done, Done]);
    assert_eq!(scene.fx.outcomes(other), [Done]);
    scene.end();
}

#[test]
fn later_failures_of_a_stopped_job_change_nothing() {
    let mut scene = Scene::ready(2);
    let job = scene.submit(JobSpec {
        chunk: Chunk::Fixed(2),
        stop_on_failure: true,
        ..map(4)
    });
    scene.begin(0);
    scene.begin(1);
    scene.reply(0, 2, Failed);
    scene.reply(1, 2, Failed);
    assert_eq!(
        scene
            .fx
            .outcomes(job)
            .iter()
            .filter(|o| **o == Failed)
            .count(),
        2
    );
    assert!(scene.fx.is_finished(job));
    scene.end();
}

#[test]
fn open_job_that_stopped_cancels_what_is_appended() {
    let mut scene = Scene::ready(1);
    let job = scene.submit(JobSpec {
        open: true,
        stop_on_failure: true,
        ..map(1)
    });
    scene.reply(0, 1, Failed);
    scene.extend(job, 2, false);
    scene.extend(job, 1, true);
    assert_eq!(scene.fx.outcomes(job), [Failed, STOPPED, STOPPED, STOPPED]);
    assert!(scene.fx.is_finished(job));
    scene.end();
}

#[test]
fn failures_of_a_job_that_goes_on_are_counted_as_replies() {
    let mut scene = Scene::ready(1);
    let job = scene.submit(JobSpec {
        chunk: Chunk::Fixed(4),
        ..map(4)
    });
    scene.reply(0, 2, Failed);
    scene.run();
    assert_eq!(scene.fx.outcomes(job), [Done, Failed, Done, Done]);
    scene.end();
}

#[test]
fn owner_cancels_an_open_job() {
    let mut scene = Scene::ready(1);
    let job = scene.submit(JobSpec {
        open: true,
        chunk: Chunk::Fixed(2),
        ..map(10)
    });
    scene.begin(0);
    scene.cancel(job);
    scene.cancel(job);
    assert!(!scene.fx.is_finished(job));
    scene.run();
    assert_eq!(scene.fx.outcomes(job)[..2], [Done; 2]);
    assert_eq!(scene.fx.outcomes(job)[2..], [BY_OWNER; 8]);
    scene.cancel(job);
    scene.end();
}

#[test]
fn jobs_cancelled_together_begin_nothing_of_each_other() {
    let mut scene = Scene::ready(1);
    scene.known(30 * US);
    let chunk = Chunk::AtMost(4);
    let parts: Vec<_> = (0..3)
        .map(|_| scene.submit(JobSpec { chunk, ..map(8) }))
        .collect();
    let other = scene.submit(map(3));
    scene.begin(0);
    let sends = scene.fx.sends;
    scene.cancel_all(&parts);
    assert_eq!(scene.fx.outcomes(parts[1]), [BY_OWNER; 8]);
    assert_eq!(scene.fx.outcomes(parts[2]), [BY_OWNER; 8]);
    let of_other = |frame: &super::fake::Sent| frame.job == other;
    assert!(scene.fx.links[0].frames.iter().skip(1).all(of_other));
    assert!(scene.fx.sends <= sends + 3);
    scene.cancel_all(&parts);
    scene.run();
    assert_eq!(scene.fx.outcomes(parts[0])[..4], [Done; 4]);
    assert_eq!(scene.fx.outcomes(parts[0])[4..], [BY_OWNER; 4]);
    assert_eq!(scene.fx.outcomes(other), [Done; 3]);
    scene.end();
}

#[test]
fn cancelled_job_frees_the_worker_that_had_not_begun_it() {
    let mut scene = Scene::ready(1);
    let job = scene.submit(map(1));
    let next = scene.submit(map(1));
    scene.cancel(job);
    assert_eq!(scene.fx.outcomes(job), [BY_OWNER]);
    assert_eq!(scene.fx.links[0].frames[0].job, next);
    scene.end();
}

#[test]
fn full_links_shorten_frames_and_stop_the_feeding() {
    let mut scene = Scene::ready(1);
    scene.known(US);
    scene.fx.links[0].room = Some(3);
    let job = scene.submit(JobSpec {
        chunk: Chunk::Fixed(5),
        ..map(10)
    });
    assert_eq!(scene.fx.links[0].frames.len(), 1);
    assert_eq!(scene.core.stats().queued_items, 7);
    scene.fx.links[0].room = None;
    let later = scene.submit(call());
    assert_eq!(scene.fx.links[0].frames.len(), 1, "not before a reply");
    scene.done(0, 1);
    assert!(scene.fx.links[0].frames.len() > 1);
    scene.run();
    assert!(scene.fx.is_finished(job) && scene.fx.is_finished(later));
    scene.end();
}

#[test]
fn empty_link_that_takes_nothing_is_tried_again() {
    let mut scene = Scene::ready(1);
    scene.fx.links[0].room = Some(0);
    let job = scene.submit(call());
    assert_eq!(scene.fx.sends, 0);
    scene.fx.links[0].room = None;
    let when = scene.core.next_timer().expect("a second look");
    scene.advance(when - scene.now);
    assert_eq!(scene.fx.links[0].frames.len(), 1);
    scene.run();
    assert!(scene.fx.is_finished(job));
    scene.end();
}

#[test]
fn full_link_emptied_by_a_cancel_is_fed_without_waiting_for_a_reply() {
    let mut scene = Scene::ready(1);
    scene.known(US);
    scene.fx.links[0].room = Some(1);
    let first = scene.submit(call());
    let second = scene.submit(call());
    assert_eq!(scene.fx.links[0].frames.len(), 1);
    scene.cancel(first);
    assert_eq!(scene.fx.links[0].frames[0].job, second);
    scene.run();
    assert_eq!(scene.fx.outcomes(second), [Done]);
    scene.end();
}
