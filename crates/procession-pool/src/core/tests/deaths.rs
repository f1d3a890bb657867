//! Workers that die; a death must cost the one item that had begun and nothing else.

use super::super::{Chunk, JobSpec, Slot};
use super::fake::Outcome::{Cancelled, Done, Failed, Lost};
use super::scene::{MS, Scene, US, call, map};

#[test]
fn death_in_a_chunk_loses_the_item_that_ran() {
    let mut scene = Scene::ready(1);
    let job = scene.submit(JobSpec {
        chunk: Chunk::Fixed(10),
        ..map(10)
    });
    scene.done(0, 4);
    assert_eq!(scene.core.front(Slot(0)), Some((job, 4, 6)));
    scene.die(0);
    assert_eq!(scene.core.stats().queued_items, 5);
    scene.run();
    assert_eq!(
        scene.fx.outcomes(job),
        [Done, Done, Done, Done, Lost, Done, Done, Done, Done, Done]
    );
    assert!(scene.fx.is_finished(job));
    scene.end();
}

#[test]
fn half_replied_frame_has_begun_whatever_the_driver_says() {
    let mut scene = Scene::ready(1);
    let job = scene.submit(JobSpec {
        chunk: Chunk::Fixed(3),
        ..map(3)
    });
    scene.done(0, 1);
    scene.fx.links[0].begun = false;
    scene.die(0);
    scene.run();
    assert_eq!(scene.fx.outcomes(job)[..2], [Done, Lost]);
    scene.end();
}

#[test]
fn idle_death_costs_nothing() {
    let mut scene = Scene::ready(2);
    let job = scene.submit(call());
    scene.run();
    scene.die(1);
    scene.die(0);
    assert_eq!(scene.fx.starts.len(), 2, "both are replaced at once");
    let next = scene.submit(call());
    scene.run();
    assert_eq!(
        (scene.fx.outcomes(job), scene.fx.outcomes(next)),
        (vec![Done], vec![Done])
    );
    assert_eq!(scene.core.stats().deaths, 2);
    scene.end();
}

#[test]
fn death_with_frames_ahead_loses_one_and_keeps_the_order() {
    let mut scene = Scene::ready(1);
    scene.known(10 * US);
    let jobs: Vec<_> = (0..20).map(|_| scene.submit(call())).collect();
    assert_eq!(scene.fx.links[0].frames.len(), 20);
    scene.begin(0);
    scene.die(0);
    scene.boot_all();
    let order: Vec<_> = scene.fx.links[0]
        .frames
        .iter()
        .map(|sent| sent.job)
        .collect();
    assert_eq!(order, jobs[1..]);
    scene.run();
    let lost = jobs
        .iter()
        .filter(|job| scene.fx.outcomes(**job) == [Lost])
        .count();
    assert_eq!(lost, 1);
    scene.end();
}

#[test]
fn death_before_anything_began_loses_nothing() {
    let mut scene = Scene::ready(1);
    scene.known(10 * US);
    let jobs: Vec<_> = (0..5).map(|_| scene.submit(call())).collect();
    scene.die(0);
    scene.run();
    assert!(jobs.iter().all(|job| scene.fx.outcomes(*job) == [Done]));
    scene.end();
}

#[test]
fn death_while_a_chunk_and_prefetched_calls_wait() {
    let mut scene = Scene::ready(1);
    scene.known(US);
    let first = scene.submit(JobSpec {
        chunk: Chunk::Fixed(4),
        ..map(4)
    });
    let second = scene.submit(call());
    let third = scene.submit(JobSpec {
        chunk: Chunk::Fixed(4),
        ..map(8)
    });
    scene.done(0, 1);
    scene.die(0);
    scene.run();
    assert_eq!(scene.fx.outcomes(first), [Done, Lost, Done, Done]);
    assert_eq!(scene.fx.outcomes(second), [Done]);
    assert_eq!(scene.fx.outcomes(third), [Done; 8]);
    scene.end();
}

