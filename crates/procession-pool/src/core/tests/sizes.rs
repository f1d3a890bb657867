//! Pools that grow and shrink; nothing that has begun may be ended for it, nothing that waits may be forgotten.

use super::super::{Chunk, JobSpec, LifeConfig, Slot};
use super::fake::Outcome::Done;
use super::scene::{MS, Scene, US, call, map};

/// Workers that come when there is something to do, and go after 10 ms without.
fn on_demand(least: u32) -> LifeConfig {
    LifeConfig {
        idle: 10 * MS,
        least: Some(least),
        ..LifeConfig::default()
    }
}

fn living(scene: &Scene) -> usize {
    let links = scene.fx.links.iter();
    links.filter(|link| link.who.is_some()).count()
}

/// WL23
#[test]
fn shrinking_lets_running_work_finish_and_hands_out_the_rest() {
    let mut scene = Scene::ready(2);
    scene.known(US);
    let first = scene.submit(call());
    let second = scene.submit(call());
    scene.begin(1);
    let map = scene.submit(JobSpec {
        chunk: Chunk::Fixed(3),
        ..map(12)
    });
    scene.resize(1);
    assert!(scene.fx.kills.is_empty());
    assert!(scene.fx.links[1].frames.len() <= 1, "what it had begun");
    scene.run();
    for job in [first, second, map] {
        assert!(
            scene
                .fx
                .outcomes(job)
                .iter()
                .all(|outcome| *outcome == Done)
        );
    }
    assert_eq!((living(&scene), scene.core.size()), (1, 1));
    assert_eq!(scene.core.stats().recycled, 0);
    scene.resize(1);
    assert!(scene.fx.starts.is_empty() && scene.fx.stops.is_empty());
    scene.resize(2);
    scene.boot_all();
    assert_eq!((living(&scene), scene.fx.links[1].index), (2, 1));
    scene.end();
}

#[test]
fn worker_that_has_not_ended_when_the_pool_grows_again_serves_on() {
    let mut scene = Scene::ready(2);
    scene.submit_calls(2);
    scene.begin(1);
    scene.resize(1);
    assert!(scene.fx.stops.is_empty(), "it is busy");
    scene.resize(2);
    assert!(scene.fx.starts.is_empty(), "it is there");
    scene.submit_calls(1);
    scene.done(1, 1);
    assert_eq!(scene.fx.links[1].frames.len(), 1);
    scene.end();
}

#[test]
fn shrinking_a_pool_whose_workers_boot_or_are_started_or_down_is_safe() {
    let mut scene = Scene::new(4);
    scene.start_next();
    scene.start_next();
    scene.die(1);
    scene.start_next();
    scene.resize(1);
    scene.boot_all();
    scene.reap();
    scene.run();
    assert_eq!(living(&scene), 1);
    scene.resize(3);
    scene.boot_all();
    assert_eq!(living(&scene), 3);
    scene.end();
}

#[test]
fn successor_goes_with_the_index_it_was_to_have() {
    let life = LifeConfig {
        quota: 1,
        ..LifeConfig::default()
    };
    for boots in [false, true] {
        let mut scene = Scene::living(2, life);
        scene.boot_all();
        let jobs = [scene.submit(call()), scene.submit(call())];
        scene.begin(0);
        scene.begin(1);
        if boots {
            scene.boot_all();
        }
        scene.resize(1);
        scene.run();
        assert!(jobs.iter().all(|job| scene.fx.outcomes(*job) == [Done]));
        assert_eq!(living(&scene), 1);
        scene.end();
    }
}

/// WL24, FAULTS 99
#[test]
fn any_sizes_under_load_lose_nothing() {
    for step in 1..20 {
        let mut scene = Scene::ready(4);
        let jobs: Vec<_> = (0..3).map(|_| scene.submit(map(40))).collect();
        for size in [12, 2, 1, 12, 6, 1, 8, 5] {
            scene.resize(size);
            for round in 0..step {
                let slot = (round * 7 + size) % scene.fx.links.len() as u32;
                if !scene.fx.starts.is_empty() {
                    let who = scene.start_next();
                    scene.say_ready(who);
                }
                let lives = scene.fx.links[slot as usize].who.is_some();
                if lives && scene.core.front(Slot(slot)).is_some() {
                    scene.done(slot, 1);
                }
            }
        }
        scene.run();
        assert!(jobs.iter().all(|job| scene.fx.outcomes(*job) == [Done; 40]));
        assert_eq!(living(&scene), 5);
        let indexes = (0..5).map(|index| scene.core.holder(index).expect("a holder"));
        let mut places: Vec<u32> = indexes.map(|slot| slot.0).collect();
        places.dedup();
        assert_eq!(places.len(), 5);
        scene.end();
    }
}

