//! Chunks that belong to an index: whatever happens, nobody else takes them while somebody serves there, and none is stranded.

use super::super::queue::TURN;
use super::super::{Chunk, Core, JobId, JobSpec, LifeConfig, Slot, Sticky};
use super::fake::Outcome::{self, Done, Lost};
use super::scene::{MS, Scene, US, call, map};

fn of(chunk: u32, indexes: u32) -> Sticky {
    let from = 0;
    Sticky {
        indexes,
        chunk,
        from,
    }
}

/// A map of so many items in chunks of so many, for so many indexes.
fn chunks(scene: &mut Scene, items: u32, chunk: u32, indexes: u32) -> JobId {
    scene.submit_chunks(map(items), of(chunk, indexes))
}

fn first_of(scene: &Scene, slot: u32) -> Option<(JobId, u32)> {
    let front = scene.core.front(Slot(slot));
    front.map(|(job, first, _)| (job, first))
}

/// LZ12
#[test]
fn chunk_goes_to_its_index_each_time_however_quick_the_others_are() {
    let mut scene = Scene::ready(3);
    scene.known(10 * US);
    for _ in 0..2 {
        let job = chunks(&mut scene, 24, 2, 3);
        // The first worker does nothing until all others have done everything.
        for slot in [2, 1, 0] {
            let mut firsts = Vec::new();
            while let Some((_, first, count)) = scene.core.front(Slot(slot)) {
                assert_eq!(count, 2);
                firsts.push(first);
                scene.done(slot, count);
            }
            let expected: Vec<u32> = (0..4).map(|round| 6 * round + 2 * slot).collect();
            assert_eq!(firsts, expected);
            scene.advance(2 * MS);
        }
        assert!(scene.fx.is_finished(job));
    }
    assert!(scene.fx.links.iter().all(|link| link.robbed == 0));
    scene.end();
}

#[test]
fn index_without_anything_leaves_the_others_their_own() {
    let mut scene = Scene::ready(3);
    let job = chunks(&mut scene, 2, 1, 3);
    assert_eq!(scene.core.stats().idle, 1);
    assert_eq!(first_of(&scene, 1), Some((job, 1)));
    assert_eq!(first_of(&scene, 2), None);
    scene.end();
}

/// LZ12: the replacement under the same index takes them, and nobody before it.
#[test]
fn replacement_takes_what_its_predecessor_had() {
    let mut scene = Scene::ready(2);
    let job = chunks(&mut scene, 6, 1, 2);
    scene.begin(0);
    scene.die(0);
    for item in [1, 3, 5] {
        assert_eq!(first_of(&scene, 1), Some((job, item)));
        scene.done(1, 1);
    }
    assert_eq!(scene.core.stats().idle, 1, "it took what is not its own");
    scene.boot_all();
    assert_eq!(first_of(&scene, 0), Some((job, 2)));
    scene.run();
    assert_eq!(scene.fx.outcomes(job), [Lost, Done, Done, Done, Done, Done]);
    scene.end();
}

/// So does the successor of one that has served long enough.
#[test]
fn successor_takes_what_is_left_of_a_chunk() {
    let life = LifeConfig {
        quota: 2,
        ..LifeConfig::default()
    };
    let mut scene = Scene::living(2, life);
    scene.boot_all();
    let job = chunks(&mut scene, 12, 3, 2);
    scene.run();
    assert_eq!(scene.fx.outcomes(job), [Done; 12]);
    scene.end();
}

/// Nobody waits for ever: when no worker comes up there, anyone does it.
#[test]
fn what_is_of_an_index_that_cannot_be_served_is_for_anyone() {
    let mut scene = Scene::ready(2);
    let job = chunks(&mut scene, 4, 1, 2);
    scene.begin(0);
    scene.die(0);
    scene.done(1, 1);
    scene.done(1, 1);
    assert_eq!(first_of(&scene, 1), None);
    scene.fail_start();
    assert_eq!(first_of(&scene, 1), Some((job, 2)));
    scene.done(1, 1);
    assert!(scene.fx.is_finished(job));
    scene.end();
}

