//! Who gets what; no worker must hold work back while another is idle.

use super::super::{Chunk, JobSpec, Slot};
use super::fake::Outcome::Done;
use super::scene::{MS, Scene, US, call, map};

/// Frames on each link.
fn held(scene: &Scene) -> Vec<usize> {
    scene
        .fx
        .links
        .iter()
        .map(|link| link.frames.len())
        .collect()
}

#[test]
fn long_calls_spread_evenly_and_none_waits_in_a_link() {
    for known in [None, Some(1_000 * MS), Some(2_001 * US)] {
        let mut scene = Scene::ready(4);
        known.into_iter().for_each(|item| scene.known(item));
        let jobs: Vec<_> = (0..8).map(|_| scene.submit(call())).collect();
        assert_eq!(held(&scene), [1; 4]);
        for slot in [2, 0, 3, 1] {
            scene.done(slot, 1);
            assert_eq!(held(&scene), [1; 4]);
        }
        scene.run();
        assert!(
            scene
                .fx
                .links
                .iter()
                .all(|link| link.most == 1 && link.ran == 2)
        );
        assert!(jobs.iter().all(|job| scene.fx.outcomes(*job) == [Done]));
        scene.end();
    }
}

#[test]
fn long_map_items_travel_alone() {
    let mut scene = Scene::ready(4);
    scene.known(1_000 * MS);
    let job = scene.submit(map(8));
    assert_eq!(held(&scene), [1; 4]);
    scene.run();
    assert!(
        scene
            .fx
            .links
            .iter()
            .all(|link| link.most == 1 && link.ran == 2)
    );
    assert_eq!(scene.fx.outcomes(job), [Done; 8]);
    scene.end();
}

#[test]
fn tiny_items_travel_together() {
    let mut scene = Scene::ready(4);
    let job = scene.submit(map(100_000));
    while !scene.fx.is_finished(job) {
        for slot in 0..4 {
            if let Some((_, _, count)) = scene.core.front(Slot(slot)) {
                scene.fx.begin(Slot(slot));
                for _ in 0..count {
                    scene.fx.ran_item(Slot(slot), Some(Done));
                }
                let who = scene.who(slot);
                scene.fx.counted(Slot(slot), count);
                scene.core.measured(who, 0, count, u64::from(count) * US);
                scene
                    .core
                    .replied(who, count, None, scene.now, &mut scene.fx);
            }
        }
    }
    assert!(scene.fx.sends < 1_000, "{} frames", scene.fx.sends);
    let ran: Vec<u64> = scene.fx.links.iter().map(|link| link.ran).collect();
    assert!(
        ran.iter().all(|ran| (20_000..30_000).contains(ran)),
        "{ran:?}"
    );
    scene.end();
}

#[test]
fn most_recently_used_worker_first() {
    let mut scene = Scene::ready(3);
    scene.submit(call());
    let slot = scene
        .fx
        .links
        .iter()
        .position(|link| !link.frames.is_empty())
        .expect("sent") as u32;
    scene.done(slot, 1);
    for _ in 0..5 {
        scene.submit(call());
        scene.done(slot, 1);
    }
    assert_eq!(scene.fx.links[slot as usize].ran, 6);
    scene.end();
}

#[test]
fn breadth_first_idle_then_booting_then_ahead() {
    let mut scene = Scene::new(3);
    for _ in 0..2 {
        let who = scene.start_next();
        scene.say_ready(who);
    }
    scene.start_next();
    scene.known(10 * US);
    scene.submit(call());
    scene.submit(call());
    assert_eq!(held(&scene), [1, 1, 0]);
    scene.submit(call());
    assert_eq!(held(&scene), [1, 1, 1]);
    scene.submit(call());
    scene.submit(call());
    assert_eq!(held(&scene), [2, 2, 1]);
    scene.end();
}

