//! Workers that have served long enough; whatever dies, ends or is cancelled meanwhile, no item may be lost or run twice.

use super::super::{Cancelled, Chunk, JobSpec, LifeConfig, PoolState, Slot, Terms};
use super::fake::Outcome::{self, Done};
use super::scene::{MS, Scene, US, call, map};

/// Workers that are given `quota` items each.
fn quota(quota: u64) -> LifeConfig {
    LifeConfig {
        quota,
        ..LifeConfig::default()
    }
}

fn booted(workers: u32, life: LifeConfig) -> Scene {
    let mut scene = Scene::living(workers, life);
    scene.boot_all();
    scene
}

fn chunks(items: u32, chunk: u32) -> JobSpec {
    JobSpec {
        chunk: Chunk::Fixed(chunk),
        ..map(items)
    }
}

/// One worker, its quota handed out and its last call begun; one call is queued.
fn at_the_last() -> Scene {
    let mut scene = booted(1, quota(1));
    scene.submit(call());
    scene.begin(0);
    scene.submit(call());
    scene
}

/// WL01
#[test]
fn each_worker_gets_its_quota_and_the_next_one_begins_when_it_is_done() {
    let mut scene = booted(1, quota(2));
    let jobs: Vec<_> = (0..4).map(|_| scene.submit(call())).collect();
    scene.done(0, 1);
    assert!(!scene.fx.starts.is_empty(), "its successor comes up");
    scene.boot_all();
    assert!(scene.fx.links[1].frames.is_empty(), "and waits");
    assert!(scene.fx.stops.is_empty());
    scene.done(0, 1);
    assert_eq!(scene.fx.stops, [Slot(0)]);
    assert_eq!(scene.fx.links[1].frames.len(), 1, "and takes over");
    assert_eq!((scene.fx.links[0].index, scene.fx.links[1].index), (0, 0));
    scene.run();
    assert!(jobs.iter().all(|job| scene.fx.outcomes(*job) == [Done]));
    let stats = scene.core.stats();
    assert_eq!((stats.recycled, stats.restarts, stats.deaths), (2, 0, 0));
    scene.end();
}

/// WL01: its whole quota is replied before it is known to be READY, and its end may take as long as it likes.
#[test]
fn worker_that_has_done_all_before_it_says_ready_has_a_successor_at_once() {
    let mut scene = Scene::living(1, quota(1));
    let who = scene.start_next();
    scene.submit(call());
    scene.done(who.slot.0, 1);
    assert_eq!(scene.fx.stops, [who.slot]);
    let waits = scene.submit(call());
    scene.boot_all();
    let slot = scene.core.holder(0).expect("somebody's");
    scene.done(slot.0, 1);
    assert_eq!(scene.fx.outcomes(waits), [Done]);
    scene.end();
}

/// WL02
#[test]
fn chunk_is_cut_to_what_is_left_of_the_quota() {
    let mut scene = booted(1, quota(2));
    let job = scene.submit(chunks(20, 5));
    assert_eq!(scene.fx.links[0].frames[0].count, 2);
    scene.run();
    assert_eq!(scene.fx.outcomes(job), [Done; 20]);
    assert_eq!(scene.core.stats().recycled, 10);
    scene.end();
}

#[test]
fn jitter_gives_every_worker_its_own_quota_within_bounds() {
    let life = LifeConfig {
        jitter: 4,
        seed: 7,
        ..quota(3)
    };
    let mut scene = booted(1, life);
    scene.submit(chunks(500, 100));
    let mut quotas = Vec::new();
    for _ in 0..50 {
        scene.boot_all();
        let serves = scene.core.holder(0).expect("a holder").0;
        let given = scene.fx.links[serves as usize].given;
        quotas.push(given);
        scene.done(serves, given as u32);
        scene.reap();
    }
    assert!(quotas.iter().all(|quota| (3..=7).contains(quota)));
    assert!((3..=7).all(|quota| quotas.contains(&quota)), "{quotas:?}");
    scene.end();
}

/// FAULTS 96
#[test]
fn what_is_taken_back_is_no_part_of_the_quota() {
    let mut scene = booted(2, quota(4));
    scene.known(20 * US);
    scene.submit_calls(2);
    scene.done(0, 1);
    scene.submit(chunks(6, 3));
    scene.run();
    assert_eq!(scene.core.stats().items_done, 8);
    let stats = scene.core.stats();
    assert!(stats.recycled <= 2, "{stats:?}");
    scene.end();
}

