//! Items that overran and have a while to return; nobody else may be taken for unwanted, nor wait for them.

use super::super::{Cancelled as Why, Nanos, Slot};
use super::fake::Outcome::{Cancelled, Done, Failed, Lost, TimedOut};
use super::limits::{LIMIT, limited};
use super::scene::{MS, Scene, US, call, map};

const GRACE: Nanos = 5 * MS;

/// One worker, whose items have a while to return after their limit.
fn lenient(grace: Nanos) -> Scene {
    let mut scene = Scene::ready(1);
    scene.core.timeout_grace = grace;
    scene
}

/// CT20
#[test]
fn item_that_returns_in_the_grace_keeps_its_worker_and_its_outcome() {
    let mut scene = lenient(GRACE);
    let job = scene.submit(limited(call()));
    scene.begin(0);
    scene.advance(LIMIT);
    assert_eq!(scene.fx.outcomes(job), [TimedOut], "it is not waited for");
    assert_eq!(scene.fx.links[0].told, Some(job));
    let next = scene.submit(call());
    scene.advance(GRACE - 1);
    assert!(scene.fx.kills.is_empty());
    scene.done(0, 1);
    assert_eq!(scene.fx.links[0].told, None);
    scene.advance(LIMIT);
    assert!(scene.fx.kills.is_empty(), "it returned in time");
    assert!(scene.core.next_timer().is_none());
    scene.done(0, 1);
    assert_eq!(scene.fx.outcomes(next), [Done]);
    assert_eq!(scene.core.stats().starts, 1);
    assert_eq!(scene.core.stats().items_timed_out, 1);
    scene.end();
}

/// CT20
#[test]
fn item_that_stays_beyond_the_grace_is_ended_and_what_waits_runs_elsewhere() {
    let mut scene = lenient(GRACE);
    scene.known(10 * US);
    let job = scene.submit(limited(call()));
    scene.begin(0);
    let behind = scene.submit(call());
    scene.advance(LIMIT);
    scene.advance(GRACE - 1);
    assert!(scene.fx.kills.is_empty());
    scene.advance(1);
    assert_eq!(scene.fx.kills.len(), 1);
    scene.die(0);
    scene.run();
    assert_eq!(
        [scene.fx.outcomes(job), scene.fx.outcomes(behind)],
        [[TimedOut], [Done]]
    );
    assert_eq!(scene.core.stats().deaths, 0, "it was meant to end");
    let fx = scene.end();
    assert_eq!(fx.jobs[&behind].begun, [1]);
}

#[test]
fn without_a_grace_an_item_is_told_and_its_worker_ended() {
    let mut scene = lenient(0);
    let job = scene.submit(limited(call()));
    scene.begin(0);
    scene.advance(LIMIT);
    assert_eq!(scene.fx.links[0].told, Some(job));
    assert_eq!(scene.fx.kills.len(), 1);
    scene.end();
}

/// CT12, CT20: that later items are begun at all is checked for each of them where it begins: nothing may look unwanted then.
#[test]
fn later_items_of_a_map_do_not_look_unwanted() {
    let mut scene = lenient(GRACE);
    scene.known(10 * US);
    let job = scene.submit(limited(map(6)));
    scene.done(0, 1);
    scene.begin(0);
    scene.advance(LIMIT);
    assert_eq!(scene.fx.links[0].told, Some(job));
    assert_eq!(scene.fx.links[0].frames.len(), 1, "the rest was taken back");
    scene.done(0, 1);
    assert_eq!(scene.fx.links[0].told, None);
    assert!(scene.fx.links[0].frames.len() > 1, "it is fed again");
    scene.run();
    assert_eq!(
        scene.fx.outcomes(job),
        [Done, TimedOut, Done, Done, Done, Done]
    );
    assert_eq!(scene.core.stats().starts, 1);
    let fx = scene.end();
    assert_eq!(fx.jobs[&job].begun, [1; 6]);
}

#[test]
fn worker_is_given_nothing_while_it_is_at_what_overran() {
    let mut scene = lenient(GRACE);
    let job = scene.submit(limited(map(2)));
    scene.begin(0);
    scene.advance(LIMIT);
    scene.submit_calls(3);
    scene.revoke(job);
    scene.advance(GRACE / 2);
    let who = scene.who(0);
    scene.say_ready(who);
    assert_eq!(scene.fx.links[0].frames.len(), 1);
    scene.die(0);
    assert_eq!(scene.core.stats().items_lost, 0, "nobody's loss");
    scene.run();
    assert_eq!(scene.fx.outcomes(job), [TimedOut, Cancelled(Why::ByOwner)]);
    scene.end();
}

