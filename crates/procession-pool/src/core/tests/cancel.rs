//! Jobs revoked while they run; the item after them must never pay for it.

use super::super::{Cancelled as Why, Chunk, JobSpec};
use super::fake::Outcome::{Cancelled, Done, Failed, Lost};
use super::scene::{MS, Scene, US, call, map};

const GRACE: u64 = 50 * MS;
const REVOKED: super::fake::Outcome = Cancelled(Why::ByOwner);

#[test]
fn queued_item_is_cancelled_at_once_and_never_runs() {
    let mut scene = Scene::ready(1);
    let first = scene.submit(call());
    scene.begin(0);
    let second = scene.submit(call());
    assert!(scene.revoke(second));
    assert_eq!(scene.fx.outcomes(second), [REVOKED]);
    assert!(!scene.revoke(second), "it is over");
    scene.done(0, 1);
    assert_eq!(scene.fx.outcomes(first), [Done]);
    let fx = scene.end();
    assert_eq!((fx.jobs[&second].begun[0], fx.links[0].told), (0, None));
}

#[test]
fn item_on_a_link_but_not_begun_is_taken_back() {
    let mut scene = Scene::ready(1);
    scene.known(10 * US);
    let jobs: Vec<_> = (0..5).map(|_| scene.submit(call())).collect();
    scene.begin(0);
    assert!(scene.revoke(jobs[3]));
    assert_eq!(scene.fx.outcomes(jobs[3]), [REVOKED]);
    assert_eq!(scene.fx.links[0].told, None, "nobody is told");
    scene.run();
    assert_eq!(scene.fx.outcomes(jobs[4]), [Done]);
    let fx = scene.end();
    assert_eq!(fx.jobs[&jobs[3]].begun, [0]);
}

#[test]
fn running_item_is_resolved_at_once_and_its_worker_kept_when_it_returns() {
    let mut scene = Scene::ready(1);
    let job = scene.submit(call());
    scene.begin(0);
    assert!(scene.revoke(job));
    assert_eq!(scene.fx.outcomes(job), [REVOKED]);
    assert_eq!(scene.fx.links[0].told, Some(job));
    let next = scene.submit(call());
    scene.advance(GRACE - 1);
    scene.done(0, 1);
    scene.advance(1);
    assert!(scene.fx.kills.is_empty(), "it returned in time");
    assert!(scene.core.next_timer().is_none());
    scene.done(0, 1);
    assert_eq!(scene.fx.outcomes(next), [Done]);
    assert_eq!(scene.core.stats().starts, 1);
    scene.end();
}

#[test]
fn running_item_that_stays_is_ended_and_what_waits_behind_it_runs_elsewhere() {
    let mut scene = Scene::ready(1);
    scene.known(10 * US);
    let job = scene.submit(call());
    scene.begin(0);
    let behind = scene.submit(call());
    assert!(scene.revoke(job));
    scene.advance(GRACE);
    assert_eq!(scene.fx.kills.len(), 1);
    scene.die(0);
    scene.run();
    assert_eq!(scene.fx.outcomes(behind), [Done]);
    assert_eq!(scene.core.stats().deaths, 0, "it was meant to end");
    scene.end();
}

#[test]
fn without_a_grace_the_worker_is_ended_at_once() {
    let mut scene = Scene::new(1);
    scene.core.cancel_grace = 0;
    scene.boot_all();
    let job = scene.submit(call());
    scene.begin(0);
    assert!(scene.revoke(job));
    assert_eq!(scene.fx.kills.len(), 1);
    scene.end();
}

#[test]
fn map_is_revoked_whole() {
    let mut scene = Scene::ready(2);
    let job = scene.submit(JobSpec {
        chunk: Chunk::Fixed(4),
        ..map(20)
    });
    scene.done(0, 2);
    scene.begin(1);
    assert!(scene.revoke(job));
    assert!(scene.fx.is_finished(job));
    let outcomes = scene.fx.outcomes(job);
    assert_eq!(outcomes.iter().filter(|o| **o == Done).count(), 2);
    assert_eq!(outcomes.iter().filter(|o| **o == REVOKED).count(), 18);
    // The worker that runs the rest of its chunk replies for all of it.
    scene.done(1, 4);
    scene.advance(GRACE);
    assert_eq!(scene.fx.kills.len(), 1, "the other one did not return");
    scene.end();
}

#[test]
fn death_in_the_grace_is_nobodys_loss() {
    let mut scene = Scene::ready(1);
    let job = scene.submit(call());
    scene.begin(0);
    scene.revoke(job);
    scene.die(0);
    assert_eq!(scene.core.stats().items_lost, 0);
    scene.advance(GRACE);
    let next = scene.submit(call());
    scene.run();
    assert_eq!(scene.fx.outcomes(next), [Done]);
    scene.end();
}