#[test]
fn worker_whose_work_was_moved_serves_on_beside_its_successor() {
    let mut scene = booted(2, quota(3));
    scene.known(60 * US);
    // Both are busy; the second frame of the first worker is the last of its quota.
    let stuck = scene.submit(call());
    let other = scene.submit(call());
    scene.begin(1);
    let more = scene.submit(chunks(2, 2));
    let holder = (0..2).find(|slot| scene.fx.links[*slot].given == 3);
    let Some(full) = holder else {
        panic!("nobody was given its whole quota");
    };
    assert_eq!(scene.fx.starts.len(), 1, "a successor is asked for");
    let free = 1 - full as u32;
    scene.begin(full as u32);
    scene.done(free, 1);
    assert_eq!(scene.fx.links[full].given, 1, "the chunk was moved");
    scene.done(full as u32, 1);
    assert!(scene.fx.stops.is_empty(), "it has quota left");
    scene.run();
    for job in [stuck, other, more] {
        assert!(
            scene
                .fx
                .outcomes(job)
                .iter()
                .all(|outcome| *outcome == Done)
        );
    }
    scene.end();
}

#[test]
fn death_of_the_old_worker_has_its_successor_take_over_at_once() {
    for successor in 0..3 {
        let mut scene = at_the_last();
        match successor {
            0 => {}
            1 => {
                scene.start_next();
            }
            _ => scene.boot_all(),
        }
        scene.die(0);
        let stats = scene.core.stats();
        assert_eq!(
            (stats.items_lost, stats.restarts, stats.recycled),
            (1, 1, 0)
        );
        assert_eq!(stats.queued_items, u64::from(successor == 0));
        scene.run();
        assert_eq!(scene.core.stats().items_done, 1);
        scene.end();
    }
}

#[test]
fn death_of_the_successor_is_mended_beside_the_old_worker() {
    let mut scene = at_the_last();
    let successor = scene.start_next();
    scene.die(successor.slot.0);
    assert_eq!(scene.core.state(), PoolState::Open);
    assert_eq!(scene.core.stats().items_lost, 0);
    scene.done(0, 1);
    assert_eq!(scene.fx.stops, [Slot(0)]);
    scene.run();
    let stats = scene.core.stats();
    assert_eq!((stats.items_done, stats.start_failures), (2, 1));
    scene.end();
}

#[test]
fn successor_that_died_is_not_missed_when_the_old_one_serves_on() {
    let mut scene = booted(1, quota(3));
    scene.known(US);
    scene.submit(call());
    scene.begin(0);
    let job = scene.submit(chunks(2, 2));
    let successor = scene.start_next();
    // What waits behind the call is cancelled: the old worker has quota again.
    scene.cancel(job);
    scene.die(successor.slot.0);
    assert_eq!(scene.core.next_timer(), None, "nobody is started");
    scene.done(0, 1);
    assert!(scene.fx.stops.is_empty());
    scene.end();
}

#[test]
fn broken_initializer_of_every_successor_breaks_the_pool_when_nobody_is_left() {
    let mut scene = at_the_last();
    for _ in 0..10 {
        let successor = scene.start_next();
        scene.die(successor.slot.0);
        assert_eq!(scene.core.state(), PoolState::Open, "one worker is ready");
        let when = scene.core.next_timer().expect("a next start");
        scene.advance(when - scene.now);
    }
    scene.done(0, 1);
    for _ in 0..5 {
        assert_eq!(scene.core.state(), PoolState::Open);
        let successor = scene.start_next();
        scene.die(successor.slot.0);
        if let Some(when) = scene.core.next_timer() {
            scene.advance(when.saturating_sub(scene.now));
        }
    }
    assert_eq!(scene.core.state(), PoolState::Broken);
    let broken = Outcome::Cancelled(Cancelled::Broken);
    assert_eq!(scene.core.stats().items_done, 1);
    assert!(
        scene
            .fx
            .jobs
            .values()
            .any(|job| job.outcomes == [Some(broken)])
    );
    scene.nothing_left();
}

#[test]
fn workers_that_die_before_their_only_item_begins_follow_each_other_with_pauses() {
    let mut scene = booted(1, quota(1));
    scene.submit(call());
    let begin = scene.now;
    let mut starts = 0;
    while scene.now - begin < 10_000 * MS {
        scene.boot_all();
        let holder = scene.core.holder(0).expect("a holder").0;
        if scene.fx.links[holder as usize].who.is_some() {
            scene.die(holder);
            starts += 1;
        }
        if let Some(when) = scene.core.next_timer() {
            scene.advance(when.saturating_sub(scene.now));
        }
    }
    assert!(starts < 20, "{starts} starts in ten seconds");
    scene.end();
}

