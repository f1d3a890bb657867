//! Deadlines of items that come in portions, or come late; an item must get all of its time to begin, and none after it.

use super::super::{Cancelled as Why, Chunk, JobSpec, Nanos, Sticky};
use super::fake::Outcome::{self, Cancelled, Done, Lost};
use super::scene::{MS, Scene, US, call, map};

const WAIT: Nanos = 10 * MS;
const EXPIRED: Outcome = Cancelled(Why::Expired);
const STOPPED: Outcome = Cancelled(Why::StoppedByFailure);

/// A map of `items` so far, one to a frame, each of which has to begin in [`WAIT`].
fn open_map(scene: &Scene, items: u32) -> JobSpec {
    let mut spec = JobSpec {
        open: true,
        chunk: Chunk::Fixed(1),
        ..map(items)
    };
    spec.terms.start_by = scene.now + WAIT;
    spec
}

/// One worker, at something that is known to take long, so that nothing is sent ahead.
fn busy() -> Scene {
    let mut scene = Scene::ready(1);
    scene.known(10 * MS);
    scene.submit(call());
    scene.begin(0);
    scene
}

#[test]
fn call_that_comes_after_its_time_is_never_sent() {
    let mut scene = Scene::ready(1);
    let mut spec = call();
    spec.terms.start_by = scene.now;
    let job = scene.submit(spec);
    assert_eq!(scene.fx.outcomes(job), [EXPIRED]);
    assert!(scene.fx.is_finished(job));
    assert_eq!((scene.fx.sends, scene.core.next_timer()), (0, None));
    scene.end();
}

#[test]
fn items_have_their_time_from_their_own_coming() {
    let mut scene = Scene::ready(1);
    let spec = open_map(&scene, 0);
    let job = scene.submit(spec);
    for _ in 0..5 {
        scene.advance(3 * WAIT);
        scene.extend(job, 2, false);
        scene.done(0, 1);
        scene.done(0, 1);
    }
    scene.extend(job, 0, true);
    assert_eq!(scene.fx.outcomes(job), [Done; 10]);
    scene.end();
}

#[test]
fn each_portion_expires_at_its_own_time() {
    let mut scene = busy();
    let spec = open_map(&scene, 2);
    let job = scene.submit(spec);
    scene.advance(WAIT / 2);
    scene.extend(job, 2, true);
    scene.advance(WAIT / 2);
    let ended = |scene: &Scene| scene.fx.jobs[&job].outcomes.clone();
    assert_eq!(ended(&scene), [Some(EXPIRED), Some(EXPIRED), None, None]);
    scene.advance(WAIT / 2);
    assert_eq!(scene.fx.outcomes(job), [EXPIRED; 4]);
    scene.end();
}

#[test]
fn portion_that_has_expired_leaves_the_next_its_place() {
    let mut scene = busy();
    let spec = open_map(&scene, 2);
    let job = scene.submit(spec);
    scene.advance(WAIT / 2);
    scene.extend(job, 2, true);
    let behind = scene.submit(call());
    scene.advance(WAIT / 2);
    scene.done(0, 1);
    assert_eq!(scene.core.front(super::super::Slot(0)), Some((job, 2, 1)));
    scene.run();
    assert_eq!(scene.fx.outcomes(job), [EXPIRED, EXPIRED, Done, Done]);
    assert_eq!(scene.fx.outcomes(behind), [Done]);
    scene.end();
}

#[test]
fn frame_of_two_portions_loses_the_first_alone() {
    let mut scene = Scene::ready(1);
    scene.known(10 * US);
    scene.submit(call());
    scene.begin(0);
    // Both wait in the queue, because the link is full, and travel together then.
    scene.fx.links[0].room = Some(0);
    let spec = JobSpec {
        chunk: Chunk::Fixed(4),
        ..open_map(&scene, 2)
    };
    let job = scene.submit(spec);
    scene.advance(WAIT / 2);
    scene.extend(job, 2, true);
    scene.submit(call());
    scene.fx.links[0].room = None;
    scene.done(0, 1);
    let other = scene.submit(call());
    scene.die(0);
    scene.fx.links[0].room = None;
    scene.boot_all();
    let frame = scene.core.front(super::super::Slot(0));
    assert_eq!(frame, Some((job, 0, 4)), "it has all of them");
    scene.advance(WAIT / 2);
    scene.run();
    assert_eq!(scene.fx.outcomes(job), [EXPIRED, EXPIRED, Done, Done]);
    assert_eq!(scene.fx.outcomes(other), [Done]);
    scene.end();
}