/// The worker has finished the first call and begun the second one; the core has not heard of it.
fn past_the_first() -> (Scene, [super::super::JobId; 2]) {
    let mut scene = Scene::ready(1);
    scene.known(10 * US);
    let jobs = [scene.submit(call()), scene.submit(call())];
    scene.begin(0);
    scene.fx.ran_item(super::super::Slot(0), None);
    scene.begin(0);
    scene.fx.revoke(jobs[0]);
    (scene, jobs)
}

fn reply_arrives(scene: &mut Scene) {
    scene.fx.counted(super::super::Slot(0), 1);
    scene
        .core
        .replied(scene.who(0), 1, None, scene.now, &mut scene.fx);
    scene.check();
}

#[test]
fn reply_on_its_way_when_revoked_leaves_the_next_item_alone() {
    let (mut scene, jobs) = past_the_first();
    assert!(scene.core.revoke(jobs[0], scene.now, &mut scene.fx));
    reply_arrives(&mut scene);
    scene.advance(GRACE);
    assert!(scene.fx.kills.is_empty());
    scene.done(0, 1);
    assert_eq!(scene.fx.outcomes(jobs[1]), [Done]);
    scene.end();
}

#[test]
fn reply_on_its_way_when_the_grace_is_over_leaves_the_next_item_alone() {
    for grace in [0, GRACE] {
        let (mut scene, jobs) = past_the_first();
        scene.core.cancel_grace = grace;
        assert!(scene.core.revoke(jobs[0], scene.now, &mut scene.fx));
        if grace > 0 {
            scene.now += grace;
            scene.core.timer(scene.now, &mut scene.fx);
        }
        assert!(scene.fx.kills.is_empty(), "it is at the second one");
        assert!(scene.core.decides_at(scene.now), "once replies are counted");
        reply_arrives(&mut scene);
        scene.advance(0);
        assert!(scene.fx.kills.is_empty());
        scene.done(0, 1);
        assert_eq!(scene.fx.outcomes(jobs[1]), [Done]);
        scene.end();
    }
}

#[test]
fn worker_that_claims_ahead_of_its_replies_is_ended_all_the_same() {
    let (mut scene, jobs) = past_the_first();
    assert!(scene.core.revoke(jobs[0], scene.now, &mut scene.fx));
    scene.now += GRACE;
    scene.core.timer(scene.now, &mut scene.fx);
    scene.fx.links[0].lies = true;
    scene.core.timer(scene.now, &mut scene.fx);
    assert_eq!(scene.fx.kills.len(), 1);
    assert_eq!(scene.fx.outcomes(jobs[1]), [Lost]);
    scene.end();
}

#[test]
fn closing_pool_waits_for_a_revoked_item_no_longer_than_its_grace() {
    let mut scene = Scene::ready(2);
    let job = scene.submit(call());
    let slot = scene.fx.links.iter().position(|l| !l.frames.is_empty());
    let slot = slot.expect("it was sent") as u32;
    scene.begin(slot);
    scene.revoke(job);
    scene.close();
    assert_eq!(scene.fx.stops.len(), 1, "the other one is not needed");
    scene.advance(GRACE);
    assert_eq!(scene.fx.kills.len(), 1);
    scene.nothing_left();
}

#[test]
fn closing_pool_stops_the_worker_that_returned_in_time() {
    let mut scene = Scene::ready(1);
    let job = scene.submit(call());
    scene.begin(0);
    scene.revoke(job);
    scene.close();
    scene.reply(0, 1, Failed);
    assert_eq!((scene.fx.stops.len(), scene.fx.kills.len()), (1, 0));
    scene.run();
    scene.nothing_left();
}

#[test]
fn terminating_pool_ends_a_revoked_item_too() {
    let mut scene = Scene::ready(1);
    let job = scene.submit(call());
    scene.begin(0);
    scene.revoke(job);
    scene.terminate();
    scene.nothing_left();
}

/// SH08
#[test]
fn everything_is_revoked_at_once_and_the_pool_serves_on() {
    let mut scene = Scene::ready(2);
    scene.known(10 * US);
    let running = scene.submit(call());
    let slot = scene.fx.links.iter().position(|l| !l.frames.is_empty());
    let slot = slot.expect("it was sent") as u32;
    scene.begin(slot);
    let calls: Vec<_> = (0..300).map(|_| scene.submit(call())).collect();
    let many = scene.submit(map(100));
    assert_eq!(scene.revoke_all(), 302);
    for job in calls.iter().chain([&running]) {
        assert_eq!(scene.fx.outcomes(*job), [REVOKED]);
    }
    assert!(scene.fx.outcomes(many).iter().all(|end| *end == REVOKED));
    assert_eq!(scene.fx.links[slot as usize].told, Some(running));
    assert_eq!(scene.revoke_all(), 0);
    let next = scene.submit(call());
    scene.advance(GRACE);
    assert_eq!(scene.fx.kills.len(), 1, "only the worker of what ran");
    scene.run();
    assert_eq!(scene.fx.outcomes(next), [Done]);
    let fx = scene.end();
    assert!(calls.iter().all(|job| fx.jobs[job].begun == [0]));
}