#[test]
fn thousand_poison_calls_kill_a_thousand_workers_and_the_pool_lives() {
    let mut scene = Scene::ready(2);
    let mut deaths = 0;
    while deaths < 1_000 {
        scene.submit_calls(20);
        while scene.core.stats().jobs > 0 {
            for slot in 0..2 {
                if scene.fx.links[slot as usize].frames.front().is_some() {
                    scene.begin(slot);
                    scene.die(slot);
                    deaths += 1;
                    assert!(!scene.fx.starts.is_empty(), "replaced at once");
                    scene.boot_all();
                }
            }
        }
    }
    assert_eq!((deaths, scene.core.stats().items_lost), (1_000, 1_000));
    let good = scene.submit(call());
    scene.run();
    assert_eq!(scene.fx.outcomes(good), [Done]);
    assert_eq!(scene.core.stats().start_failures, 0);
    scene.end();
}

#[test]
fn death_is_a_failure_for_a_job_that_stops_on_failure() {
    let mut scene = Scene::ready(1);
    let spec = JobSpec {
        chunk: Chunk::Fixed(3),
        stop_on_failure: true,
        ..map(6)
    };
    let job = scene.submit(spec);
    scene.done(0, 1);
    scene.die(0);
    assert!(scene.fx.is_finished(job));
    let stopped = Cancelled(super::super::Cancelled::StoppedByFailure);
    assert_eq!(
        scene.fx.outcomes(job),
        [Done, Lost, stopped, stopped, stopped, stopped]
    );
    scene.end();
}

#[test]
fn rest_of_a_stopped_job_does_not_come_back_from_a_dead_worker() {
    let mut scene = Scene::ready(2);
    let spec = JobSpec {
        chunk: Chunk::Fixed(3),
        stop_on_failure: true,
        ..map(6)
    };
    let job = scene.submit(spec);
    scene.begin(1);
    scene.reply(0, 1, Failed);
    scene.die(0);
    scene.die(1);
    assert!(scene.fx.is_finished(job));
    let outcomes = scene.fx.outcomes(job);
    assert_eq!(outcomes.iter().filter(|o| **o == Lost).count(), 2);
    assert_eq!(
        outcomes
            .iter()
            .filter(|o| matches!(o, Cancelled(_)))
            .count(),
        3
    );
    scene.end();
}

#[test]
fn replies_count_as_ready_and_death_after_them_is_no_start_failure() {
    let mut scene = Scene::new(1);
    let job = scene.submit(JobSpec {
        chunk: Chunk::Fixed(2),
        ..map(4)
    });
    scene.start_next();
    scene.begin(0);
    scene.die(0);
    assert_eq!(
        (scene.core.stats().start_failures, scene.core.stats().deaths),
        (0, 1)
    );
    scene.start_next();
    scene.done(0, 1);
    assert_eq!(scene.core.stats().ready, 1);
    scene.run();
    assert_eq!(scene.fx.outcomes(job), [Lost, Done, Done, Done]);
    scene.end();
}

#[test]
fn events_of_a_former_worker_are_ignored() {
    let mut scene = Scene::ready(1);
    let former = scene.who(0);
    scene.die(0);
    scene.boot_all();
    let job = scene.submit(JobSpec {
        chunk: Chunk::Fixed(3),
        ..map(3)
    });
    let before = scene.core.stats();
    scene.core.ready(former, scene.now, &mut scene.fx);
    scene
        .core
        .replied(former, 3, None, scene.now, &mut scene.fx);
    scene.core.measured(former, 0, 1, MS);
    scene.core.lost(former, 1, scene.now, &mut scene.fx);
    assert_eq!(scene.core.stats(), before);
    scene.check();
    scene.run();
    assert_eq!(scene.fx.outcomes(job), [Done; 3]);
    scene.end();
}

#[test]
fn worker_that_claimed_more_than_it_replied_never_runs_anything_twice() {
    let mut scene = Scene::ready(1);
    scene.known(US);
    let jobs: Vec<_> = (0..3)
        .map(|_| {
            scene.submit(JobSpec {
                chunk: Chunk::Fixed(2),
                ..map(2)
            })
        })
        .collect();
    scene.begin(0);
    for (job, item) in [(jobs[0], 1), (jobs[1], 0)] {
        scene.fx.begin_item(job, item);
    }
    let who = scene.who(0);
    scene.fx.dies(Slot(0));
    scene.core.lost(who, 2, scene.now, &mut scene.fx);
    scene.run();
    assert_eq!(scene.fx.outcomes(jobs[0]), [Lost, Lost]);
    assert_eq!(scene.fx.outcomes(jobs[1]), [Lost, Done]);
    assert_eq!(scene.fx.outcomes(jobs[2]), [Done, Done]);
    scene.end();
}
