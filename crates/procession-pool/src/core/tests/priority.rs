//! Who goes first: priorities in the queue and on links; nothing starves, and nothing is handed out twice for them.

use super::super::queue::TURN;
use super::super::{Chunk, JobId, JobSpec, LifeConfig, Slot, Sticky, Terms};
use super::fake::Outcome::Done;
use super::scene::{MS, Scene, US, call, map};

fn at(priority: i32, spec: JobSpec) -> JobSpec {
    JobSpec { priority, ..spec }
}

/// What the worker is at, or would begin next.
fn front(scene: &Scene, slot: u32) -> Option<JobId> {
    scene.core.front(Slot(slot)).map(|(job, _, _)| job)
}

/// The only worker does one frame after the other; whose they were.
fn order(scene: &mut Scene) -> Vec<JobId> {
    let mut order = Vec::new();
    while let Some((job, _, count)) = scene.core.front(Slot(0)) {
        order.push(job);
        scene.done(0, count);
    }
    order
}

/// WL34
#[test]
fn higher_one_begins_first_and_equal_ones_in_their_order() {
    let mut scene = Scene::ready(1);
    let runs = scene.submit(call());
    let mut jobs: Vec<(i32, JobId)> = [0, 5, -1, 5, 0, i32::MAX, i32::MIN, 1]
        .into_iter()
        .map(|priority| (priority, scene.submit(at(priority, call()))))
        .collect();
    jobs.sort_by_key(|(priority, _)| std::cmp::Reverse(*priority));
    let expected: Vec<JobId> = jobs.into_iter().map(|(_, job)| job).collect();
    let order = order(&mut scene);
    assert_eq!((order[0], &order[1..]), (runs, &expected[..]));
    scene.end();
}

/// WL34: at most so many are begun before it, and the second one waits as long again.
#[test]
fn lower_one_has_its_turn_among_a_thousand_higher_ones() {
    let mut scene = Scene::ready(1);
    scene.submit(call());
    let low = scene.submit(at(-1, call()));
    let second = scene.submit(at(-1, call()));
    let mut begun = Vec::new();
    for _ in 0..1_000 {
        scene.submit(at(1, call()));
        begun.push(front(&scene, 0).expect("work"));
        scene.done(0, 1);
    }
    let turn = |job| begun.iter().position(|other| *other == job);
    assert_eq!(turn(low), Some(TURN as usize + 1));
    assert_eq!(turn(second), Some(2 * TURN as usize + 2));
    scene.end();
}

/// Where no worker lives long enough to be READY when it is given something.
#[test]
fn lower_one_has_its_turn_among_workers_that_boot() {
    let life = LifeConfig {
        quota: 1,
        ..LifeConfig::default()
    };
    let lows: [fn(&mut Scene) -> JobId; 2] = [
        |scene| scene.submit(at(-1, call())),
        |scene| {
            let (indexes, chunk, from) = (1, 1, 0);
            let first = Sticky {
                indexes,
                chunk,
                from,
            };
            scene.submit_chunks(at(-1, call()), first)
        },
    ];
    for submit in lows {
        let mut scene = Scene::living(1, life);
        scene.submit(at(1, call()));
        let low = submit(&mut scene);
        let mut before = 0;
        while !scene.fx.is_finished(low) {
            scene.submit(at(1, call()));
            let who = scene.start_next();
            scene.done(who.slot.0, 1);
            scene.die(who.slot.0);
            before += 1;
            assert!(before < 3 * TURN, "it starves");
        }
        scene.end();
    }
}