#[test]
fn work_ahead_is_bounded_by_time_and_by_count() {
    let mut scene = Scene::ready(1);
    scene.known(100 * US);
    scene.submit_calls(100);
    assert_eq!(held(&scene), [20], "2 ms of 100 µs calls");
    scene.run();
    scene.known(1);
    scene.submit_calls(1_100);
    assert_eq!(held(&scene), [1024]);
    scene.end();
}

#[test]
fn two_chunks_in_flight_per_worker() {
    let mut scene = Scene::ready(2);
    scene.known(MS);
    scene.submit(JobSpec {
        chunk: Chunk::Fixed(5),
        ..map(100)
    });
    assert_eq!(held(&scene), [2, 2]);
    assert!(
        scene
            .fx
            .links
            .iter()
            .flat_map(|link| &link.frames)
            .all(|sent| sent.count == 5)
    );
    scene.end();
}

#[test]
fn work_behind_a_long_call_moves_to_the_idle_worker_at_once() {
    let mut scene = Scene::ready(2);
    scene.known(20 * US);
    let jobs: Vec<_> = (0..20).map(|_| scene.submit(call())).collect();
    assert_eq!(held(&scene), [10, 10]);
    scene.begin(0);
    while !scene.fx.links[1].frames.is_empty() && scene.fx.links[0].robbed == 0 {
        scene.done(1, 1);
    }
    assert_eq!(scene.fx.links[0].frames.len(), 1, "only what it runs");
    while !scene.fx.links[1].frames.is_empty() {
        scene.done(1, 1);
    }
    let done = jobs
        .iter()
        .filter(|job| scene.fx.is_finished(**job))
        .count();
    assert_eq!(done, 19);
    assert_eq!(scene.fx.links[0].robbed, 1);
    scene.end();
}

#[test]
fn little_work_behind_a_long_call_moves_after_a_millisecond() {
    let mut scene = Scene::ready(2);
    scene.known(US);
    let jobs: Vec<_> = (0..10).map(|_| scene.submit(call())).collect();
    assert_eq!(held(&scene), [0, 10], "waking the other one takes longer");
    scene.begin(1);
    let when = scene.core.next_timer().expect("a second look");
    assert_eq!(when, scene.now + MS);
    scene.advance(MS - 1);
    assert_eq!(held(&scene), [0, 10]);
    scene.advance(1);
    assert_eq!(held(&scene), [9, 1]);
    while !scene.fx.links[0].frames.is_empty() {
        scene.done(0, 1);
    }
    assert_eq!(
        jobs.iter()
            .filter(|job| scene.fx.is_finished(**job))
            .count(),
        9
    );
    scene.end();
}

#[test]
fn work_given_to_a_worker_that_does_not_boot_moves() {
    let mut scene = Scene::new(2);
    scene.start_next();
    let late = scene.start_next();
    let first = scene.submit(call());
    let second = scene.submit(call());
    assert_eq!(held(&scene), [1, 1]);
    scene.say_ready(late);
    scene.done(1, 1);
    assert_eq!(held(&scene), [0, 1]);
    scene.done(1, 1);
    assert!(scene.fx.is_finished(first) && scene.fx.is_finished(second));
    let third = scene.submit(call());
    assert_eq!(held(&scene), [0, 1], "nothing for it until it is READY");
    scene.run();
    assert!(scene.fx.is_finished(third));
    scene.end();
}

#[test]
fn chunk_taken_back_is_cut_again() {
    let mut scene = Scene::ready(2);
    scene.known(US);
    let job = scene.submit(JobSpec {
        chunk: Chunk::Fixed(200),
        ..map(800)
    });
    scene.begin(0);
    scene.done(1, 200);
    scene.done(1, 200);
    assert_eq!(scene.fx.links[0].robbed, 1);
    assert_eq!(held(&scene), [1, 1]);
    scene.run();
    assert_eq!(scene.fx.outcomes(job), [Done; 800]);
    scene.end();
}