#[test]
fn what_is_of_an_index_beyond_the_new_size_is_for_anyone() {
    let mut scene = Scene::ready(3);
    let job = chunks(&mut scene, 9, 1, 3);
    (0..3).for_each(|slot| scene.begin(slot));
    scene.resize(1);
    scene.done(2, 1);
    scene.done(1, 1);
    let mut firsts = Vec::new();
    while let Some((_, first, count)) = scene.core.front(Slot(0)) {
        firsts.push(first);
        scene.done(0, count);
    }
    firsts.sort_unstable();
    assert_eq!(firsts, [0, 3, 4, 5, 6, 7, 8]);
    assert!(scene.fx.is_finished(job));
    let later = chunks(&mut scene, 3, 1, 3);
    scene.run();
    assert_eq!(scene.fx.outcomes(later), [Done; 3]);
    scene.end();
}

/// What is for anyone is not held up by it, and the other way round.
#[test]
fn own_work_and_that_for_anyone_take_turns() {
    let mut scene = Scene::ready(1);
    let own = chunks(&mut scene, 5, 1, 1);
    let calls: Vec<JobId> = (0..3).map(|_| scene.submit(call())).collect();
    let mut order = Vec::new();
    while let Some((job, _, count)) = scene.core.front(Slot(0)) {
        order.push(job);
        scene.done(0, count);
    }
    assert_eq!(
        order,
        [own, own, calls[0], own, calls[1], own, calls[2], own]
    );
    scene.end();
}

#[test]
fn higher_priority_goes_first_wherever_it_waits() {
    let mut scene = Scene::ready(1);
    scene.submit(call());
    let own = chunks(&mut scene, 2, 1, 1);
    let high = JobSpec {
        priority: 2,
        ..map(2)
    };
    let own_high = scene.submit_chunks(high, of(1, 1));
    let middle = scene.submit(JobSpec {
        priority: 1,
        ..call()
    });
    scene.done(0, 1);
    let mut order = Vec::new();
    while let Some((job, _, count)) = scene.core.front(Slot(0)) {
        order.push(job);
        scene.done(0, count);
    }
    assert_eq!(order, [own_high, own_high, middle, own, own]);
    scene.end();
}

/// It is the turn of something low of its own; what is for anyone does not go before what is higher of its own for that.
#[test]
fn turn_of_own_work_lets_nothing_else_by() {
    let mut scene = Scene::ready(1);
    let at = |priority, items| JobSpec {
        priority,
        chunk: Chunk::Fixed(1),
        ..map(items)
    };
    scene.submit(call());
    let high = scene.submit_chunks(at(5, 600), of(1, 1));
    let low = scene.submit_chunks(at(1, 3), of(1, 1));
    let middle = scene.submit(at(3, 600));
    scene.done(0, 1);
    let mut order = Vec::new();
    for _ in 0..2 * TURN {
        order.push(first_of(&scene, 0).expect("work").0);
        scene.done(0, 1);
    }
    let count = |job| order.iter().filter(|other| **other == job).count();
    assert_eq!((count(low), count(middle)), (1, 1), "a turn each");
    assert_eq!(count(high), order.len() - 2);
    scene.end();
}

/// What waits in another worker's link is for anyone, and higher than what is its own.
#[test]
fn free_worker_takes_what_is_higher_before_what_is_its_own() {
    let mut scene = Scene::ready(2);
    scene.known(10 * US);
    let own = chunks(&mut scene, 2, 1, 1);
    scene.begin(0);
    let high = |scene: &mut Scene| {
        scene.submit(JobSpec {
            priority: 1,
            ..call()
        })
    };
    let first = high(&mut scene);
    let second = high(&mut scene);
    assert_eq!(first_of(&scene, 1), Some((first, 0)));
    scene.done(0, 1);
    assert_eq!(first_of(&scene, 0), Some((second, 0)));
    scene.done(0, 1);
    assert_eq!(first_of(&scene, 0), Some((own, 1)));
    scene.end();
}