/// WL09
#[test]
fn first_call_starts_one_worker_and_many_start_all() {
    let mut scene = Scene::living(4, on_demand(0));
    assert!(scene.fx.starts.is_empty());
    scene.submit(call());
    assert_eq!(scene.fx.starts, [Slot(0)]);
    scene.start_next();
    scene.advance(100 * MS);
    assert!(scene.fx.starts.is_empty(), "it takes long to boot");
    scene.say_ready(scene.who(0));
    scene.done(0, 1);
    scene.submit_calls(60);
    scene.boot_all();
    assert_eq!((living(&scene), scene.fx.links.len()), (4, 4));
    assert_eq!(scene.core.stats().restarts, 0);
    scene.end();
}

#[test]
fn work_behind_a_call_that_takes_longer_than_thought_gets_a_worker() {
    let mut scene = Scene::living(2, on_demand(1));
    scene.boot_all();
    scene.known(US);
    scene.submit_calls(3);
    scene.begin(0);
    assert!(scene.fx.starts.is_empty(), "they are thought to be short");
    scene.advance(MS);
    assert_eq!(scene.fx.starts, [Slot(1)]);
    scene.boot_all();
    scene.done(1, 1);
    scene.done(1, 1);
    assert_eq!(scene.core.stats().items_done, 2);
    scene.end();
}

/// WL21, CR26
#[test]
fn idle_workers_are_stopped_down_to_the_least_and_come_back() {
    for least in [0, 1] {
        let mut scene = Scene::living(3, on_demand(least));
        scene.core.warm(3, scene.now, &mut scene.fx);
        scene.boot_all();
        scene.advance(100 * MS);
        assert_eq!(scene.core.warmed(), 3, "somebody waits for them");
        scene.core.cool(scene.now);
        scene.advance(9 * MS);
        assert_eq!(scene.fx.stops, []);
        scene.advance(MS);
        assert_eq!(scene.fx.stops.len(), 3 - least as usize);
        assert!(!scene.fx.stops.contains(&Slot(0)) || least == 0);
        scene.reap();
        assert_eq!(scene.core.next_timer(), None, "nothing is left to do");
        let job = scene.submit(call());
        scene.run();
        assert_eq!(scene.fx.outcomes(job), [Done]);
        assert_eq!(scene.core.stats().restarts, 0);
        scene.end();
    }
}

/// WL22, FAULTS 97
#[test]
fn call_that_comes_while_idle_workers_end_is_run_by_others() {
    let mut scene = Scene::living(2, on_demand(0));
    for _ in 0..20 {
        let job = scene.submit(call());
        scene.boot_all();
        let slot = (0..scene.fx.links.len() as u32)
            .find(|slot| scene.core.front(Slot(*slot)).is_some())
            .expect("somebody has it");
        scene.done(slot, 1);
        assert_eq!(scene.fx.outcomes(job), [Done]);
        scene.advance(10 * MS);
        assert_eq!(scene.fx.stops.last(), Some(&Slot(slot)));
        if scene.fx.links.len() >= 6 {
            scene.reap();
        }
    }
    assert!(scene.fx.links.len() <= 6, "twice as many and two");
    scene.end();
}

#[test]
fn work_keeps_a_worker_from_being_idle() {
    let mut scene = Scene::living(1, on_demand(0));
    for _ in 0..10 {
        scene.submit(call());
        scene.boot_all();
        scene.begin(0);
        scene.advance(9 * MS);
        scene.done(0, 1);
        scene.advance(9 * MS);
        assert!(scene.fx.stops.is_empty());
    }
    scene.end();
}
