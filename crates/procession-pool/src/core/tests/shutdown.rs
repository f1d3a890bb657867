//! Close and terminate at every step of a busy pool; no job must stay open, no worker unasked.

use super::super::{Cancelled, Chunk, JobSpec, PoolState, Refused, Slot};
use super::fake::Outcome::{self, Done, Failed};
use super::scene::{Scene, US, call, map};

const TERMINATED: Outcome = Outcome::Cancelled(Cancelled::Terminated);

/// The first `steps` steps of a pool's busy life: boot, calls, chunks, a failure, deaths, a replacement.
fn life(steps: usize) -> (Scene, bool) {
    let mut scene = Scene::new(3);
    let script: [fn(&mut Scene); 18] = [
        |s| {
            s.submit(map(3));
        },
        |s| {
            s.start_next();
        },
        |s| {
            s.submit(JobSpec {
                open: true,
                ..map(1)
            });
        },
        |s| s.say_ready(s.who(0)),
        |s| {
            s.start_next();
        },
        |s| s.known(10 * US),
        |s| s.begin(0),
        |s| s.done(0, 1),
        |s| s.fail_start(),
        |s| {
            s.submit(JobSpec {
                chunk: Chunk::Fixed(5),
                stop_on_failure: true,
                ..map(40)
            });
        },
        |s| s.say_ready(s.who(1)),
        |s| s.submit_calls(30),
        |s| s.done(1, 1),
        |s| s.begin(0),
        |s| s.die(0),
        |s| {
            s.start_next();
        },
        |s| s.reply(1, 1, Failed),
        |s| s.die(1),
    ];
    for step in script.iter().take(steps) {
        step(&mut scene);
    }
    (scene, steps >= script.len())
}

#[test]
fn close_at_every_step_finishes_everything() {
    for steps in 0.. {
        let (mut scene, last) = life(steps);
        scene.close();
        assert_eq!(scene.try_submit(call()), Err(Refused::Closed));
        scene.close();
        scene.end();
        if last {
            break;
        }
    }
}

#[test]
fn terminate_at_every_step_resolves_everything_at_once() {
    for steps in 0.. {
        let (mut scene, last) = life(steps);
        if steps % 2 == 1 {
            scene.close();
        }
        let reported = scene.core.is_finished();
        scene.terminate();
        assert!(scene.fx.jobs.values().all(|job| job.finished));
        assert_eq!(scene.try_submit(call()), Err(Refused::Terminated));
        scene.terminate();
        scene.close();
        assert_eq!(scene.core.state(), PoolState::Terminating);
        assert!(!reported);
        while !scene.fx.starts.is_empty() {
            scene.start_next();
        }
        assert_eq!(scene.core.next_timer(), None);
        scene.nothing_left();
        if last {
            break;
        }
    }
}

#[test]
fn begun_items_are_terminated_too_and_their_late_replies_ignored() {
    let mut scene = Scene::ready(1);
    let job = scene.submit(JobSpec {
        chunk: Chunk::Fixed(3),
        ..map(3)
    });
    scene.done(0, 1);
    scene.terminate();
    assert_eq!(scene.fx.outcomes(job), [Done, TERMINATED, TERMINATED]);
    assert_eq!(scene.core.front(Slot(0)), None);
    scene
        .core
        .replied(scene.who(0), 1, None, scene.now, &mut scene.fx);
    scene.core.ready(scene.who(0), scene.now, &mut scene.fx);
    scene.check();
    scene.nothing_left();
}

#[test]
fn close_stops_idle_workers_at_once_and_busy_ones_when_all_is_done() {
    let mut scene = Scene::ready(2);
    scene.close();
    assert_eq!(scene.fx.stops.len(), 2);
    scene.nothing_left();

    let mut scene = Scene::ready(2);
    scene.submit(call());
    scene.close();
    assert!(scene.fx.stops.is_empty());
    let busy = scene
        .fx
        .links
        .iter()
        .position(|link| !link.frames.is_empty())
        .expect("busy") as u32;
    scene.done(busy, 1);
    assert_eq!(scene.fx.stops.len(), 2);
    scene.nothing_left();
}

#[test]
fn closing_pool_replaces_a_worker_only_for_queued_work() {
    let mut scene = Scene::ready(2);
    let long = scene.submit(call());
    scene.close();
    let busy = scene
        .fx
        .links
        .iter()
        .position(|link| !link.frames.is_empty())
        .expect("busy") as u32;
    scene.die(1 - busy);
    assert!(scene.fx.starts.is_empty(), "nothing is queued");
    scene.die(busy);
    assert_eq!(
        scene.fx.starts.len(),
        2,
        "what had not begun needs somebody"
    );
    scene.run();
    assert_eq!(scene.fx.outcomes(long), [Done]);
    scene.nothing_left();
}

#[test]
fn open_job_goes_on_while_closing_even_when_all_workers_died() {
    let mut scene = Scene::ready(1);
    let job = scene.submit(JobSpec {
        open: true,
        ..map(1)
    });
    scene.close();
    scene.run();
    scene.die(0);
    assert!(!scene.core.is_finished() && scene.fx.starts.is_empty());
    scene.extend(job, 2, false);
    assert_eq!(scene.fx.starts.len(), 1);
    scene.run();
    scene.extend(job, 0, true);
    assert_eq!(scene.fx.outcomes(job), [Done; 3]);
    scene.nothing_left();
}

#[test]
fn worker_that_starts_after_the_end_is_sent_away() {
    let mut scene = Scene::new(2);
    scene.close();
    scene.start_next();
    assert_eq!(scene.fx.stops.len(), 1);
    scene.terminate();
    assert_eq!(scene.fx.kills.len(), 1, "what was stopping is killed");
    scene.start_next();
    assert_eq!(scene.fx.kills.len(), 2);
    scene.nothing_left();
}