#[test]
fn what_has_expired_and_comes_back_from_a_death_is_not_begun() {
    let mut scene = Scene::ready(1);
    let spec = JobSpec {
        chunk: Chunk::Fixed(4),
        ..open_map(&scene, 4)
    };
    let job = scene.submit(spec);
    scene.begin(0);
    scene.advance(WAIT);
    scene.extend(job, 1, true);
    scene.die(0);
    scene.run();
    assert_eq!(
        scene.fx.outcomes(job),
        [Lost, EXPIRED, EXPIRED, EXPIRED, Done]
    );
    scene.end();
}

#[test]
fn items_that_come_after_their_time_are_never_queued() {
    let mut scene = Scene::ready(1);
    let spec = open_map(&scene, 0);
    let job = scene.submit(spec);
    scene.extend_late(job, 3, false, WAIT);
    assert_eq!(scene.fx.sends, 0);
    assert!(!scene.fx.is_finished(job));
    scene.extend(job, 1, false);
    scene.extend_late(job, 1, true, 0);
    scene.run();
    assert_eq!(
        scene.fx.outcomes(job),
        [EXPIRED, EXPIRED, EXPIRED, Done, Done]
    );
    scene.end();
}

/// Those before them had no more time; the timer may be late.
#[test]
fn items_that_come_late_take_those_before_them_along() {
    let mut scene = busy();
    let spec = open_map(&scene, 2);
    let job = scene.submit(spec);
    scene.now += 2 * WAIT;
    scene.fx.now = scene.now;
    scene.extend_late(job, 1, true, WAIT);
    assert_eq!(scene.fx.outcomes(job), [EXPIRED; 3]);
    scene.end();
}

#[test]
fn expired_item_stops_a_map_that_stops_on_failure() {
    let mut scene = busy();
    let spec = JobSpec {
        stop_on_failure: true,
        ..open_map(&scene, 2)
    };
    let job = scene.submit(spec);
    scene.advance(WAIT / 2);
    scene.extend(job, 2, false);
    scene.advance(WAIT / 2);
    scene.extend(job, 1, true);
    let expected = [EXPIRED, EXPIRED, STOPPED, STOPPED, STOPPED];
    assert_eq!(scene.fx.outcomes(job), expected);
    scene.end();
}

#[test]
fn late_items_stop_a_map_that_stops_on_failure() {
    let mut scene = Scene::ready(1);
    let spec = JobSpec {
        stop_on_failure: true,
        ..open_map(&scene, 1)
    };
    let job = scene.submit(spec);
    scene.begin(0);
    scene.advance(WAIT);
    scene.extend_late(job, 2, false, WAIT);
    scene.extend(job, 1, true);
    scene.done(0, 1);
    assert_eq!(scene.fx.outcomes(job), [Done, EXPIRED, EXPIRED, STOPPED]);
    scene.end();
}

/// Also those that wait for one index, at a priority of their own.
#[test]
fn portions_of_an_index_expire_each_at_its_own_time() {
    let mut scene = Scene::ready(2);
    scene.known(10 * MS);
    let spec = JobSpec {
        priority: 1,
        ..open_map(&scene, 4)
    };
    let sticky = Sticky {
        indexes: 2,
        chunk: 1,
        from: 0,
    };
    let job = scene.submit_chunks(spec, sticky);
    scene.begin(0);
    scene.begin(1);
    scene.advance(WAIT / 2);
    scene.extend(job, 2, true);
    scene.advance(WAIT / 2);
    scene.run();
    let expected = [Done, Done, EXPIRED, EXPIRED, Done, Done];
    assert_eq!(scene.fx.outcomes(job), expected);
    scene.end();
}

/// One look finds all that are over.
#[test]
fn deadlines_of_calls_that_are_over_are_no_reason_to_look() {
    let mut scene = Scene::ready(1);
    for _ in 0..20 {
        let mut spec = call();
        spec.terms.start_by = scene.now + WAIT;
        scene.submit(spec);
        scene.done(0, 1);
        scene.advance(US);
    }
    scene.advance(WAIT - 20 * US);
    assert_eq!(scene.core.next_timer(), None);
    scene.end();
}

#[test]
fn deadlines_of_a_long_map_cost_no_look_at_each_other() {
    let mut scene = Scene::ready(1);
    let mut spec = open_map(&scene, 0);
    spec.terms.start_by = scene.now + 3_600_000 * MS;
    let job = scene.submit(spec);
    let mut looks = 0;
    for _ in 0..1_000 {
        let most = scene.core.most_expiries;
        scene.extend(job, 1, false);
        scene.done(0, 1);
        looks += u32::from(scene.core.most_expiries != most);
    }
    assert!(looks < 10, "{looks}");
    scene.extend(job, 0, true);
    scene.submit(open_map(&scene, 0));
    scene.end();
}