#[test]
fn worker_that_boots_as_far_as_is_known_has_its_grace_too() {
    let mut scene = Scene::new(1);
    scene.core.timeout_grace = GRACE;
    scene.start_next();
    let job = scene.submit(limited(map(2)));
    scene.begin(0);
    scene.advance(LIMIT);
    assert!(scene.fx.kills.is_empty());
    let who = scene.who(0);
    scene.say_ready(who);
    assert_eq!(scene.fx.links[0].frames.len(), 1);
    scene.done(0, 1);
    scene.run();
    assert_eq!(scene.fx.outcomes(job), [TimedOut, Done]);
    scene.end();
}

#[test]
fn late_return_of_what_is_tried_again_is_dropped() {
    let mut scene = Scene::ready(2);
    scene.core.timeout_grace = GRACE;
    let mut spec = limited(call());
    spec.terms.retry.times = 1;
    let job = scene.submit(spec);
    let slot = scene.fx.links.iter().position(|l| !l.frames.is_empty());
    let slot = slot.expect("it was sent") as u32;
    scene.begin(slot);
    scene.advance(LIMIT);
    assert!(!scene.fx.is_finished(job));
    scene.begin(1 - slot);
    scene.done(slot, 1);
    assert!(!scene.fx.is_finished(job), "that was the first attempt");
    scene.reply(1 - slot, 1, Failed);
    assert_eq!(scene.fx.outcomes(job), [Failed]);
    assert_eq!(scene.core.stats().starts, 2);
    scene.end();
}

#[test]
fn closing_pool_waits_for_what_overran_no_longer_than_its_grace() {
    for returns in [true, false] {
        let mut scene = lenient(GRACE);
        let job = scene.submit(limited(call()));
        scene.begin(0);
        scene.close();
        scene.advance(LIMIT);
        assert!(scene.fx.is_finished(job) && scene.fx.stops.is_empty());
        if returns {
            scene.done(0, 1);
        } else {
            scene.advance(GRACE);
        }
        let ends = (scene.fx.stops.len(), scene.fx.kills.len());
        assert_eq!(ends, if returns { (1, 0) } else { (0, 1) });
        scene.run();
        scene.nothing_left();
    }
}

#[test]
fn terminating_pool_does_not_wait_for_what_overran() {
    let mut scene = lenient(GRACE);
    scene.submit(limited(map(3)));
    scene.begin(0);
    scene.advance(LIMIT);
    scene.terminate();
    assert_eq!(scene.fx.kills.len(), 1);
    scene.nothing_left();
}

/// When its items began is known, and the limit of the first has passed, as its worker is at `then`.
fn at_the_limit(scene: &mut Scene, then: impl FnOnce(&mut Scene)) {
    scene.advance(1);
    scene.begin(0);
    scene.advance(LIMIT - 1);
    then(scene);
    for _ in 0..2 {
        scene.now += 1;
        scene.fx.now = scene.now;
        scene.core.timer(scene.now, &mut scene.fx);
    }
}

/// Its reply is on its way and not counted: the worker is free, and told too late.
#[test]
fn word_that_comes_after_the_return_means_nothing_to_the_next_item() {
    let mut scene = lenient(GRACE);
    let job = scene.submit(limited(map(2)));
    at_the_limit(&mut scene, |scene| {
        scene.fx.ran_item(Slot(0), None);
    });
    assert_eq!(scene.fx.links[0].told, Some(job));
    assert!(scene.fx.links[0].frames.is_empty(), "nothing is sent to it");
    scene.fx.counted(Slot(0), 1);
    scene
        .core
        .replied(scene.who(0), 1, None, scene.now, &mut scene.fx);
    scene.check();
    scene.run();
    assert_eq!(scene.fx.outcomes(job), [TimedOut, Done]);
    scene.end();
}

#[test]
fn worker_that_claims_ahead_of_its_replies_has_no_grace() {
    let mut scene = lenient(GRACE);
    scene.known(10 * US);
    let jobs = [scene.submit(limited(call())), scene.submit(call())];
    at_the_limit(&mut scene, |scene| {
        scene.fx.ran_item(Slot(0), None);
        scene.begin(0);
        scene.fx.links[0].lies = true;
    });
    assert_eq!(scene.fx.kills.len(), 1);
    assert_eq!(
        [scene.fx.outcomes(jobs[0]), scene.fx.outcomes(jobs[1])],
        [[TimedOut], [Lost]]
    );
    scene.end();
}