/// An idle worker takes the others' work from behind theirs, and nothing else.
#[test]
fn stealing_leaves_what_belongs_to_the_robbed() {
    let mut scene = Scene::ready(2);
    scene.known(20 * US);
    let own = chunks(&mut scene, 8, 1, 1);
    let calls: Vec<JobId> = (0..12).map(|_| scene.submit(call())).collect();
    scene.begin(0);
    while let Some((job, _, count)) = scene.core.front(Slot(1)) {
        assert!(calls.contains(&job), "it took what is not its own");
        scene.done(1, count);
    }
    assert!(
        calls
            .iter()
            .filter(|job| scene.fx.is_finished(**job))
            .count()
            >= 11
    );
    scene.run();
    assert_eq!(scene.fx.outcomes(own), [Done; 8]);
    scene.end();
}

/// Work of its own wakes a worker that rests, be it the highest index.
#[test]
fn resting_worker_is_started_for_its_own_chunk() {
    let life = LifeConfig {
        least: Some(0),
        ..LifeConfig::default()
    };
    let mut scene = Scene::living(3, life);
    let last = Sticky {
        from: 2,
        ..of(1, 3)
    };
    let job = scene.submit_chunks(map(1), last);
    let who = scene.start_next();
    assert_eq!(scene.fx.links[who.slot.index()].index, 2);
    assert!(scene.fx.starts.is_empty(), "one is enough");
    scene.say_ready(who);
    scene.done(who.slot.0, 1);
    assert!(scene.fx.is_finished(job));
    scene.end();
}

#[test]
fn closing_pool_starts_who_has_work_of_its_own() {
    let mut scene = Scene::ready(2);
    let job = chunks(&mut scene, 4, 1, 2);
    scene.begin(1);
    scene.close();
    scene.die(1);
    scene.run();
    assert_eq!(scene.fx.outcomes(job), [Done, Lost, Done, Done]);
    scene.nothing_left();
}

#[test]
fn stopped_and_terminated_jobs_leave_nothing_with_any_index() {
    let ends: [fn(&mut Scene, JobId); 4] = [
        |scene, job| scene.cancel(job),
        |scene, job| assert!(scene.revoke(job)),
        |scene, _| assert_eq!(scene.revoke_all(), 1),
        |scene, _| scene.terminate(),
    ];
    for end in ends {
        let mut scene = Scene::ready(2);
        let job = chunks(&mut scene, 20, 3, 2);
        scene.begin(0);
        end(&mut scene, job);
        assert_eq!(scene.core.stats().queued_items, 0);
        if scene.core.state() == super::super::PoolState::Open {
            scene.end();
        } else {
            scene.nothing_left();
        }
    }
}

/// Items that expire are those that have not begun, of every index.
#[test]
fn deadline_reaches_what_waits_for_an_index() {
    let mut scene = Scene::ready(2);
    let mut spec = map(6);
    spec.terms.start_by = scene.now + MS;
    let job = scene.submit_chunks(spec, of(1, 2));
    scene.begin(0);
    scene.begin(1);
    scene.advance(2 * MS);
    scene.done(0, 1);
    scene.done(1, 1);
    let expired = Outcome::Cancelled(super::super::Cancelled::Expired);
    let mut expected = vec![expired; 6];
    expected[..2].fill(Done);
    assert_eq!(scene.fx.outcomes(job), expected);
    scene.end();
}

/// Portions of one input, each a job of its own, are cut as if they were one.
#[test]
fn portions_of_an_input_keep_the_round() {
    let mut scene = Scene::ready(2);
    let middle = Sticky {
        from: 1,
        ..of(2, 2)
    };
    let job = scene.submit_chunks(map(3), middle);
    assert_eq!(
        first_of(&scene, 0),
        Some((job, 0)),
        "the rest of the first chunk"
    );
    assert_eq!(first_of(&scene, 1), Some((job, 1)));
    assert_eq!(
        scene.core.front(Slot(1)).map(|(_, _, count)| count),
        Some(2)
    );
    scene.end();
}

/// A pool that never has such chunks has no queue for any index.
#[test]
fn no_index_has_a_queue_before_it_has_work() {
    let core = Core::new(super::super::CoreConfig::new(16_384));
    assert_eq!(core.own.iter().count(), 0);
}
