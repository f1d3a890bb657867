//! Workers that do not come up; a pool must end in Broken or serve, never spin, never wait for ever.

use super::super::{Cancelled, PoolState, Refused};
use super::fake::Outcome::{self, Done};
use super::scene::{MS, Scene, call, map};

const BROKEN: Outcome = Outcome::Cancelled(Cancelled::Broken);

/// Every start dies before READY; how long until the pool is broken and how many starts that took.
fn crash_loop(scene: &mut Scene) -> (u64, u64) {
    let begin = scene.now;
    while scene.core.state() != PoolState::Broken {
        while scene.core.state() != PoolState::Broken && !scene.fx.starts.is_empty() {
            let who = scene.start_next();
            scene.die(who.slot.0);
        }
        if scene.core.state() != PoolState::Broken {
            let when = scene.core.next_timer().expect("a next start");
            scene.advance(when - scene.now);
        }
        assert!(scene.core.stats().starts < 100, "fork storm");
    }
    ((scene.now - begin) / MS, scene.core.stats().starts)
}

#[test]
fn boot_crash_loop_breaks_the_pool_within_its_budget() {
    for (workers, longest) in [(1, 1_500), (2, 300), (8, 0)] {
        let mut scene = Scene::new(workers);
        let jobs: Vec<_> = (0..20).map(|_| scene.submit(map(3))).collect();
        let (took, starts) = crash_loop(&mut scene);
        assert!(took <= longest, "{workers} workers: {took} ms");
        assert!(
            starts <= u64::from(workers) + 4,
            "{workers} workers: {starts} starts"
        );
        assert!(
            jobs.iter()
                .all(|job| scene.fx.outcomes(*job) == [BROKEN; 3])
        );
        assert_eq!(scene.try_submit(call()), Err(Refused::Broken));
        while !scene.fx.starts.is_empty() {
            scene.start_next();
        }
        scene.nothing_left();
    }
}

#[test]
fn closing_with_queued_work_and_no_worker_coming_up_ends() {
    let mut scene = Scene::new(2);
    let job = scene.submit(map(5));
    while !scene.fx.starts.is_empty() {
        let who = scene.start_next();
        scene.die(who.slot.0);
    }
    scene.close();
    assert!(scene.core.next_timer().is_some(), "all in back-off");
    crash_loop(&mut scene);
    assert_eq!(scene.fx.outcomes(job), [BROKEN; 5]);
    while !scene.fx.starts.is_empty() {
        scene.start_next();
    }
    scene.nothing_left();
}

#[test]
fn closing_with_queued_work_and_a_worker_that_comes_up_at_last_loses_nothing() {
    let mut scene = Scene::new(2);
    let job = scene.submit(map(5));
    for _ in 0..2 {
        let who = scene.start_next();
        scene.die(who.slot.0);
    }
    scene.close();
    scene.run();
    assert_eq!(scene.fx.outcomes(job), [Done; 5]);
    scene.nothing_left();
}

#[test]
fn one_place_that_never_comes_up_does_not_break_the_others() {
    let mut scene = Scene::new(2);
    let good = scene.start_next();
    scene.say_ready(good);
    for _ in 0..20 {
        let bad = scene.start_next();
        scene.die(bad.slot.0);
        assert!(scene.fx.starts.is_empty(), "a pause first");
        let job = scene.submit(call());
        scene.done(good.slot.0, 1);
        assert!(scene.fx.is_finished(job));
        let when = scene.core.next_timer().expect("a next start");
        assert!((100 * MS..=2_000 * MS).contains(&(when - scene.now)));
        scene.advance(when - scene.now);
    }
    assert_eq!(scene.core.state(), PoolState::Open);
    scene.end();
}

#[test]
fn spawn_failures_degrade_while_a_worker_lives_and_break_without() {
    let mut scene = Scene::new(8);
    let good = scene.start_next();
    (0..7).for_each(|_| scene.fail_start());
    assert_eq!(scene.core.state(), PoolState::Open, "one is booting");
    scene.say_ready(good);
    let job = scene.submit(map(4));
    scene.advance(100 * MS);
    assert_eq!(scene.fx.starts.len(), 7);
    (0..7).for_each(|_| scene.fail_start());
    scene.run();
    assert_eq!(scene.fx.outcomes(job), [Done; 4]);
    scene.end();

    let mut scene = Scene::new(8);
    let job = scene.submit(map(4));
    (0..5).for_each(|_| scene.fail_start());
    assert_eq!(scene.core.state(), PoolState::Broken);
    assert_eq!(scene.fx.outcomes(job), [BROKEN; 4]);
    while !scene.fx.starts.is_empty() {
        scene.start_next();
    }
    scene.nothing_left();
}

#[test]
fn death_during_boot_requeues_what_the_worker_was_given() {
    let mut scene = Scene::new(1);
    let job = scene.submit(map(3));
    scene.start_next();
    assert_eq!(scene.fx.links[0].frames.len(), 1);
    scene.die(0);
    assert_eq!(scene.core.stats().queued_items, 3);
    scene.run();
    assert_eq!(scene.fx.outcomes(job), [Done; 3]);
    scene.end();
}

#[test]
fn success_gives_the_whole_budget_back() {
    let mut scene = Scene::new(1);
    for _ in 0..10 {
        for _ in 0..4 {
            let when = scene
                .core
                .next_timer()
                .map_or(0, |when| when.saturating_sub(scene.now));
            scene.advance(when);
            scene.start_next();
            scene.die(0);
        }
        let when = scene.core.next_timer().expect("a next start");
        scene.advance(when - scene.now);
        scene.boot_all();
        scene.submit(call());
        scene.done(0, 1);
        scene.die(0);
    }
    assert_eq!(scene.core.state(), PoolState::Open);
    scene.end();
}

#[test]
fn worker_that_dies_idle_again_and_again_is_started_with_pauses() {
    let mut scene = Scene::ready(1);
    let mut starts = 0;
    let begin = scene.now;
    while scene.now - begin < 10_000 * MS {
        scene.die(0);
        while scene.fx.starts.is_empty() {
            let when = scene.core.next_timer().expect("a next start");
            scene.advance(when - scene.now);
        }
        scene.boot_all();
        starts += 1;
    }
    assert!(starts < 12, "{starts} starts in ten seconds");
    assert_eq!(
        scene.core.state(),
        PoolState::Open,
        "deaths after READY never break a pool"
    );
    scene.end();
}