/// Of several that are passed by, the one that waited longest has the turn; and it keeps it, whatever comes meanwhile.
#[test]
fn turns_go_round_among_the_lower_ones() {
    let mut scene = Scene::ready(1);
    scene.submit(call());
    let lowest = scene.submit(at(-9, call()));
    let lower = scene.submit(at(-1, call()));
    let mut begun = Vec::new();
    for n in 0..1_000 {
        scene.submit(at(n, call()));
        begun.push(front(&scene, 0).expect("work"));
        scene.done(0, 1);
    }
    let turn = |job| begun.iter().position(|other| *other == job);
    let (lowest, lower) = (turn(lowest).expect("a turn"), turn(lower).expect("a turn"));
    assert!(
        lower <= 3 * TURN as usize && lowest <= 3 * TURN as usize,
        "{lowest} {lower}"
    );
    scene.end();
}

/// What was sent ahead before comes back for it, and is not lost.
#[test]
fn higher_one_overtakes_what_was_sent_ahead() {
    let mut scene = Scene::ready(2);
    scene.known(10 * US);
    let low: Vec<JobId> = (0..40).map(|_| scene.submit(call())).collect();
    assert!(scene.fx.links.iter().all(|link| link.frames.len() > 10));
    scene.begin(0);
    scene.begin(1);
    let high = scene.submit(at(1, call()));
    let held: Vec<usize> = scene
        .fx
        .links
        .iter()
        .map(|link| link.frames.len())
        .collect();
    assert_eq!(held, [1, 1], "only what has begun");
    scene.done(1, 1);
    assert_eq!(front(&scene, 1), Some(high));
    assert_eq!(scene.fx.links[1].frames.len(), 1, "nothing behind it");
    scene.run();
    assert!(low.iter().all(|job| scene.fx.outcomes(*job) == [Done]));
    scene.end();
}

/// Whoever is free first begins it, although another worker was given it: none waits behind an equal one while a lower begins.
#[test]
fn higher_one_that_waits_in_a_link_goes_to_who_is_free_first() {
    let mut scene = Scene::ready(2);
    scene.known(10 * US);
    let high: Vec<JobId> = (0..3).map(|_| scene.submit(at(1, call()))).collect();
    let lows = [scene.submit(call()), scene.submit(call())];
    let slot = (0..2)
        .find(|slot| scene.fx.links[*slot as usize].frames.len() == 2)
        .expect("two in one link");
    scene.begin(slot);
    let other = 1 - slot;
    scene.done(other, 1);
    assert_eq!(front(&scene, other), Some(high[2]));
    assert_eq!(scene.fx.links[slot as usize].frames.len(), 1);
    scene.done(other, 1);
    assert_eq!(front(&scene, other), Some(lows[0]));
    scene.end();
}

/// Nor does one begin that is handed in after it, behind what another worker is at.
#[test]
fn lower_one_is_not_sent_ahead_while_a_higher_one_waits_in_a_link() {
    let mut scene = Scene::ready(2);
    scene.known(10 * US);
    scene.submit(call());
    let slot = (0..2)
        .find(|slot| front(&scene, *slot).is_some())
        .expect("a worker at it");
    scene.begin(slot);
    let other = 1 - slot;
    let high = [scene.submit(at(1, call())), scene.submit(at(1, call()))];
    assert_eq!(front(&scene, other), Some(high[0]));
    let low = scene.submit(call());
    scene.done(slot, 1);
    assert_eq!(front(&scene, slot), Some(high[1]));
    scene.done(slot, 1);
    assert_eq!(front(&scene, slot), Some(low));
    scene.end();
}

#[test]
fn higher_one_takes_the_place_in_a_booting_worker() {
    let mut scene = Scene::new(1);
    scene.start_next();
    let low = scene.submit(call());
    assert_eq!(front(&scene, 0), Some(low));
    let high = scene.submit(at(1, call()));
    assert_eq!(front(&scene, 0), Some(high));
    scene.done(0, 1);
    assert_eq!(front(&scene, 0), Some(low));
    scene.end();
}