/// WL08
#[test]
fn close_at_every_step_of_a_recycling_finishes_everything() {
    let script: [fn(&mut Scene); 6] = [
        |s| s.begin(0),
        |s| {
            s.start_next();
        },
        |s| s.say_ready(s.who(1)),
        |s| s.done(0, 1),
        |s| s.die(0),
        |s| s.begin(1),
    ];
    for steps in 0..=script.len() {
        for terminate in [false, true] {
            let mut scene = booted(1, quota(1));
            scene.submit_calls(3);
            script.iter().take(steps).for_each(|step| step(&mut scene));
            scene.close();
            if terminate {
                scene.terminate();
            }
            let fx = scene.end();
            let all = fx.jobs.values().flat_map(|job| job.outcomes.clone());
            assert!(terminate || all.into_iter().all(|outcome| outcome == Some(Done)));
        }
    }
}

#[test]
fn cancelled_last_item_ends_the_old_worker_after_its_grace_and_not_its_successor() {
    let mut scene = booted(1, quota(1));
    let job = scene.submit(call());
    scene.begin(0);
    scene.boot_all();
    assert!(scene.revoke(job));
    let next = scene.submit(call());
    assert!(scene.fx.links[1].frames.is_empty(), "one item at a time");
    scene.advance(50 * MS);
    assert_eq!(scene.fx.kills, [Slot(0)]);
    scene.reap();
    scene.done(1, 1);
    assert_eq!(scene.fx.outcomes(next), [Done]);
    scene.end();
}

#[test]
fn last_item_that_overruns_ends_its_worker_and_the_successor_goes_on() {
    let mut scene = booted(1, quota(1));
    let mut spec = call();
    spec.terms = Terms {
        limit: 10 * MS,
        ..Terms::default()
    };
    let slow = scene.submit(spec);
    scene.begin(0);
    let next = scene.submit(call());
    scene.boot_all();
    scene.advance(10 * MS);
    scene.advance(10 * MS);
    assert_eq!(scene.fx.outcomes(slow), [Outcome::TimedOut]);
    scene.run();
    assert_eq!(scene.fx.outcomes(next), [Done]);
    scene.end();
}

#[test]
fn places_do_not_add_up_when_workers_take_long_to_end() {
    let mut scene = booted(2, quota(1));
    scene.submit_calls(40);
    for _ in 0..20 {
        scene.boot_all();
        for slot in 0..scene.fx.links.len() as u32 {
            let stopped = scene.fx.stops.contains(&Slot(slot));
            if !stopped && scene.core.front(Slot(slot)).is_some() {
                scene.done(slot, 1);
            }
        }
    }
    assert_eq!(scene.fx.links.len(), 6, "twice as many and two");
    assert!(scene.core.stats().items_done < 40);
    scene.run();
    assert_eq!(scene.core.stats().items_done, 40);
    scene.end();
}

/// FAULTS 57
#[test]
fn retired_worker_finishes_what_it_has_and_is_replaced() {
    let mut scene = booted(2, LifeConfig::default());
    scene.submit(call());
    let busy = (0..2).find(|slot| scene.core.front(Slot(*slot)).is_some());
    let busy = busy.expect("one is busy");
    scene.begin(busy);
    assert!(scene.retire(busy));
    assert!(!scene.retire(busy), "once");
    assert!(scene.retire(1 - busy), "an idle one goes at once");
    assert_eq!(scene.fx.stops, [Slot(1 - busy)]);
    scene.done(busy, 1);
    assert_eq!(scene.fx.stops.len(), 2);
    scene.run();
    assert_eq!(scene.core.stats().recycled, 2);
    scene.end();
}

#[test]
fn workers_that_are_too_old_are_replaced_busy_or_not() {
    let life = LifeConfig {
        lifetime: 10 * MS,
        ..LifeConfig::default()
    };
    let mut scene = booted(2, life);
    scene.advance(9 * MS);
    assert!(scene.fx.starts.is_empty());
    let job = scene.submit(call());
    let busy = (0..2).find(|slot| scene.core.front(Slot(*slot)).is_some());
    let busy = busy.expect("one is busy");
    scene.advance(MS);
    assert_eq!(scene.fx.starts.len(), 2);
    assert_eq!(scene.fx.stops, [Slot(1 - busy)]);
    scene.done(busy, 1);
    assert_eq!(scene.fx.stops.len(), 2);
    assert_eq!(scene.fx.outcomes(job), [Done]);
    scene.boot_all();
    scene.close();
    scene.reap();
    scene.nothing_left();
}