/// WL34
#[test]
fn calls_go_between_the_chunks_of_a_lower_map() {
    let mut scene = Scene::ready(2);
    scene.known(100 * US);
    let low = scene.submit(at(-1, map(1_000)));
    scene.begin(0);
    scene.begin(1);
    let high = scene.submit(call());
    let (_, _, rest) = scene.core.front(Slot(0)).expect("a chunk");
    scene.done(0, rest);
    assert_eq!(front(&scene, 0), Some(high));
    assert_eq!(front(&scene, 1), Some(low));
    scene.run();
    assert_eq!(scene.fx.outcomes(low), [Done; 1_000]);
    scene.end();
}

/// What it waited to finish before it went is done by another one.
#[test]
fn retired_worker_that_loses_what_waits_goes() {
    let mut scene = Scene::ready(2);
    scene.known(10 * US);
    let low: Vec<JobId> = (0..20).map(|_| scene.submit(call())).collect();
    assert!(scene.retire(0));
    scene.submit(at(1, call()));
    assert_eq!(scene.fx.links[0].frames.len(), 0);
    assert!(scene.fx.stops.contains(&Slot(0)), "it has nothing left");
    scene.run();
    assert!(low.iter().all(|job| scene.fx.outcomes(*job) == [Done]));
    scene.end();
}

/// It had waited already; the others of its priority wait on.
#[test]
fn what_a_death_gives_back_is_first_of_its_own_priority() {
    let mut scene = Scene::ready(1);
    let chunk = Chunk::Fixed(2);
    let dies = scene.submit(at(1, JobSpec { chunk, ..map(4) }));
    let equal = scene.submit(at(1, call()));
    let higher = scene.submit(at(2, call()));
    scene.begin(0);
    scene.die(0);
    scene.boot_all();
    assert_eq!(front(&scene, 0), Some(higher));
    assert_eq!(order(&mut scene), [higher, dies, dies, equal]);
    scene.end();
}

/// A pool whose calls all have the same priority works ahead as ever.
#[test]
fn one_priority_is_like_none() {
    let mut plain = Scene::ready(2);
    plain.known(US);
    plain.submit_calls(500);
    let mut same = Scene::ready(2);
    same.known(US);
    for _ in 0..500 {
        same.submit(at(7, call()));
    }
    let held = |scene: &Scene| -> Vec<usize> {
        scene
            .fx
            .links
            .iter()
            .map(|link| link.frames.len())
            .collect()
    };
    assert_eq!(held(&plain).iter().sum::<usize>(), 500);
    assert_eq!(held(&same).iter().sum::<usize>(), 500);
    plain.end();
    same.end();
}

#[test]
fn stopped_jobs_leave_their_priority() {
    let mut scene = Scene::ready(1);
    let runs = scene.submit(call());
    let jobs: Vec<JobId> = (-3..4).map(|n| scene.submit(at(n, map(5)))).collect();
    for job in [jobs[6], jobs[0], jobs[3]] {
        scene.cancel(job);
    }
    scene.revoke(jobs[5]);
    assert_eq!(order(&mut scene)[..2], [runs, jobs[4]]);
    assert!(scene.fx.is_finished(jobs[2]));
    scene.end();
}

/// A retry goes before all others of its priority, and behind higher ones.
#[test]
fn what_is_tried_again_keeps_its_priority() {
    let mut scene = Scene::ready(1);
    let retry = super::super::Retry {
        times: 1,
        ..Default::default()
    };
    let terms = Terms {
        retry,
        ..Terms::default()
    };
    let fails = scene.submit(JobSpec { terms, ..call() });
    let equal = scene.submit(call());
    let higher = scene.submit(at(1, call()));
    scene.fail(0);
    assert_eq!(order(&mut scene), [higher, fails, equal]);
    scene.advance(MS);
    scene.end();
}

/// FAULTS 96: what makes way for a higher call may be all that a retired worker had.
#[test]
fn retired_worker_whose_work_makes_way_is_seen_off() {
    let mut scene = Scene::ready(1);
    scene.known(US);
    scene.submit(map(4));
    assert!(scene.retire(0));
    scene.submit(at(1, call()));
    scene.end();
}
